"""Format tasks for pages: labels of types and states, instants, numbers and properties; the Jinja filters for them."""

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

from i18n import numbers
from i18n.catalogue import t
from i18n.explanations import explain
from i18n.formats import format_datetime, format_duration, format_time
from i18n.numbers import format_percent
from i18n.reasons import translate_reason
from models import Attempt, Entity, Lane, Outcome, State, Task
from taskqueue.types import NUMBERS, Group

STATES = (State.SUCCESS, State.ERROR, State.PENDING)


@lru_cache(maxsize=512)
def time_zone(name: str) -> ZoneInfo:
    """Return the time zone of this IANA name, or UTC for an unknown name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def type_name(number: int) -> str:
    """Return a task type's name in JSON and URLs. A stored task may be of a type that the code no longer has."""
    return NUMBERS[number].name if number in NUMBERS else f"Type {number}"


def type_label(number: int) -> str:
    """Return a task type's label in the current language."""
    if number in NUMBERS:
        return t(f"type.{NUMBERS[number].name}.label")
    return t("task.unknown_type", number=str(number))


def group_title(group: Group) -> str:
    return t(f"group.{group.name}")


def state_name(task: Task) -> str:
    """Return `success`, `error` or `pending`, as in URLs, JSON and CSS classes."""
    return State(task.state).name.lower()


def state_label(state: int) -> str:
    return t(f"state.{State(state).name.lower()}")


def state_detail(task: Task, now: datetime) -> str:
    """Describe a state in detail: queued, running or waiting; why it failed; why it was skipped."""
    match task.state:
        case State.PENDING if task.leased_until or not task.reason:
            return pending_detail(task, now)
        case State.PENDING:
            return t("task.with_reason", state=pending_detail(task, now), reason=_outcome_title(task))
        case State.SUCCESS if task.reason:
            return t("task.skipped", reason=translate_reason(task.reason))
    return _outcome_title(task)


def pending_detail(task: Task, now: datetime) -> str:
    """Describe a Pending task: running, waiting until an instant, or queued."""
    if task.leased_until:
        return t("task.running", attempt=task.attempts)
    return t("task.waiting", until=format_time_utc(task.due_at, now)) if task.due_at > now else t("task.queued")


def _outcome_title(task: Task) -> str:
    found = explain(task.reason, task.code)
    return found.title if found else task.reason or ""


def format_time_utc(instant: datetime, now: datetime) -> str:
    """Format a time of day in UTC, with its date unless that is today."""
    utc = instant.astimezone(UTC)
    return f"{format_time(utc)} UTC" if utc.date() == now.astimezone(UTC).date() else f"{format_datetime(utc)} UTC"


def format_iso(instant: datetime | None) -> str | None:
    """Format an instant in UTC for JSON, as ISO 8601 with microseconds."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if instant else None


@pass_context
def time_element(context: Context, instant: datetime | None) -> Markup:
    """Format an instant in UTC as a <time> element, with the shop's local time as its title."""
    if instant is None:
        return Markup("{}").format(t("list.none"))
    utc, zone = instant.astimezone(UTC), context["zone"]
    return Markup('<time datetime="{}" title="{} {}">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%S.%fZ}", format_datetime(instant.astimezone(zone)), zone.key, format_datetime(utc)
    )


def format_optional_number(value: float | None) -> str:
    return t("list.none") if value is None else numbers.format_number(value)


def format_optional_percent(value: float | None) -> str:
    """Format a share of 1 as a percentage, rounded down, so that 100% means all."""
    return t("list.none") if value is None else format_percent(value)


def task_count(found: int, *, more: bool = False) -> str:
    """Format a number of tasks. `more`: there are more than these."""
    return t("list.count_and_more", count=found) if more else t("list.count", count=found)


@dataclass(frozen=True)
class Property:
    """A labelled value of a task. `kind` chooses how the template shows it."""

    label: str
    value: Any
    kind: str = "text"


def properties(task: Task, now: datetime) -> list[Property]:
    """List every property of a task that has a value, without the task's data."""
    return [line for line in _properties(task, now) if line.value not in (None, "")]


