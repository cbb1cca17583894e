"""Bounded chaos runs. The full ones: `tests.support.servers.chaos` and `.restarts`, with figures in docs/chaos.md."""

from __future__ import annotations

import pytest

from tests.support.servers.chaos import run_chaos
from tests.support.servers.restarts import run_restarts

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


def test_restarted_dynos_lose_and_double_nothing():
    report = run_restarts(250, restarts=6, seed=1)

    assert report.defects == {}
    assert (report.restarts, report.signals) == (6, 12)
    assert report.chaos.receipts > 30
    assert report.mails > 30
