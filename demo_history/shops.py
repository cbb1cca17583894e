"""The shops that an invented history belongs to, and how they are told from real ones."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from database import db
from demo_history.chains import ORDER
from demo_history.rows import Row, order_row
from encryption import new_key
from models import Shop

DOMAIN = re.compile(r"invented-[0-9]{2,}\.myshopify\.com")
INVENTED_SETTING = "invented"  # in the shop's settings
SKEW = 2.0  # the second shop has a quarter of the first one's tasks, the third a ninth: of twenty, the first has 63 %
FIRST_ID = 6_100_000_000_000  # Shopify's ids have thirteen digits by now
FIRST_NAME = 1001
RECENT_ORDERS = 500  # orders of a shop that may still change


class RealShopError(Exception):
    """There is a shop that an invented history must not touch. `str()` is a sentence for the operator."""


@dataclass
class InventedShop:
    """Where a shop's ids and order names go on, and its orders that may still change."""

    shop: Shop
    last_id: int
    orders: int
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=RECENT_ORDERS))
    _rows: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, shop: Shop) -> InventedShop:
        (orders,) = db.execute_sql("SELECT count(*) FROM orders WHERE shop_id = %s", (shop.id,)).fetchone()
        (last,) = db.execute_sql("SELECT max(shopify_id) FROM task WHERE shop_id = %s", (shop.id,)).fetchone()
        return cls(shop, last or FIRST_ID, orders)

    def begin(self, about: str, at: datetime) -> int:
        """The id of something new. An order also gets its name, and its row."""
        self.last_id += 1
        if about == ORDER:
            self.orders += 1
            name = f"#{FIRST_NAME - 1 + self.orders}"
            self.recent.append(self.last_id)
            self._rows.append(order_row(self.shop, self.last_id, name, at))
        return self.last_id

    def take_orders(self) -> list[Row]:
        """The rows of the orders begun since they were last taken."""
        taken, self._rows = self._rows, []
        return taken


def check_shops(*, beside_real_ones: bool) -> None:
    """Raises Real when a shop has an invented one's name and is none, or when there are real ones unasked for."""
    shops = list(Shop.select(Shop.domain, Shop.settings))
    for shop in shops:
        if DOMAIN.fullmatch(shop.domain) and not _marked(shop):
            raise RealShopError(f"{shop.domain} is not an invented shop; its tasks are left alone.")
    real = [shop.domain for shop in shops if not _marked(shop)]
    if real and not beside_real_ones:
        raise RealShopError(f"This database has real shops ({real[0]}). Invented ones beside them: add --yes.")


def _marked(shop: Shop) -> bool:
    return bool(shop.settings.get(INVENTED_SETTING))


def invented_shops(count: int) -> list[InventedShop]:
    """So many invented shops, the largest first; those that are missing are made."""
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
    """How many of the tasks each shop has, as shares."""
    raw = [1 / place**SKEW for place in range(1, count + 1)]
    return [each / sum(raw) for each in raw]
