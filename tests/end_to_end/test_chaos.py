"""A bounded chaos run. The full ones: `python -m tests.support.servers.chaos`, with figures in docs/chaos.md."""

from __future__ import annotations

import pytest

from tests.support.servers.chaos import run_chaos

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _nothing_open(database: object) -> None:
    """The chaos takes this process's database for its own meanwhile."""


def test_killed_workers_lose_and_double_nothing():
    report = run_chaos(300, worker_kills=5, seed=1)

    assert report.defects == {}
    assert report.worker_kills == 5
    assert report.receipts > 50


def test_a_killed_and_emptied_redis_loses_and_doubles_nothing():
    report = run_chaos(300, redis_kills=2, seed=2)

    assert report.defects == {}
    assert report.redis_kills == 2
    assert report.receipts > 50
