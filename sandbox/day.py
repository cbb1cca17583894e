"""A day in the demo shop, as a script: something of everything within a minute, and then whatever a day brings."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.engage.tenant import Tenant
from sandbox.fickle import FickleShoppers, Story
from sandbox.merchant import Merchant
from sandbox.people import person
from sandbox.pricing import SWEDEN, Pricing
from sandbox.purchases import basket, items, purchases, rate_asked_for
from sandbox.shopify import Shopify
from sandbox.stage import Scene, Stage, once

NEWCOMERS = 800_000  # customer numbers from here on are people whom only the day knows
BETWEEN_SCENES = 12.0  # seconds on average, once the opening is over
NAMES = ("Demo", "Demo Records", "Demo Records & Books")
PAST = timedelta(days=365)

LOOKED_AT = 20  # contacts at once, of whom one is to be a customer still

Json = dict[str, Any]


@dataclass(frozen=True)
class Town:
    """A shop, its tenant at Engage, what it sells in, and who runs it."""

    shopify: Shopify
    shop: str
    tenant: Tenant
    pricing: Pricing = SWEDEN
    merchant: Merchant | None = None


class Day:
    """The scenes of a day. The same seed gives the same day."""

    def __init__(self, town: Town, *, seed: int = 1) -> None:
        self._town = town
        self._random = random.Random(seed)
        self._shoppers = FickleShoppers(town.shopify, town.shop, pricing=town.pricing, seed=seed)
        self._newcomers = itertools.count(NEWCOMERS)
        self._baskets = itertools.cycle(purchases()[seed:])
        self._names = itertools.cycle(NAMES)

    def open(self, stage: Stage) -> None:
        """What is to be seen at once: each of the shop's stories, and each thing that can happen to a customer."""
        for place, story in enumerate(self._shoppers.stories):
            stage.begin(self._order(stage, story), 1.0 + place)
        for place, scene in enumerate((self.comes, self.comes, *self.scenes)):
            stage.begin(scene(), 2.0 + 2 * place)
        if self._town.merchant:
            stage.begin(self.imports_the_past(self._town.merchant), 5.0)

    def go_on(self, stage: Stage) -> Scene:
        """One scene after the other, at random, for ever."""
        while True:
            yield self._random.expovariate(1 / BETWEEN_SCENES)
            stage.begin(self._random.choices(list(self.scenes), list(self.scenes.values()))[0]())

    @property
    def scenes(self) -> dict[Callable[[], Scene], int]:
        """What happens besides the orders, and how often as compared with the others."""
        return {
            self.comes: 6,
            self.changes_their_mind_in_the_shop: 6,
            self.changes_their_mind_in_a_mail: 6,
            self.moves: 4,
            self.had_two_accounts: 2,
            self.leaves: 1,
            self.asks_what_is_known: 1,
            self.the_shop_is_renamed: 1,
        }

    def comes(self) -> Scene:
        """Somebody signs up without buying anything."""
        self._customer()
        yield from ()

    def changes_their_mind_in_the_shop(self) -> Scene:
        """Somebody says on their account page that they want mails, or want no more of them."""
        contact = yield from self._somebody()
        wanted = not contact["preferences"]["acceptsEmail"]
        self._town.shopify.update_customer(self._town.shop, _shopify_id(contact), accepts_email=wanted)

    def changes_their_mind_in_a_mail(self) -> Scene:
        """Somebody clicks on "unsubscribe" in a mail that Engage sent, or on the way back."""
        contact = yield from self._somebody()
        with self._town.tenant.lock:
            wanted = not contact["preferences"]["acceptsEmail"]
            self._town.tenant.contacts.prefer(contact["id"], {"acceptsEmail": wanted})

    def moves(self) -> Scene:
        """Somebody has a new address."""
        contact = yield from self._somebody()
        there = person(self._random.randrange(NEWCOMERS))
        changes = {"address1": there.address1, "zip_code": there.zip_code, "city": there.city}
        self._town.shopify.update_customer(self._town.shop, _shopify_id(contact), **changes)

    def had_two_accounts(self) -> Scene:
        """Somebody bought something under another address, and the shop makes one customer of the two."""
        shopify, shop, number = self._town.shopify, self._town.shop, next(self._newcomers)
        first = person(number)
        kept = shopify.add_customer(shop, first, number=number)
        gone = shopify.add_customer(shop, replace(first, email=f"at.work.{first.email}", phone=None))
        self._buy(gone)
        yield 10.0
        shopify.merge_customers(shop, kept, gone)

    def leaves(self) -> Scene:
        """Somebody signs up, thinks better of it, and is deleted."""
        shopify, shop = self._town.shopify, self._town.shop
        customer_id = shopify.add_customer(shop, person(next(self._newcomers)))
        yield 15.0
        shopify.delete_customer(shop, customer_id)

    def asks_what_is_known(self) -> Scene:
        """Somebody makes use of their right to know what the shop knows of them."""
        contact = yield from self._somebody()
        self._town.shopify.request_data(self._town.shop, _shopify_id(contact))

    def the_shop_is_renamed(self) -> Scene:
        """The merchant thinks of another name."""
        currency = self._town.pricing.currency
        self._town.shopify.update_shop(self._town.shop, name=next(self._names), currencyCode=currency)
        yield from ()

    def imports_the_past(self, merchant: Merchant) -> Scene:
        """The merchant asks for everything of the last year, as soon as the app is up. Once: the link is used then."""
        try:
            while not merchant.came_in():
                yield 1.0
            today = datetime.now(UTC).date()
            merchant.ask_for_import(today - PAST, today)
        except OSError as refusal:  # or the app has gone meanwhile
            print(f"No import this time: {refusal}", flush=True)

    def _order(self, stage: Stage, story: Story) -> Scene:
        """Somebody buys something, and the story goes on from there."""
        order_id = self._buy(self._customer())
        for seconds, happen in story(order_id):
            stage.begin(once(happen), seconds)
        yield from ()

    def _customer(self) -> int:
        number = next(self._newcomers)
        return self._town.shopify.add_customer(self._town.shop, person(number), number=number)

    def _buy(self, customer_id: int) -> int:
        checkout = basket(self._town.pricing, *items(next(self._baskets), self._town.pricing), freight=True)
        return self._town.shopify.add_order(self._town.shop, checkout, customer_id=customer_id, sourceName="web")

    def _somebody(self) -> Generator[float, None, Json]:
        """A contact who is a customer of the shop; while there is none, wait."""
        while not (known := self._contacts()):
            yield 1.0
        return known[0]

    def _contacts(self) -> list[Json]:
        with self._town.tenant.lock:
            everybody = self._town.tenant.contacts.all()
        some = self._random.sample(everybody, min(LOOKED_AT, len(everybody)))
        known = [each for each in some if each["attributes"].get("externalId")]
        return [each for each in known if self._town.shopify.customer(self._town.shop, _shopify_id(each))]


@contextmanager
def living(day: Day) -> Iterator[None]:
    """The day goes by on a thread, while the block lasts."""
    stage = Stage()
    if rate_asked_for() > 0:
        day.open(stage)
        stage.begin(day.go_on(stage))
    with stage.playing():
        yield


def _shopify_id(contact: Json) -> int:
    return int(contact["attributes"]["externalId"])
