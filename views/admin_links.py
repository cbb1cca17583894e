"""Where a task's subject stands in the two systems' own admins."""

from __future__ import annotations

from typing import NamedTuple

from actors.registry import NUMBERS
from actors.systems import engage_origin
from models import Entity, Refund, Shop, Task
from words import t


class Link(NamedTuple):
    """Where something can be seen or done."""

    words: str
    url: str


def links_of(task: Task) -> list[Link]:
    """Into Shopify's admin at what the task is about, and into Engage, where the shop has the app."""
    if not task.shop.active:
        return []
    return [shopify_link(task), engage_link(task.shop)]


def shopify_link(task: Task) -> Link:
    """The order or customer, else the shop. A refund is part of its order."""
    kind = NUMBERS.get(task.type)
    return entity_link(task.shop, kind.entity if kind else Entity.NONE, task.shopify_id)


def entity_link(shop: Shop, entity: int, shopify_id: int | None) -> Link:
    address = f"https://{shop.domain}/admin"
    if entity == Entity.REFUND and shopify_id:
        refund = Refund.get_or_none((Refund.shop == shop) & (Refund.shopify_id == shopify_id))
        entity, shopify_id = Entity.ORDER, refund.order_id if refund else None
    if entity == Entity.ORDER and shopify_id:
        return Link(t("link.order"), f"{address}/orders/{shopify_id}")
    if entity == Entity.CUSTOMER and shopify_id:
        return Link(t("link.customer"), f"{address}/customers/{shopify_id}")
    return Link(t("link.shopify"), address)


def engage_link(shop: Shop) -> Link:
    """The tenant's start page: where a contact has its own is documented nowhere."""
    return Link(t("link.engage"), f"{engage_origin(shop)}/")
