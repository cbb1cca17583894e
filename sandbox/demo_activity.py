"""Simulate activity in the demo shop: within a minute something of everything, and then one event after the other."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.engage.tenant import Tenant
from sandbox.invented_customers import invented_customer
from sandbox.merchant import Merchant
from sandbox.order_changes import OrderChange, OrderReplayWithChanges
from sandbox.pricing import SWEDEN, Pricing
from sandbox.purchases import DISCOUNT_SHARE, checkout_of, configured_rate, items_of, purchases
from sandbox.shopify import Shopify
from sandbox.shopify.orders.checkout import Discount
from sandbox.shopify.scopes import READ_ALL_ORDERS
from sandbox.simulation import Activity, Simulation, one_step

FIRST_NEW_CUSTOMER = 800_000  # customer numbers from here on are of customers whom only the demo activity adds
MEAN_INTERVAL_SECONDS = 12.0  # between two events, once the opening is over
SHOP_NAMES = ("Demo", "Demo Records", "Demo Records & Books")
IMPORT_PERIOD = timedelta(days=365)
CANCELLED_SHARE = 1 / 3  # of the orders with a voucher
PROMOTION_CODE = "VIP-10"
SAMPLED_CONTACTS = 20  # contacts at once, one of whom should still be a customer

Json = dict[str, Any]


@dataclass(frozen=True)
class DemoShop:
    """A shop at the sandbox's Shopify, its tenant at Engage, its prices, and its merchant in the app."""

    shopify: Shopify
    domain: str
    tenant: Tenant
    pricing: Pricing = SWEDEN
    merchant: Merchant | None = None


