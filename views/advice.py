"""What a task's page says of its outcome: what it means, what can be done about it, by whom and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from actors.registry import NUMBERS
from actors.systems import engage_origin
from models import Entity, State, Task
from words import t
from words.errors import NOBODY, Place, Who
from words.meanings import meaning_of


class Link(NamedTuple):
    """Where something can be done."""

    words: str
    url: str


@dataclass(frozen=True)
class Explanation:
    """What the page says about a task's outcome."""

    title: str
    means: str | None
    todo: str
    who: str | None  # nobody
    link: Link | None
    message: str | None  # as it was written down, where that says more


def explanation_of(task: Task) -> Explanation | None:
    """What the task's outcome means and what to do about it; None while it runs, and where nothing is known."""
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
            return Link(t("link.engage"), f"{engage_origin(shop)}/")
        case Place.SHOPIFY if shop.active:
            return Link(t("link.shopify"), f"https://{shop.domain}/admin")
        case Place.ENTITY if shop.active:
            return _entity(task)
    return None


def _entity(task: Task) -> Link:
    kind = NUMBERS.get(task.type)
    address = f"https://{task.shop.domain}/admin"
    match kind.entity if kind and task.shopify_id else None:
        case Entity.ORDER:
            return Link(t("link.order"), f"{address}/orders/{task.shopify_id}")
        case Entity.CUSTOMER:
            return Link(t("link.customer"), f"{address}/customers/{task.shopify_id}")
    return Link(t("link.shopify"), address)
