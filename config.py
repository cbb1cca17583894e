"""Every environment variable, read once, typed. The README lists them; a test compares."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from math import isfinite

import psycopg
from psycopg.conninfo import conninfo_to_dict


def _variable(default: str, about: str) -> str:
    return f"{default}\0{about}"


class Variables:
    """Name, default and meaning of every variable. The README's table and `Config` both come from here."""

    DATABASE_URL = _variable("", "PostgreSQL 15 or later; empty: an embedded one, in development")
    DATABASE_ROLE = _variable("engage_app", "the role that the app acts as there; `manage.py migrate` makes it")
    REDIS_URL = _variable("", "Redis 6.2 or later, or Valkey; empty: an embedded one, in development")
    REDIS_VERIFY = _variable(
        "1", "0: take the certificate of a `rediss` server that nobody vouches for, such as Heroku's"
    )
    PORT = _variable("8000", "where the web process listens")
    APP_URL = _variable("http://127.0.0.1:8000", "how the outside reaches the app; https makes cookies secure")
    SECRET_KEYS = _variable("", "`id:base64` keys of 32 bytes, comma-separated; the first encrypts, all decrypt")
    SHOPIFY_API_KEY = _variable("", "the app's client id at Shopify")
    SHOPIFY_API_SECRET = _variable("", "the app's client secret at Shopify; comma-separated while it is being rotated")
    SHOPIFY_API_VERSION = _variable("2026-10", "version of Shopify's Admin API")
    SHOPIFY_ORIGIN = _variable("https://{shop}", "where a shop's Admin API lives; the sandbox sets it")
    SHOPIFY_FRAMES = _variable("https://{shop} https://admin.shopify.com", "who may show the app; the sandbox sets it")
    APP_BRIDGE_URL = _variable(
        "https://cdn.shopify.com/shopifycloud/app-bridge.js", "Shopify's script inside its admin; the sandbox sets it"
    )
    ENGAGE_ORIGIN = _variable("https://{tenant}.voyado.com", "where a tenant's Engage lives; the sandbox sets it")
    SMTP_URL = _variable("", "`smtp://user:password@host:587` or `smtps://`; empty: mails are kept and shown, not sent")
    MAIL_FROM = _variable("Engage connector <no-reply@localhost>", "whom mails come from")
    OPERATOR_EMAIL = _variable("", "who is told when the app itself has stopped; empty: nobody")
    HEARTBEAT_URL = _variable(
        "", "asked for once a minute while the clock is in time, for an outside watch; empty: none"
    )
    RETAIN_SUCCESS_DAYS = _variable("90", "how long tasks that went well are kept")
    RETAIN_ERROR_DAYS = _variable("365", "how long tasks that failed are kept")
    RETAIN_BODY_DAYS = _variable("30", "how long what was sent and received is kept")
    RETAIN_HOUR_DAYS = _variable("760", "how long the counts of each hour, alerts and their mails are kept")
    LEASE_SECONDS = _variable("60", "how long a worker may be silent before its task is given to another")
    TIME_LIMIT_SECONDS = _variable("600", "how long one attempt at a task may take")
    BACKOFF_SECONDS = _variable("10", "the first wait after a failed attempt; it triples up to an hour")
    WEB_THREADS = _variable("8", "pages served at once by one web process, each with a database connection")
    LOG_LEVEL = _variable("INFO", "DEBUG, INFO, WARNING or ERROR")
    LOG_FORMAT = _variable("json", "json, or text for people")
    METRICS_TOKEN = _variable("", "what `/metrics` asks for as `Authorization: Bearer`; empty: there are no metrics")
    METRICS_SHOPS = _variable("0", "1: metrics name shops")


class Misconfigured(ValueError):
    """A variable that cannot be used. `str()` is a sentence that names it, without its value where that is secret."""


def documented() -> dict[str, tuple[str, str]]:
    """Every variable's default and meaning, by name."""
    found = {name: value.split("\0") for name, value in vars(Variables).items() if name.isupper()}
    return {name: (default, about) for name, (default, about) in found.items()}


