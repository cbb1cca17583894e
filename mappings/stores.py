"""Which of Engage's stores a customer or an order belongs to.

Shopify tells no order's market, and a customer's only by a field that it will remove. A market is the countries that it
is made of, so it is found by the address: an order's is where it goes, a customer's their default one, which is what
Shopify's own field says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mappings import Json, number

ANYWHERE = "*"


@dataclass(frozen=True)
class StoreRules:
    """`stores` maps a location's id, a market's handle, a country ("SE"), a locale ("sv-SE") or a language ("sv").

    `markets` are the handles of those that the customer's or order's address is in, the most particular first.
    """

    default: str = ""
    stores: Mapping[str, str] = field(default_factory=dict)
    markets: Sequence[str] = ()


@dataclass(frozen=True)
class Place:
    """A store, and a sentence when it is one for want of a better."""

    store: str
    note: str | None = None


def store_of(customer_or_order: Json, rules: StoreRules) -> Place:
    """The store of the shop it was bought in, of the market, the country, the locale, else the default.

    An order has the locale of its purchase, a customer their own. The first of these that the map has an entry for
    wins, whatever its spelling in capitals, and "sv_SE" is "sv-SE".
    """
    stores = {spelt(name): store for name, store in rules.stores.items()}
    names = [name for name in _names(customer_or_order, rules.markets) if name]
    for name in names:
        if store := stores.get(name):
            return Place(store)
    return Place(rules.default, _said(rules.default, names) if rules.stores else None)


def regions_of(customer_or_order: Json) -> list[str]:
    """Where its address is, as markets spell it, the most particular first: "US-CA", "US", anywhere."""
    address = _address(customer_or_order)
    country, province = address.get("countryCodeV2"), address.get("provinceCode")
    if not country:
        return []
    return [*([f"{country}-{province}"] if province else []), country, ANYWHERE]


def regions_of_market(market: Json) -> list[str]:
    """What a market is made of, in the same spelling. A market that is not open to visitors is made of nothing."""
    condition = (market["conditions"] or {}).get("regionsCondition")
    if condition is None or market["status"] != "ACTIVE":
        return []
    if condition["applicationLevel"] == "ALL":
        return [ANYWHERE]
    return [_region(node) for node in condition["regions"]["nodes"]]


def _region(node: Json) -> str:
    if "countryCode" in node:
        return str(node["countryCode"])
    country, code = node["country"]["code"], node["code"]
    # ISO 3166-2 has the country in front, and an address has the rest alone; which of them this is, nothing says.
    return code if code.startswith(f"{country}-") else f"{country}-{code}"


def _address(node: Json) -> Json:
    return node.get("shippingAddress") or node.get("billingAddress") or node.get("defaultAddress") or {}


def _names(node: Json, markets: Sequence[str]) -> Iterator[str]:
    yield number(node.get("retailLocation"))
    yield from map(spelt, markets)
    yield spelt(_address(node).get("countryCodeV2"))
    locale = spelt(node.get("customerLocale") or node.get("locale"))
    yield locale
    language, *rest = locale.split("-")
    # The region is the last part: "zh-hans-tw".
    yield from (*rest[-1:], language)


def _said(default: str, names: list[str]) -> str:
    tried = ", ".join(dict.fromkeys(names)) or "an unknown place"
    return f"Its store is the shop's default, {default}: the map of stores has no entry for {tried}."


def spelt(name: str | None) -> str:
    return (name or "").strip().replace("_", "-").lower()
