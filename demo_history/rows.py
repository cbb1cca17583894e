"""Rows of an invented task for COPY: the task, its attempts, and for a few the webhook's body or the exchange."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from clients import Effect
from demo_history.outcomes import FAILED_ATTEMPT, InventedOutcome
from models import Lane, Outcome, Shop, State
from reasons import Cause, ErrorCode
from taskqueue.types import TaskType

NEVER_DUE = datetime(2100, 1, 1, tzinfo=UTC)  # when a Pending task is due
WORKER = "invented:1"
MS = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[Any, ...]

COLUMNS = {
    "task": "id, shop_id, type, state, lane, entity, key, shopify_id, engage_id, parent_id, closed_by, reason, params, "
    "system, status, code, fence, attempts, due_at, created_at, started_at, completed_at, duration_ms",
    "attempt": "task_id, shop_id, number, worker, started_at, ended_at, outcome, reason, params, system, status, code",
    "exchange": "id, task_id, shop_id, attempt, system, method, path, url, effect, sent, status, received, unknown, "
    "started_at, duration_ms",
    "body": "task_id, shop_id, sealed",
    "orders": "shop_id, shopify_id, name, updated_at, seen, receipt_id, receipt_at",
}


class InventedTask(NamedTuple):
    """An invented task."""

    id: str
    shop_id: int
    kind: TaskType
    lane: Lane
    outcome: InventedOutcome
    created_at: datetime
    ms: int
    shopify_id: int | None
    engage_id: str | None
    parent_id: str | None
    closed_by: str | None

    @property
    def started_at(self) -> datetime | None:
        return self.created_at + self.outcome.wait if self.outcome.runs else None

    @property
    def completed_at(self) -> datetime | None:
        return None if self.outcome.state is State.PENDING else self.created_at + self.outcome.wait + self.ms * MS

    @property
    def succeeded(self) -> bool:
        """Whether it is a Success that was neither skipped nor replaced."""
        return self.outcome.state is State.SUCCESS and self.outcome.why is None

    def row(self) -> Row:
        """In the order of the task's COLUMNS."""
        kind, outcome, completed_at = self.kind, self.outcome, self.completed_at
        return (
            *(self.id, self.shop_id, kind.number, int(outcome.state), int(self.lane), int(kind.entity), self.id),
            *(self.shopify_id, self.engage_id, self.parent_id, self.closed_by, *_details(outcome.why, outcome.error)),
            *(
                outcome.runs,
                outcome.runs,
                self.created_at if completed_at else NEVER_DUE,
                self.created_at,
                self.started_at,
            ),
            *(completed_at, self.ms if completed_at and outcome.runs else None),
        )

    def attempts(self) -> Iterator[Row]:
        """One for each run; those before the last failed."""
        outcome, duration, completed = self.outcome, self.ms * MS, self.completed_at is not None
        for number in range(1, outcome.runs + 1):
            last = number == outcome.runs
            started_at = self.created_at + outcome.wait * number / outcome.runs
            result = Outcome.SUCCESS if last and outcome.state is State.SUCCESS else Outcome.FAILED
            why = outcome.why if last and completed else FAILED_ATTEMPT
            yield (
                self.id,
                self.shop_id,
                number,
                WORKER,
                started_at,
                started_at + duration,
                int(result),
                *_details(why, outcome.error),
            )


def _details(why: Cause | None, error: ErrorCode) -> Row:
    """The columns of an outcome: reason, params, system, status, code."""
    params = why and why.stored_params
    return why and why.stored_reason, params, error.system and int(error.system), error.status, error.code


def new_id(at: datetime, chance: random.Random) -> str:
    """A UUIDv7 of this moment, as 32 digits."""
    noise = chance.getrandbits(72)
    return f"{(at - EPOCH) // MS:012x}7{noise >> 60:03x}a{noise & (1 << 60) - 1:015x}"


def body_row(task: InventedTask, shop: Shop) -> Row:
    """The body of an invented webhook."""
    payload = orjson.dumps({"id": task.shopify_id, "note": "invented", "type": task.kind.name})
    return task.id, task.shop_id, shop.vault.seal(payload, "body", "sealed", UUID(task.id))


def exchange_row(task: InventedTask, shop: Shop, chance: random.Random) -> Row:
    """The exchange of an invented task's last run."""
    exchange_id, path, success = (
        new_id(task.created_at, chance),
        f"/api/v3/{task.kind.name}",
        task.outcome.state is State.SUCCESS,
    )
    payload = orjson.dumps({"id": task.shopify_id, "note": "invented"})
    clear = {"url": f"https://engage.invalid{path}".encode(), "sent": payload, "received": payload}
    sealed = {column: shop.vault.seal(text, "exchange", column, UUID(exchange_id)) for column, text in clear.items()}
    return (
        *(exchange_id, task.id, task.shop_id, task.outcome.runs, "Engage", "POST", path, sealed["url"]),
        *(int(Effect.REPEATABLE), sealed["sent"], 200 if success else 503, sealed["received"], False),
        *(task.started_at, task.ms),
    )


def order_row(shop: Shop, shopify_id: int, name: str, at: datetime) -> Row:
    """The row of an invented order."""
    node = {"legacyResourceId": str(shopify_id), "name": name, "updatedAt": at.isoformat(), "note": "invented"}
    sealed = shop.vault.seal(orjson.dumps(node), "orders", "seen", shopify_id)
    return shop.id, shopify_id, name, at, sealed, f"order-{shopify_id}", at
