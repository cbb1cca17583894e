"""Timeline of a task: its creation, attempts and completion, with the waits between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from i18n.catalogue import t
from i18n.explanations import reason_text
from i18n.formats import format_duration
from models import State, Task
from views.tasks.attempts import ShownAttempt
from views.web import formatting

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class TimelineEvent:
    """An event of the timeline. `since_creation`: the time since the task was created; `style`: the CSS class."""

    at: datetime | None
    label: str
    since_creation: str
    style: str = ""
    note: str = ""
    anchor: str = ""


def timeline_of(task: Task, attempts: list[ShownAttempt], now: datetime) -> list[TimelineEvent]:
    """The events in order of time. `attempts` holds only the newest of very many attempts."""
    events = [TimelineEvent(task.created_at, t("timeline.created"), "")]
    before = task.created_at
    for shown_attempt in attempts:
        attempt = shown_attempt.attempt
        if waited := _wait_event(before, attempt.started_at):
            events.append(waited)
        events.append(_attempt_event(task, shown_attempt))
        before = attempt.ended_at or attempt.started_at
    return [*events, *_end_events(task, before, now)]


def _wait_event(since: datetime, until: datetime) -> TimelineEvent | None:
    """A wait of at least a millisecond, else None."""
    waited_ms = (until - since) / MILLISECOND
    return (
        TimelineEvent(None, t("timeline.waited", length=format_duration(waited_ms)), "", "wait")
        if waited_ms >= 1
        else None
    )


def _attempt_event(task: Task, shown_attempt: ShownAttempt) -> TimelineEvent:
    attempt = shown_attempt.attempt
    outcome = formatting.outcome_name(attempt)
    length = format_duration(formatting.attempt_ms(attempt))
    label = t("timeline.attempt", number=attempt.number, outcome=t(f"outcome.{outcome}"), length=length)
    exchanges = t("timeline.calls", count=len(shown_attempt.exchanges)) if shown_attempt.exchanges else ""
    note = " · ".join(part for part in (exchanges, reason_text(attempt.cause) if attempt.cause else "") if part)
    return TimelineEvent(
        attempt.started_at,
        label,
        _time_since_creation(task, attempt.started_at),
        style=outcome,
        note=note,
        anchor=f"attempt-{attempt.number}",
    )


def _end_events(task: Task, before: datetime, now: datetime) -> list[TimelineEvent]:
    if task.completed_at:
        state = formatting.state_name(task)
        skipped = (
            t("task.skipped", reason=reason_text(task.cause)) if task.state == State.SUCCESS and task.cause else ""
        )
        label = t("timeline.completed", state=formatting.state_label(task.state))
        return [TimelineEvent(task.completed_at, label, _time_since_creation(task, task.completed_at), state, skipped)]
    if task.state != State.PENDING:
        return []
    waited_ms = max(now - before, timedelta()) / MILLISECOND
    return [
        TimelineEvent(
            None,
            formatting.pending_detail(task, now),
            "",
            "wait",
            t("timeline.so_far", length=format_duration(waited_ms)),
        )
    ]


def _time_since_creation(task: Task, at: datetime) -> str:
    return t("timeline.after", length=format_duration(max(at - task.created_at, timedelta()) / MILLISECOND))
