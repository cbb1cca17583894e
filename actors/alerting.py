"""Alerts, where they need the task types, the other systems and the workers: their clock and their post."""

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

MAILS = 100  # rung for at once
UNTAKEN, HERE = timedelta(minutes=2), 5  # a mail that says that no worker works must not wait for a worker
LOOK_SECONDS = 10.0

log = logging.getLogger("alerts")


@cache
def kinds() -> Kinds:
    """The task types as the rules know them."""
    return Kinds(
        order=TYPES["SyncOrder"].number,
        hears=tuple(TYPES[name].number for name in ("OrderWebhook", "IndexOrder", "FulfillmentWebhook")),
        groups={kind.number: kind.group.name for kind in TYPES.values() if kind.group.name != "import"},
    )


def watch() -> int:
    """Judge every shop's rules whose turn has come. Returns how many."""
    return incidents.check(kinds(), orders_between)


def explained(now: datetime, domain: str | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Each rule of each shop, or of one, as of an instant: the shop's domain, the rule, how it stands, and why."""
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
    """Tell again of what is still open, where it is time. Returns of how many."""
    return telling.remind()


def post() -> int:
    """Ring for the mails that are due, and send here what no worker takes. Returns how many."""
    due = Mail.due(MAILS)
    try:
        broker.ring([("send_mail", QUEUES[Lane.LIVE], str(mail_id)) for mail_id in due])
    except redis.RedisError as error:
        log.warning("Redis is away; the clock sends the mails: %s", error)
    for mail_id in Mail.due(HERE, UNTAKEN):
        deliver(mail_id, explain, _server())
    return len(due)


@dramatiq.actor(actor_name="send_mail", queue_name=QUEUES[Lane.LIVE])
def send_mail(mail_id: str) -> None:
    """One mail of the outbox; the row says whether it is still to be sent."""
    with connected(EVERY):
        deliver(UUID(mail_id), explain, _server())


def _server() -> Smtp | None:
    return Smtp.of(config.smtp_url) if config.smtp_url else None


def explain(shop: Shop, incident: Incident) -> None:
    """Find out why no order came, and keep it with the incident. A mail never waits for more than this look."""
    if incident.rule not in SILENT:
        return
    since, until = incident.bad_since, utcnow()
    found = causes.look(shop, kinds(), since, until, lambda: orders_between(shop, since, until))
    incident.change(cause=found.as_json())


def orders_between(shop: Shop, since: datetime, until: datetime) -> int | None:
    """How many orders Shopify has of this time, or None when it does not say."""
    try:
        return shopify_beside(shop, LOOK_SECONDS).orders_count(since, until)
    except (ApiError, Unreadable, ValueError) as error:
        log.warning("Shopify was asked for the orders of shop %s in vain: %s", shop.id, error)
        return None
