"""Store map form: rows that map a market, country or language to the Engage store of a purchase."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from i18n.catalogue import t
from mappings.stores import normalized
from models import Market, Shop
from sync import stores
from views.settings.choices import STORE, chosen_at

MAX_ROWS, EMPTY_ROWS = 40, 3
ROW_KEY = re.compile(r"[\w.-]{1,60}")
MAX_STORE_LENGTH = 100


@dataclass(frozen=True)
class StoreMap:
    """The saved or submitted map. `store_names`: the tenant's stores, id to name; while empty, any is valid."""

    default: str
    rows: Sequence[tuple[str, str]]
    store_names: Mapping[str, str]
    suggestions: Sequence[str]
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, shop: Shop) -> StoreMap:
        saved: dict[str, str] = chosen_at(shop, ("stores",)) or {}
        return cls(chosen_at(shop, STORE), sorted(saved.items()), _store_names(shop), _suggestions(shop))

    @classmethod
    def read(cls, shop: Shop, form: Mapping[str, str]) -> StoreMap:
        """Read a submitted form. Empty rows are left out."""
        typed = [
            (form.get(f"place_{each}", "").strip(), form.get(f"store_{each}", "").strip()) for each in range(MAX_ROWS)
        ]
        rows, store_names = [row for row in typed if any(row)], _store_names(shop)
        default = form.get("default", "").strip()
        return cls(default, rows, store_names, _suggestions(shop), _errors(default, rows, store_names))

    @property
    def form_rows(self) -> list[tuple[str, str]]:
        """The rows, and some empty ones to fill in."""
        return [*self.rows, *[("", "")] * max(0, min(EMPTY_ROWS, MAX_ROWS - len(self.rows)))]

    def as_map(self) -> dict[str, str] | None:
        return dict(self.rows) or None


def _store_names(shop: Shop) -> dict[str, str]:
    return {store.external_id: store.name or store.external_id for store in stores.stores_of(shop) if store.active}


def _suggestions(shop: Shop) -> list[str]:
    """Suggestions for the left side of a row: the shop's markets and the countries in them."""
    markets = list(Market.select().where(Market.shop == shop).order_by(Market.handle))
    regions = {region for market in markets for region in market.regions if region != "*"}
    return [*(market.handle for market in markets), *sorted(regions)]


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
