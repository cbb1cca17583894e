"""`GET /metrics`: metrics for Prometheus, of all processes, whichever web process answers.

Gauges are read from the database; counters are in its table of tallies, to which every process adds what it has
counted each ten seconds. No metric is one process's own, so a load balancer may pick any of several.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterator

from peewee import OperationalError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected
from tasklog.counters import COUNTERS
from tasklog.statistics import limited
from views.ops.metric_queries import QUERIES, QUERIES_BY_SHOP, Query, gauge
from views.web.view import in_thread

TEXT = "text/plain; version=0.0.4; charset=utf-8"

log = logging.getLogger(__name__)


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
        yield gauge(
            "unread", "Questions that the database did not answer within a second; their metrics are missing.", unread
        )


routes = [Route("/metrics", metrics)]
