"""History of one entity (order, customer or refund): its tasks, its ids in both systems, and its sync status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import ModelSelect, fn

from clients import Effect
from encryption import Unreadable
from i18n.catalogue import t
from i18n.explanations import explain, reason_text
from i18n.formats import format_datetime, format_duration
from models import Customer, Entity, Exchange, Order, Refund, Shop, State, Task
from sync import entities, sent_receipts
from tasklog.filter import Filter, Search
from taskqueue.types import TYPES, sync_type
from views.entities.discount_codes import discount_codes
from views.tasks.filters import select_tasks
from views.tasks.pagination import Cursor, Sort, TaskPage, fetch_page
from views.web import formatting

OLDEST_FIRST = Sort("created_at", descending=False)
PAGE_SIZE, MAX_LINKS, MAX_COMPARED = 50, 20, 20
MIN_GAP_SHOWN = timedelta(minutes=1)  # between two entries; longer gaps are shown
ENTITY_MODELS: dict[str, type[Customer] | type[Order] | type[Refund]] = {
    "order": Order,
    "customer": Customer,
    "refund": Refund,
}
# The task groups of an entity's history.
TASK_GROUPS = {"order": ("order", "refund"), "customer": ("customer",), "refund": ("refund",)}


@dataclass(frozen=True)
class EntityHistory:
    """An order, customer or refund of a shop. `snapshot` is None when it was not read yet."""

    shop: Shop
    kind: str
    shopify_id: int
    snapshot: Any

    @classmethod
    def find(cls, shop: Shop, kind: str, shopify_id: int) -> EntityHistory:
        return cls(shop, kind, shopify_id, entities.find(ENTITY_MODELS[kind], shop, shopify_id))

    @property
    def entity_type(self) -> Entity:
        return Entity[self.kind.upper()]

    @property
    def title(self) -> str:
        name = self.snapshot.name if self.kind == "order" and self.snapshot else str(self.shopify_id)
        return t(f"entity.title.{self.kind}", name=name)

    @property
    def content(self) -> dict[str, Any]:
        """The snapshot's content; empty when there is none or it cannot be decrypted."""
        try:
            return self.snapshot.snapshot if self.snapshot else {}
        except Unreadable:
            return {}

    def task_filter(self) -> Filter:
        """The filter for every task of its history."""
        types = tuple(each.number for each in TYPES.values() if each.group.name in TASK_GROUPS[self.kind])
        return Filter(self.shop.id, types=types, search=Search(shopify_ids=tuple(self._shopify_ids())))

    def page(self, cursor: Cursor | None, *, back: bool) -> TaskPage:
        """Fetch a page of its tasks, oldest first."""
        return fetch_page(self.task_filter(), OLDEST_FIRST, PAGE_SIZE, cursor, back=back)

    def newest_sync(self) -> Task | None:
        """The newest task that synced it to Engage, whatever its outcome."""
        return self._syncs().order_by(Task.id.desc()).first()

    def newest_successful_sync(self) -> Task | None:
        """The newest task that synced it successfully and was not skipped."""
        synced = (Task.state == State.SUCCESS) & Task.reason.is_null()
        return self._syncs().where(synced).order_by(Task.id.desc()).first()

    def tasks_that_sent(self) -> list[Task]:
        """The newest tasks that sent something about it to Engage, newest first."""
        types = [
            each.number for each in TYPES.values() if each.calls_engage and each.group.name in TASK_GROUPS[self.kind]
        ]
        candidates = select_tasks(self.shop).where(Task.shopify_id.in_(list(self._shopify_ids())), Task.type.in_(types))
        changing = Exchange.select().where(Exchange.task == Task.id, Exchange.effect != Effect.READ)
        return list(candidates.where(fn.EXISTS(changing)).order_by(Task.id.desc()).limit(MAX_COMPARED))

    def _syncs(self) -> ModelSelect[Task]:
        number = sync_type(self.entity_type).number
        return select_tasks(self.shop).where(Task.shopify_id == self.shopify_id, Task.type == number)

    def _shopify_ids(self) -> Iterable[int]:
        """Its own id, and for an order the ids of its refunds and fulfillments."""
        yield self.shopify_id
        if self.kind == "order":
            yield from entities.refund_ids_of(self.shop, [self.shopify_id])
            yield from (int(each["legacyResourceId"]) for each in self.content.get("fulfillments") or [])


@dataclass(frozen=True)
class EntityId:
    """An id of the entity in one of the systems, or of a related entity. `url`: the page of that one, or None."""

    label: str
    value: str
    url: str | None = None


@dataclass(frozen=True)
class SyncStatus:
    """The sync status of an entity: a sentence, the task state whose style it has, and the task that it is about."""

    sentence: str
    state: str
    task: Task | None = None


