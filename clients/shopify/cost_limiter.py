"""Cost limiter for Shopify's GraphQL: a rate limiter in points, over all processes, live work before bulk work.

Shopify: "API limits", calculated query costs. A query may run when the shop has the points that it costs; points are
restored at a steady rate up to a maximum (a leaky bucket), and every response states how many are available.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any, NamedTuple

import redis

from clients import Throttled
from clients.redis_script import RedisScript
from reasons import Reason
from shutdown import SHUTDOWN

ASSUMED_COST = 60.0  # points of a document until Shopify has stated it; an order costs about as much
MAX_SLEEP_SECONDS = 1.5  # of a caller; for longer waits the task goes back to its row
LONGEST_WAIT = 60.0  # seconds
LIVE_RESERVE = 0.05  # of the maximum, kept unused, as calls do not arrive in the order in which they were sent
BULK_RESERVE = 0.5  # of the maximum, which bulk work leaves unused


class QueryCost(NamedTuple):
    """The points that a query needed and those it was charged, and the shop's points afterwards.

    `maximum`: the points of a shop that makes no calls; `rate`: points restored a second.
    """

    requested: float
    charged: float
    available: float
    maximum: float
    rate: float


def query_cost(answer: Any) -> QueryCost | None:
    """The cost that Shopify's response states, or None if it states none, or no usable figures."""
    try:
        cost = answer["extensions"]["cost"]
        status = cost["throttleStatus"]
        figures = (cost["requestedQueryCost"], cost["actualQueryCost"] or 0, status["currentlyAvailable"])
        found = QueryCost(*map(float, (*figures, status["maximumAvailable"], status["restoreRate"])))
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return found if all(map(math.isfinite, found)) and found.maximum > 0 and found.rate > 0 else None


# A hash per shop: its points by our estimate (`points`) and when that was (`at`), those reserved for calls in flight
# (`flying`), the maximum and rate as last stated (`most`, `rate`), and the number of responses so far (`told`). Without
# a response the shop is taken to be on the smallest plan.
STATE_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local known = redis.call('HMGET', KEYS[1], 'points', 'at', 'most', 'rate', 'flying', 'told')
local most, rate = tonumber(known[3] or 2000), tonumber(known[4] or 100)
local points, in_flight, responses = tonumber(known[1] or most), tonumber(known[5] or 0), tonumber(known[6] or 0)
points = points + math.max(now - tonumber(known[2] or now), 0) * rate
if points >= most then points, in_flight = most, 0 end
local function save()
    local function text(number) return string.format('%.6f', number) end
    redis.call('HSET', KEYS[1], 'points', text(points), 'at', text(now), 'most', text(most), 'rate', text(rate),
        'flying', text(in_flight), 'told', text(responses))
    redis.call('PEXPIRE', KEYS[1], 600000)
end
"""
# Callers that must wait longer get successive times, in one queue per kind of work, so that they do not all retry at
# once.
RESERVE_SCRIPT = (
    STATE_SCRIPT
    + """
local cost, reserve, patience, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local wait = math.max(math.min(cost + reserve * most, most) - points, 0) / rate
if wait <= patience then
    points, in_flight = points - cost, in_flight + cost
    save()
    return {math.ceil(wait * 1000000), responses}
end
local queue = 'line ' .. ARGV[2]
local retry_at = math.max(tonumber(redis.call('HGET', KEYS[1], queue) or 0), now + wait)
if retry_at > now + longest then retry_at = now + longest end
redis.call('HSET', KEYS[1], queue, string.format('%.6f', retry_at + cost / rate))
return {math.ceil((retry_at - now) * 1000000), responses}
"""
)
# The true number lies between the points that Shopify states and those less the calls in flight, some of which it has
# not received yet. A response that later ones have overtaken is out of date, and must not raise our estimate.
SETTLE_SCRIPT = (
    STATE_SCRIPT
    + """
local reserved, charged, available = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
most, rate = tonumber(ARGV[4]), tonumber(ARGV[5])
local overtaken, age = responses ~= tonumber(ARGV[6]), tonumber(ARGV[7])
points, in_flight, responses = points + reserved - charged, math.max(in_flight - reserved, 0), responses + 1
local too_many, too_few = points > available + 1 + age * rate, points < available - in_flight
if too_many or (too_few and not overtaken) then points = available - in_flight end
save()
return {}
"""
)

_costs: dict[str, float] = {}  # by document, as Shopify last stated
_free_at: dict[str, float] = {}  # by shop: when there are points again, as this process alone knows


class Reservation(NamedTuple):
    """The points reserved for one document, the number of responses before it, and when it may be sent."""

    document: str
    cost: float
    responses_before: int
    at: float


class CostLimiter:
    """Limits the queries to one shop by their cost, for live work or for bulk work."""

    def __init__(self, client: redis.Redis, shop: str, reserve_share: float = LIVE_RESERVE) -> None:
        """`reserve_share`: the share of the maximum that is left unused."""
        self.name = f"shopify:points:{shop}"
        self.reserve_share = reserve_share
        self._reserve_script = RedisScript(client, RESERVE_SCRIPT)
        self._settle_script = RedisScript(client, SETTLE_SCRIPT)

    def reserve(self, document: str) -> Reservation:
        """Sleep until the shop has the points. Raises Throttled at once if that would take over 1.5 seconds.

        Raises ShuttingDown instead of sleeping while the process shuts down.
        """
        cost = _costs.get(document, ASSUMED_COST)
        wait, responses = self._wait(cost)
        if wait > MAX_SLEEP_SECONDS:
            raise Throttled(Reason.SHOPIFY_CALLS_WAITING, retry_after=timedelta(seconds=wait))
        SHUTDOWN.sleep(wait)
        return Reservation(document, cost, responses, time.monotonic())

    def settle(self, reservation: Reservation, answer: Any) -> None:
        """Correct our estimate by the cost and the available points that Shopify's response states."""
        if (cost := query_cost(answer)) is None:
            return
        now = time.monotonic()
        _costs[reservation.document] = cost.requested
        _free_at[self.name] = now + (cost.requested - cost.available) / cost.rate
        before, age = reservation.responses_before, now - reservation.at
        self._settle_script.run(self.name, reservation.cost, *cost[1:], before, age)

    def _wait(self, cost: float) -> tuple[float, int]:
        found = self._reserve_script.run(self.name, cost, self.reserve_share, MAX_SLEEP_SECONDS, LONGEST_WAIT)
        if found is None:  # Redis is unavailable: Shopify's own limit is the only one over all processes
            return max(_free_at.get(self.name, 0.0) - time.monotonic(), 0.0), 0
        return found[0] / 1e6, found[1]
