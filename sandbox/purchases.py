"""Real purchases, replayed for ever: the orders of a music shop in 1997, as if they were made now in Sweden."""

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
    """One line of the file: who bought how many CDs for how many dollars."""

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
    shelf = itertools.count(purchase.customer * 7 + purchase.cds)
    priced = pricing.shared(pricing.price(purchase.dollars), purchase.cds)
    return tuple(_cd(next(shelf), price, quantity) for price, count in priced for quantity in _by_line(count))


def _by_line(count: int) -> list[int]:
    full, rest = divmod(count, CDS_PER_LINE)
    return [CDS_PER_LINE] * full + ([rest] if rest else [])


def _cd(number: int, price: Decimal, quantity: int) -> Item:
    place = number % (len(ADJECTIVES) * len(NOUNS))
    title = f"{ADJECTIVES[place % len(ADJECTIVES)]} {NOUNS[place // len(ADJECTIVES)]}"
    return Item(title, f"CD-{place:05d}", price, quantity)


class OrderReplay:
    """They shop one after the other; the same seed gives the same shoppers."""

    def __init__(self, shopify: Shopify, shop: str, *, pricing: Pricing = SWEDEN, seed: int = 1) -> None:
        self._shopify = shopify
        self._shop = shop
        self._pricing = pricing
        self._random = random.Random(seed)
        self._purchases = itertools.cycle(purchases())

    def buy(self) -> tuple[int, list[FollowUp]]:
        """Make the next purchase: its order's id, and what will happen to it so many seconds later."""
        purchase = next(self._purchases)
        customer_id = self._customer(purchase.customer)
        at_once = not self._chance(0.10)
        order_id = self._shopify.add_order(
            self._shop, self._checkout(purchase), customer_id=customer_id, paid=at_once, sourceName="web"
        )
        return order_id, list(self._afterwards(order_id, customer_id, at_once))

    def _customer(self, number: int) -> int:
        customer_id = self._shopify.customer_id(self._shop, number)
        if self._shopify.customer(self._shop, customer_id) is None:
            self._shopify.add_customer(self._shop, invented_customer(number), number=number)
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

    def _afterwards(self, order_id: int, customer_id: int, paid: bool) -> Iterator[FollowUp]:
        shopify, shop = self._shopify, self._shop
        if not paid:
            yield self._seconds(3, 15), lambda: shopify.pay(shop, order_id)
        if self._chance(0.30):
            yield self._seconds(16, 60), lambda: shopify.fulfil(shop, order_id)
        if self._chance(0.10):
            yield (
                self._seconds(1, 30),
                lambda: shopify.update_order(shop, order_id, note="Ring the bell", tags=["bell"]),
            )
        if self._chance(0.05):
            yield self._seconds(1, 30), lambda: shopify.update_customer(shop, customer_id, accepts_email=True)

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
    """Let the shop have had so many customers and orders in the days before `until` (now). They take no memory."""
    bought, end = purchases(), until or datetime.now(UTC)

    def checkout(number: int) -> Checkout:
        return checkout_of(pricing, *items_of(bought[number % len(bought)], pricing), freight=bool(number % 2))

    def id_of(number: int) -> int:
        return shopify.customer_id(shop, number)

    history = ShopHistory(customers, orders, end - timedelta(days=days), end, id_of, invented_customer, checkout)
    shopify.remember(shop, history)
    return history


def replay_orders(shopify: Shopify, shop: str, count: int, *, seed: int = 1) -> list[int]:
    """Make so many orders as fast as they come, each with all that happens to it. Returns their ids."""
    shoppers = OrderReplay(shopify, shop, seed=seed)
    order_ids = []
    for _ in range(count):
        order_id, later = shoppers.buy()
        order_ids.append(order_id)
        for _, happen in sorted(later, key=lambda each: each[0]):
            happen()
    return order_ids


@contextmanager
def replaying_orders(
    shopify: Shopify, shop: str, rate: float | None = None, *, shoppers: type[OrderReplay] = OrderReplay
) -> Iterator[None]:
    """Orders at `rate` a second (SANDBOX_RATE, else one every two seconds), on a thread, while the block lasts.

    The courier delivers with everyday faults meanwhile and afterwards.
    """
    shopify.courier.faults = USUAL_FAULTS
    stage, rate = Simulation(), rate if rate is not None else configured_rate()
    if rate > 0:
        stage.begin(order_stream(stage, shoppers(shopify, shop), rate))
    with stage.playing():
        yield


def configured_rate() -> float:
    """Orders a second, by SANDBOX_RATE. Nothing happens at a rate of 0."""
    return float(os.environ.get("SANDBOX_RATE") or 0.5)


def order_stream(stage: Simulation, shoppers: OrderReplay, rate: float) -> Activity:
    """One order after the other, at random intervals as shoppers come, and what happens to them when it is time."""
    gaps = random.Random(2)
    while True:
        _, later = shoppers.buy()
        for seconds, happen in later:
            stage.begin(one_step(happen), seconds)
        yield gaps.expovariate(rate)
