"""Replay real purchases for ever: the orders of a music shop in 1997, as if they were placed now in Sweden."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.invented_customers import invented_customer
from sandbox.pricing import SWEDEN, Pricing
from sandbox.shopify import Shopify
from sandbox.shopify.bulk.history import ShopHistory
from sandbox.shopify.orders.checkout import Checkout, Discount, Item, Tender
from sandbox.shopify.webhooks.delivery import WebhookFaults
from sandbox.simulation import Activity, Simulation, one_step

PURCHASES = Path(__file__).parent / "data" / "cdnow_sample.txt"
FREIGHT, GIFT_CARD = Decimal("4.90"), Decimal(10)  # in dollars
DISCOUNT_SHARE = Decimal("0.10")
CDS_PER_LINE = 3
USUAL_FAULTS = WebhookFaults(duplicates=0.03, late=0.02, late_seconds=20, reordered=0.10)

ADJECTIVES = ("Blue", "Quiet", "Northern", "Electric", "Golden", "Lost", "Endless", "Winter", "Velvet", "Silver")
NOUNS = ("Harbour", "Letters", "Trains", "Gardens", "Mirrors", "Rivers", "Signals", "Lanterns", "Islands", "Echoes")

FollowUp = tuple[float, Callable[[], object]]


@dataclass(frozen=True)
class Purchase:
    """One line of the file: which customer bought how many CDs for how many dollars."""

    customer: int
    date: str
    cds: int
    dollars: Decimal


def purchases() -> list[Purchase]:
    """The file's purchases, in the order in which they were made."""
    rows = [line.split() for line in PURCHASES.read_text().splitlines()]
    read = [Purchase(int(number), date, int(cds), Decimal(dollars)) for _, number, date, cds, dollars in rows]
    return sorted(read, key=lambda purchase: purchase.date)


def items_of(purchase: Purchase, pricing: Pricing = SWEDEN) -> tuple[Item, ...]:
    """CDs that cost together exactly what was paid."""
    cd_numbers = itertools.count(purchase.customer * 7 + purchase.cds)
    priced = pricing.split(pricing.price(purchase.dollars), purchase.cds)
    return tuple(
        _cd(next(cd_numbers), price, quantity) for price, count in priced for quantity in _units_by_line(count)
    )


def _units_by_line(count: int) -> list[int]:
    full, rest = divmod(count, CDS_PER_LINE)
    return [CDS_PER_LINE] * full + ([rest] if rest else [])


def _cd(number: int, price: Decimal, quantity: int) -> Item:
    title_number = number % (len(ADJECTIVES) * len(NOUNS))
    title = f"{ADJECTIVES[title_number % len(ADJECTIVES)]} {NOUNS[title_number // len(ADJECTIVES)]}"
    return Item(title, f"CD-{title_number:05d}", price, quantity, product_type="CD", barcode=f"735{title_number:010d}")


class OrderReplay:
    """Places the file's purchases as orders, one after the other. The same seed gives the same orders."""

    def __init__(self, shopify: Shopify, domain: str, *, pricing: Pricing = SWEDEN, seed: int = 1) -> None:
        self._shopify = shopify
        self._domain = domain
        self._pricing = pricing
        self._random = random.Random(seed)
        self._purchases = itertools.cycle(purchases())

    def place_order(self) -> tuple[int, list[FollowUp]]:
        """Place the next order. Return its id, and what is to follow so many seconds later."""
        purchase = next(self._purchases)
        customer_id = self._customer_id(purchase.customer)
        paid = not self._chance(0.10)
        checkout, fields = self._checkout(purchase), self._order_fields()
        order_id = self._shopify.add_order(self._domain, checkout, customer_id=customer_id, paid=paid, **fields)
        return order_id, list(self._follow_ups(order_id, customer_id, paid))

    def _order_fields(self) -> dict[str, Any]:
        return {"sourceName": "web"}

    def _customer_id(self, number: int) -> int:
        customer_id = self._shopify.customer_id(self._domain, number)
        if self._shopify.customer(self._domain, customer_id) is None:
            self._shopify.add_customer(self._domain, invented_customer(number), number=number)
        return customer_id

    def _checkout(self, purchase: Purchase) -> Checkout:
        price, card = self._pricing.price(purchase.dollars), self._pricing.price(GIFT_CARD)
        code = f"WELCOME{int(DISCOUNT_SHARE * 100)}"
        discount = (
            Discount(code, self._pricing.price(purchase.dollars * DISCOUNT_SHARE)) if self._chance(0.15) else None
        )
        by_gift_card = price > 2 * card and self._chance(0.08)
        return checkout_of(
            self._pricing,
            *items_of(purchase, self._pricing),
            freight=self._chance(0.6),
            discount=discount,
            tenders=(Tender("gift_card", card), Tender()) if by_gift_card else (Tender(),),
        )

    def _follow_ups(self, order_id: int, customer_id: int, paid: bool) -> Iterator[FollowUp]:
        shopify, domain = self._shopify, self._domain
        if not paid:
            yield self._seconds(3, 15), lambda: shopify.pay(domain, order_id)
        if self._chance(0.30):
            yield self._seconds(16, 60), lambda: shopify.fulfil(domain, order_id)
        if self._chance(0.10):
            yield (
                self._seconds(1, 30),
                lambda: shopify.update_order(domain, order_id, note="Ring the bell", tags=["bell"]),
            )
        if self._chance(0.05):
            yield self._seconds(1, 30), lambda: shopify.update_customer(domain, customer_id, accepts_email=True)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _seconds(self, least: float, most: float) -> float:
        return self._random.uniform(least, most)


