"""Read once the customers whose account Shopify has enabled silently: no webhook told, and some kept their `updatedAt`.

Shopify's changelog, "first sign-ins to new customer accounts now set customer state": those who signed in first between
2024-05-27 and 2026-10-17 were set ENABLED without an event.
"""

from __future__ import annotations

from datetime import UTC, datetime

from clients.shopify.client import ShopifyClient
from mappings import Json
from models import Customer, Lane, PollCursor, Shop, Task, utcnow
from sync.polling import PAGES, delete_pages
from taskqueue import claims
from taskqueue.run import Run
from taskqueue.types import NUMBERS, TaskType, enqueue

RESOURCE = "enabled_customers"
SILENT_UNTIL = datetime(2026, 10, 17, tzinfo=UTC)
ENABLED = "ENABLED"


def is_due(shop: Shop) -> bool:
    """Whether the shop has customers of that time and the read was not begun."""
    begun = (PollCursor.shop == shop) & (PollCursor.resource == RESOURCE)
    return bool(shop.created_at < SILENT_UNTIL and not PollCursor.select().where(begun).exists())


def begin(run: Run) -> None:
    """Begin the read, in tasks of its own, each of which reads a few pages."""
    with claims.effects(run):
        PollCursor.insert(shop=run.shop, resource=RESOURCE, since=utcnow()).on_conflict_ignore().execute()
        _enqueue_read(run, "")


def read_pages(run: Run, shopify: ShopifyClient, cursor: str, task_type: TaskType) -> None:
    """Read a few pages from the cursor on, and enqueue index tasks where the stored state of the account differs."""
    nodes: list[Json] = []
    following: str | None = cursor
    try:
        for _ in range(PAGES):
            page = shopify.customers_in_state(ENABLED, following or None)
            nodes, following = nodes + page.nodes, page.cursor
            if following is None:
                break
    finally:
        delete_pages(run)
    with claims.effects(run):
        enqueue([_index_task(run, task_type, shopify_id) for shopify_id in _stored_otherwise(run.shop, nodes)])
        if following:
            _enqueue_read(run, following)


def _stored_otherwise(shop: Shop, nodes: list[Json]) -> list[int]:
    ids = [int(node["legacyResourceId"]) for node in nodes]
    rows = Customer.select(Customer, Shop).join(Shop).where((Customer.shop == shop) & Customer.shopify_id.in_(ids))
    return sorted(row.shopify_id for row in rows if row.snapshot.get("state") != ENABLED)


def _index_task(run: Run, task_type: TaskType, shopify_id: int) -> Task:
    key = f"enabled:{shopify_id}"
    return task_type.new(run.shop, key=key, shopify_id=shopify_id, parent=run.task, lane=Lane.BULK)


def _enqueue_read(run: Run, cursor: str) -> None:
    key, same_type = f"enabled:{run.task.id}", NUMBERS[run.task.type]
    same_type.enqueue(run.shop, key=key, parent=run.task, lane=Lane.BULK, args={"enabled": cursor})
