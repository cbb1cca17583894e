"""The app's own processes on servers of their own, started, killed and restarted as a platform does with its dynos.

A process is known by its name, `web`, `worker`, `worker-2`, `scheduler`; its log is a file in the scratch folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox import dev_servers
from sandbox.dev_servers import wait_for

READY = {"web": "Application startup complete", "worker": "is ready for action", "scheduler": "The scheduler runs"}
START_SECONDS = 30


def command(kind: str, port: int) -> list[str]:
    commands = {
        "web": ["uvicorn", "app:app", "--port", str(port), "--no-access-log"],
        "worker": ["dramatiq", "actors", "-p", "1", "-t", "4", "--worker-shutdown-timeout", "20000"],
        "scheduler": ["scheduler"],
    }
    return [sys.executable, "-m", *commands[kind]]


class AppProcesses:
    """The processes that a test started; each leads a process group, so that a kill ends its children, too."""

    def __init__(self, folder: Path, environment: dict[str, str], port: int) -> None:
        self.folder = folder
        self.environment = environment
        self.port = port
        self.restarts = 0
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._supervised: dict[str, dict[str, str]] = {}
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def start(self, name: str, *, ready: bool = True, **environment: str) -> None:
        """Start a process, and wait until its log says that it is ready."""
        kind = name.partition("-")[0]
        with self._log(name).open("ab") as log:
            log_start = log.tell()
            self._running[name] = subprocess.Popen(
                command(kind, self.port),
                cwd=dev_servers.CHECKOUT,
                env={**os.environ, **self.environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if ready:
            wait_for(lambda: self._ready(name, log_start), START_SECONDS, f"{name}'s start")

    def _ready(self, name: str, log_start: int) -> bool:
        if self._running[name].poll() is not None:
            raise RuntimeError(f"{name} ended at once:\n{self.log(name, log_start)[-2000:]}")
        return READY[name.partition("-")[0]] in self.log(name, log_start)

    def start_all(self, *names: str, **environment: str) -> None:
        """Start several at the same time."""
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(lambda name: self.start(name, **environment), names))

    def supervise(self, name: str, **environment: str) -> None:
        """Start a process, and restart it whenever it ends, until `stop` or the end of the test."""
        self.start(name, **environment)
        with self._lock:
            self._supervised[name] = environment
            if not self._supervisor.is_alive():
                self._supervisor.start()

    def kill(self, name: str) -> None:
        """Kill it with its children. A supervised one is restarted."""
        with self._lock:
            self.signal(name, signal.SIGKILL)
            self._running[name].wait(10)

    def signal(self, name: str, how: signal.Signals) -> None:
        """Send a signal to it and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self._running[name].pid, how)

    def stop(self, name: str, seconds: float = 25) -> float:
        """Terminate it, as a platform does. Returns the seconds it took. Raises TimeoutExpired."""
        with self._lock:
            self._supervised.pop(name, None)
            process = self._running[name]
        begun = time.monotonic()
        process.terminate()
        process.wait(seconds)
        return time.monotonic() - begun

    def log(self, name: str, since: int = 0) -> str:
        """The process's log."""
        return self._log(name).read_bytes()[since:].decode(errors="replace")

    def close(self) -> None:
        """End all of them."""
        self._closed.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for name in self._running:
            self.kill(name)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _supervise(self) -> None:
        while not self._closed.wait(0.1):
            with self._lock:
                for name, environment in self._supervised.items():
                    if self._running[name].poll() is not None:
                        self.restarts += 1
                        self.start(name, ready=False, **environment)


class OwnServers:
    """A PostgreSQL and a Redis of its own for a test, to stop, kill and stall."""

    def __init__(self, folder: Path) -> None:
        self.postgres = dev_servers.Postgres(folder, durable=False)
        self.redis = dev_servers.Redis(folder)
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.postgres.url(), "REDIS_URL": self.redis.url()}

    def start(self) -> None:
        """Start those of both that do not run."""
        for server in (self.postgres, self.redis):
            if server.process is None or server.process.poll() is not None:
                server.start()

    def stop(self) -> None:
        self.redis.stop()
        self.postgres.stop()

    @contextmanager
    def stalled_redis(self) -> Iterator[None]:
        """Redis accepts connections and never answers, for as long as the block lasts."""
        assert self.redis.process
        self.redis.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.redis.process.send_signal(signal.SIGCONT)

    @contextmanager
    def as_own_database(self) -> Iterator[None]:
        """Use the servers' database, migrated, in this process for as long as the block lasts."""
        import schema
        from config import config
        from database import db

        if not db.deferred:
            db.close_all()
        db.configure(self.postgres.url(), connections=8)
        try:
            schema.migrate()
            yield
        finally:
            db.close_all()
            db.configure(config.database_url, connections=config.web_threads + 8)


@contextmanager
def running_servers() -> Iterator[OwnServers]:
    """Both servers, in a scratch folder that is removed with them."""
    made = OwnServers(dev_servers.scratch_folder())
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder, ignore_errors=True)
