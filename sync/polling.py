"""sync.polling."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from clients.shopify.client import SearchPage
from mappings import Json
from models import Exchange, Lane, PollCursor, Shop, Snapshot, Task, utcnow
from taskqueue import claims
from taskqueue.types import NUMBERS, TaskType, enqueue

PAGES = 5  # read by one task; the next task reads on


SETTLING = timedelta(minutes=1)  # a webhook may still arrive; the next poll overlaps


FetchPage = Callable[[datetime, str | None], SearchPage]


def poll(
    task: Task,
    resource: str,
    ask: FetchPage,
    table: type[Snapshot],
    task_type: TaskType,
    since: str | None,
    cursor: str | None,
) -> None:
    """Read a few pages of what was updated and enqueue index tasks for the changes, and a task for the next pages.

    `resource` names the poll's saved position. Without a `cursor` it starts there, or at `since`.
    """
    start = datetime.fromisoformat(since) if since else poll_from(task.shop, resource)
    # More than a few pages mean an outage or a mass update, not lost webhooks. That must not delay live work.
    lane = Lane.LIVE if cursor is None else Lane.BULK
    try:
        nodes, following = _read(ask, start, cursor)
    finally:
        _delete_pages(task)
    with claims.effects(task):
        enqueue([_index_task(task, task_type, node, lane) for node in _changed(task, table, nodes)])
        if nodes:
            advance_cursor(task.shop, resource, max(map(_updated_at, nodes)))
        if following:
            further = {"since": start.isoformat(), "cursor": following}
            NUMBERS[task.type].enqueue(task.shop, key=f"after:{task.id}", parent=task, lane=Lane.BULK, args=further)


def _read(ask: FetchPage, start: datetime, cursor: str | None) -> tuple[list[Json], str | None]:
    """Read a few pages from the cursor on. Returns their nodes and the next cursor; None: that was all."""
    nodes: list[Json] = []
    for _ in range(PAGES):
        page = ask(start, cursor)
        nodes, cursor = nodes + page.nodes, page.cursor
        if cursor is None:
            break
    return nodes, cursor


def _changed(task: Task, table: type[Snapshot], nodes: list[Json]) -> list[Json]:
    """Nodes that differ from our snapshots, and whose webhooks have had time to arrive."""
    settled, ids = utcnow() - SETTLING, [int(node["legacyResourceId"]) for node in nodes]
    rows = table.select(table, Shop).join(Shop).where((table.shop == task.shop) & table.shopify_id.in_(ids))
    known = {row.shopify_id: row for row in rows}
    changed = [node for node in nodes if _is_changed(node, known.get(int(node["legacyResourceId"])))]
    return [node for node in changed if _updated_at(node) <= settled]


def _is_changed(node: Json, known: Snapshot | None) -> bool:
    """Compare times, then contents: Shopify's times are whole seconds, and two changes may have the same."""
    if known is None or _updated_at(node) > known.updated_at:
        return True
    return _updated_at(node) == known.updated_at and not _contains(node, known.snapshot)


def _contains(part: Any, whole: Any) -> bool:
    """Whether every field of the part has the same value in the whole."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _contains(value, whole[name]) for name, value in part.items())
    return bool(part == whole)


def _updated_at(node: Json) -> datetime:
    return datetime.fromisoformat(node["updatedAt"])


def _index_task(task: Task, task_type: TaskType, node: Json, lane: Lane) -> Task:
    shopify_id = int(node["legacyResourceId"])
    key = f"poll:{shopify_id}:{node['updatedAt']}"
    return task_type.new(task.shop, key=key, shopify_id=shopify_id, parent=task, lane=lane)


def _delete_pages(task: Task) -> None:
    """Delete the recorded pages: each is about a hundred people. Changes have tasks of their own, erased with those."""
    Exchange.update(received=None).where(Exchange.task == task).execute()


OVERLAP = timedelta(minutes=10)  # Shopify's search finds a change some time after it was made


def poll_from(shop: Shop, resource: str) -> datetime:
    """From when on to ask: a little before the newest that is known, and not before the shop was connected."""
    row = PollCursor.get_or_none((PollCursor.shop == shop) & (PollCursor.resource == resource))
    connected: datetime = shop.connected_at
    return max(row.since - OVERLAP, connected) if row else connected


def advance_cursor(shop: Shop, resource: str, seen: datetime) -> None:
    """Everything up to this instant is stored. One that is still to come would hide all until then."""
    seen = min(seen, utcnow())
    PollCursor.insert(shop=shop, resource=resource, since=seen).on_conflict(
        conflict_target=[PollCursor.shop, PollCursor.resource],
        update={PollCursor.since: fn.GREATEST(PollCursor.since, seen)},
    ).execute()
