"""Replay orders of every kind: split shipments, duties, tips, other currencies, tills, apps, and keys that move."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sandbox.invented_customers import invented_customer
from sandbox.order_changes import OrderReplayWithChanges
from sandbox.purchases import FREIGHT, FollowUp, Purchase, checkout_of
from sandbox.shopify.orders.checkout import Checkout, Item

SHIPMENTS = (Decimal("5.90"), Decimal("3.90"), Decimal("2.90"))  # in dollars, as the other amounts here
DUTIES, TIP, GIFT_CARD_SOLD, REPAIR = Decimal("2.15"), Decimal("1.50"), Decimal(25), Decimal("12.35")
PRESENTMENT_RATES = {"EUR": Decimal("0.0871"), "NOK": Decimal("1.0213"), "JPY": Decimal("14.37")}
WITHOUT_SKU = 46_000_000_000_000  # variants from here on have none
FIRST_WITH_MOVED_KEY = 700_000  # customer numbers from here on have the e-mail address of another before them
TILL = {"sourceName": "pos"}
APP = {"sourceName": "1234567"}

Trick = Callable[[Checkout], Checkout]


class OddOrderReplay(OrderReplayWithChanges):
    """Each order is bought in the next of `tricks`, and every third customer's e-mail address moves to another one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tricks = itertools.cycle(self.tricks)
        self._sources = itertools.cycle(({"sourceName": "web"}, TILL, {"sourceName": "web"}, APP))
        self._moves = itertools.count()
        self._customers: list[int] = []

    @property
    def tricks(self) -> tuple[Trick, ...]:
        """What is odd about an order, in turn."""
        in_other_currencies = [self._presented_in(each) for each in PRESENTMENT_RATES]
        freight = (self._split_shipments, self._with_duties, self._with_tip)
        articles = (self._without_sku, self._with_custom_line, self._with_gift_card)
        return (*freight, *articles, self._taxed_as_a_whole, self._net_of_tax, *in_other_currencies)

    def _order_fields(self) -> dict[str, Any]:
        return next(self._sources)

    def _checkout(self, purchase: Purchase) -> Checkout:
        return next(self._tricks)(super()._checkout(purchase))

    def _follow_ups(self, order_id: int, customer_id: int, paid: bool) -> Iterator[FollowUp]:
        yield from super()._follow_ups(order_id, customer_id, paid)
        self._customers.append(customer_id)
        if len(self._customers) % 3 == 0:
            move = self._move_email_to_new_customer if len(self._customers) % 2 else self._move_email
            former = self._customers[-3]
            yield self._seconds(5, 40), lambda: move(former, customer_id)

    def _move_email(self, former_id: int, new_id: int) -> None:
        """The former owner of an e-mail address gets another one, and a customer who has had another gets theirs."""
        if former_id != new_id and self._exists(new_id) and (moved := self._free_email(former_id)):
            self._shopify.update_customer(self._domain, new_id, email=moved)

    def _move_email_to_new_customer(self, former_id: int, _: int) -> None:
        """The same, and who gets theirs is a new customer, who buys at once."""
        if moved := self._free_email(former_id):
            details = replace(invented_customer(FIRST_WITH_MOVED_KEY + former_id % 100_000), email=moved)
            new_id = self._shopify.add_customer(self._domain, details)
            checkout = checkout_of(self._pricing, Item("Lamp", "LAMP", self._pricing.price(REPAIR)), freight=False)
            self._shopify.add_order(self._domain, checkout, customer_id=new_id, sourceName="web")

    def _free_email(self, former_id: int) -> str | None:
        """Give a customer another e-mail address, and return the one that they had."""
        former = self._shopify.customer(self._domain, former_id)
        if former is None or not former["defaultEmailAddress"]:
            return None
        self._shopify.update_customer(self._domain, former_id, email=f"moved{next(self._moves)}@example.com")
        return str(former["defaultEmailAddress"]["emailAddress"])

    def _exists(self, customer_id: int) -> bool:
        return self._shopify.customer(self._domain, customer_id) is not None

    def _split_shipments(self, checkout: Checkout) -> Checkout:
        prices = tuple(self._pricing.price(each) for each in SHIPMENTS)
        return replace(checkout, shipping=self._pricing.price(FREIGHT), more_shipping=prices)

    def _with_duties(self, checkout: Checkout) -> Checkout:
        return replace(checkout, duties=self._pricing.price(DUTIES))

    def _with_tip(self, checkout: Checkout) -> Checkout:
        return replace(checkout, tip=self._pricing.price(TIP))

    def _without_sku(self, checkout: Checkout) -> Checkout:
        items = (replace(each, sku=None, variant_id=_variant_without_sku(each)) for each in checkout.items)
        return replace(checkout, items=tuple(items))

    def _with_custom_line(self, checkout: Checkout) -> Checkout:
        return _with_item(checkout, Item("Repair", None, self._pricing.price(REPAIR), custom=True))

    def _with_gift_card(self, checkout: Checkout) -> Checkout:
        price = self._pricing.price(GIFT_CARD_SOLD)
        return _with_item(checkout, Item("Gift card", None, price, tax_rate=Decimal(0), gift_card=True))

    def _taxed_as_a_whole(self, checkout: Checkout) -> Checkout:
        return replace(checkout, tax_on_order=True)

    def _net_of_tax(self, checkout: Checkout) -> Checkout:
        return replace(checkout, taxes_included=False)

    def _presented_in(self, currency: str) -> Trick:
        def presented(checkout: Checkout) -> Checkout:
            if checkout.currency == currency:
                return checkout
            return replace(checkout, presentment_currency=currency, rate=PRESENTMENT_RATES[currency])

        return presented


def _with_item(checkout: Checkout, item: Item) -> Checkout:
    return replace(checkout, items=(*checkout.items, item))


def _variant_without_sku(item: Item) -> int:
    return WITHOUT_SKU + int((item.sku or "").rpartition("-")[2] or 0)
