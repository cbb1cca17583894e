"""Metrics for Prometheus: who may read them, and what they count."""

from __future__ import annotations

import os
import shutil
import threading
from datetime import timedelta

import psycopg
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from alerts import incidents
from alerts.declared import RULES
from database import connected, db
from models import NOW, Heartbeat, Outcome, State, Task, utcnow
from sandbox import dev_servers
from tasklog import totals
from tasklog.counters import BOUNDS, COUNTERS, Counters, stored
from taskqueue import circuit_breaker, claims, heartbeats
from tests.support.servers.processes import web_process
from tests.support.tasks.outcomes import cause_of
from tests.support.tasks.task_steps import claim, enqueue, finish, send
from tests.support.web.webhook_requests import deliver, web
from views.ops.metrics import metrics_text

__all__ = ["web"]

TOKEN = {"METRICS_TOKEN": "a-token-of-the-test"}
BEARER = {"Authorization": "Bearer a-token-of-the-test"}


@pytest.fixture(autouse=True)
def nothing_counted(database):
    COUNTERS.flush()
    db.execute_sql("DELETE FROM tally")


def families(*, shops=False):
    COUNTERS.flush()
    return {family.name: family for family in text_string_to_metric_families(metrics_text(shops=shops).decode())}


def samples(name, **options):
    """What a metric says: the values of each sample's labels, a histogram's `le` last, and its value."""
    whole = next(family for family in families(**options).values() if name in {each.name for each in family.samples})
    return {_values(each.labels): each.value for each in whole.samples if each.name == name}


def _values(labels):
    last = [labels[name] for name in ("outcome", "status", "state", "le") if name in labels]
    return (*(value for name, value in labels.items() if name not in ("outcome", "status", "state", "le")), *last)


# Who may read it


def test_metrics_need_the_bearer_token_and_no_session(guarded):
    found = [requests.get(f"{guarded}/metrics", headers=each, timeout=10) for each in ({}, BEARER)]

    assert [each.status_code for each in found] == [401, 200]
    assert found[0].headers["WWW-Authenticate"] == "Bearer"
    assert found[1].headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert found[1].headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "given", ["Bearer", "Bearer wrong", "a-token-of-the-test", "Bearer a-token-of-the-tes", "Bearer \xff"]
)
def test_another_token_is_refused(given, guarded):
    answer = requests.get(f"{guarded}/metrics", headers={"Authorization": given.encode("latin-1")}, timeout=10)

    assert answer.status_code == 401


@pytest.fixture(scope="module")
def guarded(migrated):
    folder = dev_servers.scratch_folder()
    with web_process(folder, **TOKEN) as base:
        yield base
    shutil.rmtree(folder)


def test_without_a_token_in_the_configuration_there_are_no_metrics(anonymous):
    answer = anonymous.get("/metrics", headers={"Authorization": "Bearer "})

    assert (answer.status_code, answer.text) == (404, "METRICS_TOKEN is not set.")


# What it tells


def test_every_metric_has_a_help_text(shop):
    found = families(shops=True)

    assert len(found) > 20
    assert [name for name, family in found.items() if not family.documentation.endswith(".")] == []
    assert [name for name, family in found.items() if family.type == "unknown"] == []


def test_tasks_are_counted_by_type_and_state(shop, other_shop):
    enqueue(shop)
    finish(other_shop, enqueue(other_shop))
    totals.fold()
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")

    found = samples("connector_tasks")

    assert {key: value for key, value in found.items() if value} == {
        ("SyncOrder", "pending"): 1,
        ("SyncOrder", "success"): 1,
        ("SyncContact", "error"): 1,
    }


def test_attempts_are_counted_by_outcome(shop):
    finish(shop, enqueue(shop))
    finish(shop, enqueue(shop), reason="A test order.")
    finish(shop, enqueue(shop), State.ERROR, reason="No.")
    for outcome in (Outcome.FAILED, Outcome.WAITED, Outcome.LOST):
        claims.retry_in(claim(shop, enqueue(shop)), timedelta(0), outcome, cause_of("Later."))

    outcomes = ("success", "skipped", "error", "failed", "waited", "lost")
    assert samples("connector_attempts_total") == {("SyncOrder", outcome): 1 for outcome in outcomes}


def test_counters_never_decrease(shop):
    finish(shop, enqueue(shop))
    assert samples("connector_attempts_total") == {("SyncOrder", "success"): 1}

    Task.delete().execute()

    assert samples("connector_attempts_total") == {("SyncOrder", "success"): 1}


def test_the_durations_of_attempts_are_a_histogram(shop):
    run = claim(shop, enqueue(shop))
    long_ago = utcnow() - timedelta(seconds=40)
    db.execute_sql("UPDATE task SET started_at = %s", (long_ago,))
    db.execute_sql("UPDATE attempt SET started_at = %s", (long_ago,))
    run.started_at = long_ago

    claims.finish(run, State.SUCCESS)

    buckets = samples("connector_attempt_seconds_bucket")
    assert [le for (_, le), count in buckets.items() if count] == ["60.0", "300.0", "+Inf"]
    assert samples("connector_attempt_seconds_count") == {("SyncOrder",): 1}
    assert 40 <= samples("connector_attempt_seconds_sum")["SyncOrder",] < 60


