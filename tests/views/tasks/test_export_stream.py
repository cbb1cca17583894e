"""The stream of an export: no task twice, little memory, no connection held, and no half file that looks whole."""

from __future__ import annotations

import asyncio
import http.client
import random
import tracemalloc
from contextlib import closing
from datetime import timedelta
from urllib.parse import urlsplit

import orjson
import pytest
from starlette.requests import ClientDisconnect

from database import db
from models import State, Task
from sandbox.serve import serving
from tests.support.tasks.listed_tasks import NOON, add_task, read_filters
from views.tasks.export import JSON, PAGE_SIZE, Export, first_chunk, stream_chunks
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

INSERT_TASKS = """
    INSERT INTO task (id, shop_id, type, state, key, created_at, started_at, completed_at, duration_ms)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008'
        || lpad(to_hex(n), 15, '0'))::uuid,
        %(shop)s, 25, 1, %(from)s || ' ' || n, at, at, at + interval '1 second', 1000
    FROM generate_series(1, %(count)s) AS n,
        LATERAL (SELECT %(from)s::timestamptz + n * interval '1 s' AS at) AS each"""


def insert_tasks(shop, count, since=NOON):
    db.execute_sql(INSERT_TASKS, {"shop": shop.id, "from": since, "count": count})


def export_ids(shop, query, meanwhile=lambda count: None, **options):
    """The ids of an export in pages of two. `meanwhile` runs after each page, with the number of tasks so far."""
    export, ids = Export.of(shop, read_filters(query), page_size=2, **options), []
    while not export.finished:
        ids += [task.id for task in export.next_page()]
        meanwhile(len(ids))
    return ids


# Pages


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_new_tasks_during_an_export_repeat_and_drop_none(shop, sort):
    there = [add_task(shop, NOON + timedelta(seconds=number)).id for number in range(7)]

    ids = export_ids(shop, f"sort={sort}", lambda count: add_task(shop, NOON + timedelta(minutes=min(count, 9))))

    assert len(ids) == len(set(ids))
    assert [task_id for task_id in ids if task_id in there] == (there if sort == "created_at" else there[::-1])


@pytest.mark.parametrize("sort", ["started_at", "-started_at", "completed_at", "-completed_at"])
@pytest.mark.parametrize("state", [State.PENDING, State.ERROR])
@pytest.mark.parametrize("before", [State.PENDING, State.ERROR])
def test_a_task_that_is_retried_during_an_export_comes_once(shop, sort, state, before):
    there = [started_task(shop, number, before) for number in range(4)]
    chance = random.Random(sort)

    def retry_one(count):
        at = NOON + timedelta(hours=count)
        ended = None if state is State.PENDING else at
        again = Task.update(state=state, started_at=at, completed_at=ended)
        again.where(Task.id == chance.choice(there)).execute()

    ids = export_ids(shop, f"sort={sort}", retry_one)

    assert len(ids) == len(set(ids))


def started_task(shop, number, state):
    at = NOON + timedelta(seconds=number)
    ended = None if state is State.PENDING else at + timedelta(seconds=1)
    return add_task(shop, at, state=state, started_at=at, completed_at=ended).id


def test_relative_times_stay_the_same_for_a_whole_export(shop):
    export = Export.of(shop, read_filters("created_to=-15min"), page_size=1)
    until = export.task_filter.created_to

    for _ in range(2):
        add_task(shop, until - timedelta(hours=1))
    export.next_page()

    assert export.task_filter.created_to == until


def test_an_export_beyond_its_limit_has_the_url_of_the_rest(shop):
    there = [add_task(shop, NOON + timedelta(seconds=number)).id for number in range(5)]
    export = Export.of(shop, read_filters("sort=created_at", path="/tasks.json"), limit=3, page_size=2)

    first = export.next_page() + export.next_page()
    rest = export_ids(shop, export.rest_url.partition("?")[2].removesuffix("&limit=all"))

    assert export.finished
    assert [task.id for task in first] + rest == there


