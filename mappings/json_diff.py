"""JSON diff: the differences between two bodies, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Value = Any  # of JSON


class Absent:
    """Stands for a value that one of the two lacks; it is not null."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent()


@dataclass(frozen=True)
class FieldChange:
    """A path, such as `items[2].sku`, with its values before and after. An empty path means the whole body."""

    path: str
    before: Value
    after: Value


def diff(before: Value, after: Value, path: str = "") -> Iterator[FieldChange]:
    """The differences, in the order of the first body, then the fields that only the second has.

    Lists are compared from both ends: a line that was added or removed is one change, not one for each that follows.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_objects(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, path)
    elif not json_equal(before, after):
        yield FieldChange(path, before, after)


def json_equal(one: Value, other: Value) -> bool:
    """Whether two JSON values are equal. In Python true equals 1, in JSON it does not; 1.0 and 1 are equal in both."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(json_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(json_equal, one, other))
    return bool(one == other)


def count_values(value: Value) -> int:
    """The number of single values in a JSON value."""
    if isinstance(value, dict | list):
        return sum(map(count_values, value.values() if isinstance(value, dict) else value))
    return 1


def _of_objects(before: dict[str, Value], after: dict[str, Value], path: str) -> Iterator[FieldChange]:
    for name in [*before, *(name for name in after if name not in before)]:
        below = f"{path}.{name}" if path else name
        yield from diff(before.get(name, ABSENT), after.get(name, ABSENT), below)


def _of_lists(before: list[Value], after: list[Value], path: str) -> Iterator[FieldChange]:
    start = _common_prefix(before, after)
    end = min(_common_prefix(before[::-1], after[::-1]), len(before) - start, len(after) - start)
    middles = before[start : len(before) - end], after[start : len(after) - end]
    for index in range(max(map(len, middles))):
        old, new = (each[index] if index < len(each) else ABSENT for each in middles)
        yield from diff(old, new, f"{path}[{start + index}]")


def _common_prefix(one: list[Value], other: list[Value]) -> int:
    """The number of equal elements at the beginning."""
    return next(
        (index for index, pair in enumerate(zip(one, other, strict=False)) if not json_equal(*pair)),
        min(len(one), len(other)),
    )
