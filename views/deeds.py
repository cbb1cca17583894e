"""Buttons of a task: retry, preview and resend, and the audit entries of what was done."""

from __future__ import annotations

from dataclasses import dataclass

from actors.again import LETTERS
from actors.rebuilt import PREVIEWS
from actors.registry import NUMBERS
from models import State, Task
from models.audit import Audit
from models.members import Member
from views.audit import Entry
from words import t

MAX_ENTRIES = 20


@dataclass(frozen=True)
class Deed:
    """A button. `posts`: it submits a form at once; the others link to a page."""

    words: str
    url: str
    posts: bool = False


@dataclass(frozen=True)
class Deeds:
    """The buttons of a task, and the audit entries of past actions on it, newest first."""

    buttons: list[Deed]
    done: list[Entry]


def deeds_of(task: Task) -> Deeds:
    """The buttons that fit the task's present state. Each action checks again when it is submitted."""
    rows = Audit.of_task(task.id, MAX_ENTRIES)
    names = Member.names(task.shop)
    return Deeds(_buttons(task), [Entry(row, None, None, names) for row in rows])


def _buttons(task: Task) -> list[Deed]:
    name, buttons = NUMBERS[task.type].name if task.type in NUMBERS else "", []
    if task.state == State.ERROR and not task.closed_by:
        buttons.append(Deed(t("actions.retry"), f"/tasks/{task.id}/retry", posts=True))
    if task.state != State.PENDING and name in PREVIEWS:
        buttons.append(Deed(t("actions.replay"), f"/tasks/{task.id}/replay"))
    if task.state != State.PENDING and name in LETTERS:
        buttons.append(Deed(t("actions.resend"), f"/tasks/{task.id}/resend"))
    return buttons
