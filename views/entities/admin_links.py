"""Links to an entity in Shopify's admin, and to the tenant in Engage."""

from __future__ import annotations

from typing import NamedTuple

from i18n.catalogue import t
from models import Entity, Refund, Shop, Task
from sync.api_clients import engage_origin
from taskqueue.types import NUMBERS


class Link(NamedTuple):
    """A link: its text and its URL."""

    label: str
    url: str


def admin_links_of(task: Task) -> list[Link]:
    """Links for a task's entity; none for a shop that has uninstalled the app."""
    if not task.shop.active:
        return []
    return [shopify_admin_link_of_task(task), engage_link(task.shop)]


def shopify_admin_link_of_task(task: Task) -> Link:
    """The task's order or customer in Shopify's admin, else the shop. A refund is part of its order."""
    task_type = NUMBERS.get(task.type)
    return shopify_admin_link(task.shop, task_type.entity if task_type else Entity.NONE, task.shopify_id)


def shopify_admin_link(shop: Shop, entity: int, shopify_id: int | None) -> Link:
    """An order or customer in Shopify's admin, else the shop."""
    admin_url = f"https://{shop.domain}/admin"
    if entity == Entity.REFUND and shopify_id:
        refund = Refund.get_or_none((Refund.shop == shop) & (Refund.shopify_id == shopify_id))
        entity, shopify_id = Entity.ORDER, refund.order_id if refund else None
    if entity == Entity.ORDER and shopify_id:
        return Link(t("link.order"), f"{admin_url}/orders/{shopify_id}")
    if entity == Entity.CUSTOMER and shopify_id:
        return Link(t("link.customer"), f"{admin_url}/customers/{shopify_id}")
    return Link(t("link.shopify"), admin_url)


def engage_link(shop: Shop) -> Link:
    """The start page of the Engage tenant: no documentation says what URL a contact's page has."""
    return Link(t("link.engage"), f"{engage_origin(shop)}/")
