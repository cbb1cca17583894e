"""Buttons of a task (retry, preview, resend), and its audit entries: what was done with it."""

from __future__ import annotations

from dataclasses import dataclass

from i18n.catalogue import t
from models import State, Task
from taskqueue.types import NUMBERS
from views.account.audit import AuditRow
from views.web import audit_log, membership

MAX_ENTRIES = 20


@dataclass(frozen=True)
class ActionButton:
    """A button. `submits`: it submits a form at once; the others link to a page."""

    label: str
    url: str
    submits: bool = False


@dataclass(frozen=True)
class TaskActions:
    """The buttons of a task, and the audit entries of past actions on it, newest first."""

    buttons: list[ActionButton]
    history: list[AuditRow]


def task_actions(task: Task) -> TaskActions:
    """The buttons that fit the task's present state. Each action checks again when it is submitted."""
    rows = audit_log.of_task(task.id, MAX_ENTRIES)
    names = membership.names(task.shop)
    return TaskActions(_buttons(task), [AuditRow(row, None, None, names) for row in rows])


def _buttons(task: Task) -> list[ActionButton]:
    task_type, buttons = NUMBERS.get(task.type), []
    if task.state == State.ERROR and not task.closed_by:
        buttons.append(ActionButton(t("actions.retry"), f"/tasks/{task.id}/retry", submits=True))
    if task_type and task.state != State.PENDING and task_type.preview:
        buttons.append(ActionButton(t("actions.replay"), f"/tasks/{task.id}/replay"))
    if task_type and task.state != State.PENDING and task_type.stale_after:
        buttons.append(ActionButton(t("actions.resend"), f"/tasks/{task.id}/resend"))
    return buttons
