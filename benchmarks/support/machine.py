"""Describe the machine and the versions of a measurement, without names of hosts or folders."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psycopg
import redis

PACKAGES = ("dramatiq", "peewee", "psycopg", "redis", "starlette", "uvicorn", "uvloop")


def described() -> str:
    """One line on the machine, one on the versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, {platform.system()}"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{machine}.\nPython {platform.python_version()}, {_servers()}, {packages}."


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _servers() -> str:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        postgres = str(connection.info.server_version // 10000) + f".{connection.info.server_version % 10000}"
        (durable,) = connection.execute("SHOW fsync").fetchone() or ("?",)
    found = redis.Redis.from_url(os.environ["REDIS_URL"]).info("server")
    return f"PostgreSQL {postgres} (fsync {durable}), {_redis(found)}"


def _redis(found: dict[str, str]) -> str:
    if "valkey_version" in found:
        return f"Valkey {found['valkey_version']}"
    return f"Redis {found['redis_version']}"
