"""Shopify's points: what a shop's queries cost, reckoned together by all processes, live work before bulk work.

Shopify: "API limits", calculated query costs. A query may run when the shop's bucket holds what it costs; the bucket
fills at a steady rate, and every answer tells how it stands.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any, NamedTuple

import redis

from clients import Throttled
from clients.shared import Shared

GUESS = 60.0  # what a document costs until Shopify has said it; an order costs about as much
PATIENCE = 1.5  # seconds a caller may be made to sleep; a longer queue is for the task's row to wait in
LONGEST_WAIT = 60.0
MARGIN = 0.05  # of the bucket, as calls do not arrive in the order in which they left
FOR_LIVE_WORK = 0.5  # of the bucket, which bulk work leaves untouched


class Cost(NamedTuple):
    """The points a query needed, those it was charged, and how the shop's bucket stood afterwards."""

    requested: float
    charged: float
    available: float
    most: float
    rate: float


def cost_of(answer: Any) -> Cost | None:
    """What Shopify's answer says of its cost, or None where it says nothing, or nothing sensible."""
    try:
        cost = answer["extensions"]["cost"]
        status = cost["throttleStatus"]
        figures = (cost["requestedQueryCost"], cost["actualQueryCost"] or 0, status["currentlyAvailable"])
        found = Cost(*map(float, (*figures, status["maximumAvailable"], status["restoreRate"])))
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return found if all(map(math.isfinite, found)) and found.most > 0 and found.rate > 0 else None


# A hash per shop: the points it has by our reckoning, when that was, those reserved for calls that are under way, the
# bucket's size and rate as last told, and how often that was. A shop that has told nothing is on the smallest plan.
KNOWN = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local known = redis.call('HMGET', KEYS[1], 'points', 'at', 'most', 'rate', 'flying', 'told')
local most, rate = tonumber(known[3] or 2000), tonumber(known[4] or 100)
local points, flying, told = tonumber(known[1] or most), tonumber(known[5] or 0), tonumber(known[6] or 0)
points = points + math.max(now - tonumber(known[2] or now), 0) * rate
if points >= most then points, flying = most, 0 end
local function keep()
    local function text(number) return string.format('%.6f', number) end
    redis.call('HSET', KEYS[1], 'points', text(points), 'at', text(now), 'most', text(most), 'rate', text(rate),
        'flying', text(flying), 'told', text(told))
    redis.call('PEXPIRE', KEYS[1], 600000)
end
"""
# Those who are sent away get places in a line, one per kind of work, so that they do not all come back together.
TAKE = (
    KNOWN
    + """
local cost, spare, patience, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local wait = math.max(math.min(cost + spare * most, most) - points, 0) / rate
if wait <= patience then
    points, flying = points - cost, flying + cost
    keep()
    return {math.ceil(wait * 1000000), told}
end
local line = 'line ' .. ARGV[2]
local place = math.max(tonumber(redis.call('HGET', KEYS[1], line) or 0), now + wait)
if place > now + longest then place = now + longest end
redis.call('HSET', KEYS[1], line, string.format('%.6f', place + cost / rate))
return {math.ceil((place - now) * 1000000), told}
"""
)
# The truth lies between what Shopify says and that less the calls under way, some of which it has not seen yet. An
# answer that others have overtaken says how things were before them, and is no reason to think there are more points.
TOLD = (
    KNOWN
    + """
local reserved, charged, available = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
most, rate = tonumber(ARGV[4]), tonumber(ARGV[5])
local overtaken, age = told ~= tonumber(ARGV[6]), tonumber(ARGV[7])
points, flying, told = points + reserved - charged, math.max(flying - reserved, 0), told + 1
local too_many, too_few = points > available + 1 + age * rate, points < available - flying
if too_many or (too_few and not overtaken) then points = available - flying end
keep()
return {}
"""
)

_costs: dict[str, float] = {}  # by document, as Shopify last said
_free_at: dict[str, float] = {}  # by shop: when there are points again, as this process alone knows


class Reserved(NamedTuple):
    """What was set aside for one document, after how many answers, and when it might be sent."""

    document: str
    cost: float
    told: int
    at: float


class Points:
    """What one shop has to spend, for live work or for bulk work."""

    def __init__(self, client: redis.Redis, shop: str, spare: float = MARGIN) -> None:
        """`spare`: the share of the bucket that is left untouched."""
        self.name = f"shopify:points:{shop}"
        self.spare = spare
        self._take, self._told = Shared(client, TAKE), Shared(client, TOLD)

    def take(self, document: str) -> Reserved:
        """Sleep until the document can be paid for. Raises Throttled at once if that would take over 1.5 seconds."""
        cost = _costs.get(document, GUESS)
        wait, told = self._wait(cost)
        if wait > PATIENCE:
            raise Throttled("Many calls to Shopify are waiting.", retry_after=timedelta(seconds=wait))
        time.sleep(wait)
        return Reserved(document, cost, told, time.monotonic())

    def told(self, reserved: Reserved, answer: Any) -> None:
        """Take over what Shopify's answer says of the cost and of the bucket."""
        if (cost := cost_of(answer)) is None:
            return
        now = time.monotonic()
        _costs[reserved.document] = cost.requested
        _free_at[self.name] = now + (cost.requested - cost.available) / cost.rate
        self._told.run(self.name, reserved.cost, *cost[1:], reserved.told, now - reserved.at)

    def _wait(self, cost: float) -> tuple[float, int]:
        found = self._take.run(self.name, cost, self.spare, PATIENCE, LONGEST_WAIT)
        if found is None:  # Redis is away: Shopify itself holds the processes together
            return max(_free_at.get(self.name, 0.0) - time.monotonic(), 0.0), 0
        return found[0] / 1e6, found[1]
