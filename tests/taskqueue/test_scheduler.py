"""The clock: each job at its pace and in one process at a time, seen from inside and from outside."""

from __future__ import annotations

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import scheduler
from database import EVERY, advisory_lock, connected, db
from models import Heartbeat, utcnow
from sandbox.dev_servers import wait_for
from scheduler import Job
from taskqueue import heartbeats
from tests.conftest import free_port
from tests.support.servers.app_processes import AppProcesses, running_servers
from tests.support.servers.processes import printed, scratch

__all__ = ["scratch"]


def on_a_thread(function):
    """Call it on a thread with a connection of its own, and wait for its end."""
    found = []

    def body():
        with connected(EVERY):
            found.append(function())
        db.close()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return found[0]


def test_what_one_does_another_leaves_alone_until_it_is_done(database):
    def other():
        with advisory_lock("sweep") as mine:
            return mine

    with advisory_lock("sweep") as mine:
        assert mine
        assert not on_a_thread(other)
        with advisory_lock("fold") as free:
            assert free
    assert on_a_thread(other)


def test_a_job_that_fails_lets_go(database):
    with pytest.raises(RuntimeError), advisory_lock("sweep"):
        raise RuntimeError

    with advisory_lock("sweep") as mine:
        assert mine


def test_two_clocks_at_once_do_a_job_once(database):
    done, begun, go_on = [], threading.Event(), threading.Event()

    def slow():
        done.append(1)
        begun.set()
        go_on.wait(10)
        return 1

    first = threading.Thread(target=lambda: (Job("slow", slow, 1).tick(), db.close()))
    first.start()
    assert begun.wait(10)
    Job("slow", slow, 1).tick()
    go_on.set()
    first.join()

    assert done == [1]


def test_a_job_that_was_done_is_seen(database):
    def careful():
        return 0

    Job("careful", careful, 1).tick()

    assert heartbeats.ages().keys() == {"careful"}
    assert heartbeats.late() == {}


def test_what_has_not_been_seen_for_five_minutes_is_late(database):
    Heartbeat.create(name="sweep", at=utcnow() - timedelta(minutes=6))
    Heartbeat.create(name="fold", at=utcnow() - timedelta(minutes=4))

    assert list(heartbeats.late()) == ["sweep"]


def test_jobs_of_an_older_version_are_not_missed(database):
    Heartbeat.create(name="gone", at=utcnow() - timedelta(days=6))
    heartbeats.beat("sweep")

    heartbeats.keep_only(["sweep"])

    assert list(heartbeats.ages()) == ["sweep"]


def test_every_job_has_its_turn_within_a_minute_and_a_name_of_its_own():
    jobs = scheduler.jobs()

    assert max(job.seconds for job in jobs) <= 60
    assert len({job.name for job in jobs}) == len(jobs)


@pytest.fixture
def watch():
    """An outside watch, with the paths that it was asked for."""
    asked = []

    class Watch(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Watch)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/ping", asked
    server.shutdown()
    server.server_close()


PING = "import scheduler, database\nwith database.connected():\n    print(scheduler.ping_monitor())"


def test_the_outside_watch_hears_of_a_clock_that_is_in_time(database, watch):
    url, asked = watch
    heartbeats.beat("sweep")

    assert printed("-c", PING, HEARTBEAT_URL=url) == "1"
    assert asked == ["/ping"]


def test_the_outside_watch_hears_nothing_of_a_late_one(database, watch):
    url, asked = watch
    Heartbeat.create(name="sweep", at=utcnow() - timedelta(minutes=6))

    assert printed("-c", PING, HEARTBEAT_URL=url) == "0"
    assert asked == []


def test_a_watch_that_is_away_disturbs_nothing(database):
    assert printed("-c", PING, HEARTBEAT_URL=f"http://127.0.0.1:{free_port()}") == "0"


@pytest.mark.slow
def test_a_clock_beats_for_all_of_its_jobs(migrated):
    with running_servers() as own:
        processes = AppProcesses(own.folder, own.environment, free_port())
        with own.as_own_database(), connected(EVERY):
            processes.start("scheduler")
            soon = {job.name for job in scheduler.jobs() if job.seconds < 60}
            try:
                wait_for(lambda: soon <= set(heartbeats.ages()), 40, "A beat of each job")
            finally:
                processes.close()
