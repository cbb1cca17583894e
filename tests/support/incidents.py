"""Settings, evaluations, incidents and mails of a shop's alerts, at times that a test chooses in the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alerts import evaluation, incidents, rule_states
from alerts.jobs import alert_task_types
from models import AlertRule, Incident, Mail, MailState, Shop, State
from tests.support.tasks.listed_tasks import add_task

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)  # 13:00 in Stockholm, a Tuesday


def local(text: str) -> datetime:
    """A local time in Stockholm such as 2026-11-03 20:00, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Stockholm")).astimezone(UTC)


def set_alert_settings(shop: Shop, **alerts: Any) -> None:
    """Set the shop's alert settings. The app was installed long ago."""
    shop.settings = {**shop.settings, "alerts": alerts}
    shop.connected_at = NOON - 30 * DAY
    shop.save()


def add_order_sync(shop: Shop, at: datetime, state: State = State.SUCCESS, **fields: Any) -> Any:
    """Add an order sync that ended at this time."""
    return add_task(shop, at, state=state, completed_at=at, **fields)


def evaluate(now: datetime, orders: int | None = 0) -> int:
    """Evaluate all rules as of an instant. `orders`: the number that Shopify answers. Returns the number of rules."""
    AlertRule.update(next_check_at=now).execute()
    return evaluation.evaluate_due_rules(alert_task_types(), lambda *_: orders, now)


def rule_state(shop: Shop, rule: str = "order_silence") -> str:
    return rule_states.of_shop(shop)[rule].state


def open_incident(shop: Shop, rule: str = "order_silence") -> Incident:
    found = incidents.open_by_rule(shop, rule)
    assert found
    return found


def all_incidents(shop: Shop) -> list[Incident]:
    """All incidents of the shop, newest first."""
    return list(Incident.select().where(Incident.shop == shop).order_by(Incident.id.desc()))


def queued_mails(shop: Shop | None, *states: MailState) -> list[tuple[str, str]]:
    """Kind and address of each mail, or of those in these states, in order."""
    rows = [row for row in Mail.select().order_by(Mail.id) if row.shop_id == (shop.id if shop else None)]
    return [(row.kind, row.address) for row in rows if not states or row.state in states]


def mark_mails_sent(shop: Shop) -> None:
    """Mark every unsent mail of the shop as sent."""
    Mail.update(state=MailState.SENT, tries=1).where(Mail.shop == shop, Mail.state == MailState.DUE).execute()
