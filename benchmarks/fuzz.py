"""Fuzz a real web process with odd requests, and count its responses by status (`python -m benchmarks.fuzz`).

Writes docs/fuzz.md. Exits with 1, and prints the request, if a response is a server error or missing.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.support import machine
from benchmarks.support.figures import ResultTable
from benchmarks.support.fuzz_requests import FuzzRequest, any_request
from benchmarks.support.servers import SECRET, WebProcess, servers, web
from sandbox.dev_servers import CHECKOUT

RESULTS = CHECKOUT / "docs" / "fuzz.md"
ROUND = 5_000  # requests that Hypothesis generates at once; it keeps all of a round in memory
TEXT = """\
# Odd requests, and what they are answered

{date}, by `python -m benchmarks.fuzz --requests {requests}`, on {machine}

{total:,} requests to a web process of uvicorn, over HTTP on loopback: forms with a valid session and CSRF token and any
fields, pages with any query and header, raw bytes, signed webhooks with any body, and what schemathesis generates from
an OpenAPI document of what programs read. Hypothesis generates them, from seed {seed} on.
{verdict}

{tables}"""


class FuzzClient:
    """A signed-in client with a keep-alive connection."""

    def __init__(self, where: WebProcess, cookie: str) -> None:
        self.cookie = cookie
        self._connection = http.client.HTTPConnection("127.0.0.1", where.port, timeout=30)
        self.counts: Counter[tuple[str, str, int]] = Counter()
        self.failed: list[str] = []

    def send(self, request: FuzzRequest) -> bytes:
        """Send a request, and return the response's body. Failures are added to `failed`."""
        headers = {"Cookie": self.cookie} | request.headers
        try:
            self._connection.request(request.method, request.url, request.body or None, headers)
            response = self._connection.getresponse()
            status, body = response.status, response.read()
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            status, body = 0, type(error).__name__.encode()
        self.counts[request.method, request.route, status] += 1
        if not 200 <= status < 500:
            self.failed.append(f"{status} {body[:200]!r} to {request}")
        return body


def run(requests: int, first_seed: int) -> tuple[FuzzClient, float]:
    """Send so many requests. Return the client that sent them, and the seconds it took."""
    import schema
    from app import ROUTES
    from benchmarks.support.shops import connect
    from database import every_shop, scoped
    from tests.support.web.fuzzing import known_values_by
    from views.web.csrf import SESSION_COOKIE
    from views.web.session import session_cookie
    from views.webhooks.shopify import TOPICS

    schema.migrate()
    with every_shop():
        shop = connect("demo")
    with web("app:app") as where, scoped(shop.id):
        client = FuzzClient(where, f"{SESSION_COOKIE}={session_cookie(shop.id)}")
        known = known_values_by(lambda page: client.send(FuzzRequest("GET", page, page)).decode(), shop)
        client.counts.clear()
        strategy = any_request(ROUTES, known, sorted(TOPICS), SECRET.encode())
        started = time.monotonic()
        for index, done in enumerate(range(0, requests, ROUND)):
            _round(client, strategy, min(ROUND, requests - done), first_seed + index)
        return client, time.monotonic() - started


def _round(client: FuzzClient, strategy: Any, requests: int, number: int) -> None:
    @seed(number)
    @settings(
        max_examples=requests,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(request=strategy)
    def send_one(request: FuzzRequest) -> None:
        client.send(request)

    send_one()


def document(client: FuzzClient, requests: int, seconds: float, first_seed: int) -> str:
    """docs/fuzz.md."""
    counts = client.counts
    statuses = sorted({status for _, _, status in counts})
    total = sum(counts.values())
    by_status = ResultTable(
        "By status",
        f"{total / seconds:,.0f} requests a second, one after another.",
        ("Status", "Answers"),
        tuple((status or "none", f"{_sum(counts, status):,}") for status in statuses),
    )
    routes = sorted({(route, method) for method, route, _ in counts})
    by_route = ResultTable(
        "By route",
        "0 stands for no answer. Unknown ids are 404; a missing CSRF token is 403.",
        ("Route", *(str(status or "none") for status in statuses)),
        tuple(
            (f"`{method} {route}`", *(counts[method, route, status] or "" for status in statuses))
            for route, method in routes
        ),
    )
    failed = len(client.failed)
    verdict = f"**{failed} failed.**" if failed else "No answer was a failure of ours, and none was missing."
    return TEXT.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        requests=requests,
        machine=machine.described(),
        total=total,
        seed=first_seed,
        verdict=verdict,
        tables=f"{by_status}\n{by_route}",
    )


def _sum(counts: Counter[tuple[str, str, int]], status: int) -> int:
    return sum(count for (_, _, each), count in counts.items() if each == status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, default=RESULTS)
    given_options = parser.parse_args()
    with servers(durable=False):
        client, seconds = run(given_options.requests, given_options.seed)
        given_options.to.write_text(document(client, given_options.requests, seconds, given_options.seed))
    print("\n".join(client.failed[:20]))
    sys.exit(bool(client.failed))


if __name__ == "__main__":
    main()
