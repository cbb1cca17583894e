"""How often something may be asked for. The counts are in Redis; while it is away, nobody is held up."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request

from actors.broker import broker
from clients.shared import Shared
from views import Refusal
from words import t

# One number per key: the instant, in microseconds of Redis's clock, at which the bucket is full again. A number
# further ahead than an empty bucket comes from before the clock was set back, and is forgotten.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
if full > now + interval * burst then full = now end
local wait = full - now - interval * (burst - 1)
if wait <= 0 and wanted > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', full + interval), 'PX', math.ceil(interval * burst / 1000))
end
return {math.max(wait, 0)}
"""

_shared = Shared(broker.bell, TAKE)


class TooMany(Refusal):
    """It was asked for too often. `seconds`: when it may be asked for again."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(t("rate_limit.many", count=seconds))
        self.headers = retry_after(seconds)


@dataclass(frozen=True)
class Rate:
    """So many at once, and another one every so many seconds."""

    name: str
    burst: int
    seconds: float

    def take(self, whose: str) -> int:
        """0, or the seconds to wait: then nothing is taken."""
        return self._asked(whose, 1)

    def look(self, whose: str) -> int:
        """What `take` would say, without taking anything."""
        return self._asked(whose, 0)

    def require(self, whose: object) -> None:
        """Raises TooMany."""
        if seconds := self.take(str(whose)):
            raise TooMany(seconds)

    def _asked(self, whose: str, wanted: int) -> int:
        key = hashlib.sha256(whose.encode()).hexdigest()[:24]  # nobody's network address is kept in clear
        found = _shared.run(f"rate:{self.name}:{key}", round(self.seconds * 1e6), self.burst, wanted)
        return math.ceil(found[0] / 1e6) if found else 0


SIGN_INS = Rate("sign-in", 20, 15)  # links that opened nothing, per network address
UNSIGNED = Rate("unsigned", 60, 1)  # webhooks that nobody has signed, per network address
EXPORTS = Rate("export", 30, 20)  # files, per shop
REVEALS = Rate("reveal", 60, 10)  # pages with personal data, per shop and person


def retry_after(seconds: int) -> dict[str, str]:
    """The header that says when to ask again."""
    return {"Retry-After": str(seconds)}


def network_of(request: Request) -> str:
    """Whom a network address stands for: in IPv6 everybody has 2^64 of them."""
    host = request.client.host if request.client else ""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else host
