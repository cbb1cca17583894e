"""Rate limiter: how often a network address, a shop or a person may send a request. Without Redis none is limited."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

import redis
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import Request

from clients.redis_script import CIRCUIT_OPEN_SECONDS
from config import config
from i18n.catalogue import t
from taskqueue.broker import broker
from views.web.errors import HttpError

log = logging.getLogger(__name__)

# The broker's quick connections, with its short time-outs and its TLS settings; the address only names the protocol.
_limiter = MovingWindowRateLimiter(RedisStorage("redis://", broker.quick_client.connection_pool, key_prefix="rate"))
_circuit_open_until = 0.0  # of time.monotonic(); after a failure not every request waits for a time-out


class TooManyRequests(HttpError):
    """The rate limit is reached. `seconds`: until the next request is allowed."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(t("rate_limit.many", count=seconds))
        self.headers = retry_after_header(seconds)


@dataclass(frozen=True)
class RateLimit:
    """A rate limit: so many requests within any so many seconds, for each key: an address, a shop, a person."""

    name: str
    requests: int
    seconds: int

    def hit(self, key: str) -> int:
        """Count a request. Returns 0, or the seconds until one is allowed: then it is not counted."""
        return _unless_unavailable(lambda: 0 if _limiter.hit(*self._of(key)) else max(1, self._wait(key)))

    def peek(self, key: str) -> int:
        """What `hit` would return, without counting a request."""
        return _unless_unavailable(lambda: self._wait(key))

    def enforce(self, key: object) -> None:
        """Count a request. Raises TooManyRequests."""
        if seconds := self.hit(str(key)):
            raise TooManyRequests(seconds)

    def _wait(self, key: str) -> int:
        window = _limiter.get_window_stats(*self._of(key))
        return 0 if window.remaining > 0 else math.ceil(window.reset_time - time.time())

    def _of(self, key: str) -> tuple[RateLimitItem, str]:
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]  # no network address is kept in clear
        return RateLimitItemPerSecond(self.requests, self.seconds, self.name), digest


def _unless_unavailable(ask: Callable[[], int]) -> int:
    """The answer, or 0 while Redis is unavailable."""
    if time.monotonic() < _circuit_open_until:
        return 0
    try:
        return ask()
    except (redis.RedisError, OSError) as error:
        _open_circuit(error)
        return 0


def _open_circuit(error: Exception) -> None:
    global _circuit_open_until
    _circuit_open_until = time.monotonic() + CIRCUIT_OPEN_SECONDS
    log.warning("Redis is unavailable (%s): no request is limited.", type(error).__name__)


SIGN_INS = RateLimit("sign-in", 20, 300)  # links that opened nothing, per network address
UNSIGNED_WEBHOOKS = RateLimit("unsigned", 60, 60)  # webhooks without a valid signature, per network address
EXPORTS = RateLimit("export", 30, 600)  # files, per shop
NOTIFICATION_TRIALS = RateLimit("notification-trial", 10, 600)  # tests of order mails, per shop
REVEALS = RateLimit("reveal", 60, 600)  # pages with personal data, per shop and person


def retry_after_header(seconds: int) -> dict[str, str]:
    """The Retry-After header."""
    return {"Retry-After": str(seconds)}


def _client_address(request: Request) -> str:
    """The address that the outermost trusted proxy has seen: each appends one at the right of X-Forwarded-For.

    What stands further to the left is the client's own claim.
    """
    peer = request.client.host if request.client else ""
    forwarded = [each.strip() for line in request.headers.getlist("x-forwarded-for") for each in line.split(",")]
    hops = config.trusted_hops
    return forwarded[-hops] if 0 < hops <= len(forwarded) and forwarded[-hops] else peer


def client_network(request: Request) -> str:
    """The client's network address, in IPv6 its /64: everybody there has 2^64 addresses."""
    host = _client_address(request)
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else host
