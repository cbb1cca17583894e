"""SSRF guard: only well-formed host names, and only connections to public IP addresses.

A name is resolved once, and the connection is made to the very address that was checked, so that a name which
resolves differently the next time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, ClassVar
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from clients import NotSent, Rejected
from clients.shopify.domain import SHOP_DOMAIN
from config import config
from reasons import Reason

TENANT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.staging)?")
STORAGE = ("storage.googleapis.com", "shopify.com", "shopifycloud.com")  # with their subdomains; inferred
STORAGE_URL = re.compile(rf"https://(?:[a-z0-9-]+\.)*(?:{'|'.join(map(re.escape, STORAGE))})(?::443)?/[!-\[\]-~]*")

MAX_ADDRESSES = 2  # of one name, to be tried
GLOBAL_UNICAST = IPv6Network("2000::/3")  # all global unicast addresses that have been allocated
NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address inside an IPv6-only network


def valid_shop_domain(domain: str) -> str:
    """Validate a shop's domain. Raises Rejected."""
    return _valid(SHOP_DOMAIN, domain)


def valid_tenant_name(tenant: str) -> str:
    """Validate the name of an Engage tenant. Raises Rejected."""
    return _valid(TENANT_NAME, tenant)


def _valid(pattern: re.Pattern[str], name: str) -> str:
    if not pattern.fullmatch(name):
        raise Rejected(Reason.HOST_NAME_INVALID)
    return name


def is_shopify_storage(url: str) -> bool:
    """Whether every URL parser would read the URL as one of Shopify's storage."""
    return STORAGE_URL.fullmatch(url) is not None


def is_public(address: str) -> bool:
    """Whether the IP address is on the public Internet, and embeds no address that is not."""
    with suppress(ValueError):  # "fe80::1%eth0" and the like
        found = ip_address(address)
        if isinstance(found, IPv6Address):
            return _is_public6(found)
        return _is_public4(found)
    return False


def _is_public4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_public6(address: IPv6Address) -> bool:
    if address in NAT64:
        return _is_public4(IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and address in GLOBAL_UNICAST and not address.sixtofour and not address.teredo


def _trusted(*origins: str) -> set[str]:
    """The hosts that the operator has configured, as for a sandbox; not a template such as `{shop}`."""
    hosts = (urlsplit(origin).hostname or "" for origin in origins)
    return {host for host in hosts if "{" not in host}


TRUSTED_HOSTS = _trusted(config.shopify_origin, config.engage_origin)


def public_addresses(host: str, port: int) -> list[str]:
    """The IP addresses to connect to for this host. Raises NotSent if any of them is not public, or gaierror."""
    if host in TRUSTED_HOSTS:
        return [host]
    found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not all(map(is_public, found)):
        raise NotSent(Reason.PRIVATE_ADDRESS)
    return list(dict.fromkeys(found))[:MAX_ADDRESSES]


class _Guarded(HTTPConnection):
    """A connection to an IP address that was checked after its name was resolved."""

    def _new_conn(self) -> socket.socket:
        host = self._dns_host
        try:
            return self._connect(public_addresses(host, self.port))
        except socket.gaierror as error:
            raise NameResolutionError(host, self, error) from error
        except UnicodeError as error:  # not a valid host name
            raise NewConnectionError(self, "The name cannot be resolved.") from error
        finally:
            self._dns_host = host  # the certificate is checked against the name

    def _connect(self, addresses: list[str]) -> socket.socket:
        for self._dns_host in addresses[:-1]:
            with suppress(NewConnectionError, ConnectTimeoutError):
                return super()._new_conn()
        self._dns_host = addresses[-1]
        return super()._new_conn()


class GuardedConnection(_Guarded):
    """A guarded connection over HTTP."""


class GuardedSecureConnection(_Guarded, HTTPSConnection):
    """A guarded connection over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = GuardedConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = GuardedSecureConnection


class GuardedAdapter(HTTPAdapter):
    """Transport adapter for a session of `requests` with guarded connections."""

    pool_classes: ClassVar[dict[str, Any]] = {"http": _Pool, "https": _SecurePool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pool_classes
