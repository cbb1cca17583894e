"""A shared pace: calls to Engage under 50 a second per API key, however many processes make them."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

import redis

from clients import Throttled
from clients.shared import AWAY_SECONDS, Shared

RATE = 40.0
BURST = 8  # burst + rate is what one second may see: 48, under the 50 that Engage recommends
PATIENCE = 1.5  # seconds a caller may be made to sleep; a longer queue is for the task's row to wait in
PROCESSES = 4  # without Redis each process keeps its own pace, at this share of the rate

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
return {wait}
"""


@dataclass
class _Pace:
    """The same reckoning within one process."""

    interval: float
    saved: float
    free: float = 0.0
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


class Bucket:
    """Permission to call, handed out at `rate` a second after a `burst`, per API key and over all processes."""

    def __init__(
        self,
        client: redis.Redis,
        key: str,
        rate: float = RATE,
        burst: int = BURST,
        *,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self.name = f"engage:pace:{hashlib.sha256(key.encode()).hexdigest()[:24]}"  # the key itself stays out of Redis
        self.interval = 1 / rate
        self.saved = (burst - 1) * self.interval
        self._shared = Shared(client, TAKE, away_seconds=away_seconds)
        own = _Pace(PROCESSES / rate, (max(burst // PROCESSES, 1) - 1) * PROCESSES / rate)
        self._pace = _paces.setdefault(self.name, own)

    def take(self) -> None:
        """Sleep until a call may be made. Raises Throttled at once if that would take longer than 1.5 seconds."""
        wait = self._wait()
        if wait > PATIENCE:
            raise Throttled("Many calls to Engage are waiting.", retry_after=timedelta(seconds=wait))
        time.sleep(wait)

    def _wait(self) -> float:
        microseconds = [int(seconds * 1e6) for seconds in (self.interval, self.saved, PATIENCE)]
        found = self._shared.run(self.name, *microseconds)
        return self._pace.take() if found is None else found[0] / 1e6