def test_an_export_that_just_fits_has_no_rest(shop):
    for number in range(4):
        add_task(shop, NOON + timedelta(seconds=number))
    export = Export.of(shop, read_filters(), limit=4, page_size=2)

    export.next_page(), export.next_page()

    assert (export.finished, export.rest_url) == (True, None)


# Stream


def test_an_export_of_several_pages_is_one_file(client, shop):
    insert_tasks(shop, 2 * PAGE_SIZE + 1)

    in_json = client.get("/tasks.json?limit=all").json()
    lines = client.get("/tasks.csv").text.splitlines()

    ids = [task["id"] for task in in_json["tasks"]]
    assert len(set(ids)) == 2 * PAGE_SIZE + 1
    assert ids == sorted(ids, reverse=True)
    assert [line.split(",")[0] for line in lines[1:]] == ids
    assert in_json["next"] is None


def test_a_slow_client_holds_no_database_connection(client, shop):
    insert_tasks(shop, 2 * PAGE_SIZE)
    busy = []

    sent = asyncio.run(download(shop, "/tasks.csv", lambda: busy.append(busy_connections())))

    assert len(sent) > 2
    assert busy == [0] * len(busy)


def busy_connections():
    """How many connections to this database are in a transaction or a statement, beside ours."""
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    )
    return db.execute_sql(f"{count} AND state <> 'idle' AND pid <> pg_backend_pid()").fetchone()[0]


async def download(shop, url, between=lambda: None, gone_after=None):
    """The messages that the app sends. `between` runs before each; the client disconnects after `gone_after`."""
    from app import app

    path, _, query = url.partition("?")
    headers = [(b"host", b"testserver"), (b"cookie", f"{SESSION_COOKIE}={session_cookie(shop.id)}".encode())]
    scope = {"type": "http", "asgi": {"spec_version": "2.4"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "root_path": "",
    }
    bodies = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.body":
            between()
            bodies.append(message)
            if len(bodies) == gone_after:
                raise OSError("The client has disconnected.")

    await app(scope, receive, send)
    return bodies


def test_a_client_that_disconnects_leaves_no_busy_connection(client, shop):
    insert_tasks(shop, 3 * PAGE_SIZE)

    with pytest.raises(ClientDisconnect):
        asyncio.run(download(shop, "/tasks.json?limit=all", gone_after=1))

    assert busy_connections() == 0
    assert client.get("/tasks").status_code == 200


@pytest.mark.parametrize("url", ["/tasks.csv?sort=-created_at", "/tasks.json?limit=all"])
def test_an_error_during_the_stream_cuts_the_response(client, shop, url):
    from app import app

    insert_tasks(shop, PAGE_SIZE + 10)
    add_task(shop, NOON - timedelta(days=1), state=9)  # of which no page can be made

    with serving(app) as origin, closing(http.client.HTTPConnection(urlsplit(origin).netloc, timeout=20)) as connection:
        connection.request("GET", url, headers={"Cookie": f"{SESSION_COOKIE}={session_cookie(shop.id)}"})
        with connection.getresponse() as answer, pytest.raises(http.client.IncompleteRead) as cut:
            answer.read()

    assert answer.status == 200
    assert len(cut.value.partial) > 100_000


def test_an_error_before_the_stream_is_an_error_page(client, shop):
    assert client.get("/tasks.csv?q=%00").status_code == 400


@pytest.mark.slow
def test_five_times_the_tasks_need_no_more_memory(shop):
    insert_tasks(shop, 4 * PAGE_SIZE)
    of_few = asyncio.run(peak_memory(shop))
    insert_tasks(shop, 16 * PAGE_SIZE, NOON + timedelta(days=1))
    of_many = asyncio.run(peak_memory(shop))

    assert of_many < of_few * 1.5


async def peak_memory(shop, query=""):
    """The most memory that an export takes while a client keeps nothing of it, in bytes."""
    export = Export.of(shop, read_filters(query))
    first = first_chunk(export, JSON)
    tracemalloc.start()
    try:
        async for text in stream_chunks(export, JSON, first):
            orjson.dumps(len(text))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
