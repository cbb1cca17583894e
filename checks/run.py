"""Run every check of `manage.py check` at once, bounded in time, and give the findings in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

from peewee import PeeweeException

from checks.finding import Finding, start, wrong
from checks.servers import (
    CONFIGURATION,
    DATABASE,
    MAIL,
    REDIS,
    check_configuration,
    check_database,
    check_mail,
    check_redis,
)
from checks.shops import check_shop
from database import EVERY, connected, db
from models import Shop

SERVERS_SECONDS = 30.0
SHOPS_SECONDS = 90.0  # for all of them
SHOPS_AT_ONCE = 8
CONNECTIONS = SHOPS_AT_ONCE + 3

NO_SHOPS = Finding("shops", "there are none.")
SERVERS = (
    (CONFIGURATION, check_configuration),
    (DATABASE, check_database),
    (REDIS, check_redis),
    (MAIL, check_mail),
)


def run_checks(domain: str | None) -> Iterator[Finding]:
    """Findings about the servers, and about every active shop or the one of this domain."""
    db.limit_connections(CONNECTIONS)
    until = time.monotonic() + SERVERS_SECONDS
    started = [start(about, check) for about, check in SERVERS]
    for findings in started:
        yield from findings(until - time.monotonic())
    yield from _shops(domain)


def _shops(domain: str | None) -> Iterator[Finding]:
    try:
        shops = _selected(domain)
    except PeeweeException:
        yield wrong("shops", "they cannot be read. See the database above.")
        return
    if not shops:
        yield wrong(domain, "there is no such shop. Connect it first.") if domain else NO_SHOPS
    until, slots = time.monotonic() + SHOPS_SECONDS, threading.Semaphore(SHOPS_AT_ONCE)
    started = [start(shop.domain, partial(check_shop, shop), slots) for shop in shops]
    for findings in started:
        yield from findings(until - time.monotonic())


def _selected(domain: str | None) -> list[Shop]:
    with connected(EVERY):
        wanted = Shop.domain == domain if domain else Shop.active
        return list(Shop.select().where(wanted).order_by(Shop.domain))
