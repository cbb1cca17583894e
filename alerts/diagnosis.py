"""Diagnosis of order silence: why no order reached Engage, from Shopify's orders and our tasks of that time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from alerts.task_history import AlertTaskTypes
from database import db
from models import Shop
from reasons import Reason
from tasklog import listing
from tasklog.filter import Filter

EXAMPLES = 3  # task_types of errors that are named
MAX_COUNTED, COUNT_TIMEOUT = 10_000, timedelta(seconds=2)  # tasks counted of each kind
PENDING_ORDER_SYNCS = """SELECT count(*), min(created_at) FROM (
    SELECT created_at FROM task WHERE shop_id = %(shop)s AND state = 0 AND type = %(order)s LIMIT 10000) AS pending"""


class DiagnosisResult(StrEnum):
    """What explains the silence. The values are stored with incidents and are part of locale keys."""

    NO_ORDERS = "no_orders"
    NOT_RECEIVED = "unheard"
    PENDING = "waiting"
    FAILED = "refused"
    SKIPPED = "left_out"
    IN_PROGRESS = "on_the_way"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class DiagnosisExample:
    """Tasks that ended for the same reason: their number, and one of them, whose page explains it."""

    count: int
    task_id: str


@dataclass(frozen=True)
class Diagnosis:
    """The findings. `orders`: the number at Shopify in the time of silence, None if Shopify did not answer.

    `received`: order webhooks. `pending`: pending order syncs, with the `oldest` one's time. `failed`, `skipped`: order
    syncs that ended so.
    """

    orders: int | None
    received: int = 0
    pending: int = 0
    oldest: str | None = None
    failed: int = 0
    skipped: int = 0
    examples: list[DiagnosisExample] = field(default_factory=list)

    @property
    def result(self) -> DiagnosisResult:
        """The first explanation that applies. Failed syncs explain more than those that wait behind them."""
        if self.failed:
            return DiagnosisResult.FAILED
        if self.pending:
            return DiagnosisResult.PENDING
        if self.skipped:
            return DiagnosisResult.SKIPPED
        if self.orders is None:
            return DiagnosisResult.UNKNOWN
        if self.orders and not self.received:
            return DiagnosisResult.NOT_RECEIVED
        return DiagnosisResult.IN_PROGRESS if self.orders else DiagnosisResult.NO_ORDERS

    def as_json(self) -> dict[str, Any]:
        """The findings as an incident stores them. The names must stay, since stored incidents have them."""
        return {
            "orders": self.orders,
            "heard": self.received,
            "waiting": self.pending,
            "oldest": self.oldest,
            "refused": self.failed,
            "left_out": self.skipped,
            "examples": [asdict(each) for each in self.examples],
            "cause": str(self.result),
        }


def diagnose(
    shop: Shop,
    task_types: AlertTaskTypes,
    since: datetime,
    until: datetime,
    count_shopify_orders: Callable[[], int | None],
) -> Diagnosis:
    """Diagnose the silence. `count_shopify_orders` counts those of this time; it returns None without an answer."""
    span = {"shop": shop.id, "order": task_types.order_sync, "since": since, "until": until}
    pending, oldest = db.execute_sql(PENDING_ORDER_SYNCS, span).fetchone()
    failed = _examples("state = 2 AND closed_by IS NULL", "system, status, code", span)
    skipped = _examples(f"state = 1 AND reason <> '{Reason.REPLACED}'", "reason", span)
    return Diagnosis(
        orders=count_shopify_orders(),
        received=listing.count_up_to(
            Filter(shop.id, types=task_types.order_received, created_from=since, created_to=until),
            MAX_COUNTED,
            COUNT_TIMEOUT,
        ),
        pending=pending,
        oldest=oldest.isoformat() if oldest else None,
        failed=sum(each.count for each in failed),
        skipped=sum(each.count for each in skipped),
        examples=(failed or skipped)[:EXAMPLES],
    )


def _examples(condition: str, columns: str, span: dict[str, Any]) -> list[DiagnosisExample]:
    """The order syncs of this time that meet the condition, grouped by columns, the most frequent first."""
    found = db.execute_sql(
        f"""SELECT count(*), max(id::text) FROM (
                SELECT id, ({columns}) AS same FROM task
                WHERE shop_id = %(shop)s AND type = %(order)s AND {condition}
                  AND completed_at > %(since)s AND completed_at <= %(until)s
                ORDER BY completed_at DESC LIMIT {MAX_COUNTED:d}) AS ended
            GROUP BY same ORDER BY 1 DESC, 2""",  # noqa: S608
        span,
    )
    return [DiagnosisExample(count, task_id) for count, task_id in found.fetchall()]
