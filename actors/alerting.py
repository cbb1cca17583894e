"""Alert jobs: evaluate the rules, send reminders, deliver mail. They join alerts with task types and API clients."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import dramatiq
import redis

from actors.broker import QUEUES, broker
from actors.registry import TYPES
from actors.systems import shopify_beside
from alerts import causes, incidents, telling
from alerts.facts import Kinds, stalled_since
from alerts.post import deliver
from alerts.smtp import Smtp
from clients import ApiError
from config import config
from database import EVERY, connected
from models import Lane, Shop, utcnow
from models.incidents import OF_A_SHOP, SILENT, Incident, Watch
from models.mails import Mail
from vault import Unreadable

MAILS = 100  # published at once
OVERDUE, SENT_HERE = timedelta(minutes=2), 5  # an alert that no worker runs must not wait for a worker
TIMEOUT_SECONDS = 10.0

log = logging.getLogger("alerts")


@cache
def kinds() -> Kinds:
    """Task types that the alert rules look at."""
    return Kinds(
        order=TYPES["SyncOrder"].number,
        hears=tuple(TYPES[name].number for name in ("OrderWebhook", "IndexOrder", "FulfillmentWebhook")),
        groups={kind.number: kind.group.name for kind in TYPES.values() if kind.group.name != "import"},
    )


def watch() -> int:
    """Evaluate the alert rules that are due, of every shop. Returns the number of rules."""
    return incidents.check(kinds(), orders_between)


def explained(now: datetime, domain: str | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Evaluate the rules of all shops, or of one, as of an instant. Yields (shop's domain, rule, standing, reason)."""
    stalled = stalled_since()
    for shop in Shop.select().where(Shop.domain == domain if domain else True).order_by(Shop.domain):
        rows = Watch.of(shop)
        for rule in OF_A_SHOP:
            yield (shop.domain, rule, *_explained(shop, rows.get(rule) or Watch(shop=shop, rule=rule), now, stalled))


def _explained(shop: Shop, watch: Watch, now: datetime, stalled: datetime | None) -> tuple[str, str]:
    try:
        found = incidents.judged(shop, watch, kinds(), orders_between, now, stalled)
    except ValueError as error:
        return "broken", str(error)
    why = " ".join(
        f"{name}={value}"
        for name, value in found.evidence.items()
        if name != "rhythm" and value not in (None, [], False)
    )
    return found.standing, why


def remind() -> int:
    """Send due reminders of open incidents. Returns the number of incidents."""
    return telling.remind()


def post() -> int:
    """Publish due mails to the workers, and deliver here what no worker takes. Returns the number published."""
    due = Mail.due(MAILS)
    try:
        broker.ring([("send_mail", QUEUES[Lane.LIVE], str(mail_id)) for mail_id in due])
    except redis.RedisError as error:
        log.warning("Redis is unavailable; the scheduler sends the mails: %s", error)
    for mail_id in Mail.due(SENT_HERE, OVERDUE):
        deliver(mail_id, explain, _server())
    return len(due)


@dramatiq.actor(actor_name="send_mail", queue_name=QUEUES[Lane.LIVE])
def send_mail(mail_id: str) -> None:
    """Deliver a mail of the outbox, if its row is still due."""
    with connected(EVERY):
        deliver(UUID(mail_id), explain, _server())


def _server() -> Smtp | None:
    return Smtp.of(config.smtp_url) if config.smtp_url else None


def explain(shop: Shop, incident: Incident) -> None:
    """Diagnose why no order came, and save the result with the incident. A mail waits for nothing longer than this."""
    if incident.rule not in SILENT:
        return
    since, until = incident.bad_since, utcnow()
    found = causes.look(shop, kinds(), since, until, lambda: orders_between(shop, since, until))
    incident.change(cause=found.as_json())


def orders_between(shop: Shop, since: datetime, until: datetime) -> int | None:
    """Number of orders that Shopify has of a period; None when it does not answer."""
    try:
        return shopify_beside(shop, TIMEOUT_SECONDS).orders_count(since, until)
    except (ApiError, Unreadable, ValueError) as error:
        log.warning("Shopify was asked for the orders of shop %s in vain: %s", shop.id, error)
        return None
