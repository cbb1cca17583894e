"""Metrics for Prometheus, each read from the database: tasks, queues, counters, totals, jobs, alerts and shops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import redis
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from alerts.declared import RULES
from models import State
from tasklog import statistics
from tasklog.counters import LES, stored
from taskqueue import heartbeats
from taskqueue.broker import QUEUES, broker
from taskqueue.heartbeats import LATE
from taskqueue.types import NUMBERS

Query = Callable[[], Iterator[Metric]]

SHOP_STATES = ("working", "paused", "removed")


def tasks() -> Iterator[Metric]:
    rows = [((_type(number), State(state).name.lower()), count) for number, state, count in statistics.tasks()]
    yield _gauges("tasks", "Tasks that are kept, exact; retention and retries make it fall.", ("type", "state"), rows)
    yield gauge("tasks_running", "Tasks that a worker has now.", statistics.running())


def queues() -> Iterator[Metric]:
    found = [(QUEUES[lane], due, age) for lane, due, age in statistics.queues()]
    about = "Tasks that are due and that no worker has; at most 10,000 are counted of each shop. Paused shops' are not."
    yield _gauges("queue_due", about, ("queue",), [((queue,), due) for queue, due, _ in found])
    about = "For how long the oldest of them has been due."
    yield _gauges("queue_oldest_due_seconds", about, ("queue",), [((queue,), age) for queue, _, age in found])


def redis_queues() -> Iterator[Metric]:
    up, messages = 1, []
    try:
        messages = [((queue,), float(broker.queue_length(queue))) for queue in QUEUES]
    except redis.RedisError:
        up = 0
    yield gauge("redis_up", "1 while Redis answers; without it tasks run, more slowly.", up)
    yield _gauges("queue_rung", "Messages in Redis, one for each task; missing without Redis.", ("queue",), messages)


def counters() -> Iterator[Metric]:
    found = stored()
    about = "Attempts at tasks by how they ended: success, skipped, error, failed (tried again), waited, lost."
    yield _counter("attempts", about, ("type", "outcome"), found)
    yield _histogram("attempt_seconds", "How long attempts at tasks took.", ("type",), found)
    yield _counter(
        "answers",
        "Answers of the two systems by class of status; none: there was no answer.",
        ("system", "status"),
        found,
    )
    yield _histogram("call_seconds", "How long calls to the two systems took.", ("system",), found)
    yield _counter("webhooks", "Webhooks by sender and class of our answer.", ("source", "status"), found)
    yield _histogram("webhook_seconds", "How long a webhook's sender waited for our answer.", ("source",), found)


def totals_checked() -> Iterator[Metric]:
    checked, wrong = statistics.drifting()
    yield gauge("totals_checked", "Totals of at most 500 tasks, picked at random, that were counted after.", checked)
    yield gauge("totals_wrong", "Those of them that were wrong: run manage.py recount.", wrong)
    yield gauge("totals_unfolded", "Changes that the scheduler has not added to the totals yet.", statistics.unfolded())


def scheduler_jobs() -> Iterator[Metric]:
    ages = sorted(heartbeats.ages().items())
    rows = [((job,), age.total_seconds()) for job, age in ages]
    yield _gauges("clock_age_seconds", "Time since each job of the scheduler last ran.", ("job",), rows)
    late = [((job,), float(age > LATE)) for job, age in ages]
    yield _gauges("clock_late", "1 for a job of the scheduler that has not run for five minutes.", ("job",), late)


def alerts() -> Iterator[Metric]:
    incidents = statistics.incidents()
    rows = [((rule,), float(incidents.get(rule, 0))) for rule in RULES]
    yield _gauges("incidents_open", "Alerts that are open, by rule; stalled is the app's own.", ("rule",), rows)
    yield gauge("mails_waiting", "Mails about alerts that wait to be sent.", statistics.mails())


def shops() -> Iterator[Metric]:
    rows = [((state,), float(count)) for state, count in zip(SHOP_STATES, statistics.shops(), strict=True)]
    yield _gauges(
        "shops", "Shops that work, are paused because of their Engage, or have removed the app.", ("state",), rows
    )


def by_shop() -> Iterator[Metric]:
    rows = [((domain, State(state).name.lower()), float(count)) for domain, state, count in statistics.of_shops()]
    yield _gauges("shop_tasks", "Tasks that are kept of each shop; with METRICS_SHOPS=1.", ("shop", "state"), rows)
    waiting = [((domain,), 1.0) for domain in statistics.paused()]
    yield _gauges("shop_paused", "1 for each shop that is paused; with METRICS_SHOPS=1.", ("shop",), waiting)


QUERIES: list[Query] = [tasks, queues, redis_queues, counters, totals_checked, scheduler_jobs, alerts, shops]
QUERIES_BY_SHOP: list[Query] = [by_shop]


def gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"connector_{name}", about, value=value)


def _gauges(name: str, about: str, labels: tuple[str, ...], rows: Sequence[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(f"connector_{name}", about, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _counter(name: str, about: str, labels: tuple[str, ...], found: dict[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(f"connector_{name}", about, labels=labels)
    for (_, *values), value in sorted(_named(found, name).items()):
        family.add_metric(_readable(labels, values), value)
    return family


def _histogram(name: str, about: str, labels: tuple[str, ...], found: dict[tuple[str, ...], float]) -> Metric:
    family = HistogramMetricFamily(f"connector_{name}", about, labels=labels)
    counts = _named(found, name)
    for (_, *values), total in sorted(_named(found, f"{name}_sum").items()):
        family.add_metric(
            _readable(labels, values), _buckets([counts.get((name, *values, le), 0) for le in LES]), total
        )
    return family


def _buckets(counts: list[float]) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus has them."""
    return [(le, sum(counts[: index + 1])) for index, le in enumerate(LES)]


def _named(found: dict[tuple[str, ...], float], name: str) -> dict[tuple[str, ...], float]:
    return {key: value for key, value in found.items() if key[0] == name}


def _readable(labels: tuple[str, ...], values: list[str]) -> list[str]:
    return [_type(value) if label == "type" else value for label, value in zip(labels, values, strict=True)]


def _type(number: int | str) -> str:
    task_type = NUMBERS.get(int(number))
    return task_type.name if task_type else str(number)  # one of a newer or older version
