"""A bare Dramatiq actor that does and records nothing: `python -m dramatiq benchmarks.support.bare_dramatiq:broker`."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

QUEUE = "bare"
broker = RedisBroker(url=os.environ["REDIS_URL"])


@dramatiq.actor(broker=broker, queue_name=QUEUE)
def nothing(task_id: str) -> None:
    pass


def fill(count: int) -> None:
    """Send so many messages, one by one."""
    for number in range(count):
        nothing.send(str(number))
