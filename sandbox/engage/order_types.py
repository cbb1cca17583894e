"""Types of the optional fields of an order notification, as version 2's published model has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from sandbox.engage.checks import has_offset, is_number, objects_in

Check = tuple[Callable[[object], bool], str]


def _is_link(value: object) -> bool:
    return isinstance(value, str) and urlsplit(value).scheme in ("http", "https") and bool(urlsplit(value).netloc)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


NUMBER: Check = (is_number, "must be a number")
TEXT: Check = (lambda value: isinstance(value, str), "must be a text")
LINK: Check = (_is_link, "must be the address of a page")
TEXTS: Check = (_is_texts, "must be an object of texts")
SWITCH: Check = (lambda value: isinstance(value, bool), "must be true or false")
INSTANT: Check = (
    lambda value: isinstance(value, str) and has_offset(value),
    "must be a date and time with an offset",
)
LIST: Check = (
    lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
    "must be a list of objects",
)

ORDER: dict[str, Check] = {
    **dict.fromkeys(("shippingDate", "statusChangedDate"), INSTANT),
    **dict.fromkeys(("totalTax", "totalDiscounts", "totalOriginalPrice", "totalItemsPrice", "totalNetPrice"), NUMBER),
    **dict.fromkeys(("items", "paymentMethods", "taxDetails"), LIST),
    "exchangeRateToGroupCurrency": NUMBER,
    "anyReturnItems": SWITCH,
    "extraData": TEXTS,
}
ITEM: dict[str, Check] = {
    **dict.fromkeys(("imageUrl", "targetUrl"), LINK),
    **dict.fromkeys(("grossPaidPricePerUnit", "totalDiscount", "originalPrice", "originalPricePerUnit"), NUMBER),
    "discounted": SWITCH,
    "discounts": LIST,
    "extraData": TEXTS,
}
DISCOUNT: dict[str, Check] = {"value": NUMBER, "type": TEXT, "description": TEXT, "extraData": TEXTS}
PAYMENT: dict[str, Check] = {"description": TEXT, "extraData": TEXTS}
TAX_DETAIL: dict[str, Check] = {
    **dict.fromkeys(("value", "percent", "totalIncludingTax", "totalExcludingTax"), NUMBER),
    "description": TEXT,
}


def type_errors(order: dict[str, Any]) -> Iterator[str]:
    """The errors of fields that have another type than the model's, a sentence each. null is as if it were absent."""
    yield from _errors(order, ORDER, "")
    for item in objects_in(order, "items"):
        yield from _errors(item, ITEM, "items.")
        for discount in objects_in(item, "discounts"):
            yield from _errors(discount, DISCOUNT, "items.discounts.")
    for payment in objects_in(order, "paymentMethods"):
        yield from _errors(payment, PAYMENT, "paymentMethods.")
    for detail in objects_in(order, "taxDetails"):
        yield from _errors(detail, TAX_DETAIL, "taxDetails.")


def _errors(given: dict[str, Any], checks: Mapping[str, Check], within: str) -> Iterator[str]:
    return (
        f"{within}{name} {message}."
        for name, (holds, message) in checks.items()
        if given.get(name) is not None and not holds(given[name])
    )
