"""Which of Engage's stores a customer or an order belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mappings import Json, number


@dataclass(frozen=True)
class StoreRules:
    """`stores` maps a location's id, a market's handle, a locale ("sv-SE"), a country ("SE") or a language ("sv")."""

    default: str = ""
    stores: Mapping[str, str] = field(default_factory=dict)


def store_of(customer_or_order: Json, rules: StoreRules) -> str:
    """Engage's external id of the store: the shop it was bought in, the market, the locale, else the default.

    An order has the locale of its purchase, a customer their own. The most particular entry of the map wins, whatever
    its spelling in capitals, and "sv_SE" is "sv-SE".
    """
    stores = {_spelt(name): store for name, store in rules.stores.items()}
    return next((stores[name] for name in _names(customer_or_order) if name and stores.get(name)), rules.default)


def _names(node: Json) -> Iterator[str]:
    yield number(node.get("retailLocation"))
    yield _spelt((node.get("market") or {}).get("handle"))
    locale = _spelt(node.get("customerLocale") or node.get("locale"))
    yield locale
    language, *rest = locale.split("-")
    # The region is the last part: "zh-hans-tw".
    yield from (*rest[-1:], language)


def _spelt(name: str | None) -> str:
    return (name or "").strip().replace("_", "-").lower()
