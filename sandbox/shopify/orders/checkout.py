"""A checkout, and its prices in one currency."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.shopify.money import ZERO, allocate, rounded

SHIPPING_TAX_RATE = Decimal("0.25")
FIRST_PRODUCT, FIRST_VARIANT = 8_000_000_000_000, 45_000_000_000_000


@dataclass(frozen=True)
class Item:
    """One line of an order. `price` is for one unit, in the shop's currency.

    Its product is known by vendor and title, its variant also by the variant's title and SKU, unless ids are given. A
    `custom` item was typed in at the till or in a draft: it has neither.
    """

    title: str
    sku: str | None
    price: Decimal
    quantity: int = 1
    tax_rate: Decimal = Decimal("0.25")
    gift_card: bool = False
    vendor: str = "Sandbox Records"
    variant_title: str | None = None
    product_type: str = ""
    barcode: str | None = None
    product_id: int | None = None
    variant_id: int | None = None
    custom: bool = False
    in_online_store: bool = True

    @property
    def name(self) -> str:
        """The title, with that of the variant if there is one."""
        return f"{self.title} - {self.variant_title}" if self.variant_title else self.title

    def product(self) -> dict[str, Any] | None:
        """The product as the Admin API shows it."""
        number = self.product_id or FIRST_PRODUCT + _number_of(self.vendor, self.title)
        page = f"https://shop.example.com/products/{self._handle}" if self.in_online_store else None
        more = {"productType": self.product_type, "onlineStoreUrl": page}
        return None if self.custom else {**_ids("Product", number), **more}

    def variant(self) -> dict[str, Any] | None:
        """The variant as the Admin API shows it."""
        number = self.variant_id or FIRST_VARIANT + _number_of(self.vendor, self.name, self.sku or "")
        return None if self.custom else {**_ids("ProductVariant", number), "barcode": self.barcode}

    def image(self) -> dict[str, Any] | None:
        """The variant's image as the Admin API shows it."""
        return None if self.custom else {"url": f"https://cdn.example.com/files/{self._handle}.jpg?v=1"}

    @property
    def _handle(self) -> str:
        return "-".join(re.findall(r"[a-z0-9]+", self.title.lower())) or "article"


def _number_of(*texts: str) -> int:
    return zlib.crc32("\n".join(texts).encode())


def _ids(kind: str, number: int) -> dict[str, str]:
    return {"id": f"gid://shopify/{kind}/{number}", "legacyResourceId": str(number)}


@dataclass(frozen=True)
class Discount:
    """A code that takes this much off the items, in the shop's currency."""

    code: str
    amount: Decimal


@dataclass(frozen=True)
class Tender:
    """One means of payment. Without an amount it pays the rest."""

    gateway: str = "shopify_payments"
    amount: Decimal | None = None


@dataclass(frozen=True)
class Checkout:
    """A whole checkout. `rate` is how much of the presentment currency one unit of the shop's currency buys.

    `more_shipping`: a price for each further shipment (a split cart). `tax_on_order`: the lines have no tax of their
    own, as in orders that other systems have created with tax lines of the order.
    """

    items: tuple[Item, ...]
    shipping: Decimal | None = None
    more_shipping: tuple[Decimal, ...] = ()
    duties: Decimal = ZERO
    tip: Decimal = ZERO
    tax_on_order: bool = False
    discount: Discount | None = None
    tenders: tuple[Tender, ...] = (Tender(),)
    currency: str = "SEK"
    presentment_currency: str = "SEK"
    rate: Decimal = Decimal(1)
    taxes_included: bool = True

    @property
    def shipments(self) -> list[Decimal]:
        """The price of each shipping line."""
        return [] if self.shipping is None else [self.shipping, *self.more_shipping]

    @property
    def currencies(self) -> tuple[str, str]:
        return self.currency, self.presentment_currency


@dataclass(frozen=True)
class Prices:
    """The prices of a checkout in one currency; lists are by line."""

    units: list[Decimal]
    discounts: list[Decimal]
    taxes: list[Decimal]
    lines: list[Decimal]
    shipments: list[Decimal]
    shipment_taxes: list[Decimal]
    duties: Decimal
    tip: Decimal
    taxes_included: bool
    tenders: list[Decimal]

    @property
    def subtotal(self) -> Decimal:
        return sum(self.lines, ZERO)

    @property
    def shipping(self) -> Decimal:
        return sum(self.shipments, ZERO)

    @property
    def shipping_tax(self) -> Decimal:
        return sum(self.shipment_taxes, ZERO)

    @property
    def tax(self) -> Decimal:
        return sum(self.taxes, self.shipping_tax)

    @property
    def total(self) -> Decimal:
        extras = self.shipping + self.duties + self.tip
        return self.subtotal + extras + (ZERO if self.taxes_included else self.tax)


def prices_in(checkout: Checkout, currency: str, rate: Decimal) -> Prices:
    """The checkout's prices in this currency. Every total is the sum of its rounded parts, tenders included."""

    def converted(amount: Decimal | None) -> Decimal:
        return rounded((amount or ZERO) * rate, currency)

    def tax(net: Decimal, tax_rate: Decimal) -> Decimal:
        return rounded(net * tax_rate / (1 + tax_rate if checkout.taxes_included else 1), currency)

    units = [converted(item.price) for item in checkout.items]
    gross = [unit * item.quantity for unit, item in zip(units, checkout.items, strict=True)]
    discounts = allocate(converted(checkout.discount.amount if checkout.discount else None), gross, currency)
    lines = [full - discount for full, discount in zip(gross, discounts, strict=True)]
    prices = Prices(
        units,
        discounts,
        [tax(line, item.tax_rate) for line, item in zip(lines, checkout.items, strict=True)],
        lines,
        [converted(each) for each in checkout.shipments],
        [tax(converted(each), SHIPPING_TAX_RATE) for each in checkout.shipments],
        converted(checkout.duties),
        converted(checkout.tip),
        checkout.taxes_included,
        tenders=[converted(tender.amount) for tender in checkout.tenders],
    )
    _fill_open_tenders(prices, checkout)
    return prices


def _fill_open_tenders(prices: Prices, checkout: Checkout) -> None:
    for index, tender in enumerate(checkout.tenders):
        if tender.amount is None:
            prices.tenders[index] = prices.total - sum(prices.tenders, ZERO)
