"""`make run` in a new checkout whose path has a space: the app starts, has tasks, and ends with Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from sandbox import dev_servers
from taskqueue.types import TYPES
from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")

pytestmark = pytest.mark.slow


class MakeRun:
    """`make run` without `make setup`, in a checkout of its own."""

    def __init__(self, checkout: Path) -> None:
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        self.log = checkout.parent / f"{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.run"],
                cwd=checkout,
                env={**kept, "PORT": str(self.port)},
                stdout=log,
                stderr=log,
            )

    def link(self) -> str:
        dev_servers.wait_for(lambda: "sign-in?token=" in self.log.read_text(), 60, f"make run ({self.log.read_text()})")
        return re.findall(r"http\S+sign-in\?token=\S+", self.log.read_text())[0]

    def ports(self) -> list[int]:
        """Where the app and the sandbox listen."""
        return [
            self.port,
            *map(int, re.findall(r"http://127\.0\.0\.1:(\d+)/engage/demo/journal", self.log.read_text())),
        ]

    def stop(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def run(checkout):
    """Starts `make run` in the checkout; whatever still runs afterwards is stopped."""
    started = []

    def start() -> MakeRun:
        started.append(MakeRun(checkout))
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
    shutil.rmtree(data_folder(copy))


def data_folder(checkout):
    where = [sys.executable, "manage.py", "where"]
    return Path(subprocess.run(where, cwd=checkout, capture_output=True, text=True, check=True).stdout.strip())


def signed_in(run):
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page, _, token = run.link().partition("?")
    browser.open(page, token.encode()).close()  # as the button of the link's page
    return browser


def get_json(browser, run, path):
    with browser.open(f"http://127.0.0.1:{run.port}{path}") as answer:
        return json.load(answer)


def wait_for_successes(browser, run, success):
    """The summary, once both syncs have this many successes."""
    found = {}

    def enough():
        found.update(get_json(browser, run, "/summary.json"))
        return all(found[name]["success"] >= success for name in ("contact_sync", "order_sync"))

    dev_servers.wait_for(enough, 60, "Synced orders")
    return found


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_within_two_minutes_every_type_has_a_task_and_ctrl_c_ends_all(run, checkout):
    started = run()
    browser, missing = signed_in(started), set(TYPES)

    def nothing_is_missing():
        missing.difference_update([n for n in missing if get_json(browser, started, f"/tasks.json?type={n}")["tasks"]])
        return not missing

    with suppress(TimeoutError):
        dev_servers.wait_for(nothing_is_missing, 120, "A task of every type")
    assert missing == set()

    ports = started.ports()
    assert [listens(port) for port in ports] == [True, True]
    assert started.stop() in (0, 130)
    assert [listens(port) for port in ports] == [False, False]
    assert not (data_folder(checkout) / "postgres" / "postmaster.pid").exists()
    assert "Traceback" not in started.log.read_text()


def test_one_command_syncs_orders_and_the_next_run_continues(run):
    first = run()
    before = wait_for_successes(signed_in(first), first, success=3)
    assert first.stop() in (0, 130)

    second = run()

    after = wait_for_successes(signed_in(second), second, success=before["order_sync"]["success"] + 1)
    assert after["since"] == before["since"]
    assert second.stop() in (0, 130)
    assert "Traceback" not in first.log.read_text() + second.log.read_text()
