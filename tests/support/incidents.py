"""A shop's alerts as the clock and the post bring them on, at hours of the test's choice that lie in the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alerts import evaluation, incidents, rule_states
from alerts.jobs import alert_task_types
from models import AlertRule, Incident, Mail, MailState, Rule, Shop, State
from tests.support.listings import add

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)  # 13:00 in Stockholm, a Tuesday


def local(text: str) -> datetime:
    """2026-11-03 20:00 as Stockholm's clocks show it, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Stockholm")).astimezone(UTC)


def set_alert_settings(shop: Shop, **alerts: Any) -> None:
    """The shop's settings about alerts. It has had the app for long."""
    shop.settings = {**shop.settings, "alerts": alerts}
    shop.connected_at = NOON - 30 * DAY
    shop.save()


def add_order_sync(shop: Shop, at: datetime, state: State = State.SUCCESS, **fields: Any) -> Any:
    """An order sync that ended at this time."""
    return add(shop, at, state=state, completed_at=at, **fields)


def evaluate(now: datetime, orders: int | None = 0) -> int:
    """The clock's turn at this instant. `orders`: what Shopify says when it is asked. Returns how many were judged."""
    AlertRule.update(next_check_at=now).execute()
    return evaluation.evaluate_due_rules(alert_task_types(), lambda *_: orders, now)


def rule_state(shop: Shop, rule: str = Rule.SILENCE) -> str:
    return rule_states.of_shop(shop)[rule].state


def open_incident(shop: Shop, rule: str = Rule.SILENCE) -> Incident:
    found = incidents.open_by_rule(shop, rule)
    assert found
    return found


def all_incidents(shop: Shop) -> list[Incident]:
    """All of its incidents, open or not, newest first."""
    return list(Incident.select().where(Incident.shop == shop).order_by(Incident.id.desc()))


def queued_mails(shop: Shop | None, *fates: MailState) -> list[tuple[str, str]]:
    """Kind and address of each mail, or of those with these fates, in order."""
    rows = [row for row in Mail.select().order_by(Mail.id) if row.shop_id == (shop.id if shop else None)]
    return [(row.kind, row.address) for row in rows if not fates or row.state in fates]


def mark_mails_sent(shop: Shop) -> None:
    """Every mail that waits has gone out."""
    Mail.update(state=MailState.SENT, tries=1).where(Mail.shop == shop, Mail.state == MailState.DUE).execute()
