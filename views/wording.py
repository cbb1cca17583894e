"""How states, instants, durations and shares are put into words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from actors.registry import NUMBERS
from models import Attempt, Lane, Outcome, State, Task
from views.text import Text

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86400


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo:
    """The shop's zone, or UTC when there is none of this name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def type_name(number: int) -> str:
    """A task type by its number. A task may outlive the code that knew its type."""
    return NUMBERS[number].name if number in NUMBERS else Text.unknown_type.format(number)


def state_name(task: Task) -> str:
    """`success`, `error` or `pending`, as URLs, JSON and styles say it."""
    return State(task.state).name.lower()


def detail(task: Task, now: datetime) -> str:
    """What the state alone does not say: which kind of Pending, why an Error, why skipped."""
    match task.state:
        case State.PENDING if task.leased_until:
            return Text.running.format(task.attempts)
        case State.PENDING:
            return _waiting(task, now)
        case State.SUCCESS if task.reason:
            return Text.skipped.format(task.reason)
    return task.reason or ""


def _waiting(task: Task, now: datetime) -> str:
    state = Text.waiting.format(clock(task.due_at, now)) if task.due_at > now else Text.queued
    return f"{state}: {task.reason}" if task.reason else state


def clock(instant: datetime, now: datetime) -> str:
    """A time of day in UTC, with its date unless that is today's."""
    form = "%H:%M:%S" if instant.date() == now.date() else "%Y-%m-%d %H:%M:%S"
    return f"{instant.astimezone(UTC):{form}} UTC"


@pass_context
def time(context: Context, instant: datetime | None) -> Markup:
    """An instant in UTC, with the shop's own time as its title."""
    if instant is None:
        return Markup("{}").format(Text.none_yet)
    utc, zone = instant.astimezone(UTC), context["zone"]
    local = f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone.key}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%S.%fZ}", local, f"{utc:%Y-%m-%d %H:%M:%S}"
    )


def number(value: float | None) -> str:
    return Text.none_yet if value is None else f"{value:,.0f}"


def duration(ms: float | None) -> str:
    """A duration for reading: 312 ms, 1.4 s, 3 min 5 s, 2 h 10 min, 1 d 2 h."""
    if ms is None:
        return Text.none_yet
    seconds = ms / 1000
    if seconds < SECOND:
        return f"{ms:.0f} ms"
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min {seconds % MINUTE // SECOND:.0f} s"
    if seconds < DAY:
        return f"{seconds // HOUR:.0f} h {seconds % HOUR // MINUTE:.0f} min"
    return f"{seconds // DAY:.0f} d {seconds % DAY // HOUR:.0f} h"


def share(value: float | None) -> str:
    """A share of 1 as percent, rounded down: 100 % means all of them."""
    return Text.none_yet if value is None else f"{int(value * 1000) / 10:.1f} %"


def count(found: int, *, more: bool = False) -> str:
    """A number of tasks."""
    if more:
        return Text.tasks_and_more.format(found)
    return Text.one_task if found == 1 else Text.tasks.format(found)


@dataclass(frozen=True)
class Property:
    """One line about a task. `kind` says how the value is shown."""

    label: str
    value: Any
    kind: str = "text"


def properties(task: Task, now: datetime) -> list[Property]:
    """Every property of a task, and none of its data."""
    return [line for line in _properties(task, now) if line.value not in (None, "")]


def _properties(task: Task, now: datetime) -> list[Property]:
    kind, columns = NUMBERS.get(task.type), Text.columns
    return [
        Property(columns["id"], str(task.id), "code"),
        Property(columns["state"], task, "state"),
        Property(Text.detail, detail(task, now)),
        Property(columns["type"], type_name(task.type)),
        Property(Text.description, kind.description if kind else None),
        Property(Text.group, kind.group.title if kind else None),
        Property(columns["shopify_id"], task.shopify_id and str(task.shopify_id), "code"),
        Property(Text.engage_id, task.engage_id, "code"),
        Property(columns["created_at"], task.created_at, "time"),
        Property(columns["started_at"], task.started_at, "time"),
        Property(columns["completed_at"], task.completed_at, "time"),
        Property(columns["duration_ms"], number(task.duration_ms) if task.duration_ms is not None else None),
        Property(Text.waited, _waited(task)),
        Property(Text.due_at, task.due_at if task.state == State.PENDING else None, "time"),
        Property(Text.published_at, task.published_at, "time"),
        Property(Text.leased_until, task.leased_until, "time"),
        Property(Text.attempts, task.attempts),
        Property(Text.crashes, task.crashes or None),
        Property(Text.code, task.code),
        Property(Text.started_by, task.parent_id, "task"),
        Property(closed_by(task), task.closed_by, "task"),
        Property(Text.lane, Text.lanes[Lane(task.lane)]),
        Property(Text.key, task.key, "code"),
        *(Property(name.replace("_", " ").capitalize(), str(value), "code") for name, value in task.args.items()),
    ]


def outcome_name(attempt: Attempt) -> str:
    return Outcome(attempt.outcome).name.lower()


def took(attempt: Attempt) -> float | None:
    """Milliseconds from an attempt's start to its end, or None while it runs."""
    return (attempt.ended_at - attempt.started_at) / timedelta(milliseconds=1) if attempt.ended_at else None


def input_value(instant: datetime | None) -> str:
    """An instant as an input for a date and time holds it, to the second, in UTC."""
    return f"{instant:%Y-%m-%dT%H:%M:%S}" if instant else ""


def _waited(task: Task) -> str | None:
    return duration((task.started_at - task.created_at) / timedelta(milliseconds=1)) if task.started_at else None


def closed_by(task: Task) -> str:
    """What the task that closed this one did to it."""
    return Text.solved_by if task.state == State.ERROR else Text.replaced_by


FILTERS: dict[str, Callable[..., Any]] = {"time": time, "number": number, "duration": duration, "share": share}
