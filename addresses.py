"""Parse and validate addresses: origins and other URLs, mail servers, e-mail addresses, and those of the two servers.

A domain beyond ASCII becomes its ASCII form (IDNA, "xn--..."), which every server understands. What cannot be used is
refused by what it must be, which completes a sentence and repeats nothing of the address.
"""

from __future__ import annotations

import contextlib
import re
from email.headerregistry import Address
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

import idna
import psycopg
import redis
from psycopg.conninfo import conninfo_to_dict, timeout_from_conninfo

APP = "an address such as https://app.example.com, without a path"
SYSTEM = "an address that begins with https:// and does not end with /, such as https://{name}.example.com"
FRAMES = "addresses such as https://admin.shopify.com, with spaces between"
ADMIN = "an address such as https://admin.example.com/store/{store}/apps/{app}"
SCRIPT = "the address of a script"
PING = "an address such as https://hc.example.com/ping/name"
DATABASE = "an address such as postgresql://user:password@host/name, with / @ : % in the password as %2F %40 %3A %25"
REDIS = "an address such as redis://host:6379 or rediss://:password@host:6379/0, with / ? # % in it as %2F %3F %23 %25"
MAIL_SERVER = (
    "an address such as smtp://user:password@host:587, "
    "with / ? # % and spaces in user and password as %2F %3F %23 %25 and %20"
)
EMAIL = "an address such as operations@example.com"
SENDER = "an address such as Engage connector <no-reply@example.com>"

STAND_IN = "0stand-in0"  # for a placeholder while the URL is parsed
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
ENCODED_STAND_IN = re.compile(rf"xn--[^.]*{STAND_IN}")
HOST = r"(?P<host>\[[^\]]*\]|[^\s/?#@:\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
WEB_URL = re.compile(rf"(?P<scheme>https?)://{HOST}(?P<rest>[/?#][!-~]*)?")
MAIL_URL = re.compile(rf"(?P<scheme>smtps?)://(?:(?P<login>.*)@)?{HOST}", re.DOTALL)
WEB_PORTS = {"http": 80, "https": 443}
MAIL_PORTS = {"smtp": 587, "smtps": 465}
BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
LOCAL_PART = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
LONGEST_NAME, LONGEST_LOCAL_PART, LONGEST_EMAIL = 253, 64, 254  # RFC 1035, RFC 5321
SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}


class InvalidAddress(ValueError):
    """An address that cannot be used. `str()` is what it must be."""


def ascii_host(host: str) -> str:
    """The host's name in lower case and ASCII, or its IP address. Raises ValueError."""
    if host.startswith("["):
        return f"[{IPv6Address(host[1:-1])}]"
    name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    labels = name.split(".")
    if len(name) > LONGEST_NAME or not all(map(LABEL.fullmatch, labels)):
        raise ValueError
    return str(IPv4Address(name)) if labels[-1].isdigit() else name


def _port(text: str | None, default: int) -> int:
    port = int(text) if text else default
    if not 0 < port < 65536:
        raise ValueError
    return port


class _WebUrl(NamedTuple):
    scheme: str
    host: str
    port: int
    rest: str

    @property
    def origin(self) -> str:
        """As browsers write it: without the port that goes without saying."""
        port = "" if self.port == WEB_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


def _web_url(text: str, wanted: str) -> _WebUrl:
    found = WEB_URL.fullmatch(text)
    with contextlib.suppress(ValueError):
        if found and not BAD_PERCENT.search(found["rest"] or ""):
            port = _port(found["port"], WEB_PORTS[found["scheme"]])
            return _WebUrl(found["scheme"], ascii_host(found["host"]), port, found["rest"] or "")
    raise InvalidAddress(wanted)


def web_origin(text: str) -> str:
    """The app's own origin: scheme, host and port, and nothing else. Raises InvalidAddress."""
    found = _web_url(text, APP)
    if found.rest:
        raise InvalidAddress(APP)
    return found.origin


