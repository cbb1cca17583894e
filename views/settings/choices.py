"""views.settings.index.choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerts import rule_states
from models import Shop

Path = tuple[str, ...]  # ("receipt", "trigger") is settings["receipt"]["trigger"]


STORE: Path = ("store",)  # a column of its own


def chosen_at(shop: Shop, path: Path, default: Any = None) -> Any:
    """What the shop has chosen there, or the default."""
    if path == STORE:
        return shop.store
    *groups, name = path
    found: Any = shop.settings
    for group in groups:
        found = found.get(group, {})
    return found.get(name, default)


def choose(shop: Shop, wanted: Mapping[Path, Any]) -> dict[Path, Any]:
    """Change what is named and leave the rest, in the caller's transaction. Returns what was there, where it differed.

    None takes a choice away. The shop's alert rules are judged at the next turn of the clock.
    """
    row = Shop.select().where(Shop.id == shop.id).for_update().get()
    before = {path: chosen_at(row, path) for path, value in wanted.items() if chosen_at(row, path) != value}
    for path in before:
        _put(row, path, wanted[path])
    Shop.update(settings=row.settings, store=row.store).where(Shop.id == shop.id).execute()
    shop.settings, shop.store = row.settings, row.store
    if any(path[0] == "alerts" for path in before):
        rule_states.evaluate_soon(shop)
    return before


def _put(row: Shop, path: Path, value: Any) -> None:
    if path == STORE:
        row.store = value
        return
    *groups, name = path
    place: dict[str, Any] = row.settings
    for group in groups:
        place = place.setdefault(group, {})
    if value is None:
        place.pop(name, None)
    else:
        place[name] = value
