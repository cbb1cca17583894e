"""What all processes reckon together: scripts in Redis, which is left alone for a while when it is away."""

from __future__ import annotations

import logging
import threading
import time
from weakref import WeakKeyDictionary

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

AWAY_SECONDS = 5.0  # how long Redis is left alone after it failed, lest every call waits for its time-out
TIMEOUT_SECONDS = 0.3

log = logging.getLogger(__name__)

_away_until: WeakKeyDictionary[redis.Redis, float] = WeakKeyDictionary()
_lock = threading.Lock()


def quick(url: str) -> redis.Redis:
    """A client that gives up soon. redis-py's own retries and time-outs would hold up a call for several seconds."""
    once_more = Retry(NoBackoff(), 1)  # for a pooled connection that a restart of Redis has cut
    return redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=once_more
    )


class Shared:
    """A Lua script, run in Redis for one key at a time."""

    def __init__(self, client: redis.Redis, script: str, *, away_seconds: float = AWAY_SECONDS) -> None:
        self._client = client
        self._script = client.register_script(script)
        self._away_seconds = away_seconds

    def run(self, key: str, *numbers: float) -> list[int] | None:
        """The numbers that the script returns, or None while Redis is away."""
        if time.monotonic() < _away_until.get(self._client, 0.0):
            return None
        try:
            found: list[int] = self._script(keys=[key], args=list(numbers))
        except (redis.RedisError, OSError) as error:
            self._leave_alone(error)
            return None
        self._welcome()
        return found

    def _leave_alone(self, error: Exception) -> None:
        with _lock:
            is_news = self._client not in _away_until
            _away_until[self._client] = time.monotonic() + self._away_seconds
        if is_news:
            log.warning("No Redis (%s): this process paces its calls alone.", type(error).__name__)

    def _welcome(self) -> None:
        with _lock:
            was_away = _away_until.pop(self._client, None)
        if was_away is not None:
            log.info("Redis is back: the pace of calls is shared again.")
