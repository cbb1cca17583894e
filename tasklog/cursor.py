"""Cursor of a page in a list of tasks: position and order. Keyset pagination: a page costs the same at any depth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Position:
    """A position in a list: after the task with this id. `at`: its instant that the list is sorted by, or None."""

    at: datetime | None
    task_id: UUID


@dataclass(frozen=True)
class Segment:
    """One stretch of a sorted list, which one index has in its order.

    A list sorted by id is one segment. A list sorted by an instant (`started_at`, `completed_at`) is two: the tasks
    that have the instant (`dated`), by it and by id, and the others, by id.
    """

    instant: str | None = None
    dated: bool = False
    descending: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that the segment is sorted by."""
        return (self.instant, "id") if self.instant and self.dated else ("id",)

    @property
    def conditions(self) -> list[str]:
        """The SQL conditions that its tasks meet."""
        return [f"{self.instant} IS {'NOT NULL' if self.dated else 'NULL'}"] if self.instant else []

    def order(self, *keys: str) -> str:
        """ORDER BY these keys, or its own. NULLS is not said, as in the indexes: the planner compares the wording."""
        return "ORDER BY " + ", ".join(f"{key} {'DESC' if self.descending else 'ASC'}" for key in keys or self.keys)
