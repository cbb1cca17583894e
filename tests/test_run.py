"""What a newcomer does: one command, in a folder whose name has a space, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

import services
from tests.conftest import free_port

ROOT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")


class Run:
    """`make run` without its setting up, in a checkout of its own."""

    def __init__(self, checkout: Path) -> None:
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        self.log = checkout.parent / f"{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.run"],
                cwd=checkout,
                env={**kept, "PORT": str(self.port), "SANDBOX_RATE": "4"},
                stdout=log,
                stderr=log,
            )

    def link(self) -> str:
        services.wait_for(lambda: "sign-in?token=" in self.log.read_text(), 60, f"make run ({self.log.read_text()})")
        return re.findall(r"http\S+sign-in\?token=\S+", self.log.read_text())[0]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def run(checkout):
    """Starts `make run` in the checkout; whatever still runs afterwards is stopped."""
    started = []

    def start() -> Run:
        started.append(Run(checkout))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop()


@pytest.fixture
def checkout(tmp_path):
    """A copy of the project, with a data folder of its own that is removed afterwards."""
    copy = tmp_path / "a checkout"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    yield copy
    where = subprocess.run([sys.executable, "manage.py", "where"], cwd=copy, capture_output=True, text=True, check=True)
    shutil.rmtree(where.stdout.strip())


def summary(browser, port):
    with browser.open(f"http://127.0.0.1:{port}/summary.json") as answer:
        return json.load(answer)


def grown(browser, port, success):
    """The summary, once both syncs have this many successes more."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = summary(browser, port)
        if all(found[name]["success"] >= success for name in ("contact_sync", "order_sync")):
            return found
        time.sleep(0.3)
    raise AssertionError(f"orders do not flow: {found}")


def test_one_command_shows_orders_flowing_and_the_next_run_goes_on(run):
    first = run()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    browser.open(first.link()).close()
    seen = grown(browser, first.port, success=3)
    assert first.stop() in (0, 130)

    second = run()
    again = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    again.open(second.link()).close()

    went_on = grown(again, second.port, success=seen["order_sync"]["success"] + 1)
    assert went_on["since"] == seen["since"]
    assert second.stop() in (0, 130)
    assert "Traceback" not in first.log.read_text() + second.log.read_text()
