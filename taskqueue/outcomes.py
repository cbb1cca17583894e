"""Outcomes that a task's function raises (Skip, Wait, Unusable), and the retry policy with exponential backoff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from config import config
from reasons import Cause, Reason, ReasonError


class Skip(ReasonError):
    """There is nothing to do, for a reason that the task shows: Success, skipped."""


class Wait(ReasonError):
    """Something else must happen first. No failed attempt; the task is tried again after `wait`, for up to a day."""

    def __init__(self, reason: Reason | Cause, wait: timedelta, /) -> None:
        super().__init__(reason)
        self.wait = wait


class Unusable(ReasonError):
    """The task's input cannot be understood, now or later: Error at once."""


@dataclass(frozen=True)
class RetryPolicy:
    """Retry policy: the number of attempts, with exponential backoff up to an hour between them."""

    attempts: int
    longest: timedelta = timedelta(hours=1)

    def backoff(self, failed: int) -> timedelta:
        """Backoff after so many failed attempts, before jitter: 10 s, 30 s, 90 s ... an hour."""
        return min(config.backoff * 3 ** min(failed - 1, 8), self.longest)


A_DAY = RetryPolicy(attempts=40)
THREE_DAYS = RetryPolicy(attempts=100)  # a receipt is a sale


class LeaseLost(Exception):
    """This worker's lease ended and another has the task: what it was about to write must not be written."""
