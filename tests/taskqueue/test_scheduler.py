"""Scheduler: each job runs at its interval, in one process at a time; heartbeats and an outside monitor watch it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.schedulers.background import BackgroundScheduler

import scheduler
from database import EVERY, advisory_lock, connected, db
from models import Heartbeat, utcnow
from sandbox.dev_servers import wait_for
from scheduler import Job, OverrunLog, log_overruns
from taskqueue import heartbeats
from tests.conftest import free_port
from tests.support.servers.app_processes import AppProcesses, running_servers
from tests.support.servers.processes import printed, scratch

__all__ = ["scratch"]


def call_on_thread(function):
    """Call a function on a thread with a connection of its own, and return its result."""
    found = []

    def body():
        with connected(EVERY):
            found.append(function())
        db.close()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return found[0]


def test_an_advisory_lock_is_held_by_one_process_at_a_time(database):
    def other():
        with advisory_lock("sweep") as mine:
            return mine

    with advisory_lock("sweep") as mine:
        assert mine
        assert not call_on_thread(other)
        with advisory_lock("fold") as free:
            assert free
    assert call_on_thread(other)


def test_an_advisory_lock_is_released_after_an_error(database):
    with pytest.raises(RuntimeError), advisory_lock("sweep"):
        raise RuntimeError

    with advisory_lock("sweep") as mine:
        assert mine


def test_two_schedulers_run_a_job_once(database):
    runs, begun, release = [], threading.Event(), threading.Event()

    def slow():
        runs.append(1)
        begun.set()
        release.wait(10)
        return 1

    first = threading.Thread(target=lambda: (Job("slow", slow, 1).tick(), db.close()))
    first.start()
    assert begun.wait(10)
    Job("slow", slow, 1).tick()
    release.set()
    first.join()

    assert runs == [1]


def test_a_job_that_ran_has_a_heartbeat(database):
    def do_nothing():
        return 0

    Job("do_nothing", do_nothing, 1).tick()

    assert heartbeats.ages().keys() == {"do_nothing"}
    assert heartbeats.late() == {}


def test_a_job_without_a_heartbeat_for_five_minutes_is_late(database):
    Heartbeat.create(name="sweep", at=utcnow() - timedelta(minutes=6))
    Heartbeat.create(name="fold", at=utcnow() - timedelta(minutes=4))

    assert list(heartbeats.late()) == ["sweep"]


def test_jobs_of_an_older_version_are_never_late(database):
    Heartbeat.create(name="removed", at=utcnow() - timedelta(days=6))
    heartbeats.beat("sweep")

    heartbeats.keep_only(["sweep"])

    assert list(heartbeats.ages()) == ["sweep"]


def test_every_job_runs_each_minute_and_has_a_unique_name():
    jobs = scheduler.jobs()

    assert max(job.seconds for job in jobs) <= 60
    assert len({job.name for job in jobs}) == len(jobs)


@pytest.fixture
def monitor():
    """An outside monitor, and the paths that were requested of it."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/ping", asked
    server.shutdown()
    server.server_close()


PING = "import scheduler, database\nwith database.connected():\n    print(scheduler.ping_monitor())"


def test_the_monitor_is_pinged_while_no_job_is_late(database, monitor):
    url, asked = monitor
    heartbeats.beat("sweep")

    assert printed("-c", PING, HEARTBEAT_URL=url) == "1"
    assert asked == ["/ping"]


def test_the_monitor_is_not_pinged_while_a_job_is_late(database, monitor):
    url, asked = monitor
    Heartbeat.create(name="sweep", at=utcnow() - timedelta(minutes=6))

    assert printed("-c", PING, HEARTBEAT_URL=url) == "0"
    assert asked == []


def test_an_unreachable_monitor_disturbs_nothing(database):
    assert printed("-c", PING, HEARTBEAT_URL=f"http://127.0.0.1:{free_port()}") == "0"


@pytest.mark.slow
def test_a_scheduler_process_has_a_heartbeat_for_each_job(migrated):
    with running_servers() as own:
        processes = AppProcesses(own.folder, own.environment, free_port())
        with own.as_own_database(), connected(EVERY):
            processes.start("scheduler")
            soon = {job.name for job in scheduler.jobs() if job.seconds < 60}
            try:
                wait_for(lambda: soon <= set(heartbeats.ages()), 40, "A heartbeat of each job")
            finally:
                processes.close()


def test_a_job_that_takes_longer_than_its_interval_is_logged_once(caplog):
    slow, over = threading.Event(), BackgroundScheduler(timezone="UTC")
    over.add_job(slow.wait, "interval", id="sweep", seconds=0.05, max_instances=1, next_run_time=datetime.now(UTC))
    counted = OverrunLog()
    log_overruns(over)
    over.add_listener(counted, EVENT_JOB_MAX_INSTANCES)

    over.start()
    wait_for(lambda: counted.left_out["sweep"] >= 5, 20, "Five starts that were left out")
    slow.set()
    over.shutdown()

    assert [each.message for each in caplog.records if "apscheduler" in each.name and each.levelname == "WARNING"] == []
    assert {each.message for each in caplog.records if "longer than its interval" in each.message} == {
        "sweep takes longer than its interval; starts left out: 1."
    }
