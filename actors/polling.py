"""Polling: what webhooks missed is found by asking Shopify what has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from actors import customer, order
from actors.registry import NUMBERS, TYPES, TaskType, enqueue
from actors.systems import shopify_of
from clients.shopify import Page
from mappings import Json
from models import Customer, Exchange, Lane, Order, Seen, Shop, Task, utcnow
from models.polls import Poll

PAGES = 5  # that one task reads; what follows is read by the next
SETTLING = timedelta(minutes=1)  # a webhook may still be on its way; the next poll's overlap covers it

Ask = Callable[[datetime, str | None], Page]


@customer.group.task(12, "IndexShopCustomers", "Index shop customers")
def index_shop_customers(task: Task, since: str | None = None, cursor: str | None = None) -> None:
    """When the app initiates timestamp based customers polling for customer indexing for each shop."""
    ask = shopify_of(task).customers_updated_since
    _poll(task, "customers", ask, Customer, TYPES["IndexCustomer"], since, cursor)


@order.group.task(24, "IndexOrders", "Index orders")
def index_orders(task: Task, since: str | None = None, cursor: str | None = None) -> None:
    """When the app initiates timestamp based orders polling for order indexing for each shop."""
    ask = shopify_of(task).orders_updated_since
    _poll(task, "orders", ask, Order, TYPES["IndexOrder"], since, cursor)


def _poll(
    task: Task, resource: str, ask: Ask, table: type[Seen], kind: TaskType, since: str | None, cursor: str | None
) -> None:
    start = datetime.fromisoformat(since) if since else Poll.start(task.shop, resource)
    # More than a few pages are no lost webhooks but an outage or a mass update, which must not delay live work.
    lane = Lane.LIVE if cursor is None else Lane.BULK
    try:
        nodes, following = _read(ask, start, cursor)
    finally:
        _forget_pages(task)
    with task.effects():
        enqueue([_found(task, kind, node, lane) for node in _news(task, table, nodes)])
        if nodes:
            Poll.advance(task.shop, resource, max(map(_updated_at, nodes)))
        if following:
            further = {"since": start.isoformat(), "cursor": following}
            NUMBERS[task.type].enqueue(task.shop, key=f"after:{task.id}", parent=task, lane=Lane.BULK, args=further)


def _read(ask: Ask, start: datetime, cursor: str | None) -> tuple[list[Json], str | None]:
    """A few pages from the cursor on, and the cursor of what follows; None: that was all."""
    nodes: list[Json] = []
    for _ in range(PAGES):
        page = ask(start, cursor)
        nodes, cursor = nodes + page.nodes, page.cursor
        if cursor is None:
            break
    return nodes, cursor


def _news(task: Task, table: type[Seen], nodes: list[Json]) -> list[Json]:
    """Those that differ from what we know, and that a webhook has had the time to tell."""
    settled, ids = utcnow() - SETTLING, [int(node["legacyResourceId"]) for node in nodes]
    rows = table.select(table, Shop).join(Shop).where((table.shop == task.shop) & table.shopify_id.in_(ids))
    known = {row.shopify_id: row for row in rows}
    news = [node for node in nodes if _is_news(node, known.get(int(node["legacyResourceId"])))]
    return [node for node in news if _updated_at(node) <= settled]


def _is_news(node: Json, known: Seen | None) -> bool:
    """Shopify's times are whole seconds: of two changes in one second, the second shows in what it has changed."""
    if known is None or _updated_at(node) > known.updated_at:
        return True
    return _updated_at(node) == known.updated_at and not _within(node, known.node)


def _within(part: Any, whole: Any) -> bool:
    """Whether all that the part says stands in the whole."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _within(value, whole[name]) for name, value in part.items())
    return bool(part == whole)


def _updated_at(node: Json) -> datetime:
    return datetime.fromisoformat(node["updatedAt"])


def _found(task: Task, kind: TaskType, node: Json, lane: Lane) -> Task:
    shopify_id = int(node["legacyResourceId"])
    key = f"poll:{shopify_id}:{node['updatedAt']}"
    return kind.new(task.shop, key=key, shopify_id=shopify_id, parent=task, lane=lane)


def _forget_pages(task: Task) -> None:
    """A page is about a hundred people. What was news in it stands in tasks of their own, and is erased with those."""
    Exchange.update(received=None).where(Exchange.task == task).execute()