def _properties(task: Task, now: datetime) -> list[Property]:
    task_type = NUMBERS.get(task.type)
    return [
        Property(t("column.id"), str(task.id), "code"),
        Property(t("column.state"), task, "state"),
        Property(t("task.now"), pending_detail(task, now) if task.state == State.PENDING else None),
        Property(t("column.type"), task.type, "type"),
        Property(t("task.description"), t(f"type.{task_type.name}.about") if task_type else None),
        Property(t("task.group"), group_title(task_type.group) if task_type else None),
        Property(
            t("column.shopify_id"), task.shopify_id and str(task.shopify_id), "entity" if entity_url(task) else "code"
        ),
        Property(t("task.engage_id"), task.engage_id, "code"),
        Property(t("column.created_at"), task.created_at, "time"),
        Property(t("column.started_at"), task.started_at, "time"),
        Property(t("column.completed_at"), task.completed_at, "time"),
        Property(
            t("column.duration_ms"), format_optional_number(task.duration_ms) if task.duration_ms is not None else None
        ),
        Property(t("task.waited"), _waited(task)),
        Property(t("task.due_at"), task.due_at if task.state == State.PENDING else None, "time"),
        Property(t("task.published_at"), task.published_at, "time"),
        Property(t("task.leased_until"), task.leased_until, "time"),
        Property(t("task.attempts"), format_optional_number(task.attempts)),
        Property(t("task.crashes"), format_optional_number(task.crashes) if task.crashes else None),
        Property(t("task.code"), task.code, "code"),
        Property(t("task.started_by"), task.parent_id, "task"),
        Property(closed_by_label(task), task.closed_by, "task"),
        Property(t("task.lane"), t(f"lane.{Lane(task.lane).name.lower()}")),
        Property(t("task.key"), task.key, "code"),
        Property("Exchange", task.resends and str(task.resends), "code"),
        *(Property(name.replace("_", " ").capitalize(), str(value), "code") for name, value in task.args.items()),
    ]


def outcome_name(attempt: Attempt) -> str:
    return Outcome(attempt.outcome).name.lower()


def attempt_ms(attempt: Attempt) -> float | None:
    """Return the milliseconds from an attempt's start to its end, or None while it runs."""
    return (attempt.ended_at - attempt.started_at) / timedelta(milliseconds=1) if attempt.ended_at else None


def format_local(instant: datetime, zone: ZoneInfo) -> str:
    """Format an instant in the shop's local time, with the name of its zone."""
    try:
        return t("list.local", instant=format_datetime(instant.astimezone(zone)), zone=zone.key)
    except OverflowError:  # the first and last day of the calendar cannot be moved to every zone
        return t("list.local", instant=format_datetime(instant), zone="UTC")


def entity_url(task: Task) -> str | None:
    """Return the URL of the order, customer or refund of a task. A fulfillment is shown with its order."""
    task_type = NUMBERS.get(task.type)
    if task_type is None or task.shopify_id is None:
        return None
    match task_type.about:
        case Entity.CUSTOMER | Entity.ORDER | Entity.REFUND as entity:
            return f"/entities/{entity.name.lower()}/{task.shopify_id}"
        case Entity.FULFILLMENT if "order_id" in task.args:
            return f"/entities/order/{task.args['order_id']}"
    return None


def datetime_input_value(instant: datetime | None) -> str:
    """Format an instant in UTC as the value of an `<input type="datetime-local">`, to the second."""
    return f"{instant:%Y-%m-%dT%H:%M:%S}" if instant else ""


def _waited(task: Task) -> str | None:
    return format_duration((task.started_at - task.created_at) / timedelta(milliseconds=1)) if task.started_at else None


def closed_by_label(task: Task) -> str:
    """Label the task that closed this one: it solved an Error, or replaced a Pending task."""
    return t("task.solved_by") if task.state == State.ERROR else t("task.replaced_by")


FILTERS: dict[str, Callable[..., Any]] = {
    "time": time_element,
    "number": format_optional_number,
    "duration": format_duration,
    "percent": format_optional_percent,
}