@dataclass(frozen=True)
class Config:
    database_url: str
    database_role: str
    redis_url: str
    redis_verify: str
    port: int
    app_url: str
    secret_keys: str
    shopify_api_key: str
    shopify_api_secret: str
    shopify_api_version: str
    shopify_origin: str
    shopify_frames: str
    app_bridge_url: str
    engage_origin: str
    smtp_url: str
    mail_from: str
    operator_email: str
    heartbeat_url: str
    retain_success_days: int
    retain_error_days: int
    retain_body_days: int
    retain_hour_days: int
    lease_seconds: float
    time_limit_seconds: float
    backoff_seconds: float
    web_threads: int
    log_level: str
    log_format: str
    metrics_token: str
    metrics_shops: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Config:
        """The configuration that these variables stand for; an empty one counts as missing. Raises Misconfigured."""
        values = {}
        for field in fields(cls):
            name = field.name.upper()
            text = environ.get(name, "").strip() or documented()[name][0]
            values[field.name] = _typed(name, text, str(field.type))
        for name, (fits, wanted) in RULES.items():
            if not fits(value := values[name.lower()]):
                given = "" if name in WITH_PASSWORD else f", not {value!r}"
                raise Misconfigured(f"{name} must be {wanted}{given}.")
        return cls(**values)  # type: ignore[arg-type]

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def backoff(self) -> timedelta:
        return timedelta(seconds=self.backoff_seconds)

    @property
    def redis_address(self) -> str:
        """Where Redis is, with how its certificate is looked at; empty where none is given."""
        lax = self.redis_verify == "0" and self.redis_url.startswith("rediss://")
        return f"{self.redis_url}{'&' if '?' in self.redis_url else '?'}ssl_cert_reqs=none" if lax else self.redis_url

    @property
    def shopify_secrets(self) -> list[bytes]:
        """The client secrets that webhooks may be signed with."""
        return [secret.strip().encode() for secret in self.shopify_api_secret.split(",") if secret.strip()]


def _typed(name: str, text: str, kind: str) -> str | int | float:
    convert = {"str": str, "int": int, "float": float}[kind]
    try:
        converted: str | int | float = convert(text)
    except ValueError:
        raise Misconfigured(f"{name} must be a number, not {text!r}.") from None
    return converted


def _positive(value: float) -> bool:
    return isfinite(value) and value > 0


def _conninfo(value: str) -> bool:
    with contextlib.suppress(psycopg.ProgrammingError):
        conninfo_to_dict(value)
        return True
    return False


def _like(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


ORIGIN = _like(r"https?://\S*[^/\s]"), "an address that begins with https:// and does not end with /"
WITH_PASSWORD = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "METRICS_TOKEN")
RULES: dict[str, tuple[Callable[..., bool], str]] = {
    "DATABASE_URL": (_conninfo, "an address such as postgresql://user:password@host/name"),
    "DATABASE_ROLE": (_like(r"[a-z_][a-z0-9_]{0,62}"), "a name of small letters, digits and underscores"),
    "REDIS_URL": (_like(r"((redis|rediss|unix)://\S+)?"), "an address such as redis://host:6379"),
    "PORT": (lambda port: 0 < port < 65536, "a port from 1 to 65535"),
    "APP_URL": (_like(r"https?://[^/\s]+"), "an address such as https://app.example.com, without a path"),
    "SHOPIFY_API_VERSION": (_like(r"\d{4}-\d\d|unstable"), "a version like 2026-10"),
    "SHOPIFY_ORIGIN": ORIGIN,
    "SHOPIFY_FRAMES": (_like(r"https?://[^;,]+"), "addresses such as https://admin.shopify.com, with spaces between"),
    "APP_BRIDGE_URL": (_like(r"https?://[^/\s;,]+/\S+"), "the address of a script"),
    "ENGAGE_ORIGIN": ORIGIN,
    "SMTP_URL": (_like(r"(smtps?://(\S+@)?[^@/\s]+(:\d+)?)?"), "an address such as smtp://user:password@host:587"),
    "MAIL_FROM": (_like(r"[^@\r\n]*[^@\s]@[^@\s]+"), "an address such as Engage connector <no-reply@example.com>"),
    "OPERATOR_EMAIL": (_like(r"([^@\s]+@[^@\s]+)?"), "an address such as operations@example.com"),
    "HEARTBEAT_URL": (_like(r"(https?://[^/\s]+(/\S*)?)?"), "an address such as https://hc.example.com/ping/name"),
    "RETAIN_SUCCESS_DAYS": (_positive, "above 0"),
    "RETAIN_ERROR_DAYS": (_positive, "above 0"),
    "RETAIN_BODY_DAYS": (_positive, "above 0"),
    "RETAIN_HOUR_DAYS": (_positive, "above 0"),
    "LEASE_SECONDS": (_positive, "above 0"),
    "TIME_LIMIT_SECONDS": (_positive, "above 0"),
    "BACKOFF_SECONDS": (_positive, "above 0"),
    "WEB_THREADS": (_positive, "above 0"),
    "LOG_FORMAT": (_like("json|text"), "json or text"),
    "REDIS_VERIFY": (_like("[01]"), "0 or 1"),
    "METRICS_TOKEN": (_like(r"[!-~]*"), "without spaces or line breaks"),
    "METRICS_SHOPS": (_like("[01]"), "0 or 1"),
    "LOG_LEVEL": (_like("DEBUG|INFO|WARNING|ERROR"), "DEBUG, INFO, WARNING or ERROR"),
}


def _config() -> Config:
    """This process's configuration. A wrong one ends the process with a sentence."""
    try:
        return Config.read(os.environ)
    except Misconfigured as error:
        sys.exit(str(error))


config = _config()
