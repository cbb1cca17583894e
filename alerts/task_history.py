"""Task history for the alert rules: synced orders, finished tasks, and work that is stalled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from database import db
from models import Shop
from reasons import Reason

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
ABOUT_CODES = (Reason.VOUCHERS_REDEEMED, Reason.VOUCHERS_REACTIVATED)  # notes on syncs that sent no receipt
STALLED_AFTER = timedelta(minutes=5)  # how long due work may wait while no worker does anything


@dataclass(frozen=True)
class AlertTaskTypes:
    """Task types by number: the one that syncs an order, those of received order webhooks, and each type's group."""

    order_sync: int
    order_received: tuple[int, ...]
    groups: Mapping[int, str]


@dataclass(frozen=True)
class FinishedTask:
    """A finished live task. `entity` is the same for all tasks about the same order, customer or refund."""

    entity: str
    group: str
    failed: bool
    at: datetime


def last_synced_order(shop: Shop, task_types: AlertTaskTypes, before: datetime) -> datetime | None:
    """The time at which the newest order reached Engage."""
    return next(iter(synced_orders(shop, task_types, EARLIEST, before, 1)), None)


def synced_orders(
    shop: Shop, task_types: AlertTaskTypes, since: datetime, until: datetime, limit: int
) -> list[datetime]:
    """The times at which the newest `limit` orders of this time reached Engage, oldest first.

    Without imported, resent and skipped ones, and those about codes of orders that Engage has: they do not show that
    orders are flowing.
    """
    found = db.execute_sql(
        """SELECT completed_at FROM task
           WHERE shop_id = %s AND state = 1 AND type = %s AND completed_at > %s AND completed_at <= %s
             AND lane = 0 AND reason IS NULL AND resends IS NULL
             AND NOT EXISTS (SELECT 1 FROM attempt WHERE task_id = task.id AND number = fence AND reason = ANY(%s))
           ORDER BY completed_at DESC, id DESC LIMIT %s""",
        (shop.id, task_types.order_sync, since, until, list(ABOUT_CODES), limit),
    )
    return [at for (at,) in found.fetchall()][::-1]


def finished_tasks(
    shop: Shop, task_types: AlertTaskTypes, since: datetime, until: datetime, limit: int
) -> list[FinishedTask]:
    """Up to `limit` of the newest live tasks of each type and state that finished in this time, oldest first.

    Without skipped tasks, and without errors that a later success has solved.
    """
    return finished_history(shop, task_types, since, until, limit)[0]


def finished_history(
    shop: Shop, task_types: AlertTaskTypes, since: datetime, until: datetime, limit: int
) -> tuple[list[FinishedTask], datetime]:
    """The finished tasks, and from when on they are complete: later than `since` if there were more than `limit`."""
    rows = db.execute_sql(
        """SELECT found.* FROM unnest(%(types)s::smallint[]) AS kind (type)
           CROSS JOIN unnest('{1,2}'::smallint[]) AS outcome (state)
           CROSS JOIN LATERAL (
               SELECT task.type, entity, shopify_id, task.state, completed_at, id FROM task
               WHERE shop_id = %(shop)s AND task.state = outcome.state AND task.type = kind.type
                 AND completed_at > %(since)s AND completed_at <= %(until)s AND lane = 0
                 AND (task.state = 2 AND closed_by IS NULL OR task.state = 1 AND reason IS NULL)
               ORDER BY completed_at DESC, id DESC LIMIT %(limit)s) AS found
           ORDER BY completed_at, id""",
        {"types": list(task_types.groups), "shop": shop.id, "since": since, "until": until, "limit": limit},
    ).fetchall()
    counts = Counter((number, state) for number, _, _, state, _, _ in rows)
    cut = {kind for kind, count in counts.items() if count == limit}
    firsts = {(row[0], row[3]): row[4] for row in reversed(rows) if (row[0], row[3]) in cut}
    tasks = [
        FinishedTask(f"{entity}:{shopify_id or task_id}", task_types.groups[number], state == 2, at)
        for number, entity, shopify_id, state, at, task_id in rows
    ]
    return tasks, max([since, *firsts.values()])


def stalled_since() -> datetime | None:
    """Since when due live work has not been claimed, if that is too long ago; None if it is not.

    While any worker holds a lease it is a backlog, not a stall. Shops that are paused because their Engage is
    unavailable do not count.
    """
    oldest, working = db.execute_sql(
        """SELECT (SELECT min(due_at) FROM shop CROSS JOIN LATERAL (
                       SELECT due_at FROM task
                       WHERE shop_id = shop.id AND state = 0 AND lane = 0 AND leased_until IS NULL
                       ORDER BY due_at LIMIT 1) AS first
                   WHERE active AND paused_until IS NULL AND due_at < now() - %s),
                  EXISTS (SELECT 1 FROM task WHERE leased_until > now())""",
        (STALLED_AFTER,),
    ).fetchone()
    return oldest if oldest and not working else None
