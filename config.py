"""Environment variables, each declared once with its type, default and meaning. A test compares the README's table."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

import addresses
from addresses import InvalidAddress


class Misconfigured(ValueError):
    """Variables that cannot be used. `str()` has a sentence for each that names it, without a value that is secret."""


NEW_KEY = "; make one: python manage.py new-key"


def parse_keyring(text: str) -> dict[str, bytes]:
    """Parse `name:base64,...` into keys by name, in order. Raises Misconfigured, which repeats nothing of the text."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        raise Misconfigured(f"SECRET_KEYS is empty{NEW_KEY}")
    keys = dict(_parse_key(entry, number) for number, entry in enumerate(entries, 1))
    if len(keys) < len(entries):
        raise Misconfigured("SECRET_KEYS has two keys of one name.")
    return keys


def _parse_key(entry: str, number: int) -> tuple[str, bytes]:
    name, _, text = entry.partition(":")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32 or not re.fullmatch(r"[A-Za-z0-9]{1,16}", name):
        raise Misconfigured(f"SECRET_KEYS: entry {number} must be a short name, a colon and 32 bytes in base64.")
    return name, key


def _must_be(wanted: str, fits: Callable[[Any], object]) -> AfterValidator:
    def check(value: Any) -> Any:
        if not fits(value):
            raise PydanticCustomError("misfit", "{wanted}", {"wanted": wanted, "value": value})
        return value

    return AfterValidator(check)


def _like(pattern: str, wanted: str) -> AfterValidator:
    return _must_be(wanted, re.compile(pattern).fullmatch)


def _above_zero(most: int) -> AfterValidator:
    def check(number: float) -> float:
        wanted = f"at most {most}" if number > most and isfinite(number) else "above 0"
        if not isfinite(number) or not 0 < number <= most:
            raise PydanticCustomError("misfit", "{wanted}", {"wanted": wanted, "value": number})
        return number

    return AfterValidator(check)


def _address(parse: Callable[[str], str]) -> AfterValidator:
    """An address in the form in which it is used, or empty."""

    def check(value: str) -> str:
        try:
            return parse(value) if value else value
        except InvalidAddress as error:
            raise PydanticCustomError("misfit", "{wanted}", {"wanted": str(error), "value": value}) from None

    return AfterValidator(check)


def _check_keyring(text: str) -> str:
    """Keys that can be used, or none: some commands need none."""
    try:
        if text:
            parse_keyring(text)
    except Misconfigured as error:
        raise PydanticCustomError("sentence", "{sentence}", {"sentence": str(error)}) from None
    return text


SECRET = Field(repr=False)

# Addresses stay strings: pydantic's own types add a slash to an origin, and refuse unix:// and libpq's name=value form.
DatabaseUrl = Annotated[str, SECRET, _address(addresses.database_url)]
RedisUrl = Annotated[str, SECRET, _address(addresses.redis_url)]
SmtpUrl = Annotated[str, SECRET, _address(addresses.mail_server)]
PingUrl = Annotated[str, SECRET, _address(addresses.ping_url)]
AppUrl = Annotated[str, _address(addresses.web_origin)]
ShopifyOrigin = Annotated[str, _address(partial(addresses.system_origin, name="shop"))]
EngageOrigin = Annotated[str, _address(partial(addresses.system_origin, name="tenant"))]
Origins = Annotated[str, _address(addresses.frame_origins)]
AdminUrl = Annotated[str, _address(addresses.admin_url)]
ScriptUrl = Annotated[str, _address(addresses.script_url)]
Sender = Annotated[str, _address(addresses.sender)]
Email = Annotated[str, _address(addresses.email_address)]
Role = Annotated[str, _like(r"[a-z_][a-z0-9_]{0,62}", "a name of small letters, digits and underscores")]
ApiVersion = Annotated[str, _like(r"\d{4}-\d\d|unstable", "a version like 2026-10")]
ClientId = Annotated[str, _like(r"[!-~]*", "without spaces or line breaks")]
BearerToken = Annotated[str, SECRET, _like(r"[!-~]*", "without spaces or line breaks")]
Secret = Annotated[str, SECRET]
SecretKeys = Annotated[str, SECRET, AfterValidator(_check_keyring)]
Port = Annotated[int, _must_be("a port from 1 to 65535", lambda port: 0 < port < 65536)]
# The most that dates and timers can count with, and more than anybody means.
Hops = Annotated[int, _must_be("a number from 0 to 9", lambda hops: 0 <= hops < 10)]
Days = Annotated[int, _above_zero(36_500)]
Threads = Annotated[int, _above_zero(1_000)]
Seconds = Annotated[float, _above_zero(604_800)]


