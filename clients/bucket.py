"""A shared pace: calls to Engage under 50 a second per API key, however many processes make them."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from clients import Throttled

RATE = 40.0
BURST = 8  # burst + rate is what one second may see: 48, under the 50 that Engage recommends
PATIENCE = 1.5  # seconds a caller may be made to sleep; a longer queue is for the task's row to wait in
PROCESSES = 4  # without Redis each process keeps its own pace, at this share of the rate
AWAY_SECONDS = 5.0  # how long Redis is left alone after it failed, lest every call waits for its time-out
TIMEOUT_SECONDS = 0.3

logger = logging.getLogger(__name__)

# One number per key: the instant, in microseconds of Redis's clock, at which the next call is free. Its lag behind the
# clock is the saved-up burst. A wait within the patience is taken at once, so that callers queue in order.
# A number further ahead than any reservation comes from before the clock was set back, and is forgotten.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, saved, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now - saved)
if free > now + patience + interval then free = now end
local wait = math.max(free - now, 0)
if wait <= patience then
    redis.call('SET', KEYS[1], string.format('%.0f', free + interval), 'PX', 60000)
end
return wait
"""


@dataclass
class _Pace:
    """The same reckoning within one process."""

    interval: float
    saved: float
    free: float = 0.0
    away_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> float:
        with self.lock:
            now = time.monotonic()
            self.free = max(self.free, now - self.saved)
            wait = max(self.free - now, 0.0)
            if wait <= PATIENCE:
                self.free += self.interval
            return wait


_paces: dict[str, _Pace] = {}


def quick(url: str) -> redis.Redis:
    """A client for buckets. redis-py's own retries and time-outs would hold up a call for several seconds."""
    once_more = Retry(NoBackoff(), 1)  # for a pooled connection that a restart of Redis has cut
    return redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=once_more
    )


class Bucket:
    """Permission to call, handed out at `rate` a second after a `burst`, per API key and over all processes."""

    def __init__(
        self,
        redis_client: redis.Redis,
        key: str,
        rate: float = RATE,
        burst: int = BURST,
        *,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self.name = f"engage:pace:{hashlib.sha256(key.encode()).hexdigest()[:24]}"  # the key itself stays out of Redis
        self.interval = 1 / rate
        self.burst = burst
        self.away_seconds = away_seconds
        self._script = redis_client.register_script(TAKE)
        own = _Pace(PROCESSES / rate, (max(burst // PROCESSES, 1) - 1) * PROCESSES / rate)
        self._pace = _paces.setdefault(self.name, own)

    def take(self) -> None:
        """Sleep until a call may be made. Raises Throttled at once if that would take longer than 1.5 seconds."""
        wait = self._wait()
        if wait > PATIENCE:
            raise Throttled("Many calls to Engage are waiting.", retry_after=timedelta(seconds=wait))
        time.sleep(wait)

    def _wait(self) -> float:
        if time.monotonic() < self._pace.away_until:
            return self._pace.take()
        try:
            return self._shared_wait()
        except (redis.RedisError, OSError) as error:
            self._leave_redis(error)
            return self._pace.take()

    def _shared_wait(self) -> float:
        saved = (self.burst - 1) * self.interval
        wait = self._script(keys=[self.name], args=[int(seconds * 1e6) for seconds in (self.interval, saved, PATIENCE)])
        if self._pace.away_until:
            self._pace.away_until = 0.0
            logger.info("Redis is back: the pace towards Engage is shared again.")
        return int(wait) / 1e6

    def _leave_redis(self, error: Exception) -> None:
        with self._pace.lock:
            is_news = not self._pace.away_until
            self._pace.away_until = time.monotonic() + self.away_seconds
        if is_news:
            logger.warning("No Redis (%s): this process paces its calls to Engage alone.", type(error).__name__)
