"""Explanation of a task's outcome: what it means, what to do about it, who can do it, and where."""

from __future__ import annotations

from dataclasses import dataclass

from models import Entity, State, Task
from views.admin_links import Link, engage_link, entity_link, shopify_link
from words import t
from words.errors import NOBODY, Place, Who
from words.meanings import meaning_of


@dataclass(frozen=True)
class Explanation:
    """The explanation on the page. `who`: None when nobody can do anything."""

    title: str
    means: str | None
    todo: str
    who: str | None
    link: Link | None
    message: str | None  # the recorded reason, where it says more than the title


def explanation_of(task: Task) -> Explanation | None:
    """Explain the task's outcome; None while it runs, and for an outcome without an explanation."""
    if task.leased_until or (found := meaning_of(task.reason, task.code)) is None:
        return None
    advice, todo = found.advice, found.todo
    if task.state == State.PENDING and (todo is None or advice.passes):
        advice, todo = NOBODY, t("advice.again") if task.code else t("advice.wait")
    message = task.reason if task.reason != found.title else None
    title = t("task.skipped", reason=found.title) if task.state == State.SUCCESS else found.title
    who = None if advice.who is Who.NOBODY else t(f"who.{advice.who}")
    return Explanation(title, found.means, todo or t("advice.nothing"), who, _link(task, advice.place), message)


def _link(task: Task, place: Place | None) -> Link | None:
    shop = task.shop
    match place:
        case Place.IMPORTS:
            return Link(t("link.imports"), "/imports")
        case Place.ENGAGE if shop.active:
            return engage_link(shop)
        case Place.SHOPIFY if shop.active:
            return entity_link(shop, Entity.NONE, None)
        case Place.ENTITY if shop.active:
            return shopify_link(task)
    return None