class Config(BaseSettings):
    """The environment, typed. A field is the variable of its name in capitals."""

    model_config = SettingsConfigDict(alias_generator=str.upper, case_sensitive=True, frozen=True)

    database_url: DatabaseUrl = Field("", description="PostgreSQL 15 or later; empty: embedded, for development")
    database_role: Role = Field("engage_app", description="the app's role in PostgreSQL, made by `manage.py migrate`")
    redis_url: RedisUrl = Field("", description="Redis 6.2 or later, or Valkey; empty: embedded, for development")
    redis_verify: bool = Field(True, description="0: accept self-signed certificates of `rediss://`, such as Heroku's")
    development: bool = Field(
        False, description="1: starts without https and Shopify's keys, for development; `make run` sets it"
    )
    port: Port = Field(8000, description="port of the web process")
    app_url: AppUrl = Field("http://127.0.0.1:8000", description="public origin of the app; https makes cookies secure")
    secret_keys: SecretKeys = Field(
        "", description="`id:base64` keys of 32 bytes, comma-separated; the first encrypts, all decrypt"
    )
    shopify_api_key: ClientId = Field("", description="the app's client id at Shopify")
    shopify_api_secret: Secret = Field(
        "", description="the app's client secret at Shopify; comma-separated during a rotation"
    )
    shopify_api_version: ApiVersion = Field("2026-10", description="version of Shopify's Admin API")
    shopify_origin: ShopifyOrigin = Field(
        "https://{shop}", description="origin of a shop's Admin API; the sandbox sets it"
    )
    shopify_frames: Origins = Field(
        "https://{shop} https://admin.shopify.com", description="origins that may frame the app; the sandbox sets it"
    )
    shopify_admin_url: AdminUrl = Field(
        "https://admin.shopify.com/store/{store}/apps/{app}",
        description="the app's pages in Shopify's admin, where mails and links lead; the sandbox sets it",
    )
    app_bridge_url: ScriptUrl = Field(
        "https://cdn.shopify.com/shopifycloud/app-bridge.js",
        description="Shopify's script inside its admin; the sandbox sets it",
    )
    engage_origin: EngageOrigin = Field(
        "https://{tenant}.voyado.com", description="origin of a tenant's Engage; the sandbox sets it"
    )
    smtp_url: SmtpUrl = Field(
        "",
        description="`smtp://user:password@host:587` or `smtps://`, with `/ ? # %` and spaces percent-encoded; "
        "empty: mails are kept and shown, not sent",
    )
    mail_from: Sender = Field("Engage connector <no-reply@localhost>", description="sender of mails")
    operator_email: Email = Field("", description="recipient of alerts about the app itself; empty: no such mails")
    heartbeat_url: PingUrl = Field(
        "", description="requested each minute while the scheduler is on time, for an uptime monitor; empty: none"
    )
    retain_success_days: Days = Field(90, description="retention of successful tasks")
    retain_error_days: Days = Field(365, description="retention of failed tasks")
    retain_body_days: Days = Field(30, description="retention of request and response bodies")
    retain_hour_days: Days = Field(760, description="retention of hourly counts, alerts and their mails")
    lease_seconds: Seconds = Field(60, description="how long a worker may be silent before another takes its task")
    time_limit_seconds: Seconds = Field(600, description="longest duration of one attempt at a task")
    shutdown_seconds: Seconds = Field(
        20, description="after SIGTERM, how long a worker or the scheduler finishes what is under way"
    )
    backoff_seconds: Seconds = Field(10, description="wait after the first failed attempt; triples up to an hour")
    count_timeout_seconds: Seconds = Field(
        0.3, description="longest count of a filtered listing; after it a page says that there are many"
    )
    trusted_hops: Hops = Field(
        0, description="proxies in front of the web process, each of which appends to X-Forwarded-For; Heroku: 1"
    )
    web_threads: Threads = Field(
        8, description="pages served at once by a web process, each with a database connection"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: Literal["json", "text"] = Field("json", description="json, or text for people")
    metrics_token: BearerToken = Field("", description="`Authorization: Bearer` of `/metrics`; empty: no metrics")
    metrics_shops: bool = Field(False, description="1: metrics name shops")

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, variables: dict[str, str]) -> dict[str, str]:
        return {name: text.strip() for name, text in variables.items() if text.strip()}

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def backoff(self) -> timedelta:
        return timedelta(seconds=self.backoff_seconds)

    @property
    def count_timeout(self) -> timedelta:
        return timedelta(seconds=self.count_timeout_seconds)

    @property
    def redis_address(self) -> str:
        """REDIS_URL with REDIS_VERIFY as its parameter; empty where there is no URL."""
        if self.redis_verify or not self.redis_url.startswith("rediss://"):
            return self.redis_url
        return f"{self.redis_url}{'&' if '?' in self.redis_url else '?'}ssl_cert_reqs=none"

    @property
    def shopify_secrets(self) -> list[bytes]:
        """The client secrets that webhooks may be signed with."""
        return [secret.strip().encode() for secret in self.shopify_api_secret.split(",") if secret.strip()]


