"""tasklog.cursor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Position:
    """Where a list goes on: after this task, which has this instant, or none."""

    at: datetime | None
    task_id: UUID


@dataclass(frozen=True)
class Segment:
    """An order of tasks: by id, or by an instant and the id of those that have the instant, or by id of the others."""

    instant: str | None = None
    dated: bool = False
    descending: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.instant, "id") if self.instant and self.dated else ("id",)

    @property
    def conditions(self) -> list[str]:
        return [f"{self.instant} IS {'NOT NULL' if self.dated else 'NULL'}"] if self.instant else []

    def order(self, *keys: str) -> str:
        """Without a word about NULLS, as the indexes are: the planner compares the wording, not the meaning."""
        return "ORDER BY " + ", ".join(f"{key} {'DESC' if self.descending else 'ASC'}" for key in keys or self.keys)
