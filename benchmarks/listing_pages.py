"""Time the pages of the biggest invented shop inside their own process (`python -m benchmarks.listing_pages`).

Prints the names of the pages as JSON. Then, for each line of its input, the name of a page, it prints how long the
application took from the request to its last byte, as at a browser's first visit: session, filters, rows, count,
summary, template, compression. So its caller can take turns between databases of several sizes.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from datetime import timedelta
from itertools import product
from typing import Any

from app import app
from database import EVERY, connected, db
from models import Order, Shop, State, Task
from reasons import CallError, Reason
from views.tasks.columns import sort_instants
from views.tasks.filters import TaskFilters
from views.tasks.index import live_url
from views.tasks.pagination import Cursor, Sort
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

SORTS = [Sort(key, descending) for key, descending in product(sort_instants(), (True, False))]
SEVERAL = ("SyncOrder", "SyncContact", "SyncRefund", "IndexStores")


def pages(shop: Shop) -> dict[str, str]:
    """The URL of each page by its name: every filter in every order, deep pages both ways, and every search."""
    middle, newest = _middle(shop), _newest(shop)
    month = {"created_from": newest - timedelta(days=120), "created_to": newest - timedelta(days=90)}
    filters: dict[str, dict[str, Any]] = {
        "everything": {},
        "state success": {"states": (State.SUCCESS,)},
        "state error": {"states": (State.ERROR,)},
        "state pending": {"states": (State.PENDING,)},
        "states error, pending": {"states": (State.ERROR, State.PENDING)},
        "type SyncOrder": {"types": ("SyncOrder",)},
        "four types": {"types": SEVERAL},
        "created from": {"created_from": newest - timedelta(days=200)},
        "created to": {"created_to": newest - timedelta(days=200)},
        "a month": month,
        "the last 30 days": {"from_ago": "-30d"},
        "open problems": {"problems": True},
        "a common reason": {"reasons": (Reason.NOTHING_CHANGED,)},
        "a reason of open problems": {"reasons": (CallError.ENGAGE_KEY_TAKEN,), "problems": True},
        "success, four types, a month": {"states": (State.SUCCESS,), "types": SEVERAL, **month},
    }
    named = {f"{name} / {sort}": TaskFilters(**chosen, sort=sort) for name, chosen in filters.items() for sort in SORTS}
    for sort in SORTS:
        cursor = Cursor.of(middle, sort)
        named |= {f"deep, on / {sort}": TaskFilters(sort=sort, after=cursor)}
        named |= {f"deep, back / {sort}": TaskFilters(sort=sort, before=cursor)}
    named |= {f"search {name}": TaskFilters(q=q) for name, q in _searches(shop, middle).items()}
    return {name: each.url() for name, each in named.items()} | {
        "summary": "/summary.json",
        "problems by cause": "/problems",
        "live": live_url(TaskFilters(), newest),
    }


def _newest(shop: Shop) -> Any:
    return Task.select(Task.created_at).where(Task.shop == shop).order_by(Task.id.desc()).get().created_at


def _middle(shop: Shop) -> Task:
    """A finished task near the middle of the shop's."""
    (count,) = db.execute_sql("SELECT count(*) FROM task WHERE shop_id = %s", (shop.id,)).fetchone()
    done = (Task.shop == shop) & Task.started_at.is_null(False) & Task.completed_at.is_null(False)
    done &= Task.engage_id.is_null(False)
    task: Task = Task.select().where(done).order_by(Task.id).offset(count // 8).first()
    return task


def _searches(shop: Shop, task: Task) -> dict[str, str]:
    *_, order = Order.select().where(Order.shop == shop).order_by(Order.id.desc()).limit(20)  # or the oldest of fewer
    return {
        "task id": str(task.id),
        "task id, its beginning": str(task.id)[:13],
        "Shopify entity id": str(task.shopify_id),
        "Shopify gid": f"gid://shopify/Order/{task.shopify_id}",
        "Engage id": task.engage_id or "",
        "order name": order.name,
    }


async def time_page(url: str, cookie: str) -> tuple[float, int]:
    """Request a page. Return the milliseconds and the number of its rows. Raises RuntimeError unless it is 200."""
    path, _, query = url.partition("?")
    headers = [(b"host", b"localhost"), (b"cookie", cookie.encode()), (b"accept-encoding", b"gzip")]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers}
    scope |= {"http_version": "1.1", "scheme": "http", "server": ("localhost", 80), "root_path": ""}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    started = time.perf_counter()
    await app(scope, receive, send)
    took = time.perf_counter() - started
    if sent[0]["status"] != 200:
        raise RuntimeError(f"{url}: {sent[0]['status']}")
    body = b"".join(message.get("body", b"") for message in sent[1:])
    page = gzip.decompress(body) if (b"content-encoding", b"gzip") in sent[0]["headers"] else body
    return took * 1000, page.count(b'scope="row"')


def main() -> None:
    with connected(EVERY):
        shop = Shop.get(Shop.domain == "invented-01.myshopify.com")
        urls, cookie = pages(shop), f"{SESSION_COOKIE}={session_cookie(shop.id)}"
    print(json.dumps(list(urls)), flush=True)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            took, rows = runner.run(time_page(urls[line.rstrip("\n")], cookie))
            print(f"{took:.3f} {rows}", flush=True)


if __name__ == "__main__":
    main()
