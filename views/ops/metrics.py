"""`GET /metrics`: metrics for Prometheus, of all processes, whichever web process answers.

Gauges are read from the database; counters are in its table of tallies, to which every process adds what it has
counted each ten seconds. No metric is one process's own, so a load balancer may pick any of several.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import redis
from peewee import OperationalError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected
from models import Rule, State
from tasklog import statistics
from tasklog.counters import COUNTERS, LES, stored
from tasklog.statistics import limited
from taskqueue import heartbeats
from taskqueue.broker import QUEUES, broker
from taskqueue.heartbeats import LATE
from taskqueue.types import NUMBERS
from views.web.rendering import in_thread

TEXT = "text/plain; version=0.0.4; charset=utf-8"

log = logging.getLogger(__name__)

Query = Callable[[], Iterator[Metric]]


async def metrics(request: Request) -> Response:
    """`GET /metrics`: only with METRICS_TOKEN. Where it is not set there are no metrics, and so none by accident."""
    if not config.metrics_token:
        return PlainTextResponse("METRICS_TOKEN is not set.", 404)
    if not _is_allowed(request.headers.get("authorization", "")):
        return PlainTextResponse("METRICS_TOKEN is needed.", 401, {"WWW-Authenticate": "Bearer"})
    try:
        return Response(await in_thread(_read), 200, {"Cache-Control": "no-store"}, TEXT)
    except DATABASE_UNAVAILABLE:
        return PlainTextResponse("The database is away.", 503)


def _is_allowed(authorization: str) -> bool:
    return hmac.compare_digest(authorization.encode(), f"Bearer {config.metrics_token}".encode())


def _read() -> bytes:
    COUNTERS.flush()
    with connected(EVERY):
        return metrics_text(shops=config.metrics_shops)


def metrics_text(*, shops: bool) -> bytes:
    """All metrics as text, with the shops' names if `shops`. Needs a database connection."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(QueryCollector([*QUERIES, *(QUERIES_BY_SHOP if shops else ())]))
    return generate_latest(registry)


class QueryCollector(Collector):
    """Collects the metrics of each query. One that takes too long is left out, and counted."""

    def __init__(self, queries: list[Query]) -> None:
        self.queries = queries

    def collect(self) -> Iterator[Metric]:
        unread = 0
        for query in self.queries:
            try:
                with limited():
                    yield from list(query())
            except OperationalError as error:
                log.warning("Metrics: %s could not be read: %s", query.__name__, str(error).split("\n")[0])
                unread += 1
        yield _gauge(
            "unread", "Questions that the database did not answer within a second; their metrics are missing.", unread
        )


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"connector_{name}", about, value=value)


def _gauges(name: str, about: str, labels: tuple[str, ...], rows: Sequence[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(f"connector_{name}", about, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _type(number: int | str) -> str:
    kind = NUMBERS.get(int(number))
    return kind.name if kind else str(number)  # one of a newer or older version


def tasks() -> Iterator[Metric]:
    rows = [((_type(number), State(state).name.lower()), count) for number, state, count in statistics.tasks()]
    yield _gauges("tasks", "Tasks that are kept, exact; retention and retries make it fall.", ("type", "state"), rows)
    yield _gauge("tasks_running", "Tasks that a worker has now.", statistics.running())


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
    yield _gauge("redis_up", "1 while Redis answers; without it tasks run, more slowly.", up)
    yield _gauges("queue_rung", "Messages in Redis that ring for tasks; missing without Redis.", ("queue",), messages)


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


def totals_checked() -> Iterator[Metric]:
    checked, wrong = statistics.drifting()
    yield _gauge("totals_checked", "Totals of at most 500 tasks, picked at random, that were counted after.", checked)
    yield _gauge("totals_wrong", "Those of them that were wrong: run manage.py recount.", wrong)
    yield _gauge(
        "totals_unfolded", "Differences that the clock has not added to the totals yet.", statistics.unfolded()
    )


def scheduler_jobs() -> Iterator[Metric]:
    ages = sorted(heartbeats.ages().items())
    rows = [((job,), age.total_seconds()) for job, age in ages]
    yield _gauges("clock_age_seconds", "For how long each job of the clock has not been seen at work.", ("job",), rows)
    late = [((job,), float(age > LATE)) for job, age in ages]
    yield _gauges("clock_late", "1 for a job of the clock that has not been seen for five minutes.", ("job",), late)


def alerts() -> Iterator[Metric]:
    incidents = statistics.incidents()
    rows = [((str(rule),), float(incidents.get(rule, 0))) for rule in Rule]
    yield _gauges("incidents_open", "Alerts that are open, by rule; stalled is the app's own.", ("rule",), rows)
    yield _gauge("mails_waiting", "Mails about alerts that wait to be sent.", statistics.mails())


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


SHOP_STATES = ("working", "paused", "removed")
QUERIES: list[Query] = [tasks, queues, redis_queues, counters, totals_checked, scheduler_jobs, alerts, shops]
QUERIES_BY_SHOP: list[Query] = [by_shop]

Endpoint = Callable[[Request], Awaitable[Response]]


def timed(source: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint of a webhook, its status counted and its seconds measured. `source`: Shopify or Engage."""

    async def timed_endpoint(request: Request) -> Response:
        begun, status = time.perf_counter(), 500
        try:
            response = await endpoint(request)
            status = response.status_code
            return response
        finally:
            COUNTERS.webhook(source, status, time.perf_counter() - begun)

    return timed_endpoint


routes = [Route("/metrics", metrics)]
