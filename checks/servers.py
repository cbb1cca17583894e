"""Check the configuration, PostgreSQL, Redis and the mail server, by using each as the app does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import redis
from peewee import PeeweeException

from alerts.jobs import smtp_server
from alerts.smtp import LOOPBACK, MailNotSent
from checks.finding import Finding, first_line, wrong
from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected, db
from schema import is_member, pending
from taskqueue.broker import DEFAULT_ADDRESS

CONFIGURATION, DATABASE, REDIS, MAIL = "configuration", "database", "Redis", "mail"
OLDEST_POSTGRESQL = 150_000
OLDEST_REDIS = (6, 2)
SMTP_SECONDS = 5.0  # for each response of the server
REDIS_SECONDS = 5.0

CURRENT_ROLE = "SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
MISSING_PRIVILEGES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_migration'
    AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
             AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
    ORDER BY relname"""


def check_configuration() -> list[Finding]:
    """What is unset or is meant for development. A variable that cannot work has ended the process before."""
    found = [wrong(CONFIGURATION, sentence) for sentence in _missing_variables()]
    alone = ", but DEVELOPMENT is set, which is for your own machine alone" if config.development else ""
    return found or [Finding(CONFIGURATION, f"every variable can be used{alone}.")]


def _missing_variables() -> Iterator[str]:
    if not config.secret_keys:
        yield "SECRET_KEYS is empty. Make one: python manage.py new-key"
    for name, value in (("SHOPIFY_API_KEY", config.shopify_api_key), ("SHOPIFY_API_SECRET", config.shopify_secrets)):
        if not value:
            yield f"{name} is empty, so nothing from Shopify is let in. It stands in the app's settings there."
    app = urlsplit(config.app_url)
    if app.scheme == "http" and app.hostname not in LOOPBACK:
        yield "APP_URL begins with http://, which Shopify neither frames nor sends webhooks to. Use https://."
    if config.smtp_url and config.mail_from.rstrip(">").endswith("@localhost"):
        yield "MAIL_FROM ends with @localhost, from which mail servers take no mail. Set it to an address of yours."


def check_database() -> list[Finding]:
    """The connection, the version, the role and its privileges, and the schema."""
    try:
        with connected(EVERY):
            return [_version(), *_roles(), _schema()]
    except DATABASE_UNAVAILABLE as error:
        return [wrong(DATABASE, f"there is no connection ({first_line(error)}). Check DATABASE_URL and the server.")]
    except PeeweeException as error:
        return [wrong(DATABASE, f"it cannot be asked ({first_line(error)}). Run: python manage.py migrate")]


def _version() -> Finding:
    number, name = (db.execute_sql(f"SHOW {name}").fetchone()[0] for name in ("server_version_num", "server_version"))
    if int(number) < OLDEST_POSTGRESQL:
        return wrong(DATABASE, f"PostgreSQL {name} is too old. Use 15 or later.")
    return Finding(DATABASE, f"connected to PostgreSQL {name}.")


def _roles() -> list[Finding]:
    role, is_unbound = db.execute_sql(CURRENT_ROLE).fetchone()
    if is_unbound:
        needs = "as a role that may create roles" if not is_member(config.database_role) else "again"
        return [wrong(DATABASE, f"the role {role} is bound by no row-level security. Run migrate {needs}.")]
    if missing := [name for (name,) in db.execute_sql(MISSING_PRIVILEGES).fetchall()]:
        tables = f"{', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}"
        return [wrong(DATABASE, f"the role {role} lacks privileges on {tables}. Run: python manage.py migrate")]
    return [Finding(DATABASE, f"the role {role} has its privileges, and row-level security binds it.")]


def _schema() -> Finding:
    if waiting := pending():
        return wrong(DATABASE, f"migrations are pending: {', '.join(waiting)}. Run: python manage.py migrate")
    return Finding(DATABASE, "the schema is up to date.")


def check_redis() -> list[Finding]:
    """The connection, the version, and that no message is evicted."""
    client = redis.Redis.from_url(
        config.redis_address or DEFAULT_ADDRESS, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    try:
        return [_redis_version(client.info("server")), _eviction(client.info("memory"))]
    except (redis.RedisError, OSError) as error:
        return [wrong(REDIS, f"there is no connection ({first_line(error)}). {_redis_advice(str(error))}")]


def _redis_advice(error: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return "If the certificate is self-signed, as Heroku's is, set REDIS_VERIFY=0."
    return "Check REDIS_URL and the server."


def _redis_version(server: dict[str, object]) -> Finding:
    name = "Valkey" if server.get("server_name") == "valkey" else "Redis"
    version = str(server.get("valkey_version") or server["redis_version"])
    if name == "Redis" and tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_REDIS:
        return wrong(REDIS, f"Redis {version} is too old. Use 6.2 or later, or Valkey.")
    return Finding(REDIS, f"connected to {name} {version}.")


def _eviction(memory: dict[str, object]) -> Finding:
    policy = memory.get("maxmemory_policy")
    if policy != "noeviction":
        return wrong(REDIS, f"its policy is {policy}, which may drop messages. Set maxmemory-policy to noeviction.")
    return Finding(REDIS, "its maxmemory-policy is noeviction.")


def check_mail() -> list[Finding]:
    """A login as for a mail, without one."""
    server = smtp_server()
    if server is None:
        return [Finding(MAIL, "SMTP_URL is empty, so mails are kept and shown, not sent.")]
    try:
        replace(server, timeout_seconds=SMTP_SECONDS).log_in()
    except MailNotSent as error:
        return [wrong(MAIL, f"the app cannot log in ({first_line(error)}). Check SMTP_URL.")]
    return [Finding(MAIL, f"{server.host} lets the app {'log in' if server.user else 'in without a login'}.")]
