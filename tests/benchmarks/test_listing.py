"""The listing's benchmark runs, and its verdict is right. How fast anything is, is not tested."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import pytest

from benchmarks.listing import PageProcess, _verdict
from benchmarks.listing_pages import pages, time_page
from demo_history.filling import fill as fill_history
from models import Shop
from sandbox import dev_servers
from tests.support.servers.processes import printed
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie


@pytest.fixture
def biggest(database):
    """The biggest shop of a small history."""
    fill_history(3_000, 2, lambda done, seconds: None)
    return Shop.get(Shop.domain == "invented-01.myshopify.com")


def reader(tasks, rows=50, **times):
    return PageProcess(tasks, 0.6, None, list(times), times, dict.fromkeys(times, rows))


@pytest.mark.slow
def test_the_whole_benchmark_runs_and_writes_its_results(tmp_path):
    command = [sys.executable, "-m", "benchmarks.listing", "--tiny", "--to", tmp_path / "results.md"]

    done = subprocess.run(command, cwd=dev_servers.CHECKOUT, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr
    results = (tmp_path / "results.md").read_text()
    assert len(re.findall(r"^## ", results, re.MULTILINE)) == 19
    assert len(re.findall(r"^- .* kept", results.replace("**", ""), re.MULTILINE)) == 3


def test_every_measured_page_exists_and_shows_tasks(biggest):
    cookie = f"{SESSION_COOKIE}={session_cookie(biggest.id)}"

    shown = {name: asyncio.run(time_page(address, cookie))[1] for name, address in pages(biggest).items()}

    assert (shown.pop("summary"), shown.pop("live")) == (0, 0)
    assert [name for name, rows in shown.items() if not rows] == []


def test_a_refused_page_is_an_error(biggest):
    with pytest.raises(RuntimeError, match="401"):
        asyncio.run(time_page("/tasks", "none=1"))


def test_the_verdict_compares_pages_with_equal_numbers_of_rows():
    small = reader(10, a=[1.0] * 20, b=[2.0] * 20, summary=[1.0] * 20)
    large = reader(1000, a=[3.0] * 20, b=[2.0] * 20, summary=[1.0] * 20)
    assert "**not kept**; of 2 pages the largest ratio is 3.00" in _verdict([small, large])

    large.rows["a"] = 3

    assert "kept; of 1 pages the largest ratio is 1.00" in _verdict([small, large])


def test_the_verdict_names_the_slowest_page():
    slow = reader(1000, a=[40.0] * 20, b=[1.0] * 20, summary=[9.0] * 20)

    assert "p95 under 30 ms at 1,000: **not kept**; the highest is 40.0 ms, of `a`." in _verdict([slow, slow])
    assert "Summary under 5 ms: **not kept**" in _verdict([slow, slow])


def test_modules_are_frozen_out_of_garbage_collection():
    script = "import app, gc; print(gc.get_freeze_count() > 10_000)"

    assert printed("-c", script) == "True"
