"""Why no order has reached Engage: what Shopify, our tasks and Engage say about the time of silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from alerts.facts import Kinds
from database import db
from models import Shop, lists
from models.selection import Selection

EXAMPLES = 3  # kinds of errors that are named
MOST, PATIENCE = 10_000, timedelta(seconds=2)  # tasks counted of each kind
REPLACED = "Replaced by"  # a newer one does the same
WAITING = """SELECT count(*), min(created_at) FROM (
    SELECT created_at FROM task WHERE shop_id = %(shop)s AND state = 0 AND type = %(order)s LIMIT 10000) AS waiting"""


class Cause(StrEnum):
    """What explains the silence."""

    NO_ORDERS = "no_orders"
    UNHEARD = "unheard"
    WAITING = "waiting"
    REFUSED = "refused"
    LEFT_OUT = "left_out"
    ON_THE_WAY = "on_the_way"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Example:
    """Tasks that ended alike: how many, and one of them, whose own page says why."""

    count: int
    task_id: str


@dataclass(frozen=True)
class Look:
    """What was found. `orders`: those of the time of silence at Shopify, None when it did not answer."""

    orders: int | None
    heard: int = 0
    waiting: int = 0
    oldest: str | None = None
    refused: int = 0
    left_out: int = 0
    examples: list[Example] = field(default_factory=list)

    @property
    def cause(self) -> Cause:
        """The first of these that holds. What was refused says more than what waits behind it."""
        if self.refused:
            return Cause.REFUSED
        if self.waiting:
            return Cause.WAITING
        if self.left_out:
            return Cause.LEFT_OUT
        if self.orders is None:
            return Cause.UNKNOWN
        if self.orders and not self.heard:
            return Cause.UNHEARD
        return Cause.ON_THE_WAY if self.orders else Cause.NO_ORDERS

    def as_json(self) -> dict[str, Any]:
        """As an incident keeps it."""
        return asdict(self) | {"cause": str(self.cause)}


def look(shop: Shop, kinds: Kinds, since: datetime, until: datetime, ask: Callable[[], int | None]) -> Look:
    """Look at everything that tells why. `ask`: how many orders Shopify has of this time, None without an answer."""
    span = {"shop": shop.id, "order": kinds.order, "since": since, "until": until}
    waiting, oldest = db.execute_sql(WAITING, span).fetchone()
    refused = _examples("state = 2 AND closed_by IS NULL", "code", span)
    left_out = _examples(f"state = 1 AND reason NOT LIKE '{REPLACED}%%'", "reason", span)
    return Look(
        orders=ask(),
        heard=lists.count_up_to(
            Selection(shop.id, types=kinds.hears, created_from=since, created_to=until), MOST, PATIENCE
        ),
        waiting=waiting,
        oldest=oldest.isoformat() if oldest else None,
        refused=sum(each.count for each in refused),
        left_out=sum(each.count for each in left_out),
        examples=(refused or left_out)[:EXAMPLES],
    )


def _examples(condition: str, alike: str, span: dict[str, Any]) -> list[Example]:
    """The order syncs that ended so in this time, those that are alike together, the most frequent first."""
    found = db.execute_sql(
        f"""SELECT count(*), max(id::text) FROM (
                SELECT id, {alike} AS alike FROM task
                WHERE shop_id = %(shop)s AND type = %(order)s AND {condition}
                  AND completed_at > %(since)s AND completed_at <= %(until)s
                ORDER BY completed_at DESC LIMIT {MOST:d}) AS ended
            GROUP BY alike ORDER BY 1 DESC, 2""",  # noqa: S608
        span,
    )
    return [Example(count, task_id) for count, task_id in found.fetchall()]