def system_origin(text: str, name: str) -> str:
    """The origin of a system's tenants, with `{name}` in the place of a tenant's name. Raises InvalidAddress.

    Several tenants behind one host, as in the sandbox, have it as the last part of a path.
    """
    wanted = SYSTEM.replace("name", name)
    found, placeholder = _template(text, name, wanted), f"{{{name}}}"
    if found.rest and not re.fullmatch(rf"(/[\w.-]+)*/{placeholder}", found.rest, re.ASCII):
        raise InvalidAddress(wanted)
    return found.origin + found.rest


def _template(text: str, name: str, wanted: str) -> _WebUrl:
    """Parse a URL that may have `{name}` in one place, a whole label or a part of one."""
    placeholder = f"{{{name}}}"
    found = _web_url(text.replace(placeholder, STAND_IN), wanted)
    places = (found.host + found.rest).count(STAND_IN)
    if places != text.count(placeholder) or places > 1 or ENCODED_STAND_IN.search(found.host):
        raise InvalidAddress(wanted)
    host, rest = (part.replace(STAND_IN, placeholder) for part in (found.host, found.rest))
    return found._replace(host=host, rest=rest)


def frame_origins(text: str) -> str:
    """Origins, with spaces between; each may have `{shop}` in it, or begin with `*.`. Raises InvalidAddress."""
    return " ".join(map(_frame_origin, text.split()))


def _frame_origin(text: str) -> str:
    scheme, wildcard, host = text.partition("://*.")
    found = _template(f"{scheme}://{host}" if wildcard else text, "shop", FRAMES)
    if found.rest:
        raise InvalidAddress(FRAMES)
    return found.origin.replace("://", wildcard) if wildcard else found.origin


def admin_url(text: str) -> str:
    """The app's address in Shopify's admin, with `{store}` and `{app}` in its path. Raises InvalidAddress."""
    names = ("{store}", "{app}")
    plain = text.replace("{store}", STAND_IN).replace("{app}", STAND_IN)
    found, path = _web_url(plain, ADMIN), f"/{text.partition('://')[2].partition('/')[2]}"
    if STAND_IN in found.host or not re.fullmatch(r"(/[\w.-]+)+", found.rest, re.ASCII):
        raise InvalidAddress(ADMIN)
    if any(path.count(name) != 1 for name in names):
        raise InvalidAddress(ADMIN)
    return found.origin + path


def script_url(text: str) -> str:
    """The URL of a script. Raises InvalidAddress."""
    found = _web_url(text, SCRIPT)
    if len(found.rest) < 2 or not found.rest.startswith("/") or set(";,\"'#") & set(found.rest):
        raise InvalidAddress(SCRIPT)
    return found.origin + found.rest


def ping_url(text: str) -> str:
    """The URL of an uptime monitor. Raises InvalidAddress."""
    found = _web_url(text, PING)
    return found.origin + found.rest


class MailServerUrl(NamedTuple):
    """What `smtp://user:password@host:port` says."""

    host: str
    port: int
    secure: bool
    user: str
    password: str


def parse_mail_server(url: str) -> MailServerUrl:
    """Parse `smtp://user:password@host:port` (STARTTLS) or `smtps://` (TLS from the start). Raises InvalidAddress.

    The last @ ends the password, and the first : the user. Other characters that end a part of a URL must be
    percent-encoded, since nobody can tell which part was meant.
    """
    found = MAIL_URL.fullmatch(url)
    with contextlib.suppress(ValueError):
        if found:
            user, password = ("", "") if found["login"] is None else _login(found["login"])
            port = _port(found["port"], MAIL_PORTS[found["scheme"]])
            host = ascii_host(found["host"]).strip("[]")
            return MailServerUrl(host, port, found["scheme"] == "smtps", user, password)
    raise InvalidAddress(MAIL_SERVER)


