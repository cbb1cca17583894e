"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import redis
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from actors.broker import broker
from database import connected
from schema import pending
from views import DATABASE_AWAY, in_thread


async def healthz(request: Request) -> Response:
    """`GET /healthz`: the process answers."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """`GET /readyz`: 200 when webhooks can be stored. Without Redis work goes on, slower: said, not failed."""
    found = await in_thread(_look)
    return JSONResponse(found, 200 if found["database"] == "ok" else 503)


def _look() -> dict[str, str]:
    return {"database": _database(), "redis": _redis()}


def _database() -> str:
    try:
        with connected():
            waiting = pending()
    except DATABASE_AWAY:
        return "away"
    return f"migrations to apply: {', '.join(waiting)}" if waiting else "ok"


def _redis() -> str:
    try:
        broker.bell.ping()
    except redis.RedisError:
        return "away: tasks run, more slowly"
    return "ok"


routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
