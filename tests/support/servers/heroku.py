"""Dynos: the Procfile's own lines as processes, started and stopped as Heroku does it.

Heroku runs a line by a shell. It stops a dyno with SIGTERM to every process in it, which it may send several times, and
with SIGKILL 30 seconds after the first (Dev Center, "Dyno shutdown behavior").
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from sandbox.dev_servers import CHECKOUT, wait_for

KILL_SECONDS = 30
START_SECONDS = 90
READY = {"web": "Application startup complete", "worker": "is ready for action", "scheduler": "The scheduler runs"}


def procfile(checkout: Path = CHECKOUT) -> dict[str, str]:
    """The Procfile's command lines by the names of their processes."""
    lines = (line.partition(":") for line in (checkout / "Procfile").read_text().splitlines() if line)
    return {name: command.strip() for name, _, command in lines}


class Dyno:
    """One line of the Procfile, in a process group of its own. `name`: `web`, `worker.2`, as Heroku calls them."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str], checkout: Path = CHECKOUT) -> None:
        self.name, self.kind, self.checkout = name, name.partition(".")[0], checkout
        self.environment = environment
        self.log_path = folder / f"dyno-{name}.log"
        self.was_killed = False
        self.process: subprocess.Popen[bytes]

    def start(self, *, ready: bool = True) -> Dyno:
        """Start it, and wait until its log says that it is ready."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                ["bash", "-c", procfile(self.checkout)[self.kind]],
                cwd=self.checkout,
                env={**os.environ, "WEB_CONCURRENCY": "2", **self.environment, "PATH": path},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if ready:
            wait_for(self._is_ready, START_SECONDS, f"{self.name}'s start")
        return self

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended at once:\n{self.log[-2000:]}")
        processes = int(self.environment.get("WEB_CONCURRENCY", "2")) if self.kind == "worker" else 1
        return self.log.count(READY[self.kind]) >= processes

    def terminate(self) -> None:
        """Send SIGTERM to every process of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)

    def stop(self, signals: int = 2, pause: float = 1.0) -> float:
        """Stop it as Heroku does, by so many signals. Returns the seconds until its last process has ended."""
        started = time.monotonic()
        for number in range(signals):
            time.sleep(pause if number else 0)
            self.terminate()
        while self.is_running:
            if time.monotonic() - started > KILL_SECONDS:
                self.kill()
                self.was_killed = True
            time.sleep(0.02)
        return time.monotonic() - started

    def kill(self) -> None:
        """End every process of it at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    @property
    def is_running(self) -> bool:
        """Whether any process of it is left."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def log(self) -> str:
        """What it has logged since its last start."""
        return self.log_path.read_bytes()[self._log_start :].decode(errors="replace")
