"""taskqueue.circuit_breaker."""

from __future__ import annotations

from datetime import timedelta

from database import db
from models import NOW, Shop


def pause(shop: Shop, reason: str, wait: timedelta) -> None:
    """Send nothing to Engage for a while; tasks stay Pending. The first call afterwards is a probe."""
    Shop.update(paused_until=NOW + wait, pause_reason=reason).where(Shop.id == shop.id).execute()


def count_failure(shop: Shop, reason: str, *, at_most: int, wait: timedelta, longest: timedelta) -> None:
    """One more call in a row has failed; beyond `at_most` the shop pauses, twice as long for each failed probe.

    Calls that were under way when the pause began say nothing new.
    """
    probing = shop.paused_until is not None
    db.execute_sql(
        """UPDATE shop SET failures = failures + 1,
               paused_until = CASE WHEN failures + 1 >= %(most)s
                   THEN now() + least(%(wait)s * power(2, least(failures + 1 - %(most)s, 10)), %(longest)s) END,
               pause_reason = CASE WHEN failures + 1 >= %(most)s THEN %(reason)s END
           WHERE id = %(id)s AND (paused_until IS NULL OR %(probe)s)""",
        {"most": at_most, "wait": wait, "longest": longest, "reason": reason, "id": shop.id, "probe": probing},
    )


def resume(shop: Shop) -> None:
    """Engage has answered: nothing is paused any more."""
    if shop.failures or shop.paused_until:
        Shop.update(failures=0, paused_until=None, pause_reason=None).where(Shop.id == shop.id).execute()


def probe(shop: Shop, wait: timedelta) -> bool:
    """Take the right to make the one call that finds out whether a paused shop's Engage is back."""
    over = Shop.paused_until.is_null(False) & (Shop.paused_until <= NOW)
    return bool(Shop.update(paused_until=NOW + wait).where((Shop.id == shop.id) & over).execute())
