"""What the rules are judged by, read from the shop's tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from database import db
from models import Shop

STALLED = timedelta(minutes=5)  # nobody works although there is work


@dataclass(frozen=True)
class Kinds:
    """The task types by number: the one that syncs an order, those that hear of orders, and each one's group."""

    order: int
    hears: tuple[int, ...]
    groups: Mapping[int, str]


@dataclass(frozen=True)
class Finished:
    """A live task that reached its outcome. `entity` is the same for all tasks about the same thing."""

    entity: str
    group: str
    failed: bool
    at: datetime


def last_order(shop: Shop, kinds: Kinds, before: datetime) -> datetime | None:
    """When the newest order reached Engage. Not by an import, not by hand, and not one that was left out."""
    found = db.execute_sql(
        """SELECT completed_at FROM task
           WHERE shop_id = %s AND state = 1 AND type = %s AND completed_at <= %s
             AND lane = 0 AND reason IS NULL AND NOT args ? 'exchange'
           ORDER BY completed_at DESC, id DESC LIMIT 1""",
        (shop.id, kinds.order, before),
    ).fetchone()
    return found[0] if found else None


def finished(shop: Shop, kinds: Kinds, since: datetime, until: datetime, most: int) -> list[Finished]:
    """Up to `most` of the newest live tasks of each type and outcome that ended in this time, oldest first.

    Skipped ones are no outcome. An Error that a later success solved is none either.
    """
    rows = db.execute_sql(
        """SELECT found.* FROM unnest(%(types)s::smallint[]) AS kind (type)
           CROSS JOIN unnest('{1,2}'::smallint[]) AS outcome (state)
           CROSS JOIN LATERAL (
               SELECT task.type, entity, shopify_id, task.state, completed_at, id FROM task
               WHERE shop_id = %(shop)s AND task.state = outcome.state AND task.type = kind.type
                 AND completed_at > %(since)s AND completed_at <= %(until)s AND lane = 0
                 AND (task.state = 2 AND closed_by IS NULL OR task.state = 1 AND reason IS NULL)
               ORDER BY completed_at DESC, id DESC LIMIT %(most)s) AS found
           ORDER BY completed_at, id""",
        {"types": list(kinds.groups), "shop": shop.id, "since": since, "until": until, "most": most},
    ).fetchall()
    return [
        Finished(f"{entity}:{shopify_id or task_id}", kinds.groups[number], state == 2, at)
        for number, entity, shopify_id, state, at, task_id in rows
    ]


def stalled_since() -> datetime | None:
    """Since when live work is due that nobody takes, if that is long; None: all is well.

    While anybody works at anything it is a backlog. Shops that are paused because their Engage is away do not count.
    """
    oldest, working = db.execute_sql(
        """SELECT (SELECT min(due_at) FROM shop CROSS JOIN LATERAL (
                       SELECT due_at FROM task
                       WHERE shop_id = shop.id AND state = 0 AND lane = 0 AND leased_until IS NULL
                       ORDER BY due_at LIMIT 1) AS first
                   WHERE active AND paused_until IS NULL AND due_at < now() - %s),
                  EXISTS (SELECT 1 FROM task WHERE leased_until > now())""",
        (STALLED,),
    ).fetchone()
    return oldest if oldest and not working else None
