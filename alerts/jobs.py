"""Alert jobs: evaluate the rules, send reminders, deliver mail. They join alerts with task types and API clients."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache

import redis

from alerts import diagnosis, evaluation, incident_mails, incidents, outbox, rule_states
from alerts.declare import EvaluationInput
from alerts.declared import shop_rule, shop_rules
from alerts.delivery import deliver
from alerts.evidence import explanation
from alerts.smtp import SmtpServer
from alerts.task_history import AlertTaskTypes
from clients import ApiError
from config import config
from encryption import Unreadable
from models import AlertRule, Entity, Incident, Lane, Shop, utcnow
from shutdown import SHUTDOWN
from sync.api_clients import shopify_client_without_task
from taskqueue.broker import QUEUES, broker
from taskqueue.types import TYPES, Step, TaskType, sync_type

MAILS = 100  # published at once
OVERDUE, SENT_HERE = timedelta(minutes=2), 5  # an alert that no worker runs must not wait for a worker
TIMEOUT_SECONDS = 10.0

log = logging.getLogger("alerts")


@cache
def alert_task_types() -> AlertTaskTypes:
    """The task types that the alert rules evaluate."""
    return AlertTaskTypes(
        order_sync=sync_type(Entity.ORDER).number,
        order_received=tuple(each.number for each in TYPES.values() if _receives_orders(each)),
        groups={each.number: each.group.name for each in TYPES.values() if each.group.name != "import"},
    )


def _receives_orders(task_type: TaskType) -> bool:
    """Whether its tasks show that orders arrive from Shopify: webhooks and what they lead to."""
    arrives = bool(task_type.topics) or task_type.step is Step.INDEX
    return arrives and task_type.about in (Entity.ORDER, Entity.FULFILLMENT)


def check_rules() -> int:
    """Evaluate the alert rules that are due, of every shop. Returns the number of rules."""
    return evaluation.evaluate_due_rules(alert_task_types(), shopify_orders_count)


def evaluate_rules(now: datetime, domain: str | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Evaluate the rules of all shops, or of one, as of an instant. Yields (shop's domain, rule, state, reason)."""
    stalled = min(evaluation.app_rules_holding().values(), default=None)
    for shop in Shop.select().where(Shop.domain == domain if domain else True).order_by(Shop.domain):
        rows = rule_states.of_shop(shop)
        for name in (declared.name for declared in shop_rules()):
            row = rows.get(name) or AlertRule(shop=shop, rule=name)
            yield (shop.domain, name, *_state_and_reason(shop, row, now, stalled))


def _state_and_reason(shop: Shop, row: AlertRule, now: datetime, stalled: datetime | None) -> tuple[str, str]:
    given = EvaluationInput(shop, row, alert_task_types(), shopify_orders_count, now, stalled)
    try:
        evaluated = evaluation.evaluate_rule(given)
    except ValueError as error:
        return "broken", str(error)
    return evaluated.state, explanation(evaluated.evidence)


def send_reminders() -> int:
    """Send due reminders of open incidents. Returns the number of incidents."""
    return incident_mails.queue_reminders()


def deliver_mails() -> int:
    """Publish due mails to the workers, and deliver here those that no worker claims. Returns the number published."""
    due = outbox.due(MAILS)
    try:
        broker.publish([("send_mail", QUEUES[Lane.LIVE], str(mail_id)) for mail_id in due])
    except redis.RedisError as error:
        log.warning("Redis is unavailable; the scheduler sends the mails: %s", error)
    for mail_id in outbox.due(SENT_HERE, OVERDUE):
        if SHUTDOWN.begun:
            break
        deliver(mail_id, diagnose, smtp_server())
    return len(due)


def smtp_server() -> SmtpServer | None:
    return SmtpServer.of(config.smtp_url) if config.smtp_url else None


def diagnose(shop: Shop, incident: Incident) -> None:
    """Diagnose why no order came, and save the result with the incident. No other step delays a mail for longer."""
    if not shop_rule(incident.rule).diagnosed:
        return
    since, until = incident.bad_since, utcnow()
    found = diagnosis.diagnose(shop, alert_task_types(), since, until, lambda: shopify_orders_count(shop, since, until))
    incidents.update(incident, diagnosis=found.as_json())


def shopify_orders_count(shop: Shop, since: datetime, until: datetime) -> int | None:
    """The number of orders that Shopify has of a period; None when it does not answer."""
    try:
        return shopify_client_without_task(shop, TIMEOUT_SECONDS).orders_count(since, until)
    except (ApiError, Unreadable, ValueError) as error:
        log.warning("Shopify was asked for the orders of shop %s in vain: %s", shop.id, error)
        return None
