"""Supervise a process of the app, as a platform does: restart it when it ends (`python -m sandbox.supervise web`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType

RESTART_SECONDS = 1.0  # seconds between an end and the next start

PROCESSES = {
    "sandbox": ["sandbox"],
    "web": ["uvicorn", "app:app", "--port", os.environ.get("PORT", "8000"), "--no-access-log", "--no-proxy-headers"],
    "worker": ["dramatiq", "actors", "--processes", "1", "--threads", "8", "--worker-shutdown-timeout", "4000"],
    "scheduler": ["scheduler"],
}


class Supervisor:
    """Runs one of PROCESSES, and restarts it until a signal to stop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = False
        self.process: subprocess.Popen[bytes] | None = None

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        if self.process:
            self.process.terminate()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        while not self.stopping:
            command = [sys.executable, "-m", *PROCESSES[self.name]]
            # In a session of its own: a signal to our group reaches only us, and we send it on once.
            self.process = subprocess.Popen(command, start_new_session=True)
            code = self.process.wait()
            if not self.stopping:
                print(f"{self.name} ended with {code}; restarting it", file=sys.stderr, flush=True)
                time.sleep(RESTART_SECONDS)


if __name__ == "__main__":
    Supervisor(sys.argv[1]).run()
