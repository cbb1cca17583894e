"""The benchmarks run, and measure correctly. How fast anything is, is not tested."""

from __future__ import annotations

import asyncio
import math
import os
import re
import subprocess
import sys

import pytest

from benchmarks.support import cpu, shops
from benchmarks.support.figures import Figures, ResultTable
from benchmarks.support.load_generator import Load, LoadResult, PreparedRequest, load_generator, send
from sandbox import dev_servers
from sandbox.serve import serving
from tests.conftest import SECRET
from views.webhooks.shopify import verified

PARTS = ["Webhook ingest", "Tracked tasks", "Enqueueing", "From webhook to receipt"]


class FixedAnswerApp:
    """An ASGI app that answers everything with `status` after `seconds`, and remembers the webhooks' ids."""

    def __init__(self, status=200, seconds=0.0):
        self.status, self.seconds, self.ids = status, seconds, []

    async def __call__(self, scope, receive, answer):
        if scope["type"] != "http":
            return
        self.ids.append(dict(scope["headers"])[b"x-shopify-webhook-id"])
        await asyncio.sleep(self.seconds)
        await answer({"type": "http.response.start", "status": self.status, "headers": [(b"content-length", b"2")]})
        await answer({"type": "http.response.body", "body": b"ok"})


def load(address, **changes):
    post = PreparedRequest(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n", b"body")
    return Load(int(address.rpartition(":")[2]), [post], seconds=0.2, connections=2).changed(**changes)


@pytest.mark.slow
def test_the_whole_benchmark_runs_and_writes_its_results(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--to", tmp_path / "results.md"]

    done = subprocess.run(command, cwd=dev_servers.CHECKOUT, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr
    results = (tmp_path / "results.md").read_text()
    assert [line[3:] for line in results.splitlines() if line.startswith("## ")] == PARTS


@pytest.mark.slow
def test_the_alerts_are_simulated_and_their_document_written(tmp_path):
    command = [sys.executable, "-m", "benchmarks.false_alerts", "--tiny", "--to", tmp_path / "alerts.md"]

    done = subprocess.run(command, cwd=dev_servers.CHECKOUT, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr
    written = re.findall("^## (.+)$", (tmp_path / "alerts.md").read_text(), re.MULTILINE)
    assert written == ["Order silence", "Sales and holidays", "Error rate"]


def test_every_answer_is_counted_with_its_status():
    app = FixedAnswerApp(status=503)
    with serving(app) as address:
        sent = send(load(address))

    assert sent.statuses == {503: len(app.ids)}
    assert len(sent.waits) == len(app.ids)


def test_every_request_has_a_webhook_id_of_its_own():
    app = FixedAnswerApp()
    with serving(app) as address:
        send(load(address))

    assert len(set(app.ids)) == len(app.ids) > 1


def test_a_steady_rate_is_kept():
    app = FixedAnswerApp()
    with serving(app) as address:
        send(load(address, rate=50))

    assert len(app.ids) == 10  # 0.2 seconds of it


def test_a_queued_request_waits_from_when_it_was_due():
    with serving(FixedAnswerApp(seconds=0.1)) as address:
        sent = send(load(address, rate=100, connections=1))

    assert sent.within_ms(1) >= 190  # it was due while the one before it was under way


def test_a_load_with_refusals_is_an_error():
    with (
        serving(FixedAnswerApp(status=503)) as address,
        load_generator() as sender,
        pytest.raises(RuntimeError, match="503"),
    ):
        sender.send(load(address))


def test_a_percentile_is_a_measured_wait():
    sent = LoadResult(1.0, waits=[0.004, 0.001, 0.002, 0.003])

    assert (sent.within_ms(0.5), sent.within_ms(0.99)) == (2.0, 4.0)


def test_the_webhooks_are_signed_orders_of_about_ten_kilobytes():
    posts = shops.webhooks("demo.myshopify.com", SECRET, count=4)

    signatures = [line for post in posts for line in post.head.decode().splitlines() if "Hmac-Sha256" in line]
    assert all(verified(post.body, line.split(": ")[1]) for post, line in zip(posts, signatures, strict=True))
    assert all(7_000 < len(post.body) < 13_000 for post in posts)


def test_ratios_are_calculated_round_by_round():
    mine, its = Figures((10, 30, 40)), Figures((100, 100, 50))

    assert mine.per(its).values == (10, 30, 80)


def test_figures_show_the_median_and_the_range():
    assert str(Figures((1500, 1000.4, 12.345), " /s")) == "1,000 /s (12.3 - 1,500)"


def test_a_table_is_markdown():
    table = ResultTable("Speed", "How fast.", ("what", "rate"), (("this", 1), ("that", 2)))

    assert str(table) == "## Speed\n\nHow fast.\n\n| what | rate |\n| --- | --- |\n| this | 1 |\n| that | 2 |\n"


@pytest.mark.skipif(not cpu.PROC.exists(), reason="there is no /proc")
def test_processor_time_includes_a_childs():
    before = cpu.seconds(os.getpid())

    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)

    assert cpu.seconds(os.getpid()) - before >= 0.29


def test_processor_time_without_proc_is_unknown(tmp_path):
    assert math.isnan(cpu.seconds(os.getpid(), tmp_path / "none"))
