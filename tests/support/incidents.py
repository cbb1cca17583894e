"""A shop's alerts as the clock and the post bring them on, at hours of the test's choice that lie in the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alerts import evaluation, rule_states
from alerts import incidents as alerts_incidents
from alerts.jobs import watched_types
from models import AlertRule, Incident, Mail, MailState, Rule, Shop, State
from tests.support.tasks.listed_tasks import add_task

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)  # 13:00 in Stockholm, a Tuesday


def local(text: str) -> datetime:
    """2026-11-03 20:00 as Stockholm's clocks show it, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Stockholm")).astimezone(UTC)


def choose(shop: Shop, **alerts: Any) -> None:
    """The shop's settings about alerts. It has had the app for long."""
    shop.settings = {**shop.settings, "alerts": alerts}
    shop.connected_at = NOON - 30 * DAY
    shop.save()


def ordered(shop: Shop, at: datetime, state: State = State.SUCCESS, **fields: Any) -> Any:
    """An order sync that ended at this time."""
    return add_task(shop, at, state=state, completed_at=at, **fields)


def look(now: datetime, orders: int | None = 0) -> int:
    """The clock's turn at this instant. `orders`: what Shopify says when it is asked. Returns how many were judged."""
    AlertRule.update(next_check_at=now).execute()
    return evaluation.evaluate_due_rules(watched_types(), lambda *_: orders, now)


def state(shop: Shop, rule: str = Rule.SILENCE) -> str:
    return rule_states.of_shop(shop)[rule].state


def the_incident(shop: Shop, rule: str = Rule.SILENCE) -> Incident:
    found = alerts_incidents.open_by_rule(shop, rule)
    assert found
    return found


def everything(shop: Shop) -> list[Incident]:
    """All of its incidents, open or not, newest first."""
    return list(Incident.select().where(Incident.shop == shop).order_by(Incident.id.desc()))


def mails(shop: Shop | None, *fates: MailState) -> list[tuple[str, str]]:
    """Kind and address of each mail, or of those with these fates, in order."""
    rows = [row for row in Mail.select().order_by(Mail.id) if row.shop_id == (shop.id if shop else None)]
    return [(row.kind, row.address) for row in rows if not fates or row.state in fates]


def sent(shop: Shop) -> None:
    """Every mail that waits has gone out."""
    Mail.update(state=MailState.SENT, tries=1).where(Mail.shop == shop, Mail.state == MailState.DUE).execute()
