"""A file while it is being sent: nothing twice, little memory, no connection held, and never half a file as a whole."""

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
from tests.listings import NOON, add, read
from views import export
from views.auth import COOKIE, session_for

MANY = """
    INSERT INTO task (id, shop_id, type, state, key, created_at, started_at, completed_at, duration_ms)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008'
        || lpad(to_hex(n), 15, '0'))::uuid,
        %(shop)s, 25, 1, %(from)s || ' ' || n, at, at, at + interval '1 second', 1000
    FROM generate_series(1, %(count)s) AS n,
        LATERAL (SELECT %(from)s::timestamptz + n * interval '1 s' AS at) AS each"""


def many(shop, count, since=NOON):
    db.execute_sql(MANY, {"shop": shop.id, "from": since, "count": count})


def walked(shop, query, meanwhile=lambda step: None, **how):
    """The ids of a walk in portions of two, with what happens between them."""
    walk, ids = export.Walk.of(shop, read(query), portion=2, **how), []
    while not walk.over:
        ids += [task.id for task in walk.step()]
        meanwhile(len(ids))
    return ids


# The walk


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_tasks_that_arrive_meanwhile_leave_each_other_one_exactly_once(shop, sort):
    there = [add(shop, NOON + timedelta(seconds=number)).id for number in range(7)]

    ids = walked(shop, f"sort={sort}", lambda step: add(shop, NOON + timedelta(minutes=min(step, 9))))

    assert len(ids) == len(set(ids))
    assert [task_id for task_id in ids if task_id in there] == (there if sort == "created_at" else there[::-1])


@pytest.mark.parametrize("sort", ["started_at", "-started_at", "completed_at", "-completed_at"])
@pytest.mark.parametrize("state", [State.PENDING, State.ERROR])
@pytest.mark.parametrize("before", [State.PENDING, State.ERROR])
def test_a_task_that_is_tried_again_meanwhile_comes_once(shop, sort, state, before):
    there = [done(shop, number, before) for number in range(4)]
    chance = random.Random(sort)

    def tried_again(step):
        at = NOON + timedelta(hours=step)
        ended = None if state is State.PENDING else at
        again = Task.update(state=state, started_at=at, completed_at=ended)
        again.where(Task.id == chance.choice(there)).execute()

    ids = walked(shop, f"sort={sort}", tried_again)

    assert len(ids) == len(set(ids))


def done(shop, number, state):
    at = NOON + timedelta(seconds=number)
    ended = None if state is State.PENDING else at + timedelta(seconds=1)
    return add(shop, at, state=state, started_at=at, completed_at=ended).id


def test_what_moves_along_with_the_time_stands_still_in_a_file(shop):
    walk = export.Walk.of(shop, read("created_to=-15min"), portion=1)
    until = walk.selection.created_to

    for _ in range(2):
        add(shop, until - timedelta(hours=1))
    walk.step()

    assert walk.selection.created_to == until


def test_what_does_not_fit_is_said_with_the_address_of_the_rest(shop):
    there = [add(shop, NOON + timedelta(seconds=number)).id for number in range(5)]
    walk = export.Walk.of(shop, read("sort=created_at", path="/tasks.json"), most=3, portion=2)

    first = walk.step() + walk.step()
    rest = walked(shop, walk.rest.partition("?")[2].removesuffix("&limit=all"))

    assert walk.over
    assert [task.id for task in first] + rest == there


def test_what_fits_to_the_last_task_has_no_rest(shop):
    for number in range(4):
        add(shop, NOON + timedelta(seconds=number))
    walk = export.Walk.of(shop, read(), most=4, portion=2)

    walk.step(), walk.step()

    assert (walk.over, walk.rest) == (True, None)


# The sending


def test_a_file_of_several_portions_is_one_file(client, shop):
    many(shop, 2 * export.PORTION + 1)

    in_json = client.get("/tasks.json?limit=all").json()
    lines = client.get("/tasks.csv").text.splitlines()

    ids = [task["id"] for task in in_json["tasks"]]
    assert len(set(ids)) == 2 * export.PORTION + 1
    assert ids == sorted(ids, reverse=True)
    assert [line.split(",")[0] for line in lines[1:]] == ids
    assert in_json["next"] is None


def test_no_connection_is_held_while_the_reader_takes_their_time(client, shop):
    many(shop, 2 * export.PORTION)
    busy = []

    sent = asyncio.run(sent_to(shop, "/tasks.csv", lambda: busy.append(working())))

    assert len(sent) > 2
    assert busy == [0] * len(busy)


def working():
    """How many connections to this database are in a transaction or a statement, beside ours."""
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    )
    return db.execute_sql(f"{asked} AND state <> 'idle' AND pid <> pg_backend_pid()").fetchone()[0]


async def sent_to(shop, address, between=lambda: None, gone_after=None):
    """What the app sends of a file to a reader who does something before each part, and may go away."""
    from app import app

    path, _, query = address.partition("?")
    headers = [(b"host", b"testserver"), (b"cookie", f"{COOKIE}={session_for(shop.id)}".encode())]
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
                raise OSError("The reader has gone.")

    await app(scope, receive, send)
    return bodies


def test_a_reader_who_goes_away_leaves_nothing_behind(client, shop):
    many(shop, 3 * export.PORTION)

    with pytest.raises(ClientDisconnect):
        asyncio.run(sent_to(shop, "/tasks.json?limit=all", gone_after=1))

    assert working() == 0
    assert client.get("/tasks").status_code == 200


@pytest.mark.parametrize("address", ["/tasks.csv?sort=-created_at", "/tasks.json?limit=all"])
def test_what_fails_on_the_way_is_a_download_that_failed(client, shop, address):
    from app import app

    many(shop, export.PORTION + 10)
    add(shop, NOON - timedelta(days=1), state=9)  # of which no page can be made

    with serving(app) as origin, closing(http.client.HTTPConnection(urlsplit(origin).netloc, timeout=20)) as connection:
        connection.request("GET", address, headers={"Cookie": f"{COOKIE}={session_for(shop.id)}"})
        with connection.getresponse() as answer, pytest.raises(http.client.IncompleteRead) as cut:
            answer.read()

    assert answer.status == 200
    assert len(cut.value.partial) > 100_000


def test_what_fails_at_once_is_a_sentence_and_no_file(client, shop):
    assert client.get("/tasks.csv?q=%00").status_code == 400


@pytest.mark.slow
def test_five_times_the_tasks_take_no_more_memory(shop):
    many(shop, 4 * export.PORTION)
    few = asyncio.run(peak(shop))
    many(shop, 16 * export.PORTION, NOON + timedelta(days=1))
    lots = asyncio.run(peak(shop))

    assert lots < few * 1.5


async def peak(shop, query=""):
    """The most memory that is held while a file is read by somebody who keeps nothing of it, in bytes."""
    walk = export.Walk.of(shop, read(query))
    begun = export.begin(walk, export.JSON)
    tracemalloc.start()
    try:
        async for text in export.sent(walk, export.JSON, begun):
            orjson.dumps(len(text))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