@pytest.mark.parametrize("seconds", [0, *BOUNDS, 1000])
def test_a_bucket_counts_durations_up_to_its_limit(seconds, database):
    COUNTERS.observe("call_seconds", seconds, "Engage")

    buckets = samples("connector_call_seconds_bucket")

    assert {le for (_, le), count in buckets.items() if count} == {le for _, le in buckets if float(le) >= seconds}


def test_responses_are_counted_by_status_class(shop):
    run = claim(shop, enqueue(shop))
    for status in (200, 202, 404, 503, None):
        send(run, status=status)

    found = samples("connector_answers_total")

    assert found == {("Engage", "2xx"): 2, ("Engage", "4xx"): 1, ("Engage", "5xx"): 1, ("Engage", "none"): 1}
    assert samples("connector_call_seconds_count") == {("Engage",): 5}


def test_webhooks_are_counted_by_our_status_class(web, shop):
    assert [deliver(web), deliver(web), deliver(web, hmac_sha256="wrong")] == [200, 200, 401]

    assert samples("connector_webhooks_total") == {("Shopify", "2xx"): 2, ("Shopify", "4xx"): 1}
    assert samples("connector_webhook_seconds_count") == {("Shopify",): 3}


def test_due_tasks_are_counted_for_each_queue(shop):
    waiting = [enqueue(shop) for _ in range(3)]
    Task.update(due_at=utcnow() + timedelta(hours=1)).where(Task.id == waiting[0].id).execute()
    Task.update(due_at=NOW - timedelta(minutes=10), lane=1).where(Task.id == waiting[1].id).execute()

    assert samples("connector_queue_due") == {("live",): 1, ("bulk",): 1}
    assert 600 <= samples("connector_queue_oldest_due_seconds")["bulk",] < 700


def test_a_paused_shops_tasks_are_not_overdue(shop):
    enqueue(shop)
    circuit_breaker.pause(shop, cause_of("Engage answered 401."), timedelta(hours=1))

    assert samples("connector_queue_due") == {("live",): 0, ("bulk",): 0}
    assert samples("connector_queue_oldest_due_seconds") == {("live",): 0, ("bulk",): 0}
    assert samples("connector_shops") == {("working",): 0, ("paused",): 1, ("removed",): 0}


def test_wrong_totals_are_reported(shop):
    enqueue(shop)
    assert (samples("connector_totals_checked"), samples("connector_totals_wrong")) == ({(): 1}, {(): 0})

    totals.fold()
    db.execute_sql("UPDATE task_total SET count = 5")

    assert samples("connector_totals_wrong") == {(): 1}


def test_a_late_scheduler_is_reported(database):
    heartbeats.beat("fold")
    Heartbeat.create(name="sweep", at=utcnow() - timedelta(minutes=6))

    assert samples("connector_clock_late") == {("fold",): 0, ("sweep",): 1}
    assert 360 <= samples("connector_clock_age_seconds")["sweep",] < 400


def test_open_alerts_are_counted_by_rule(shop):
    incidents.start(shop, "order_silence", bad_since=utcnow(), opened_at=utcnow())

    assert samples("connector_incidents_open") == {(rule,): float(rule == "order_silence") for rule in RULES}


def test_shops_are_named_only_with_metrics_shops(shop):
    finish(shop, enqueue(shop))
    circuit_breaker.pause(shop, cause_of("Engage answered 401."), timedelta(hours=1))

    assert shop.domain.partition(".")[0] not in metrics_text(shops=False).decode()
    assert samples("connector_shop_tasks", shops=True)[shop.domain, "success"] == 1
    assert samples("connector_shop_paused", shops=True) == {(shop.domain,): 1}


# How it is told


def test_counts_of_several_processes_add_up(shop):
    others = [Counters() for _ in range(4)]
    for each in others:
        for _ in range(100):
            each.increment("attempts", "25", "success")

    at_once([each.flush for each in others])

    assert stored() == {("attempts", "25", "success"): 400}


def at_once(functions):
    def body(function):
        with connected():
            function()
        db.close()

    threads = [threading.Thread(target=body, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_counts_that_cannot_be_written_are_written_later(database):
    counts = Counters()
    counts.increment("attempts", "25", "success")
    with db.as_owner():
        db.execute_sql("ALTER TABLE tally RENAME TO gone")
    counts.flush()
    with db.as_owner():
        db.execute_sql("ALTER TABLE gone RENAME TO tally")

    counts.flush()

    assert stored() == {("attempts", "25", "success"): 1}


def test_a_slow_query_is_left_out_and_counted(shop):
    with psycopg.connect(os.environ["DATABASE_URL"]) as other:
        other.execute("LOCK TABLE alert_incident IN ACCESS EXCLUSIVE MODE")
        found = families()

    assert "connector_incidents_open" not in found
    assert "connector_tasks" in found
    assert [each.value for each in found["connector_unread"].samples] == [1]
