"""Store map form: rows that map a market, country or language to the Engage store of a purchase."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from i18n.catalogue import t
from mappings.stores import normalized
from models import Market, Shop
from sync import stores
from views.settings.choices import STORE, chosen_at

MAX_ROWS, EMPTY_ROWS = 40, 3
ROW_KEY = re.compile(r"[\w.-]{1,60}")
MAX_STORE_LENGTH = 100


class Suggestion(NamedTuple):
    """What may stand on the left side of a row; a location's id with its name."""

    place: str
    name: str = ""

    @property
    def text(self) -> str:
        return f"{self.name} ({self.place})" if self.name else self.place


@dataclass(frozen=True)
class StoreMap:
    """The saved or submitted map. `store_names`: the tenant's stores, id to name; while empty, any is valid."""

    default: str
    rows: Sequence[tuple[str, str]]
    store_names: Mapping[str, str]
    suggestions: Sequence[Suggestion]
    unmapped: Sequence[Suggestion] = ()
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, shop: Shop) -> StoreMap:
        saved: dict[str, str] = chosen_at(shop, ("stores",)) or {}
        rows = sorted(saved.items())
        return cls(chosen_at(shop, STORE), rows, _store_names(shop), _suggestions(shop), _unmapped(shop, rows))

    @classmethod
    def read(cls, shop: Shop, form: Mapping[str, str]) -> StoreMap:
        """Read a submitted form. Empty rows are left out."""
        typed = [
            (form.get(f"place_{each}", "").strip(), form.get(f"store_{each}", "").strip()) for each in range(MAX_ROWS)
        ]
        rows, store_names = [row for row in typed if any(row)], _store_names(shop)
        default = form.get("default", "").strip()
        suggestions, errors = _suggestions(shop), _errors(default, rows, store_names)
        return cls(default, rows, store_names, suggestions, _unmapped(shop, rows), errors)

    @property
    def form_rows(self) -> list[tuple[str, str]]:
        """The rows, and some empty ones to fill in."""
        return [*self.rows, *[("", "")] * max(0, min(EMPTY_ROWS, MAX_ROWS - len(self.rows)))]

    @property
    def unmapped_note(self) -> str | None:
        """Which locations have no store of their own; None: each has, or nothing is mapped."""
        names = ", ".join(each.text for each in self.unmapped)
        return t("settings.unmapped", names=names) if names else None

    def as_map(self) -> dict[str, str] | None:
        return dict(self.rows) or None


def _store_names(shop: Shop) -> dict[str, str]:
    return {store.external_id: store.name or store.external_id for store in stores.stores_of(shop) if store.active}


def _suggestions(shop: Shop) -> list[Suggestion]:
    """Suggestions for the left side of a row: the shop's locations, its markets and the countries in them."""
    markets = list(Market.select().where(Market.shop == shop).order_by(Market.handle))
    regions = {region for market in markets for region in market.regions if region != "*"}
    places = [*(market.handle for market in markets), *sorted(regions)]
    return [*_locations(shop), *(Suggestion(place) for place in places)]


def _locations(shop: Shop) -> list[Suggestion]:
    return [Suggestion(location, name) for location, name in sorted(shop.locations.items(), key=lambda each: each[1])]


def _unmapped(shop: Shop, rows: Sequence[tuple[str, str]]) -> list[Suggestion]:
    """The locations without a row, where anything is mapped at all."""
    mapped = {normalized(place) for place, _ in rows}
    return [each for each in _locations(shop) if mapped and each.place not in mapped]


def _errors(default: str, rows: Sequence[tuple[str, str]], store_names: Mapping[str, str]) -> dict[str, str]:
    """The error messages by the names of the invalid fields."""
    errors = {"default": _store_error(default, store_names)}
    earlier_places: set[str] = set()
    for number, (place, store) in enumerate(rows):
        errors[f"store_{number}"] = _store_error(store, store_names)
        errors[f"place_{number}"] = _place_error(place, earlier_places)
        earlier_places.add(normalized(place))
    return {name: message for name, message in errors.items() if message}


def _store_error(store: str, store_names: Mapping[str, str]) -> str:
    if not store or len(store) > MAX_STORE_LENGTH or not store.isprintable():
        return t("settings.bad.store")
    return t("settings.bad.unknown_store", store=store) if store_names and store not in store_names else ""


def _place_error(place: str, earlier_places: set[str]) -> str:
    if not ROW_KEY.fullmatch(place):
        return t("settings.bad.place")
    return t("settings.bad.twice", place=place) if normalized(place) in earlier_places else ""
