"""Redis scripts, by which all processes share a rate limit, behind a circuit breaker for when Redis is unavailable."""

from __future__ import annotations

import logging
import threading
import time
from weakref import WeakKeyDictionary

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

CIRCUIT_OPEN_SECONDS = 5.0  # after a failure, so that not every call waits for a time-out
TIMEOUT_SECONDS = 0.3

log = logging.getLogger(__name__)

_open_until: WeakKeyDictionary[redis.Redis, float] = WeakKeyDictionary()
_lock = threading.Lock()


def short_timeout_client(url: str) -> redis.Redis:
    """A Redis client with short time-outs. redis-py's own retries would delay a call by several seconds."""
    retry = Retry(NoBackoff(), 1)  # for a pooled connection that a restart of Redis has closed
    return redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=retry
    )


class RedisScript:
    """A Lua script, run in Redis for one key at a time."""

    def __init__(self, client: redis.Redis, script: str, *, open_seconds: float = CIRCUIT_OPEN_SECONDS) -> None:
        self._client = client
        self._script = client.register_script(script)
        self._open_seconds = open_seconds

    def run(self, key: str, *numbers: float) -> list[int] | None:
        """The numbers that the script returns, or None while Redis is unavailable."""
        if time.monotonic() < _open_until.get(self._client, 0.0):
            return None
        try:
            found: list[int] = self._script(keys=[key], args=list(numbers))
        except (redis.RedisError, OSError) as error:
            self._open_circuit(error)
            return None
        self._close_circuit()
        return found

    def _open_circuit(self, error: Exception) -> None:
        with _lock:
            was_closed = self._client not in _open_until
            _open_until[self._client] = time.monotonic() + self._open_seconds
        if was_closed:
            log.warning("Redis is unavailable (%s): this process limits its calls alone.", type(error).__name__)

    def _close_circuit(self) -> None:
        with _lock:
            was_open = _open_until.pop(self._client, None)
        if was_open is not None:
            log.info("Redis is available again: the rate limits are shared again.")
