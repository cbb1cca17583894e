"""Store at Engage for a customer or an order, by location, market, country, locale or language.

Shopify does not state an order's market, and a customer's only in a field that it will remove. A market is defined by
its countries, so it is found by the address: an order's shipping address, a customer's default address, which gives
the same as Shopify's own field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mappings import Json, numeric_id
from reasons import Cause, Reason, cause

ANYWHERE = "*"


@dataclass(frozen=True)
class StoreRules:
    """A shop's map of stores. Keys: a location's id, a market's handle, a country, a locale ("sv-SE") or a language.

    `markets` are the handles of those that the customer's or order's address is in, the most specific first.
    """

    default: str = ""
    stores: Mapping[str, str] = field(default_factory=dict)
    markets: Sequence[str] = ()


@dataclass(frozen=True)
class StoreChoice:
    """The chosen store, and a note if it is only the default."""

    store: str
    note: Cause | None = None


def store_of(customer_or_order: Json, rules: StoreRules) -> StoreChoice:
    """The store of the location, of the market, the country, the locale or the language, else the default.

    An order has the locale of its purchase, a customer their own. The first of these with an entry in the map wins.
    Keys are compared without case, and "sv_SE" equals "sv-SE".
    """
    stores = {normalized(name): store for name, store in rules.stores.items()}
    names = [name for name in _names(customer_or_order, rules.markets) if name]
    for name in names:
        if store := stores.get(name):
            return StoreChoice(store)
    return StoreChoice(rules.default, _note(rules.default, names, customer_or_order) if rules.stores else None)


def address_regions(customer_or_order: Json) -> list[str]:
    """The regions of the address, as in markets, the most specific first: "US-CA", "US", anywhere ("*")."""
    address = _address(customer_or_order)
    country, province = address.get("countryCodeV2"), address.get("provinceCode")
    if not country:
        return []
    return [*([f"{country}-{province}"] if province else []), country, ANYWHERE]


def market_regions(market: Json) -> list[str]:
    """The regions of a market, in the same format; none if the market is not active."""
    condition = (market["conditions"] or {}).get("regionsCondition")
    if condition is None or market["status"] != "ACTIVE":
        return []
    if condition["applicationLevel"] == "ALL":
        return [ANYWHERE]
    return [_region(node) for node in condition["regions"]["nodes"]]


def normalized(name: str | None) -> str:
    """A name as it is compared: without case, "_" as "-"."""
    return (name or "").strip().replace("_", "-").lower()


def _region(node: Json) -> str:
    if "countryCode" in node:
        return str(node["countryCode"])
    country, code = node["country"]["code"], node["code"]
    # ISO 3166-2 begins with the country, and an address has only the rest; which one this is, is not documented.
    return code if code.startswith(f"{country}-") else f"{country}-{code}"


def _address(node: Json) -> Json:
    return node.get("shippingAddress") or node.get("billingAddress") or node.get("defaultAddress") or {}


def _names(node: Json, markets: Sequence[str]) -> Iterator[str]:
    yield numeric_id(node.get("retailLocation"))
    yield from map(normalized, markets)
    yield normalized(_address(node).get("countryCodeV2"))
    locale = normalized(node.get("customerLocale") or node.get("locale"))
    yield locale
    language, *rest = locale.split("-")
    # The country is the last part: "zh-hans-tw".
    yield from (*rest[-1:], language)


def _note(default: str, names: list[str], node: Json) -> Cause:
    """The note that no name has an entry; a location by its name and its id."""
    location, called = numeric_id(node.get("retailLocation")), (node.get("retailLocation") or {}).get("name")
    shown = [f"{called} ({name})" if called and name == location else name for name in names]
    tried = ", ".join(dict.fromkeys(shown)) or "an unknown place"
    return cause(Reason.STORE_DEFAULT, store=default, names=tried)
