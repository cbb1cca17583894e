"""Run our own programs as processes."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sandbox import dev_servers
from tests.conftest import free_port


def run(*command: str, cwd: Path = dev_servers.CHECKOUT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python ...` in the tests' environment, with these variables changed. Does not check its exit code."""
    changed = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, *command], env=changed, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )


def printed(*command: str, **environment: str) -> str:
    """Run `python ...`, which must succeed, and return what it prints."""
    done = run(*command, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


MIGRATE_TO = (
    "import sys, schema\nfrom playhouse.migrations import Runner\n"
    "with schema.db.connection_context(), schema.db.as_owner(): Runner(schema.db, str(schema.FOLDER)).up(sys.argv[1])"
)


def migrate_to(name: str, url: str) -> None:
    """Give this database the schema of an older version, after the migration of this name."""
    printed("-c", MIGRATE_TO, name, DATABASE_URL=url)


@contextmanager
def running(*command: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python ...` for as long as the block lasts."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **environment},
            cwd=dev_servers.CHECKOUT,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def web_process(folder: Path, **environment: str) -> Iterator[str]:
    """The app's web process. Yields its address; its log is `folder / "web.log"`."""
    port = free_port()
    with running("-m", "uvicorn", "app:app", "--port", str(port), log=folder / "web.log", **environment):
        dev_servers.wait_for(lambda: _answers(port), 60, "The web process")
        yield f"http://127.0.0.1:{port}"


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for servers' data."""
    folder = dev_servers.scratch_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def empty_database(database: Any) -> Iterator[str]:
    """The address of another database on the tests' server, without any table."""
    url, name = os.environ["DATABASE_URL"], "engage_connector_empty"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        yield make_conninfo(url, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
