"""Poll Shopify for customers and orders whose webhooks were lost: pages of recent updates, from a saved cursor on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from clients.shopify.client import SearchPage
from mappings import Json
from models import Exchange, Lane, PollCursor, Shop, Snapshot, Task, utcnow
from shutdown import SHUTDOWN
from taskqueue import claims
from taskqueue.run import Run
from taskqueue.types import NUMBERS, TaskType, enqueue

POLL_PERIOD = timedelta(minutes=5)
PAGES = 5  # read by one task; the next task reads on
SETTLING = timedelta(minutes=1)  # a webhook may still arrive; the next poll overlaps
OVERLAP = timedelta(minutes=10)  # Shopify's search finds a change some time after it was made

FetchPage = Callable[[datetime, str | None], SearchPage]


def poll(
    run: Run,
    resource: str,
    fetch: FetchPage,
    table: type[Snapshot],
    task_type: TaskType,
    since: str | None,
    cursor: str | None,
) -> None:
    """Read a few pages of what was updated and enqueue index tasks for the changes, and a task for the next pages.

    `resource` names the saved cursor, a time. Without a page's `cursor` the poll starts there, or at `since`.
    """
    start = datetime.fromisoformat(since) if since else poll_from(run.shop, resource)
    # More than a few pages mean an outage or a mass update, not lost webhooks. That must not delay live work.
    lane = Lane.LIVE if cursor is None else Lane.BULK
    try:
        snapshots, following = _read_pages(fetch, start, cursor)
    finally:
        delete_pages(run)
    with claims.effects(run):
        enqueue([_index_task(run, task_type, snapshot, lane) for snapshot in _changed(run, table, snapshots)])
        if snapshots:
            advance_cursor(run.shop, resource, max(map(_updated_at, snapshots)))
        if following:
            further = {"since": start.isoformat(), "cursor": following}
            key, same_type = f"after:{run.task.id}", NUMBERS[run.task.type]
            same_type.enqueue(run.shop, key=key, parent=run.task, lane=Lane.BULK, args=further)


def poll_from(shop: Shop, resource: str) -> datetime:
    """The time from which to ask: a little before the newest known change, and not before the shop was connected."""
    row = PollCursor.get_or_none((PollCursor.shop == shop) & (PollCursor.resource == resource))
    connected_at: datetime = shop.connected_at
    return max(row.since - OVERLAP, connected_at) if row else connected_at


def advance_cursor(shop: Shop, resource: str, updated_at: datetime) -> None:
    """Record that every change up to `updated_at` is stored. One in the future would hide all changes until then."""
    updated_at = min(updated_at, utcnow())
    PollCursor.insert(shop=shop, resource=resource, since=updated_at).on_conflict(
        conflict_target=[PollCursor.shop, PollCursor.resource],
        update={PollCursor.since: fn.GREATEST(PollCursor.since, updated_at)},
    ).execute()


def _read_pages(fetch: FetchPage, start: datetime, cursor: str | None) -> tuple[list[Json], str | None]:
    """Read a few pages from the cursor on. Returns their snapshots and the next cursor; None: that was all."""
    snapshots: list[Json] = []
    for _ in range(PAGES):
        page = fetch(start, cursor)
        snapshots, cursor = snapshots + page.nodes, page.cursor
        if cursor is None or SHUTDOWN.begun:
            break
    return snapshots, cursor


def _changed(run: Run, table: type[Snapshot], snapshots: list[Json]) -> list[Json]:
    """Nodes that differ from our snapshots, and whose webhooks have had time to arrive."""
    settled, ids = utcnow() - SETTLING, [int(snapshot["legacyResourceId"]) for snapshot in snapshots]
    rows = table.select(table, Shop).join(Shop).where((table.shop == run.shop) & table.shopify_id.in_(ids))
    known = {row.shopify_id: row for row in rows}
    changed = [
        snapshot for snapshot in snapshots if _is_changed(snapshot, known.get(int(snapshot["legacyResourceId"])))
    ]
    return [snapshot for snapshot in changed if _updated_at(snapshot) <= settled]


def _is_changed(snapshot: Json, row: Snapshot | None) -> bool:
    """Compare times, then contents: Shopify's times are whole seconds, and two changes may have the same."""
    if row is None or _updated_at(snapshot) > row.updated_at:
        return True
    return _updated_at(snapshot) == row.updated_at and not _is_part_of(snapshot, row.snapshot)


def _is_part_of(part: Any, whole: Any) -> bool:
    """Whether every field of the part has the same value in the whole."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _is_part_of(value, whole[name]) for name, value in part.items())
    return bool(part == whole)


def _updated_at(snapshot: Json) -> datetime:
    return datetime.fromisoformat(snapshot["updatedAt"])


def _index_task(run: Run, task_type: TaskType, snapshot: Json, lane: Lane) -> Task:
    shopify_id = int(snapshot["legacyResourceId"])
    key = f"poll:{shopify_id}:{snapshot['updatedAt']}"
    return task_type.new(run.shop, key=key, shopify_id=shopify_id, parent=run.task, lane=lane)


def delete_pages(run: Run) -> None:
    """Delete the recorded pages: each is about a hundred people, and erasure finds tasks by person."""
    Exchange.update(received=None).where(Exchange.task == run.task).execute()
