"""Explanation of a task's outcome: what it means, what to do about it, who can do it, and where."""

from __future__ import annotations

from dataclasses import dataclass

from i18n.catalogue import t
from i18n.error_codes import NOBODY, ActionPlace, Responsible
from i18n.explanations import explain, reason_text
from models import Entity, State, Task
from views.entities.admin_links import Link, engage_link, shopify_admin_link, shopify_admin_link_of_task


@dataclass(frozen=True)
class OutcomeExplanation:
    """The explanation on the page. `advice` says what to do; `responsible` is None when nobody can do anything."""

    title: str
    meaning: str | None
    advice: str
    responsible: str | None
    link: Link | None
    message: str | None  # the recorded reason, where it says more than the title


def explain_outcome(task: Task) -> OutcomeExplanation | None:
    """Explain the task's outcome; None while it runs, and for an outcome without an explanation."""
    if task.leased_until or (found := explain(task.cause, task.error_code)) is None:
        return None
    advice, todo = found.advice, found.todo
    if task.state == State.PENDING and (todo is None or advice.retried_automatically):
        advice, todo = NOBODY, t("advice.again") if task.error_code else t("advice.wait")
    title = t("task.skipped", reason=found.title) if task.state == State.SUCCESS else found.title
    responsible = None if advice.who is Responsible.NOBODY else t(f"who.{advice.who}")
    todo, message = todo or t("advice.nothing"), _message_beside(found.title, task)
    return OutcomeExplanation(title, found.means, todo, responsible, _link(task, advice.place), message)


def _message_beside(title: str, task: Task) -> str | None:
    message = reason_text(task.cause) if task.cause else None
    return message if message != title else None


def _link(task: Task, place: ActionPlace | None) -> Link | None:
    shop = task.shop
    match place:
        case ActionPlace.IMPORTS:
            return Link(t("link.imports"), "/imports")
        case ActionPlace.ENGAGE if shop.active:
            return engage_link(shop)
        case ActionPlace.SHOPIFY if shop.active:
            return shopify_admin_link(shop, Entity.NONE, None)
        case ActionPlace.ENTITY if shop.active:
            return shopify_admin_link_of_task(task)
    return None