def checkout_of(
    pricing: Pricing,
    *bought: Item,
    freight: bool,
    discount: Discount | None = None,
    tenders: tuple[Tender, ...] = (Tender(),),
) -> Checkout:
    """A checkout in the pricing's currency, with its usual price for the freight or without."""
    return Checkout(
        bought,
        shipping=pricing.price(FREIGHT) if freight else None,
        discount=discount,
        tenders=tenders,
        currency=pricing.currency,
        presentment_currency=pricing.currency,
        taxes_included=pricing.taxes_included,
    )


def add_history(
    shopify: Shopify,
    shop: str,
    customers: int,
    orders: int,
    *,
    days: int = 365,
    until: datetime | None = None,
    pricing: Pricing = SWEDEN,
) -> ShopHistory:
    """Give the shop so many customers and orders in the days before `until` (now). They take no memory."""
    bought, end = purchases(), until or datetime.now(UTC)

    def checkout(number: int) -> Checkout:
        return checkout_of(pricing, *items_of(bought[number % len(bought)], pricing), freight=bool(number % 2))

    def id_of(number: int) -> int:
        return shopify.customer_id(shop, number)

    history = ShopHistory(customers, orders, end - timedelta(days=days), end, id_of, invented_customer, checkout)
    shopify.set_history(shop, history)
    return history


def replay_orders(shopify: Shopify, shop: str, count: int, *, seed: int = 1) -> list[int]:
    """Place so many orders at once, each with all that follows. Return their ids."""
    replay = OrderReplay(shopify, shop, seed=seed)
    order_ids = []
    for _ in range(count):
        order_id, follow_ups = replay.place_order()
        order_ids.append(order_id)
        for _, act in sorted(follow_ups, key=lambda each: each[0]):
            act()
    return order_ids


@contextmanager
def replaying_orders(
    shopify: Shopify, shop: str, rate: float | None = None, *, replay: type[OrderReplay] = OrderReplay
) -> Iterator[None]:
    """Place orders at `rate` a second (SANDBOX_RATE, else one every two seconds) on a thread, while the block lasts.

    Webhooks are delivered with the usual faults meanwhile and afterwards.
    """
    shopify.webhook_sender.faults = USUAL_FAULTS
    simulation, rate = Simulation(), rate if rate is not None else configured_rate()
    if rate > 0:
        simulation.start(order_stream(simulation, replay(shopify, shop), rate))
    with simulation.running():
        yield


def configured_rate() -> float:
    """Orders a second, by SANDBOX_RATE. Nothing happens at a rate of 0."""
    return float(os.environ.get("SANDBOX_RATE") or 0.5)


def order_stream(simulation: Simulation, replay: OrderReplay, rate: float) -> Activity:
    """Place one order after the other, at random intervals, and start what follows when it is due."""
    gaps = random.Random(2)
    while True:
        _, follow_ups = replay.place_order()
        for seconds, act in follow_ups:
            simulation.start(one_step(act), seconds)
        yield gaps.expovariate(rate)
