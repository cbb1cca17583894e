"""Rate limiter for calls to Engage: under 50 a second per API key, over all processes."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

import redis

from clients import Throttled
from clients.redis_script import CIRCUIT_OPEN_SECONDS, RedisScript
from reasons import Reason
from shutdown import SHUTDOWN

CALLS_PER_SECOND = 40.0
BURST = 8  # burst + rate is the most calls in one second: 48, under the 50 that Engage recommends
MAX_SLEEP_SECONDS = 1.5  # of a caller; for longer waits the task goes back to its row
ASSUMED_PROCESSES = 4  # without Redis each process limits its own calls, to the rate divided by this

# One number per key: the instant, in microseconds of Redis's time, from which the next call may be made. How far it
# lies in the past is the unused burst. A wait of up to `patience` is reserved at once, so that callers queue in order.
# A number further ahead than any reservation was written before the server's time was set back, and is dropped.
ACQUIRE_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, unused, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local next_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now - unused)
if next_at > now + patience + interval then next_at = now end
local wait = math.max(next_at - now, 0)
if wait <= patience then
    redis.call('SET', KEYS[1], string.format('%.0f', next_at + interval), 'PX', 60000)
end
return {wait}
"""

_local_limiters: dict[str, _LocalLimiter] = {}  # by name, shared by all limiters of one API key


class RateLimiter:
    """Allows `rate` calls a second after a first `burst`, per API key and over all processes."""

    def __init__(
        self,
        client: redis.Redis,
        key: str,
        rate: float = CALLS_PER_SECOND,
        burst: int = BURST,
        *,
        open_seconds: float = CIRCUIT_OPEN_SECONDS,
    ) -> None:
        self.name = f"engage:pace:{hashlib.sha256(key.encode()).hexdigest()[:24]}"  # the key itself stays out of Redis
        self.interval = 1 / rate
        self.unused = (burst - 1) * self.interval
        self._script = RedisScript(client, ACQUIRE_SCRIPT, open_seconds=open_seconds)
        local_interval, local_burst = ASSUMED_PROCESSES / rate, max(burst // ASSUMED_PROCESSES, 1)
        local = _LocalLimiter(local_interval, (local_burst - 1) * local_interval)
        self._local = _local_limiters.setdefault(self.name, local)

    def acquire(self) -> None:
        """Sleep until a call may be made. Raises Throttled at once if that would take longer than 1.5 seconds.

        Raises ShuttingDown instead of sleeping while the process shuts down.
        """
        wait = self._wait()
        if wait > MAX_SLEEP_SECONDS:
            raise Throttled(Reason.ENGAGE_CALLS_WAITING, retry_after=timedelta(seconds=wait))
        SHUTDOWN.sleep(wait)

    def _wait(self) -> float:
        microseconds = [int(seconds * 1e6) for seconds in (self.interval, self.unused, MAX_SLEEP_SECONDS)]
        found = self._script.run(self.name, *microseconds)
        return self._local.reserve() if found is None else found[0] / 1e6


@dataclass
class _LocalLimiter:
    """The same limit within one process, for when Redis is unavailable."""

    interval: float
    unused: float
    next_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self) -> float:
        with self.lock:
            now = time.monotonic()
            self.next_at = max(self.next_at, now - self.unused)
            wait = max(self.next_at - now, 0.0)
            if wait <= MAX_SLEEP_SECONDS:
                self.next_at += self.interval
            return wait
