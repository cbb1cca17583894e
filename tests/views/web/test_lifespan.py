"""Start and end of the web app: its counts are written, and no database connection is left behind."""

from __future__ import annotations

from starlette.testclient import TestClient

from database import db
from tasklog.counters import COUNTERS


def test_many_starts_and_ends_leave_no_connection_behind(database):
    from app import app

    before = len(db._in_use)
    for _ in range(30):
        COUNTERS.webhook("shopify", 200, 0.01)
        with TestClient(app):
            pass

    assert len(db._in_use) <= before + 2  # of a thread of the pages, and the one that writes the counts
