"""Circuit breaker of a shop's calls to Engage: failures in a row pause the shop, a probe finds out when to resume.

Its state is in the shop's row (`failures`, `paused_until`), so all workers share it. While it is open, tasks that call
Engage stay Pending: the sweep publishes none and a claim takes none.
"""

from __future__ import annotations

from datetime import timedelta

from database import db
from models import NOW, Shop
from reasons import Cause


def pause(shop: Shop, why: Cause, wait: timedelta) -> None:
    """Open the circuit breaker: no task of the shop calls Engage for `wait`. The first call afterwards is a probe."""
    Shop.update(paused_until=NOW + wait, pause_reason=why.dumps()).where(Shop.id == shop.id).execute()


def count_failure(shop: Shop, why: Cause, *, at_most: int, wait: timedelta, longest: timedelta) -> None:
    """Count a failed call. From `at_most` in a row on, pause the shop, twice as long after each failed probe.

    A call that was under way when the pause began counts as nothing new.
    """
    probing = shop.paused_until is not None
    db.execute_sql(
        """UPDATE shop SET failures = failures + 1,
               paused_until = CASE WHEN failures + 1 >= %(most)s
                   THEN now() + least(%(wait)s * power(2, least(failures + 1 - %(most)s, 10)), %(longest)s) END,
               pause_reason = CASE WHEN failures + 1 >= %(most)s THEN %(reason)s END
           WHERE id = %(id)s AND (paused_until IS NULL OR %(probe)s)""",
        {"most": at_most, "wait": wait, "longest": longest, "reason": why.dumps(), "id": shop.id, "probe": probing},
    )


def resume(shop: Shop) -> None:
    """Close the circuit breaker, because Engage has answered."""
    if shop.failures or shop.paused_until:
        Shop.update(failures=0, paused_until=None, pause_reason=None).where(Shop.id == shop.id).execute()


def probe(shop: Shop, wait: timedelta) -> bool:
    """Take the right to make the one call that finds out whether Engage is back. False: another worker has it.

    The pause is extended by `wait`, so that no other worker calls until the probe has ended.
    """
    over = Shop.paused_until.is_null(False) & (Shop.paused_until <= NOW)
    return bool(Shop.update(paused_until=NOW + wait).where((Shop.id == shop.id) & over).execute())
