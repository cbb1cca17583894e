"""Error rate rule: too many of the latest syncs failed. With a minimum sample and hysteresis, as a pure function.

It counts entities, not attempts: an order that failed five times is one error, and one that succeeded since is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.task_history import FinishedTask
from models import RuleState

WINDOW, MAX_AGE = timedelta(minutes=60), timedelta(hours=24)
MIN_SAMPLE, MIN_ERRORS = 20, 5  # entities and errors, the minimum for a rate to mean anything
OPEN_AFTER = timedelta(minutes=5)  # of a bad rate
CLOSE_AFTER = timedelta(minutes=15)  # of a good rate
HYSTERESIS = 0.8  # of the threshold: below this the rate is good
ALL_GROUPS = "all"


@dataclass(frozen=True)
class ErrorRateSettings:
    """`threshold`: percent, None or 0 is off. `guarded`: with minimum sample, delay and hysteresis."""

    threshold: int | None
    guarded: bool = True

    @property
    def on(self) -> bool:
        return bool(self.threshold)

    @property
    def share(self) -> float:
        return (self.threshold or 0) / 100


@dataclass(frozen=True)
class Tally:
    """The number of synced entities in a group, how many of them failed, and whether one did so in the last hour."""

    group: str = ALL_GROUPS
    finished: int = 0
    errors: int = 0
    recent: bool = False

    @property
    def rate(self) -> float:
        return self.errors / self.finished if self.finished else 0.0

    def bad(self, settings: ErrorRateSettings) -> bool:
        if not settings.guarded:
            return self.finished >= 1 and self.rate >= settings.share
        enough = self.finished >= MIN_SAMPLE and self.errors >= MIN_ERRORS and self.recent
        return enough and self.rate >= settings.share

    def held_back(self, settings: ErrorRateSettings) -> bool:
        """Whether only the guards keep the rate from being bad: the page shows this."""
        return not self.bad(settings) and self.errors > 0 and self.rate >= settings.share

    def good(self, settings: ErrorRateSettings) -> bool:
        if not settings.guarded:
            return self.rate < settings.share
        return self.finished >= MIN_SAMPLE and self.rate < HYSTERESIS * settings.share


@dataclass(frozen=True)
class ErrorRateMemory:
    """State between evaluations: since when the rate has been bad, and good, without interruption; None: it is not.

    `thin_since`: since when there has been too little traffic for a rate.
    """

    bad_since: datetime | None = None
    good_since: datetime | None = None
    opened_at: datetime | None = None
    thin_since: datetime | None = None


@dataclass(frozen=True)
class ErrorRateEvidence:
    """Evidence of the rule, as stored. `tallies`: of all entities, then of each group. `held_back`: by the guards."""

    threshold: int | None = None
    tallies: tuple[Tally, ...] = ()
    worst: Tally | None = None
    held_back: bool = False
    thin_since: datetime | None = None

    @property
    def everything(self) -> Tally:
        return self.tallies[0] if self.tallies else Tally()


@dataclass(frozen=True)
class ErrorRateVerdict:
    """The rule's state, what to remember for the next evaluation, and the worst of the groups."""

    state: RuleState
    memory: ErrorRateMemory
    worst: Tally | None = None
    expired: bool = False


def tallies(finished: Iterable[FinishedTask], now: datetime, *, guarded: bool = True) -> list[Tally]:
    """The tally of all entities, then of each group. Imports have a report of their own, and are not counted."""
    live = [each for each in finished if now - MAX_AGE < each.at <= now]
    groups: dict[str, list[FinishedTask]] = defaultdict(list)
    for each in live:
        groups[each.group].append(each)
    return [
        _tally(ALL_GROUPS, live, now, guarded),
        *(_tally(name, each, now, guarded) for name, each in sorted(groups.items())),
    ]


def _tally(group: str, finished: Sequence[FinishedTask], now: datetime, guarded: bool) -> Tally:
    """A tally of the last hour, or of the latest twenty within a day, whichever are more."""
    latest = {each.entity: each for each in sorted(finished, key=lambda each: each.at)}
    newest = sorted(latest.values(), key=lambda each: each.at, reverse=True)
    recent = sum(now - each.at <= WINDOW for each in newest)
    counted = newest[: max(recent, MIN_SAMPLE) if guarded else recent]
    failed = [each for each in counted if each.failed]
    return Tally(group, len(counted), len(failed), any(now - each.at <= WINDOW for each in failed))


def evaluate(
    settings: ErrorRateSettings, found: Sequence[Tally], memory: ErrorRateMemory, now: datetime
) -> ErrorRateVerdict:
    """Evaluate the rule at an instant, from its state before."""
    if not settings.on:
        return ErrorRateVerdict(RuleState.OFF, ErrorRateMemory())
    bad = [each for each in found if each.bad(settings)]
    worst = max(bad or found, key=lambda each: (each.rate, each.errors), default=None)
    if memory.opened_at:
        return _while_open(settings, found, memory, now, worst, bool(bad))
    if not bad:
        return ErrorRateVerdict(RuleState.OK, ErrorRateMemory(), worst)
    since = memory.bad_since or now
    fires = not settings.guarded or now - since >= OPEN_AFTER
    opened = since + (OPEN_AFTER if settings.guarded else timedelta()) if fires else None
    return ErrorRateVerdict(
        RuleState.FIRING if fires else RuleState.PENDING, ErrorRateMemory(since, None, opened), worst
    )


def _while_open(
    settings: ErrorRateSettings,
    found: Sequence[Tally],
    memory: ErrorRateMemory,
    now: datetime,
    worst: Tally | None,
    bad: bool,
) -> ErrorRateVerdict:
    """Close when every group with a sufficient sample has been good for a while, or after a day without a sample."""
    sufficient = [each for each in found if each.finished >= MIN_SAMPLE] if settings.guarded else list(found)
    if not sufficient:
        return _thin(memory, now, worst)
    good = not bad and all(each.good(settings) for each in sufficient)
    since = (memory.good_since or now) if good else None
    if since and (not settings.guarded or now - since >= CLOSE_AFTER):
        return ErrorRateVerdict(RuleState.OK, ErrorRateMemory(), worst)
    state = RuleState.RECOVERING if good else RuleState.FIRING
    return ErrorRateVerdict(state, ErrorRateMemory(memory.bad_since, since, memory.opened_at), worst)


def _thin(memory: ErrorRateMemory, now: datetime, worst: Tally | None) -> ErrorRateVerdict:
    """Too little traffic is no recovery; but after a day of it the alert can no longer be confirmed and expires."""
    since = memory.thin_since or now
    if now - since >= MAX_AGE:
        return ErrorRateVerdict(RuleState.OK, ErrorRateMemory(), worst, expired=True)
    return ErrorRateVerdict(RuleState.FIRING, ErrorRateMemory(memory.bad_since, None, memory.opened_at, since), worst)