@dataclass(frozen=True)
class HistoryEntry:
    """A task of the history. `gap_text`: the time since the task before, where that was long; "" elsewhere."""

    task: Task
    gap_text: str
    waiting_text: str
    detail: str


def entity_ids(entity: EntityHistory) -> list[EntityId]:
    """The entity's ids in both systems, and its related entities."""
    own = [EntityId(t("entity.id.shopify"), str(entity.shopify_id))]
    row = entity.snapshot
    if row is None:
        return own
    if isinstance(row, Customer):
        return [*own, *_contact_ids(row), *_order_links(row)]
    if isinstance(row, Order):
        return [*own, *_receipt_ids(row), *_related(entity, row)]
    order = EntityId(t("entity.belongs_to"), _order_name(entity.shop, row.order_id), f"/entities/order/{row.order_id}")
    return [*own, order]


def used_codes(entity: EntityHistory) -> list[EntityId]:
    """An order's discount codes and what became of them. Whoever has one may use it: support links leave them out."""
    codes = discount_codes(entity.snapshot) if isinstance(entity.snapshot, Order) else []
    return [EntityId(t("entity.code.label"), f"{each.code}: {each.outcome}") for each in codes]


def sync_status(entity: EntityHistory, now: datetime) -> SyncStatus:
    """Whether the entity is in Engage as it is in Shopify, by its newest sync."""
    task = entity.newest_sync()
    if task is None:
        return SyncStatus(t("entity.standing.never"), "pending")
    state = formatting.state_name(task)
    if task.state == State.PENDING:
        return SyncStatus(t("entity.standing.pending", standing=formatting.state_detail(task, now)), state, task)
    if task.state == State.ERROR:
        meaning = explain(task.cause, task.error_code)
        why = meaning.title if meaning else task.reason or ""
        return SyncStatus(
            t("entity.standing.solved" if task.closed_by else "entity.standing.error", why=why), state, task
        )
    synced = entity.newest_successful_sync() if task.reason else task
    if synced is None:
        return SyncStatus(
            t("entity.standing.skipped", reason=reason_text(task.cause) if task.cause else ""), state, task
        )
    return SyncStatus(
        t("entity.standing.done", instant=format_datetime(synced.completed_at or synced.created_at)), state, synced
    )


def history_entries(tasks: list[Task], now: datetime) -> list[HistoryEntry]:
    """The entries of tasks that are sorted by time, oldest first."""
    before: list[Task | None] = [None, *tasks]
    return [_history_entry(task, earlier, now) for task, earlier in zip(tasks, before, strict=False)]


def _contact_ids(customer: Customer) -> Iterable[EntityId]:
    if customer.contact_id:
        yield EntityId(t("entity.id.contact"), customer.contact_id)
    if customer.contact_type:
        yield EntityId(t("entity.contact_type"), customer.contact_type)


def _order_links(customer: Customer) -> Iterable[EntityId]:
    ids = sorted(entities.order_ids_of(customer.shop, [customer.shopify_id]))[-MAX_LINKS:]
    for each in ids:
        yield EntityId(t("entity.order"), _order_name(customer.shop, each), f"/entities/order/{each}")


def _order_name(shop: Shop, order_id: int) -> str:
    order = entities.find(Order, shop, order_id)
    return order.name if order else str(order_id)


def _receipt_ids(order: Order) -> Iterable[EntityId]:
    for receipt in sent_receipts.of_order(order)[-MAX_LINKS:]:
        yield EntityId(t(f"entity.receipt.{receipt.kind}"), receipt.receipt_id)


def _related(entity: EntityHistory, order: Order) -> Iterable[EntityId]:
    if order.customer_id:
        yield EntityId(t("entity.customer"), str(order.customer_id), f"/entities/customer/{order.customer_id}")
    for each in sorted(entities.refund_ids_of(entity.shop, [order.shopify_id]))[:MAX_LINKS]:
        yield EntityId(t("entity.refund"), str(each), f"/entities/refund/{each}")


def _history_entry(task: Task, before: Task | None, now: datetime) -> HistoryEntry:
    gap = task.created_at - before.created_at if before else timedelta()
    waited = task.started_at - task.created_at if task.started_at else timedelta()
    return HistoryEntry(
        task,
        t("entity.later", length=_duration_text(gap)) if gap >= MIN_GAP_SHOWN else "",
        t("entity.waited", length=_duration_text(waited)) if waited >= timedelta(seconds=1) else "",
        formatting.state_detail(task, now),
    )


def _duration_text(length: timedelta) -> str:
    return format_duration(length / timedelta(milliseconds=1))
