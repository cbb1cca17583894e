"""Which store a sale is of, as a form of rows: a market, country or language on the left, a store on the right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mappings.stores import spelt
from models import Shop
from models.markets import Market
from models.settings import STORE, chosen_at
from models.stores import Store
from words import t

ROWS, SPARE = 40, 3
KEY = re.compile(r"[\w.-]{1,60}")
LONGEST = 100


@dataclass(frozen=True)
class StoreMap:
    """As it is kept, or as it was typed. `known`: the tenant's stores by id, with their names; none told yet: any."""

    default: str
    rows: Sequence[tuple[str, str]]
    known: Mapping[str, str]
    places: Sequence[str]
    wrong: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, shop: Shop) -> StoreMap:
        kept: dict[str, str] = chosen_at(shop, ("stores",)) or {}
        return cls(chosen_at(shop, STORE), sorted(kept.items()), _known(shop), _places(shop))

    @classmethod
    def read(cls, shop: Shop, form: Mapping[str, str]) -> StoreMap:
        """A row of which nothing is filled in is none."""
        typed = [(form.get(f"place_{each}", "").strip(), form.get(f"store_{each}", "").strip()) for each in range(ROWS)]
        rows, known = [row for row in typed if any(row)], _known(shop)
        default = form.get("default", "").strip()
        return cls(default, rows, known, _places(shop), _wrong(default, rows, known))

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The rows, and some to fill in."""
        return [*self.rows, *[("", "")] * max(0, min(SPARE, ROWS - len(self.rows)))]

    def as_map(self) -> dict[str, str] | None:
        return dict(self.rows) or None


def _known(shop: Shop) -> dict[str, str]:
    return {store.external_id: store.name or store.external_id for store in Store.of(shop) if store.active}


def _places(shop: Shop) -> list[str]:
    """What a row may begin with: the shop's markets, and the countries they are made of."""
    markets = list(Market.select().where(Market.shop == shop).order_by(Market.handle))
    regions = {region for market in markets for region in market.regions if region != "*"}
    return [*(market.handle for market in markets), *sorted(regions)]


def _wrong(default: str, rows: Sequence[tuple[str, str]], known: Mapping[str, str]) -> dict[str, str]:
    """A sentence for each field that cannot be, by the field's name."""
    wrong = {"default": _bad_store(default, known)}
    seen: set[str] = set()
    for number, (place, store) in enumerate(rows):
        wrong[f"store_{number}"] = _bad_store(store, known)
        wrong[f"place_{number}"] = _bad_place(place, seen)
        seen.add(spelt(place))
    return {name: sentence for name, sentence in wrong.items() if sentence}


def _bad_store(store: str, known: Mapping[str, str]) -> str:
    if not store or len(store) > LONGEST or not store.isprintable():
        return t("settings.bad.store")
    return t("settings.bad.unknown_store", store=store) if known and store not in known else ""


def _bad_place(place: str, seen: set[str]) -> str:
    if not KEY.fullmatch(place):
        return t("settings.bad.place")
    return t("settings.bad.twice", place=place) if spelt(place) in seen else ""
