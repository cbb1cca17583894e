"""What can be done to a task, as the buttons beside it."""

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

DONE_SHOWN = 20


@dataclass(frozen=True)
class Deed:
    """A button. `posts`: it does something at once; others lead to a page that says more first."""

    words: str
    url: str
    posts: bool = False


@dataclass(frozen=True)
class Deeds:
    """What can be done to a task, and what was, newest first."""

    buttons: list[Deed]
    done: list[Entry]


def deeds_of(task: Task) -> Deeds:
    """The buttons that make sense as the task is now. What they do is judged again when they are pressed."""
    done = Audit.of_task(task.id, DONE_SHOWN)
    names = Member.names(task.shop)
    return Deeds(_buttons(task), [Entry(row, None, None, names) for row in done])


def _buttons(task: Task) -> list[Deed]:
    name, deeds = NUMBERS[task.type].name if task.type in NUMBERS else "", []
    if task.state == State.ERROR and not task.closed_by:
        deeds.append(Deed(t("acting.retry"), f"/tasks/{task.id}/retry", posts=True))
    if task.state != State.PENDING and name in PREVIEWS:
        deeds.append(Deed(t("acting.replay"), f"/tasks/{task.id}/replay"))
    if task.state != State.PENDING and name in LETTERS:
        deeds.append(Deed(t("acting.resend"), f"/tasks/{task.id}/resend"))
    return deeds
