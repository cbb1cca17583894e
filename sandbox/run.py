"""Run real servers, the sandbox and every process of the app, until Ctrl-C (`make run`)."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import shlex
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from honcho.manager import Manager

from sandbox import dev_servers
from sandbox.supervise import PROCESSES

START_SECONDS = 60


def main() -> None:
    with ExitStack() as stack:
        folder = _own_folder(stack)
        environment = _environment(folder, stack)
        os.environ.update(environment)
        dev_servers.save_environment(environment)
        from sandbox.demo_setup import (
            set_up_demo_shop,
        )  # our modules read the environment, so they are imported only now

        link, sandbox_environment = set_up_demo_shop()
        _start(environment | sandbox_environment, link)


def _own_folder(stack: ExitStack) -> Path:
    """This checkout's data folder, locked so that two runs do not share one database server."""
    folder = dev_servers.data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context((folder / "run.lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("It runs already, from this checkout, in another terminal.")
    return folder


def _environment(folder: Path, stack: ExitStack) -> dict[str, str]:
    """The processes' variables: those that are given, and others for what is started here."""
    given = os.environ
    port = int(given.get("PORT") or 8000)
    _must_be_free(port)
    sandbox_port = _free_port(port + 1)
    saved = dev_servers.saved_environment()
    return {
        "DEVELOPMENT": "1",
        "PORT": str(port),
        "SANDBOX_PORT": str(sandbox_port),
        "APP_URL": given.get("APP_URL") or f"http://127.0.0.1:{port}",
        "DATABASE_URL": given.get("DATABASE_URL") or _started(dev_servers.Postgres(folder), stack),
        "REDIS_URL": given.get("REDIS_URL") or _started(dev_servers.Redis(folder), stack),
        "SECRET_KEYS": given.get("SECRET_KEYS") or saved.get("SECRET_KEYS") or _new_key(),
        "SHOPIFY_API_KEY": given.get("SHOPIFY_API_KEY") or "sandbox-client-id",
        "SHOPIFY_API_SECRET": given.get("SHOPIFY_API_SECRET") or "the secret of the app in the sandbox",
        "SHOPIFY_FRAMES": f"http://127.0.0.1:{sandbox_port} http://localhost:{sandbox_port}",
        "APP_BRIDGE_URL": f"http://localhost:{sandbox_port}/admin/bridge.js",
        "SHOPIFY_ADMIN_URL": f"http://localhost:{sandbox_port}/admin/store/{{store}}/apps/{{app}}",
        "SHOPIFY_ORIGIN": f"http://127.0.0.1:{sandbox_port}/shopify/{{shop}}",
        "ENGAGE_ORIGIN": f"http://127.0.0.1:{sandbox_port}/engage/{{tenant}}",
        "LOG_FORMAT": given.get("LOG_FORMAT") or "text",
        "SANDBOX_FAULTS": given.get("SANDBOX_FAULTS") or "503=0.01,429=0.005,reset=0.003",
    }


def _started(server: dev_servers.Postgres | dev_servers.Redis, stack: ExitStack) -> str:
    stack.callback(server.stop)
    return server.start()


def _new_key() -> str:
    return f"dev1:{base64.b64encode(os.urandom(32)).decode()}"


def _must_be_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            sys.exit(f"Port {port} is taken. Choose another: make run PORT={port + 100}")


def _free_port(wanted: int) -> int:
    """This port, or any free one."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as listening:
            return int(listening.getsockname()[1])
    raise OSError("There is no free port.")


def _start(environment: dict[str, str], link: str) -> None:
    """Run every process under honcho, until it is stopped."""
    manager = Manager()
    for name in PROCESSES:
        command = shlex.join([sys.executable, "-m", "sandbox.supervise", name])
        manager.add_process(name, command, env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"})
    threading.Thread(target=_print_addresses, args=(environment, link), daemon=True).start()
    manager.loop()


def _print_addresses(environment: dict[str, str], link: str) -> None:
    """Print the addresses as soon as the app is ready."""
    app = environment["APP_URL"]
    for _ in _seconds(START_SECONDS):
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{app}/readyz"):  # noqa: S310
            sandbox_url = f"http://127.0.0.1:{environment['SANDBOX_PORT']}"
            admin = environment["SHOPIFY_ADMIN_URL"].format(store="demo", app=environment["SHOPIFY_API_KEY"])
            print(
                f"\n  The task page:        {app}/tasks\n"
                f"  Sign in (once, 30 min): {link}\n"
                f"  In Shopify's admin:   {admin}/tasks\n"
                f"  Calls to Engage:      {sandbox_url}/engage/demo/journal\n"
                f"  Another link:         .venv/bin/python manage.py sign-in --shop demo.myshopify.com\n"
                f"  Stop with Ctrl-C.\n",
                flush=True,
            )
            return


def _seconds(count: int) -> Iterator[int]:
    for number in range(count * 4):
        yield number
        time.sleep(0.25)


if __name__ == "__main__":
    main()