class DemoActivity:
    """What happens in the demo shop. The same seed gives the same events."""

    def __init__(self, shop: DemoShop, *, seed: int = 1) -> None:
        self._shop = shop
        self._random = random.Random(seed)
        self._orders = OrderReplayWithChanges(shop.shopify, shop.domain, pricing=shop.pricing, seed=seed)
        self._customer_numbers = itertools.count(FIRST_NEW_CUSTOMER)
        self._purchases = itertools.cycle(purchases()[seed:])
        self._names = itertools.cycle(SHOP_NAMES)

    def start_opening(self, simulation: Simulation) -> None:
        """Start each change of an order once, and each event of a customer."""
        for position, change in enumerate(self._orders.changes):
            simulation.start(self._order_with_change(simulation, change), 1.0 + position)
        for position, event in enumerate((self.customer_signs_up, self.customer_signs_up, *self.events)):
            simulation.start(event(), 2.0 + 2 * position)
        if self._shop.merchant:
            simulation.start(self.merchant_imports_last_year(self._shop.merchant), 5.0)

    def random_events(self, simulation: Simulation) -> Activity:
        """Start one event after the other, at random, for ever."""
        while True:
            yield self._random.expovariate(1 / MEAN_INTERVAL_SECONDS)
            simulation.start(self._random.choices(list(self.events), list(self.events.values()))[0]())

    @property
    def events(self) -> dict[Callable[[], Activity], int]:
        """What happens besides the orders, and how often as compared with the others."""
        return {
            self.customer_signs_up: 6,
            self.customer_changes_consent_in_shopify: 6,
            self.customer_changes_preference_in_engage: 6,
            self.customer_moves: 4,
            self.customer_uses_a_voucher: 4,
            self.customer_uses_a_promotion: 3,
            self.customers_are_merged: 2,
            self.customer_is_deleted: 1,
            self.customer_requests_data: 1,
            self.shop_is_renamed: 1,
        }

    def customer_signs_up(self) -> Activity:
        """A customer opens an account without buying anything."""
        self._add_customer()
        yield from ()

    def customer_changes_consent_in_shopify(self) -> Activity:
        """A customer changes on their account page whether they want e-mails."""
        contact = yield from self._known_contact()
        wanted = not contact["preferences"]["acceptsEmail"]
        self._shop.shopify.update_customer(self._shop.domain, _shopify_id(contact), accepts_email=wanted)

    def customer_changes_preference_in_engage(self) -> Activity:
        """A customer unsubscribes by the link in an e-mail from Engage, or subscribes again."""
        contact = yield from self._known_contact()
        with self._shop.tenant.lock:
            wanted = not contact["preferences"]["acceptsEmail"]
            self._shop.tenant.contacts.set_preferences(contact["id"], {"acceptsEmail": wanted})

    def customer_moves(self) -> Activity:
        """A customer has a new postal address."""
        contact = yield from self._known_contact()
        other = invented_customer(self._random.randrange(FIRST_NEW_CUSTOMER))
        changes = {"address1": other.address1, "zip_code": other.zip_code, "city": other.city}
        self._shop.shopify.update_customer(self._shop.domain, _shopify_id(contact), **changes)

    def customer_uses_a_voucher(self) -> Activity:
        """A customer buys with a reward voucher that Engage has given them; one order in three is cancelled."""
        contact = yield from self._known_contact()
        number = f"25{self._random.randrange(10**11):011}"
        with self._shop.tenant.lock:
            self._shop.tenant.vouchers.give(contact["id"], number)
        order_id = self._place_order(_shopify_id(contact), code=number)
        if self._random.random() < CANCELLED_SHARE:
            yield 20.0
            self._shop.shopify.cancel(self._shop.domain, order_id)

    def customer_uses_a_promotion(self) -> Activity:
        """A customer buys with the code of a promotion that was assigned to them in Engage."""
        contact = yield from self._known_contact()
        with self._shop.tenant.lock:
            self._shop.tenant.promotions.assign(contact["id"], PROMOTION_CODE)
        self._place_order(_shopify_id(contact), code=PROMOTION_CODE)

    def customers_are_merged(self) -> Activity:
        """A customer bought something under another e-mail address, and the shop merges the two accounts."""
        shopify, domain, number = self._shop.shopify, self._shop.domain, next(self._customer_numbers)
        first = invented_customer(number)
        kept_id = shopify.add_customer(domain, first, number=number)
        deleted_id = shopify.add_customer(domain, replace(first, email=f"at.work.{first.email}", phone=None))
        self._place_order(deleted_id)
        yield 10.0
        shopify.merge_customers(domain, kept_id, deleted_id)

    def customer_is_deleted(self) -> Activity:
        """A customer opens an account, and the merchant deletes it."""
        shopify, domain = self._shop.shopify, self._shop.domain
        customer_id = shopify.add_customer(domain, invented_customer(next(self._customer_numbers)))
        yield 15.0
        shopify.delete_customer(domain, customer_id)

    def customer_requests_data(self) -> Activity:
        """A customer requests their personal data."""
        contact = yield from self._known_contact()
        self._shop.shopify.request_data(self._shop.domain, _shopify_id(contact))

    def shop_is_renamed(self) -> Activity:
        """The merchant gives the shop another name."""
        currency = self._shop.pricing.currency
        self._shop.shopify.update_shop(self._shop.domain, name=next(self._names), currencyCode=currency)
        yield from ()

    def merchant_imports_last_year(self, merchant: Merchant) -> Activity:
        """The merchant imports the last year as soon as the app answers. Once, since the sign-in link works once."""
        try:
            while not merchant.sign_in():
                yield 1.0
            today = datetime.now(UTC).date()
            self._shop.shopify.grant(self._shop.domain, READ_ALL_ORDERS)
            merchant.look_up_access()
            merchant.request_import(today - IMPORT_PERIOD, today)
        except OSError as refusal:  # or the app has ended meanwhile
            print(f"No import this time: {refusal}", flush=True)

    def _order_with_change(self, simulation: Simulation, change: OrderChange) -> Activity:
        order_id = self._place_order(self._add_customer())
        for seconds, act in change(order_id):
            simulation.start(one_step(act), seconds)
        yield from ()

    def _add_customer(self) -> int:
        number = next(self._customer_numbers)
        return self._shop.shopify.add_customer(self._shop.domain, invented_customer(number), number=number)

    def _place_order(self, customer_id: int, *, code: str | None = None) -> int:
        purchase, pricing = next(self._purchases), self._shop.pricing
        discount = Discount(code, pricing.price(purchase.dollars * DISCOUNT_SHARE)) if code else None
        checkout = checkout_of(pricing, *items_of(purchase, pricing), freight=True, discount=discount)
        return self._shop.shopify.add_order(self._shop.domain, checkout, customer_id=customer_id, sourceName="web")

    def _known_contact(self) -> Generator[float, None, Json]:
        """A contact who is a customer of the shop; wait while there is none."""
        while not (known := self._known_contacts()):
            yield 1.0
        return known[0]

    def _known_contacts(self) -> list[Json]:
        with self._shop.tenant.lock:
            contacts = self._shop.tenant.contacts.all()
        sample = self._random.sample(contacts, min(SAMPLED_CONTACTS, len(contacts)))
        known = [each for each in sample if each["attributes"].get("externalId")]
        return [each for each in known if self._shop.shopify.customer(self._shop.domain, _shopify_id(each))]


@contextmanager
def running_activity(activity: DemoActivity) -> Iterator[None]:
    """Run the activity on a thread, for as long as the block lasts. Nothing happens at a SANDBOX_RATE of 0."""
    simulation = Simulation()
    if configured_rate() > 0:
        activity.start_opening(simulation)
        simulation.start(activity.random_events(simulation))
    with simulation.running():
        yield


def _shopify_id(contact: Json) -> int:
    return int(contact["attributes"]["externalId"])
