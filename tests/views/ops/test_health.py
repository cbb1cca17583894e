"""Liveness and readiness."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import requests

import schema
from models import Heartbeat, utcnow
from taskqueue import heartbeats
from tests.conftest import free_port
from tests.support.servers.processes import empty_database, scratch, web_process
from tests.support.web.webhook_requests import web
from views.web.csrf import SESSION_COOKIE

__all__ = ["empty_database", "scratch", "web"]


def test_a_process_that_answers_is_alive(anonymous):
    answer = anonymous.get("/healthz")

    assert (answer.status_code, answer.text) == (200, "ok")


def test_a_process_with_database_and_redis_is_ready(anonymous, database):
    heartbeats.beat("sweep")

    answer = anonymous.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "redis": "ok", "clock": "ok"})


def test_a_late_scheduler_is_reported_and_the_process_stays_ready(anonymous, database):
    assert anonymous.get("/readyz").json()["clock"] == "has never run: start the scheduler"
    Heartbeat.create(name="sweep", at=utcnow() - timedelta(seconds=320))
    heartbeats.beat("fold")

    answer = anonymous.get("/readyz")

    assert answer.status_code == 200
    assert re.fullmatch(r"late: sweep for 32\d s", answer.json()["clock"])


def test_many_simultaneous_checks_are_answered(web, database):
    """With a thread and a connection for each, the connections would not do."""
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: requests.get(f"{web}/readyz", timeout=10).status_code, range(120)))

    assert found == [200] * 120


def test_without_redis_the_process_is_ready_and_reports_it(scratch, database):
    with web_process(scratch, REDIS_URL=f"redis://127.0.0.1:{free_port()}") as base:
        answer = requests.get(f"{base}/readyz", timeout=10)

    assert (answer.status_code, answer.json()["redis"]) == (200, "away: tasks run, more slowly")


def test_without_the_database_the_process_is_alive_and_not_ready(scratch, database):
    with web_process(scratch, DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/none") as base:
        ready, lives = [requests.get(f"{base}/{name}", timeout=10) for name in ("readyz", "healthz")]

    assert (ready.status_code, ready.json()["database"]) == (503, "away")
    assert lives.status_code == 200


def test_before_the_migrations_the_process_is_not_ready(scratch, empty_database):
    with web_process(scratch, DATABASE_URL=empty_database) as base:
        answer = requests.get(f"{base}/readyz", timeout=10)

    first, *_ = sorted(path.stem for path in schema.FOLDER.glob("[0-9]*.py"))
    assert answer.status_code == 503
    assert answer.json()["database"].startswith(f"migrations to apply: {first}")


def test_health_ignores_sessions(anonymous, database):
    anonymous.cookies.set(SESSION_COOKIE, "forged")

    assert anonymous.get("/healthz").status_code == 200
