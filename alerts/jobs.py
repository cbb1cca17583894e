"""Alert jobs: evaluate the rules, send reminders, deliver mail. They join alerts with task types and API clients."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache

import redis

from alerts import diagnosis, evaluation, incident_mails, outbox, rule_states
from alerts import incidents as alerts_incidents
from alerts.delivery import deliver
from alerts.smtp import SmtpServer
from alerts.task_history import AlertTaskTypes, stalled_since
from clients import ApiError
from config import config
from encryption import Unreadable
from models import SHOP_RULES, SILENCE_RULES, AlertRule, Incident, Lane, Shop, utcnow
from sync.api_clients import shopify_client_without_task
from taskqueue.broker import QUEUES, broker
from taskqueue.types import TYPES

MAILS = 100  # published at once
OVERDUE, SENT_HERE = timedelta(minutes=2), 5  # an alert that no worker runs must not wait for a worker
TIMEOUT_SECONDS = 10.0

log = logging.getLogger("alerts")


@cache
def watched_types() -> AlertTaskTypes:
    """Task types that the alert rules look at."""
    return AlertTaskTypes(
        order=TYPES["SyncOrder"].number,
        hears=tuple(TYPES[name].number for name in ("OrderWebhook", "IndexOrder", "FulfillmentWebhook")),
        groups={kind.number: kind.group.name for kind in TYPES.values() if kind.group.name != "import"},
    )


def check_rules() -> int:
    """Evaluate the alert rules that are due, of every shop. Returns the number of rules."""
    return evaluation.evaluate_due_rules(watched_types(), shopify_orders_count)


def evaluate_rules(now: datetime, domain: str | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Evaluate the rules of all shops, or of one, as of an instant. Yields (shop's domain, rule, standing, reason)."""
    stalled = stalled_since()
    for shop in Shop.select().where(Shop.domain == domain if domain else True).order_by(Shop.domain):
        rows = rule_states.of_shop(shop)
        for rule in SHOP_RULES:
            yield (
                shop.domain,
                rule,
                *_explained(shop, rows.get(rule) or AlertRule(shop=shop, rule=rule), now, stalled),
            )


def _explained(shop: Shop, watch: AlertRule, now: datetime, stalled: datetime | None) -> tuple[str, str]:
    try:
        found = evaluation.evaluate_rule(shop, watch, watched_types(), shopify_orders_count, now, stalled)
    except ValueError as error:
        return "broken", str(error)
    why = " ".join(
        f"{name}={value}"
        for name, value in found.evidence.items()
        if name != "rhythm" and value not in (None, [], False)
    )
    return found.standing, why


def send_reminders() -> int:
    """Send due reminders of open incidents. Returns the number of incidents."""
    return incident_mails.queue_reminders()


def deliver_mails() -> int:
    """Publish due mails to the workers, and deliver here what no worker takes. Returns the number published."""
    due = outbox.due(MAILS)
    try:
        broker.publish([("send_mail", QUEUES[Lane.LIVE], str(mail_id)) for mail_id in due])
    except redis.RedisError as error:
        log.warning("Redis is unavailable; the scheduler sends the mails: %s", error)
    for mail_id in outbox.due(SENT_HERE, OVERDUE):
        deliver(mail_id, diagnose, smtp_server())
    return len(due)


def smtp_server() -> SmtpServer | None:
    return SmtpServer.of(config.smtp_url) if config.smtp_url else None


def diagnose(shop: Shop, incident: Incident) -> None:
    """Diagnose why no order came, and save the result with the incident. A mail waits for nothing longer than this."""
    if incident.rule not in SILENCE_RULES:
        return
    since, until = incident.bad_since, utcnow()
    found = diagnosis.diagnose(shop, watched_types(), since, until, lambda: shopify_orders_count(shop, since, until))
    alerts_incidents.update(incident, diagnosis=found.as_json())


def shopify_orders_count(shop: Shop, since: datetime, until: datetime) -> int | None:
    """Number of orders that Shopify has of a period; None when it does not answer."""
    try:
        return shopify_client_without_task(shop, TIMEOUT_SECONDS).orders_count(since, until)
    except (ApiError, Unreadable, ValueError) as error:
        log.warning("Shopify was asked for the orders of shop %s in vain: %s", shop.id, error)
        return None
