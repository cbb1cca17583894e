"""Periodic tasks: one task per shop and time slot of each task type that is declared with a period."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from database import db
from models import Shop, Task, utcnow
from taskqueue.types import TYPES, TaskType, enqueue

GOLDEN = 0.618034  # the golden ratio: its multiples modulo 1 lie evenly apart however many there are
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def slot_start(period: timedelta, shop_id: int, now: datetime) -> datetime:
    """Start of the shop's time slot that contains `now`. Shops are staggered, so that not all call at once."""
    began = EPOCH + period * (shop_id * GOLDEN % 1)
    return began + (now - began) // period * period


@dataclass
class TimeSlots:
    """Time slots filled by this process. Idempotent: another scheduler derives the same idempotency keys."""

    _filled: dict[tuple[int, str], datetime] = field(default_factory=dict)

    def fill(self, now: datetime | None = None) -> int:
        """Enqueue the tasks of the slots that have begun. Returns the number of tasks."""
        return sum(self._fill(each, each.period, now or utcnow()) for each in TYPES.values() if each.period)

    def _fill(self, task_type: TaskType, period: timedelta, now: datetime) -> int:
        begun = {shop_id: slot_start(period, shop_id, now) for shop_id in _active_shops()}
        unfilled = {
            shop_id: slot for shop_id, slot in begun.items() if self._filled.get((shop_id, task_type.name)) != slot
        }
        due = _without_pending(task_type, list(unfilled))
        added = enqueue([_task(task_type, shop_id, unfilled[shop_id]) for shop_id in due])
        self._filled |= {(shop_id, task_type.name): slot for shop_id, slot in unfilled.items()}
        return len(added)


def _task(task_type: TaskType, shop_id: int, slot: datetime) -> Task:
    return task_type.new(Shop(id=shop_id), key=f"slot:{slot.isoformat()}")


def _active_shops() -> list[int]:
    return [shop_id for (shop_id,) in db.execute_sql("SELECT id FROM shop WHERE active ORDER BY id").fetchall()]


def _without_pending(task_type: TaskType, shop_ids: list[int]) -> list[int]:
    """Return the shops whose last task of the type has ended: tasks must not pile up while a system is unavailable."""
    found = db.execute_sql(
        """SELECT id FROM unnest(%s::integer[]) AS asked (id) WHERE NOT EXISTS (
               SELECT 1 FROM task WHERE shop_id = asked.id AND state = 0 AND type = %s)""",
        (shop_ids, task_type.number),
    )
    return [shop_id for (shop_id,) in found.fetchall()]
