"""What differs between two bodies, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Value = Any  # of JSON


class Absent:
    """Where one of the two has nothing, not even null."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent()


@dataclass(frozen=True)
class Change:
    """A place, as in `items[2].sku`, and what stands there before and after. Empty: the whole."""

    path: str
    before: Value
    after: Value


def changes(before: Value, after: Value, path: str = "") -> Iterator[Change]:
    """Where the two differ, in the order of the first, then what only the second has.

    Lists are compared from both ends: a line that was put in or taken out is one change, not one for each that follows.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_objects(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, path)
    elif not same(before, after):
        yield Change(path, before, after)


def same(one: Value, other: Value) -> bool:
    """Whether they mean the same. In Python true is 1; in JSON it is not, while 1.0 and 1 are one number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def fields(value: Value) -> int:
    """How many single values there are in it."""
    if isinstance(value, dict | list):
        return sum(map(fields, value.values() if isinstance(value, dict) else value))
    return 1


def _of_objects(before: dict[str, Value], after: dict[str, Value], path: str) -> Iterator[Change]:
    for name in [*before, *(name for name in after if name not in before)]:
        below = f"{path}.{name}" if path else name
        yield from changes(before.get(name, ABSENT), after.get(name, ABSENT), below)


def _of_lists(before: list[Value], after: list[Value], path: str) -> Iterator[Change]:
    start = _alike(before, after)
    end = min(_alike(before[::-1], after[::-1]), len(before) - start, len(after) - start)
    ours, theirs = before[start : len(before) - end], after[start : len(after) - end]
    for place in range(max(len(ours), len(theirs))):
        mine, others = (each[place] if place < len(each) else ABSENT for each in (ours, theirs))
        yield from changes(mine, others, f"{path}[{start + place}]")


def _alike(one: list[Value], other: list[Value]) -> int:
    """How many they have in common from the beginning."""
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if not same(*pair)),
        min(len(one), len(other)),
    )
