"""How a task may end other than by success, as its function says it, and how long a failing one is tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from config import config


class Skip(Exception):
    """The task is done without doing anything, for a reason worth reading: Success, skipped."""


class Wait(Exception):
    """Something else must come first. Not a failed attempt; the task is tried again after `wait`, for a day."""

    def __init__(self, reason: str, wait: timedelta) -> None:
        super().__init__(reason)
        self.wait = wait


class Unusable(Exception):
    """What the task was given cannot be understood, now or later: Error at once."""


@dataclass(frozen=True)
class Retry:
    """How long a failing task is tried, with waits that grow to an hour."""

    attempts: int
    longest: timedelta = timedelta(hours=1)

    def wait(self, failed: int) -> timedelta:
        """The longest wait after so many failed attempts, before jitter: 10 s, 30 s, 90 s ... an hour."""
        return min(config.backoff * 3 ** min(failed - 1, 8), self.longest)


A_DAY = Retry(attempts=40)
THREE_DAYS = Retry(attempts=100)  # a receipt is a sale