REQUIRED = ("secret_keys", "shopify_api_key", "shopify_secrets")  # without them nothing is let in or kept
HTTPS_ONLY = ("app_url", "shopify_origin", "shopify_admin_url", "app_bridge_url", "engage_origin")


def unsafe_settings(settings: Config) -> list[str]:
    """A sentence for each variable with which a process that others reach could not be safe."""
    empty = [_name_of(each) for each in REQUIRED if not getattr(settings, each)]
    plain = [each.upper() for each in HTTPS_ONLY if not getattr(settings, each).startswith("https://")]
    frames = [each for each in settings.shopify_frames.split() if not each.startswith("https://") or "*" in each]
    return [
        *(f"{name} is empty{NEW_KEY if name == 'SECRET_KEYS' else '.'}" for name in empty),
        *(
            f"{name} must begin with https://, or cookies, tokens and personal data travel in the open."
            for name in plain
        ),
        *(["SHOPIFY_FRAMES must be https:// origins without *, or others' pages may frame the app."] if frames else []),
    ]


def _name_of(field: str) -> str:
    return "SHOPIFY_API_SECRET" if field == "shopify_secrets" else field.upper()


def documented() -> dict[str, tuple[str, str]]:
    """Every variable's default and meaning, by name."""
    fields = Config.model_fields.items()
    return {name.upper(): (_text(field.default), field.description or "") for name, field in fields}


def _text(default: object) -> str:
    return str(int(default) if isinstance(default, bool) else default)


def read() -> Config:
    """The configuration in the environment; a blank variable counts as unset. Raises Misconfigured."""
    try:
        return Config()
    except ValidationError as error:
        raise Misconfigured("\n".join(map(_sentence, error.errors()))) from None


def _sentence(error: ErrorDetails) -> str:
    name, context = str(error["loc"][0]), error.get("ctx", {})
    if "sentence" in context:
        return str(context["sentence"])
    parsed = "0 or 1" if error["type"] == "bool_parsing" else "a number"
    wanted = context.get("wanted") or context.get("expected", parsed).replace("'", "")
    value = context.get("value", error["input"])
    return f"{name} must be {wanted}{'' if _is_secret(name, value) else f', not {value!r}'}."


def _is_secret(name: str, value: object) -> bool:
    """Whether a value must not be repeated: the variable's own, or a URL that may have a password in it."""
    return not Config.model_fields[name.lower()].repr or ("://" in str(value) and "@" in str(value))


try:
    config = read()
except Misconfigured as error:
    sys.exit(str(error))


def require_safe_settings() -> None:
    """End the process with sentences where it could not be safe. DEVELOPMENT says that nobody else reaches it."""
    if not config.development and (found := unsafe_settings(config)):
        sys.exit("\n".join([*found, "For development on your own machine, DEVELOPMENT=1 starts all the same."]))
