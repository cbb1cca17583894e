"""Start the servers and processes of a benchmark, and end them with it."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from sandbox import dev_servers

SECRET = "a secret between Shopify and the benchmark"
SHOPIFY_PORT, ENGAGE_PORT = "BENCH_SHOPIFY_PORT", "BENCH_ENGAGE_PORT"  # variables with the ports of the sandbox


@dataclass(frozen=True)
class ServerPids:
    """The servers' process ids, by which their processor time is read."""

    postgres: int
    redis: int


@contextmanager
def servers(*, durable: bool = True) -> Iterator[ServerPids]:
    """A PostgreSQL as durable as in production and a Redis, both empty, with the environment that leads to them.

    Enter it before importing anything that reads the configuration.
    """
    folder = dev_servers.scratch_folder()
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres, redis = dev_servers.Postgres(folder, durable=durable), dev_servers.Redis(folder)
        ending.callback(postgres.stop)
        ending.callback(redis.stop)
        os.environ.update(_environment(postgres.start(), redis.start()))
        yield ServerPids(_pid(postgres.process), _pid(redis.process))


def _pid(process: subprocess.Popen[bytes] | None) -> int:
    return process.pid if process else 0


def _environment(database_url: str, redis_url: str) -> dict[str, str]:
    shopify, engage = free_port(), free_port()
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DEVELOPMENT": "1",
        "SECRET_KEYS": "bench:" + base64.b64encode(b"k" * 32).decode(),
        "SHOPIFY_API_SECRET": SECRET,
        SHOPIFY_PORT: str(shopify),
        ENGAGE_PORT: str(engage),
        "SHOPIFY_ORIGIN": f"http://127.0.0.1:{shopify}/{{shop}}",
        "ENGAGE_ORIGIN": f"http://127.0.0.1:{engage}/{{tenant}}",
        "LOG_LEVEL": "WARNING",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[int]:
    """Run a Python process of ours for the block, and give its id. Its standard error is shown."""
    command, variables = [sys.executable, *arguments], {**os.environ, **environment}
    started = subprocess.Popen(command, cwd=dev_servers.CHECKOUT, env=variables, stdout=subprocess.DEVNULL)
    try:
        yield started.pid
    finally:
        started.terminate()
        started.wait(30)


@dataclass(frozen=True)
class WebProcess:
    port: int
    pid: int


@contextmanager
def web(app: str) -> Iterator[WebProcess]:
    """One uvicorn worker, started as the Procfile starts it."""
    port = free_port()
    options = ("--no-access-log", "--log-level", "warning", "--limit-concurrency", "500")
    with process("-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port), *options) as pid:
        dev_servers.wait_for(lambda: _listens(port), 30, app)
        yield WebProcess(port, pid)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def workers(target: str, processes: int, threads: int, *, ahead: int = 0) -> Iterator[int]:
    """Run Dramatiq's workers for a module's broker, and give their parent's id. `ahead`: messages to fetch ahead."""
    shape = ("--processes", str(processes), "--threads", str(threads), "--worker-shutdown-timeout", "5000")
    with process("-m", "dramatiq", target, *shape, "--skip-logging", dramatiq_queue_prefetch=str(ahead)) as pid:
        yield pid
