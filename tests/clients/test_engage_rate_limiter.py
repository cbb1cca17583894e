"""Rate limiter for Engage, with a real Redis and with several processes at once."""

import logging
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from clients import Throttled
from clients.engage.rate_limiter import RateLimiter
from clients.redis_script import short_timeout_client
from sandbox.dev_servers import redis_program

ROOT = Path(__file__).parents[2]

CALLER = """
import sys, time
from clients import Throttled
from clients.engage.rate_limiter import RateLimiter
from clients.redis_script import short_timeout_client

path, key, until = sys.argv[1], sys.argv[2], float(sys.argv[3])
limiter = RateLimiter(short_timeout_client(f'unix://{path}'), key)
while time.time() < until:
    try:
        limiter.acquire()
        print(time.time(), flush=True)
    except Throttled:
        time.sleep(0.05)
"""


class Server:
    """A Redis server of the test's own, which can be killed and started again, empty."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "redis.sock"
        self.program = redis_program()
        self.start()

    def start(self) -> None:
        options = {"port": "0", "unixsocket": str(self.path), "save": "", "appendonly": "no"}
        command = [self.program, *(part for name, value in options.items() for part in (f"--{name}", value))]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self.path.parent)
        until = time.monotonic() + 10
        while not self.answers():
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.01)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def client(self) -> redis.Redis:
        return short_timeout_client(f"unix://{self.path}")


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def key():
    return str(uuid4())  # the limit within a process is kept per key


def test_after_a_burst_calls_are_limited_to_the_rate(server, key):
    limiter = RateLimiter(server.client(), key, rate=20, burst=5)
    started = time.monotonic()

    for _ in range(5):
        limiter.acquire()
    burst = time.monotonic() - started
    for _ in range(10):
        limiter.acquire()
    after = time.monotonic() - started

    assert burst < 0.15  # without a burst it would be a quarter of a second
    assert 0.45 < after < 0.75  # ten calls at twenty a second


def test_two_processes_make_under_fifty_calls_in_any_second(server, key):
    until = time.time() + 4
    command = [sys.executable, "-c", CALLER, str(server.path), key, str(until)]
    callers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]

    outputs = [caller.communicate(timeout=20)[0].split() for caller in callers]

    assert [caller.returncode for caller in callers] == [0, 0]
    assert min(len(output) for output in outputs) > 30  # neither was starved
    calls = sorted(float(instant) for output in outputs for instant in output)
    busiest = max(sum(1 for call in calls if start <= call < start + 1) for start in calls)
    assert 40 <= busiest < 50


def test_api_keys_are_limited_independently(server, key):
    one, other = (RateLimiter(server.client(), f"{key}-{n}", rate=1, burst=1) for n in range(2))
    started = time.monotonic()

    one.acquire()
    other.acquire()

    assert time.monotonic() - started < 0.1


def test_the_api_key_is_not_written_to_redis(server, key):
    RateLimiter(server.client(), key).acquire()

    names = list(server.client().scan_iter())
    assert len(names) == 1
    assert key.encode() not in names[0]


def test_a_long_wait_is_throttled_at_once_with_retry_after(server, key):
    limiter = RateLimiter(server.client(), key, rate=0.5, burst=1)
    limiter.acquire()
    started = time.monotonic()

    with pytest.raises(Throttled) as caught:
        limiter.acquire()

    assert time.monotonic() - started < 0.1
    assert timedelta(seconds=1.8) < caught.value.retry_after <= timedelta(seconds=2)


def test_throttled_callers_do_not_lengthen_the_queue(server, key):
    limiter = RateLimiter(server.client(), key, rate=0.5, burst=1)
    limiter.acquire()

    waits = []
    for _ in range(20):
        with pytest.raises(Throttled) as caught:
            limiter.acquire()
        waits.append(caught.value.retry_after)

    assert waits == sorted(waits, reverse=True)


def test_no_caller_sleeps_longer_than_the_maximum(server, key):
    slept, throttled = [], []

    def call() -> None:
        try:
            RateLimiter(server.client(), key, rate=5, burst=1).acquire()
            slept.append(1)
        except Throttled:
            throttled.append(1)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8 <= len(slept) <= 12  # one at once, then five a second while callers may sleep; more if they start late
    assert len(slept) + len(throttled) == 16


def test_a_clock_that_was_set_back_does_not_stop_the_calls(server, key):
    limiter = RateLimiter(server.client(), key)
    server.client().set(limiter.name, int((time.time() + 3600) * 1e6))
    started = time.monotonic()

    limiter.acquire()

    assert time.monotonic() - started < 0.2


def test_without_redis_a_process_is_limited_to_a_quarter_of_the_rate(server, key):
    limiter = RateLimiter(server.client(), key, rate=40, burst=4)
    server.kill()
    started = time.monotonic()

    for _ in range(6):
        limiter.acquire()

    assert 0.45 < time.monotonic() - started < 0.75  # one free, then ten a second


def test_without_redis_limiters_of_one_key_share_one_limit(server, key):
    server.kill()
    started = time.monotonic()

    for _ in range(6):
        RateLimiter(server.client(), key, rate=40, burst=4).acquire()

    assert 0.45 < time.monotonic() - started < 0.75


def test_the_circuit_opens_after_one_time_out_of_redis(server, key):
    limiter = RateLimiter(server.client(), key, rate=1000)
    limiter.acquire()
    server.process.send_signal(19)  # SIGSTOP
    started = time.monotonic()

    for _ in range(5):
        limiter.acquire()
    took = time.monotonic() - started
    server.process.send_signal(18)  # SIGCONT

    assert 0.5 < took < 1.1  # a time-out of 0.3 seconds, tried twice, for the first call only


def test_an_unavailable_redis_is_logged_once(server, key, caplog):
    limiter = RateLimiter(server.client(), key, rate=1000)
    server.kill()

    with caplog.at_level(logging.INFO, "clients.redis_script"):
        for _ in range(5):
            limiter.acquire()

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_circuit_closes_when_redis_is_available_again(server, key, caplog):
    limiter = RateLimiter(server.client(), key, rate=1000, open_seconds=0.2)
    server.kill()
    limiter.acquire()
    server.start()
    time.sleep(0.3)
    caplog.clear()

    with caplog.at_level(logging.INFO, "clients.redis_script"):
        limiter.acquire()

    assert server.client().exists(limiter.name)
    assert [record.levelname for record in caplog.records] == ["INFO"]
