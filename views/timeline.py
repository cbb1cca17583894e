"""Timeline of a task: its creation, attempts and completion, with the waits between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models import State, Task
from views import wording
from views.evidence import Run
from words import t
from words.reasons import said
from words.times import duration

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Event:
    """An event of the timeline. `after`: the time since the task was created; `kind`: the CSS class."""

    at: datetime | None
    words: str
    after: str
    kind: str = ""
    note: str = ""
    anchor: str = ""


def timeline_of(task: Task, runs: list[Run], now: datetime) -> list[Event]:
    """The events in order of time. `runs` holds only the newest of very many attempts."""
    events = [Event(task.created_at, t("timeline.created"), "")]
    before = task.created_at
    for run in runs:
        attempt = run.attempt
        if waited := _wait_event(before, attempt.started_at):
            events.append(waited)
        events.append(_attempt_event(task, run))
        before = attempt.ended_at or attempt.started_at
    return [*events, *_end_events(task, before, now)]


def _wait_event(since: datetime, until: datetime) -> Event | None:
    """A wait of at least a millisecond, else None."""
    waited_ms = (until - since) / MILLISECOND
    return Event(None, t("timeline.waited", length=duration(waited_ms)), "", "wait") if waited_ms >= 1 else None


def _attempt_event(task: Task, run: Run) -> Event:
    attempt = run.attempt
    outcome = t(f"outcome.{wording.outcome_name(attempt)}")
    words = t("timeline.attempt", number=attempt.number, outcome=outcome, length=duration(wording.took(attempt)))
    calls = t("timeline.calls", count=len(run.calls)) if run.calls else ""
    note = " · ".join(part for part in (calls, said(attempt.reason) if attempt.reason else "") if part)
    kind = wording.outcome_name(attempt)
    return Event(
        attempt.started_at,
        words,
        _time_since_creation(task, attempt.started_at),
        kind,
        note,
        f"attempt-{attempt.number}",
    )


def _end_events(task: Task, before: datetime, now: datetime) -> list[Event]:
    if task.completed_at:
        state = wording.state_name(task)
        skipped = t("task.skipped", reason=said(task.reason)) if task.state == State.SUCCESS and task.reason else ""
        words = t("timeline.completed", state=wording.state_word(task.state))
        return [Event(task.completed_at, words, _time_since_creation(task, task.completed_at), state, skipped)]
    if task.state != State.PENDING:
        return []
    waited_ms = max(now - before, timedelta()) / MILLISECOND
    return [Event(None, wording.standing(task, now), "", "wait", t("timeline.so_far", length=duration(waited_ms)))]


def _time_since_creation(task: Task, at: datetime) -> str:
    return t("timeline.after", length=duration(max(at - task.created_at, timedelta()) / MILLISECOND))
