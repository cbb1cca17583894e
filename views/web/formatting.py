"""Format tasks for pages: labels of types and states, instants and numbers; the Jinja filters for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from i18n import numbers
from i18n.catalogue import t
from i18n.explanations import explain, reason_text
from i18n.formats import format_datetime, format_duration, format_time
from i18n.numbers import format_percent
from models import Attempt, Entity, Outcome, State, Task
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
        case State.SUCCESS if task.cause:
            return t("task.skipped", reason=reason_text(task.cause))
    return _outcome_title(task)


def pending_detail(task: Task, now: datetime) -> str:
    """Describe a Pending task: running, waiting until an instant, or queued."""
    if task.leased_until:
        return t("task.running", attempt=task.attempts)
    return t("task.waiting", until=format_time_utc(task.due_at, now)) if task.due_at > now else t("task.queued")


def _outcome_title(task: Task) -> str:
    found = explain(task.cause, task.error_code)
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


def closed_by_label(task: Task) -> str:
    """Label the task that closed this one: it solved an Error, or replaced a Pending task."""
    return t("task.solved_by") if task.state == State.ERROR else t("task.replaced_by")


FILTERS: dict[str, Callable[..., Any]] = {
    "time": time_element,
    "number": format_optional_number,
    "duration": format_duration,
    "percent": format_optional_percent,
}
