"""Make invented shops, and make sure that no real one is touched."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from database import db
from demo_history.rows import Row, order_row
from encryption import new_key
from models import Entity, Shop

DOMAIN = re.compile(r"invented-[0-9]{2,}\.myshopify\.com")
INVENTED_SETTING = "invented"  # in the shop's settings
SKEW = 2.0  # the second shop has a quarter of the first one's tasks, the third a ninth: of twenty, the first has 63 %
FIRST_ID = 6_100_000_000_000  # Shopify's ids have thirteen digits by now
FIRST_NAME = 1001
RECENT_ORDERS = 500  # orders of a shop that may still change


class RealShopError(Exception):
    """A real shop is in the way. `str()` is a sentence for the operator."""


@dataclass
class InventedShop:
    """An invented shop, with its last id, its number of orders, and the orders that may still change."""

    row: Shop
    last_id: int
    orders: int
    recent_orders: deque[int] = field(default_factory=lambda: deque(maxlen=RECENT_ORDERS))
    _order_rows: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, shop: Shop) -> InventedShop:
        (orders,) = db.execute_sql("SELECT count(*) FROM orders WHERE shop_id = %s", (shop.id,)).fetchone()
        (last,) = db.execute_sql("SELECT max(shopify_id) FROM task WHERE shop_id = %s", (shop.id,)).fetchone()
        return cls(shop, last or FIRST_ID, orders)

    def new_id(self, entity: Entity, at: datetime) -> int:
        """The id of a new entity. An order also gets its name, and its row."""
        self.last_id += 1
        if entity is Entity.ORDER:
            self.orders += 1
            name = f"#{FIRST_NAME - 1 + self.orders}"
            self.recent_orders.append(self.last_id)
            self._order_rows.append(order_row(self.row, self.last_id, name, at))
        return self.last_id

    def take_order_rows(self) -> list[Row]:
        """The rows of new orders since the last call."""
        rows, self._order_rows = self._order_rows, []
        return rows


def check_shops(*, allow_real_shops: bool) -> None:
    """Raises RealShopError for a real shop with an invented one's name, and unless allowed for any real shop."""
    shops = list(Shop.select(Shop.domain, Shop.settings))
    for shop in shops:
        if DOMAIN.fullmatch(shop.domain) and not _is_invented(shop):
            raise RealShopError(f"{shop.domain} is not an invented shop; its tasks are left alone.")
    real = [shop.domain for shop in shops if not _is_invented(shop)]
    if real and not allow_real_shops:
        raise RealShopError(f"This database has real shops ({real[0]}). Invented ones beside them: add --yes.")


def _is_invented(shop: Shop) -> bool:
    return bool(shop.settings.get(INVENTED_SETTING))


def invented_shops(count: int) -> list[InventedShop]:
    """So many invented shops, the largest first; missing ones are created."""
    return [InventedShop.of(_shop(number)) for number in range(1, count + 1)]


def _shop(number: int) -> Shop:
    name = f"invented-{number:02}"
    shop: Shop
    shop, _ = Shop.get_or_create(
        domain=f"{name}.myshopify.com",
        defaults={
            "email": f"{name}@example.com",
            "currency": "SEK",
            "timezone": "Europe/Stockholm",
            "engage_tenant": name,
            "store": "SE-WEB",
            "key": new_key(),
            "name": f"Invented shop {number}",
            "settings": {INVENTED_SETTING: True},
        },
    )
    return shop


def task_shares(count: int) -> list[float]:
    """The share of the tasks that each shop has."""
    raw = [1 / rank**SKEW for rank in range(1, count + 1)]
    return [each / sum(raw) for each in raw]
