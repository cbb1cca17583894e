"""A connection goes back to the pool only when it can be used again."""

from __future__ import annotations

from database import connected, db


def test_a_connection_left_in_the_middle_of_something_is_not_used_again(database):
    with connected():
        before = db.connection()
        before.pgconn.send_query(b"SELECT pg_sleep(10)")  # as when the time limit strikes within a query

    with connected():
        assert db.connection() is not before
        assert db.execute_sql("SELECT 1").fetchone() == (1,)
