"""Liveness and readiness: `/healthz` and `/readyz`."""

from __future__ import annotations

import redis
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from database import DATABASE_UNAVAILABLE, connected
from schema import pending
from taskqueue import heartbeats
from taskqueue.broker import broker
from views.web.view import in_thread


async def healthz(request: Request) -> Response:
    """`GET /healthz`: the process answers."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """`GET /readyz`: 200 when webhooks can be stored.

    Without Redis tasks run, more slowly; with a late scheduler webhooks still come in. Both are reported, and are no
    failure: a platform that stopped the web process because of them would make it worse.
    """
    found = await in_thread(_check)
    return JSONResponse(found, 200 if found["database"] == "ok" else 503)


def _check() -> dict[str, str]:
    try:
        with connected():
            waiting = pending()
            scheduler = "unknown" if waiting else _scheduler()
    except DATABASE_UNAVAILABLE:
        return {"database": "away", "redis": _redis(), "clock": "unknown"}
    database = f"migrations to apply: {', '.join(waiting)}" if waiting else "ok"
    return {"database": database, "redis": _redis(), "clock": scheduler}


def _scheduler() -> str:
    if not heartbeats.ages():
        return "has never run: start the scheduler"
    late = [f"{name} for {age.total_seconds():.0f} s" for name, age in sorted(heartbeats.late().items())]
    return f"late: {', '.join(late)}" if late else "ok"


def _redis() -> str:
    try:
        broker.quick_client.ping()
    except redis.RedisError:
        return "away: tasks run, more slowly"
    return "ok"


routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
