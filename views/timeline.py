"""What happened to a task, from its creation to its end, with the waits between."""

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
    """Something that happened, when, and how long that was after the creation. `kind` is how it is drawn."""

    at: datetime | None
    words: str
    after: str
    kind: str = ""
    note: str = ""
    anchor: str = ""


def timeline_of(task: Task, runs: list[Run], now: datetime) -> list[Event]:
    """In order of time. Of very many attempts only the newest are told."""
    events = [Event(task.created_at, t("timeline.created"), "")]
    before = task.created_at
    for run in runs:
        attempt = run.attempt
        if waited := _wait(before, attempt.started_at):
            events.append(waited)
        events.append(_attempt(task, run))
        before = attempt.ended_at or attempt.started_at
    return [*events, *_end(task, before, now)]


def _wait(since: datetime, until: datetime) -> Event | None:
    """A wait that is worth telling."""
    length = (until - since) / MILLISECOND
    return Event(None, t("timeline.waited", length=duration(length)), "", "wait") if length >= 1 else None


def _attempt(task: Task, run: Run) -> Event:
    attempt = run.attempt
    outcome = t(f"outcome.{wording.outcome_name(attempt)}")
    words = t("timeline.attempt", number=attempt.number, outcome=outcome, length=duration(wording.took(attempt)))
    calls = t("timeline.calls", count=len(run.calls)) if run.calls else ""
    note = " · ".join(part for part in (calls, said(attempt.reason) if attempt.reason else "") if part)
    kind = wording.outcome_name(attempt)
    return Event(attempt.started_at, words, _after(task, attempt.started_at), kind, note, f"attempt-{attempt.number}")


def _end(task: Task, before: datetime, now: datetime) -> list[Event]:
    if task.completed_at:
        state = wording.state_name(task)
        skipped = t("task.skipped", reason=said(task.reason)) if task.state == State.SUCCESS and task.reason else ""
        words = t("timeline.completed", state=wording.state_word(task.state))
        return [Event(task.completed_at, words, _after(task, task.completed_at), state, skipped)]
    if task.state != State.PENDING:
        return []
    length = max(now - before, timedelta()) / MILLISECOND
    return [Event(None, wording.standing(task, now), "", "wait", t("timeline.so_far", length=duration(length)))]


def _after(task: Task, at: datetime) -> str:
    return t("timeline.after", length=duration(max(at - task.created_at, timedelta()) / MILLISECOND))
