"""Connections: a broken one is not used again, and a pool without a free one is answered with 503."""

from __future__ import annotations

from database import connected, db
from tests.support.servers.processes import printed

EXHAUST = """
import threading
from database import db

db.limit_connections(1)
holder = threading.Thread(target=db.connect)  # a connection is its thread's, and stays taken when that ends
holder.start()
holder.join()
"""

ASK = """
from starlette.testclient import TestClient
from app import app
from tests.support.web.webhook_requests import ORDER, headers

with TestClient(app, raise_server_exceptions=False) as browser:
    print(browser.post("/webhooks/shopify", content=ORDER, headers=headers()).status_code)
    print(browser.post("/webhooks/engage/any", content=b"{}").status_code)
    print(browser.get("/support/any").status_code)
    print(browser.get("/sign-in?token=any").status_code)
    print(browser.get("/readyz").status_code)
    print(browser.get("/metrics", headers={"Authorization": "Bearer token"}).status_code)
"""

WORK = """
from uuid import uuid4
from scheduler import Job
from taskqueue.runner import run_task
from taskqueue.types import TYPES

run_task(TYPES["SyncOrder"], str(uuid4()))
Job("any", lambda: 1, 1).tick()
print("both went on")
"""


def test_a_connection_interrupted_within_a_query_is_not_used_again(database):
    with connected():
        before = db.connection()
        before.pgconn.send_query(b"SELECT pg_sleep(10)")  # as when the time limit strikes within a query

    with connected():
        assert db.connection() is not before
        assert db.execute_sql("SELECT 1").fetchone() == (1,)


def test_an_exhausted_pool_is_answered_with_503(database):
    assert printed("-c", EXHAUST + ASK, METRICS_TOKEN="token").split() == ["503"] * 6


def test_an_exhausted_pool_ends_neither_a_worker_nor_the_scheduler(database):
    assert printed("-c", EXHAUST + WORK) == "both went on"