def _login(text: str) -> tuple[str, str]:
    user, _, password = (unquote_to_bytes(each).decode() for each in text.partition(":"))
    unreadable = re.search(r"[/?#\s]", text) or BAD_PERCENT.search(text)
    if unreadable or not user or not password or re.search(r"[\x00-\x1f\x7f]", user + password):
        raise ValueError
    return user, password


def mail_server(url: str) -> str:
    """The URL of a mail server, unchanged. Raises InvalidAddress."""
    parse_mail_server(url)
    return url


def email_address(text: str) -> str:
    """The one e-mail address, with its domain in ASCII. Raises InvalidAddress."""
    local, _, domain = text.rpartition("@")
    with contextlib.suppress(ValueError):
        address = f"{local}@{ascii_host(domain)}"
        valid = LOCAL_PART.fullmatch(local) and len(local) <= LONGEST_LOCAL_PART and len(address) <= LONGEST_EMAIL
        if valid and not domain.startswith("[") and not domain.rpartition(".")[2].isdigit():
            return address
    raise InvalidAddress(EMAIL)


def ascii_domain(address: str) -> str:
    """The e-mail address with its domain in ASCII, whatever stands before the @. Raises ValueError."""
    local, at, domain = address.rpartition("@")
    return address if domain.isascii() else f"{local}{at}{ascii_host(domain)}"


def sender(text: str) -> str:
    """A sender as mail programs read it: its name is quoted where it has commas and the like. Raises InvalidAddress."""
    name, bracket, rest = text.rpartition("<")
    if bracket and not rest.endswith(">"):
        raise InvalidAddress(SENDER)
    try:
        address = email_address(rest.removesuffix(">") if bracket else text)
        return str(Address(_display_name(name.strip()), addr_spec=address))
    except ValueError:
        raise InvalidAddress(SENDER) from None


def _display_name(text: str) -> str:
    """The name, without the quotes that it may be written in. An @ outside of them would be a second sender."""
    if quoted := QUOTED.fullmatch(text):
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    elif re.search(r'[@<>"\\]', text):
        raise ValueError
    if not text.isprintable():
        raise ValueError
    return text


def database_url(text: str) -> str:
    """An address of PostgreSQL that libpq can read and that names a database. Raises InvalidAddress."""
    with contextlib.suppress(psycopg.Error, ValueError):
        found = conninfo_to_dict(text)
        timeout_from_conninfo(found)
        if _names_a_database({name: str(value) for name, value in found.items()}):
            return text
    raise InvalidAddress(DATABASE)


def _names_a_database(found: dict[str, str]) -> bool:
    """Whether a connection can be tried by these parameters. libpq itself looks at some only when it connects."""
    for port in found.get("port", "").split(","):
        _port(port, default=5432)
    host, name = found.get("host", ""), found.get("dbname", "")
    # The password's own @ or / would have made the rest of it a part of the host or of the name.
    misread = re.search(r"[@\s]", host) or "@" in name
    return bool(name) and not misread and found.get("sslmode", "prefer") in SSL_MODES


def redis_url(text: str) -> str:
    """An address of Redis, of which a connection can be made. Raises InvalidAddress."""
    with contextlib.suppress(ValueError, TypeError):
        if _is_redis(text) and not re.search(r"\s", text):
            redis.Redis.from_url(text).connection_pool.make_connection()  # opens nothing yet
            return text
    raise InvalidAddress(REDIS)


def _is_redis(text: str) -> bool:
    """Whether redis-py reads what was meant: it takes a missing host for localhost, and a wrong number for none."""
    parts = urlsplit(text)
    if parts.fragment or "#" in text or BAD_PERCENT.search(parts.netloc):
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    _port(None if parts.port is None else str(parts.port), default=6379)
    is_number = re.fullmatch(r"/?[0-9]{0,5}", parts.path)
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and "?" not in parts.path and bool(is_number)
