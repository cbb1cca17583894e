"""Serializer of tasks for JSON and CSV: plain values, the same in every language."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from models import State, Task
from views import wording
from words.reasons import Reason, recognised

LEFT_OUT = "…"


def as_json(task: Task) -> dict[str, Any]:
    """Serialize a task. Shopify's ids are text: not every JSON parser keeps 64 bits."""
    return {
        "id": str(task.id),
        "state": wording.state_name(task),
        "type": wording.type_name(task.type),
        "shopify_id": None if task.shopify_id is None else str(task.shopify_id),
        "engage_id": task.engage_id,
        "created_at": wording.iso(task.created_at),
        "started_at": wording.iso(task.started_at),
        "completed_at": wording.iso(task.completed_at),
        "duration_ms": task.duration_ms,
        "attempts": task.attempts,
        "reason": task.reason and own_words(task.reason),
        "code": task.code,
        "skipped": task.state == State.SUCCESS and task.reason is not None,
        "parent_id": task.parent_id and str(task.parent_id),
        "closed_by": task.closed_by and str(task.closed_by),
        "due_at": wording.iso(task.due_at),
    }


@lru_cache(maxsize=4096)
def own_words(reason: str) -> str:
    """The reason without another system's message, which may contain personal data. The task's page shows all of it."""
    for part in _nested(recognised(reason)):
        if message := part.values.get("said"):
            return reason.replace(f": {message}", f": {LEFT_OUT}", 1)
    return reason


def _nested(reason: Reason | None) -> Iterator[Reason]:
    while reason:
        yield reason
        reason = reason.within
