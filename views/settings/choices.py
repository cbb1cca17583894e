"""Read and change single settings of a shop by their path, such as `("receipt", "trigger")`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerts import rule_states
from models import Shop

Path = tuple[str, ...]  # ("receipt", "trigger") is settings["receipt"]["trigger"]
STORE: Path = ("store",)  # a column of its own


def chosen_at(shop: Shop, path: Path, default: Any = None) -> Any:
    """The value that the shop has chosen for a setting, or the default."""
    if path == STORE:
        return shop.store
    *groups, name = path
    found: Any = shop.settings
    for group in groups:
        found = found.get(group, {})
    return found.get(name, default)


def choose(shop: Shop, wanted: Mapping[Path, Any]) -> dict[Path, Any]:
    """Change the named settings, in the caller's transaction. Returns the earlier values of those that differed.

    None removes a choice. After a change of alert settings the shop's rules are evaluated soon.
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
    target: dict[str, Any] = row.settings
    for group in groups:
        target = target.setdefault(group, {})
    if value is None:
        target.pop(name, None)
    else:
        target[name] = value
