"""The tables and the questions we ask them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import uuid_utils
from peewee import (
    SQL,
    AutoField,
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    JSONField,
    Model,
    SmallIntegerField,
    TextField,
    UUIDField,
    fn,
)
from playhouse.postgres_ext import DateTimeTZField

from clients import Call, Effect
from config import config
from database import db
from statements import ADD, RECEIVE, SOLVE_EARLIER, UNFLUSHED, claim
from vault import Vault, new_key


def utcnow() -> datetime:
    return datetime.now(UTC)


def new_id() -> UUID:
    """A UUIDv7: ids sort in the order of their creation."""
    return UUID(int=uuid_utils.uuid7().int)


class State(IntEnum):
    PENDING = 0
    SUCCESS = 1
    ERROR = 2


class Lane(IntEnum):
    """Live work never waits behind bulk work."""

    LIVE = 0
    BULK = 1


class Entity(IntEnum):
    """What a task is about. Tasks of one entity run one at a time; NONE is for those that need no order."""

    NONE = 0
    CUSTOMER = 1
    ORDER = 2


class Outcome(IntEnum):
    """How an attempt ended."""

    OPEN = 0
    SUCCESS = 1
    FAILED = 2
    WAITED = 3
    LOST = 4


class Lost(Exception):
    """This worker's lease ended and another has the task: what it was about to write must not be written."""


class Table(Model):
    class Meta:
        database = db
        legacy_table_names = False


@lru_cache(maxsize=4096)
def _vault(shop_id: int, wrapped_key: bytes) -> Vault:
    return Vault(shop_id, wrapped_key)


class Shop(Table):
    """A merchant's Shopify shop and the Engage tenant that it syncs with."""

    id = AutoField()
    domain = TextField(unique=True)
    email = TextField()
    currency = TextField()
    timezone = TextField()
    active = BooleanField(default=True)
    key = BlobField()
    shopify_token = BlobField(null=True)
    engage_tenant = TextField()
    engage_key = BlobField(null=True)
    store = TextField()
    settings = JSONField(default=dict)
    failures = IntegerField(default=0)
    paused_until = DateTimeTZField(null=True)
    pause_reason = TextField(null=True)
    created_at = DateTimeTZField(default=utcnow)

    @classmethod
    def connect(cls, domain: str, shopify_token: str, engage_key: str, **fields: str) -> Shop:
        """Create or update a shop with its two secrets. Running tasks see the new values at their next attempt."""
        with db.atomic():
            shop, _ = cls.get_or_create(domain=domain, defaults={**fields, "key": new_key()})
            if shop.engage_tenant != fields["engage_tenant"]:
                shop.forget_contacts()
            shop.shopify_token = shop.seal("shopify_token", shopify_token)
            shop.engage_key = shop.seal("engage_key", engage_key)
            for name, value in fields.items():
                setattr(shop, name, value)
            shop.active, shop.failures, shop.paused_until, shop.pause_reason = True, 0, None, None
            shop.save()
        return shop

    def forget_contacts(self) -> None:
        """The ids of another tenant mean nothing in this one: every customer is looked up there anew."""
        Customer.update(contact_id=None, contact_type=None, sent=None).where(Customer.shop == self).execute()

    @classmethod
    def named(cls, domains: Iterable[str]) -> dict[str, Shop]:
        """The shops with these domains, by domain, with nothing but what a webhook needs: the id and the key."""
        found = db.execute_sql("SELECT id, domain, key FROM shop WHERE domain = ANY(%s)", (list(domains),)).fetchall()
        return {domain: cls(id=number, domain=domain, key=key) for number, domain, key in found}

    @property
    def vault(self) -> Vault:
        return _vault(self.id, bytes(self.key))

    def seal(self, column: str, secret: str) -> bytes:
        return self.vault.seal(secret.encode(), "shop", column, self.id)

    def secret(self, column: str) -> str:
        """A secret of the shop in clear. Raises vault.Unreadable."""
        return self.vault.open(getattr(self, column), "shop", column, self.id).decode()

    def pause(self, reason: str, wait: timedelta) -> None:
        """Send nothing to Engage for a while; tasks stay Pending. The first call afterwards is a probe."""
        Shop.update(paused_until=Task.now() + wait, pause_reason=reason).where(Shop.id == self.id).execute()

    def count_failure(self, reason: str, *, at_most: int, wait: timedelta, longest: timedelta) -> None:
        """One more call in a row has failed; beyond `at_most` the shop pauses, twice as long for each failed probe.

        Calls that were under way when the pause began say nothing new.
        """
        db.execute_sql(
            """UPDATE shop SET failures = failures + 1,
                   paused_until = CASE WHEN failures + 1 >= %(most)s
                       THEN now() + least(%(wait)s * power(2, least(failures + 1 - %(most)s, 10)), %(longest)s) END,
                   pause_reason = CASE WHEN failures + 1 >= %(most)s THEN %(reason)s END
               WHERE id = %(id)s AND (paused_until IS NULL OR %(probe)s)""",
            {
                "most": at_most,
                "wait": wait,
                "longest": longest,
                "reason": reason,
                "id": self.id,
                "probe": self.paused_until is not None,
            },
        )

    def resume(self) -> None:
        """Engage has answered: nothing is paused any more."""
        if self.failures or self.paused_until:
            Shop.update(failures=0, paused_until=None, pause_reason=None).where(Shop.id == self.id).execute()

    def probe(self, wait: timedelta) -> bool:
        """Take the right to make the one call that finds out whether a paused shop's Engage is back."""
        over = Shop.paused_until.is_null(False) & (Shop.paused_until <= Task.now())
        return bool(Shop.update(paused_until=Task.now() + wait).where((Shop.id == self.id) & over).execute())


class SignIn(Table):
    """A link that opens one shop once. Only the token's hash is kept."""

    token_hash = TextField(primary_key=True)
    shop = ForeignKeyField(Shop)
    expires_at = DateTimeTZField()

    @classmethod
    def issue(cls, shop: Shop, valid: timedelta) -> str:
        """A new token for the shop."""
        token = secrets.token_urlsafe(32)
        cls.create(token_hash=_hash(token), shop=shop, expires_at=utcnow() + valid)
        return token

    @classmethod
    def redeem(cls, token: str) -> int | None:
        """The shop that an unused token opens, or None. A token works once."""
        rows = cls.delete().where(cls.token_hash == _hash(token)).returning(cls.shop, cls.expires_at).execute()
        return next((row.shop_id for row in rows if row.expires_at > utcnow()), None)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


class Task(Table):
    """One transfer, or one step of it. The row is the truth; the message in the broker only rings."""

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    type = SmallIntegerField()
    state = SmallIntegerField(default=State.PENDING)
    lane = SmallIntegerField(default=Lane.LIVE)
    entity = SmallIntegerField(default=Entity.NONE)
    key = TextField()
    args = JSONField(default=dict)
    shopify_id = BigIntegerField(null=True)
    engage_id = TextField(null=True)
    parent_id = UUIDField(null=True)
    closed_by = UUIDField(null=True)
    reason = TextField(null=True)
    code = TextField(null=True)
    fence = IntegerField(default=0)
    attempts = IntegerField(default=0)
    crashes = IntegerField(default=0)
    due_at = DateTimeTZField(default=utcnow)
    published_at = DateTimeTZField(null=True)
    leased_until = DateTimeTZField(null=True)
    created_at = DateTimeTZField(default=utcnow)
    started_at = DateTimeTZField(null=True)
    completed_at = DateTimeTZField(null=True)
    duration_ms = IntegerField(null=True)

    shop_id: int  # what peewee makes of `shop`
    newer_id: UUID | None = None  # set by `claim`: a queued task that makes this one pointless
    finished = False
    sent = False  # whether this attempt has called something that may have changed the other side

    @classmethod
    def add(cls, tasks: list[Task]) -> list[Task]:
        """Insert those whose key is new, in one statement, due now by the database's clock. Returns them."""
        return cls._added(tasks, ADD, cls._columns(tasks)) if tasks else []

    @classmethod
    def receive(cls, webhooks: list[tuple[Task, bytes]]) -> list[Task]:
        """As `add`, with each one's sealed body: still one statement, and so a transaction in one round trip."""
        tasks, bodies = [task for task, _ in webhooks], [body for _, body in webhooks]
        columns = [*cls._columns(tasks), [task.id for task in tasks], bodies]
        return cls._added(tasks, RECEIVE, columns) if tasks else []

    @staticmethod
    def _added(tasks: list[Task], sql: str, columns: list[list[Any]]) -> list[Task]:
        kept = {found for (found,) in db.execute_sql(sql, columns).fetchall()}
        return [task for task in tasks if task.id in kept]

    @staticmethod
    def _columns(tasks: list[Task]) -> list[list[Any]]:
        return [list(column) for column in zip(*(task._values() for task in tasks), strict=True)]

    def _values(self) -> tuple[Any, ...]:
        return (
            self.id,
            self.shop_id,
            self.type,
            self.lane,
            self.entity,
            self.key,
            json.dumps(self.args),
            self.shopify_id,
            self.engage_id,
            self.parent_id,
            self.published_at is not None,
        )

    @classmethod
    def claim(cls, task_id: UUID, *, lease: timedelta, worker: str, engage: bool, latest: bool) -> Task | None:
        """Take a due Pending task for this worker and open an attempt, or return None if it is not to be had.

        `engage`: not while its shop is paused. `latest`: also look for a newer one that replaces it (`newer_id`).
        Raises IntegrityError while another task of the same entity runs.
        """
        claimed = db.execute_sql(
            CLAIM, {"lease": lease, "id": task_id, "engage": engage, "worker": worker, "latest": latest}
        ).fetchone()
        return cls._claimed(claimed) if claimed else None

    @classmethod
    def _claimed(cls, row: tuple[Any, ...]) -> Task:
        columns = len(cls._meta.sorted_fields)
        task: Task = _filled(cls, row[:columns])
        task.newer_id, task.shop = row[columns], _filled(Shop, row[columns + 1 : columns + 1 + SHOP_COLUMNS])
        return task

    @classmethod
    def renew(cls, tasks: list[Task], lease: timedelta) -> int:
        """Renew the leases that are still ours. Returns how many were."""
        mine = db.execute_sql(
            """UPDATE task SET leased_until = now() + %s
               FROM unnest(%s::uuid[], %s::integer[], %s::timestamptz[]) mine (id, fence, started_at)
               WHERE task.id = mine.id AND task.fence = mine.fence AND task.started_at = mine.started_at
                 AND leased_until IS NOT NULL""",
            (lease, [task.id for task in tasks], [task.fence for task in tasks], [task.started_at for task in tasks]),
        )
        count: int = mine.rowcount
        return count

    @staticmethod
    def now() -> SQL:
        """The database's clock, the only one that leases and waits are measured by."""
        return SQL("now()")

    @contextmanager
    def effects(self, *, engage_id: str | None = None) -> Iterator[None]:
        """One transaction for what the task changes in our tables, its children, and its Success.

        Raises Lost, and writes nothing, when the task is no longer ours.
        """
        with db.atomic():
            yield
            self.finish(State.SUCCESS, engage_id=engage_id)

    def finish(
        self,
        state: State,
        *,
        reason: str | None = None,
        code: str | None = None,
        engage_id: str | None = None,
        closed_by: UUID | None = None,
    ) -> None:
        """Write the outcome, once. A Success with a reason was skipped for that reason. Raises Lost."""
        outcome = Outcome.SUCCESS if state is State.SUCCESS else Outcome.FAILED
        solves = state is State.SUCCESS and closed_by is None and self.entity != Entity.NONE
        self._end(
            """state = %(state)s, completed_at = clock_timestamp(), closed_by = %(closed_by)s,
               duration_ms = (extract(epoch FROM clock_timestamp() - started_at) * 1000)::integer,
               engage_id = coalesce(%(engage_id)s, engage_id), shopify_id = %(shopify_id)s""",
            outcome,
            reason,
            code,
            state=state,
            also=SOLVE_EARLIER if solves else "",
            engage_id=engage_id,
            closed_by=closed_by,
            shopify_id=self.shopify_id,
            shop_id=self.shop_id,
            type=self.type,
        )
        self.finished = True

    def retry_in(self, wait: timedelta, outcome: Outcome, reason: str, code: str | None = None) -> None:
        """Give the task back until `wait` is over. An attempt that only waited is not counted. Raises Lost."""
        counted = "attempts - 1" if outcome is Outcome.WAITED else "attempts"
        # A task is due when it is claimed; one that became due later was woken meanwhile.
        due = "CASE WHEN due_at > started_at THEN due_at ELSE clock_timestamp() + %(wait)s END"
        self._end(
            f"due_at = {due}, attempts = {counted}, published_at = NULL",
            outcome,
            reason,
            code,
            wait=wait,
        )

    def _end(
        self, changes: str, outcome: Outcome, reason: str | None, code: str | None, also: str = "", **values: Any
    ) -> None:
        reason = reason and reason.replace("\0", "")  # the other side's words may hold it, a text column may not
        known = {"id": self.id, "fence": self.fence, "started_at": self.started_at}
        known |= {"outcome": outcome, "reason": reason, "code": code}
        ended = db.execute_sql(
            f"""WITH ended AS (
                    UPDATE task SET leased_until = NULL, reason = %(reason)s, code = %(code)s, {changes}
                    WHERE id = %(id)s AND fence = %(fence)s AND started_at = %(started_at)s
                      AND leased_until IS NOT NULL AND state = 0
                    RETURNING id
                ){also}
                UPDATE attempt SET ended_at = clock_timestamp(), outcome = %(outcome)s, reason = %(reason)s,
                    code = %(code)s
                FROM ended WHERE task_id = ended.id AND number = %(fence)s
                RETURNING {"1" if self.sent else UNFLUSHED}""",  # noqa: S608
            {**known, **values},
        )
        if not ended.rowcount:
            raise Lost(str(self.id))

    def crashed(self) -> None:
        """Count a worker that was lost at this task. Raises Lost when it has come back to life."""
        still_lost = (Task.id == self.id) & (Task.fence == self.fence) & (Task.leased_until < Task.now())
        if not Task.update(crashes=Task.crashes + 1).where(still_lost).execute():
            raise Lost(str(self.id))

    def waited(self, reason: str) -> timedelta:
        """For how long the task has been waiting for this reason."""
        since = Attempt.select(fn.min(Attempt.started_at)).where((Attempt.task == self.id) & (Attempt.reason == reason))
        first = since.scalar()
        return utcnow() - first if first else timedelta()

    @classmethod
    def give_way(cls, task_id: UUID, wait: timedelta, *, replaceable: bool) -> None:
        """Another task of its entity runs: come back a little later, or end here if a newer one is queued as well."""
        db.execute_sql(
            """UPDATE task SET due_at = now() + %(wait)s, published_at = NULL,
                   state = CASE WHEN newer.id IS NULL THEN 0 ELSE 1 END, closed_by = newer.id,
                   completed_at = CASE WHEN newer.id IS NOT NULL THEN now() END,
                   reason = CASE WHEN newer.id IS NOT NULL THEN 'Replaced by a newer one.' ELSE task.reason END
               FROM task mine LEFT JOIN LATERAL (
                   SELECT id FROM task WHERE %(replaceable)s AND shop_id = mine.shop_id AND type = mine.type
                       AND shopify_id = mine.shopify_id AND id > mine.id AND state = 0 AND leased_until IS NULL
                   ORDER BY id DESC LIMIT 1) newer ON true
               WHERE task.id = %(id)s AND mine.id = task.id AND task.state = 0 AND task.leased_until IS NULL""",
            {"id": task_id, "wait": wait, "replaceable": replaceable},
        )

    @classmethod
    def wake(cls, shop_id: int, number: int, shopify_ids: Iterable[int]) -> None:
        """Let waiting tasks of one type try again now, and those that are just about to wait."""
        db.execute_sql(
            "UPDATE task SET due_at = clock_timestamp() WHERE shop_id = %s AND type = %s AND shopify_id = ANY(%s) "
            "AND state = 0",
            (shop_id, number, list(shopify_ids)),
        )

    @classmethod
    def ring_again(cls) -> None:
        """What was rung for and has not begun is rung for by the next sweep: its messages are gone."""
        rung = (cls.state == State.PENDING) & cls.leased_until.is_null() & cls.published_at.is_null(False)
        cls.update(published_at=None).where(rung).execute()

    @property
    def subject(self) -> int:
        """The Shopify id of what the task is about. Raises ValueError when it is about nothing there."""
        if self.shopify_id is None:
            raise ValueError(f"Task {self.id} has no Shopify id.")
        return int(self.shopify_id)

    @property
    def body(self) -> bytes:
        """The bytes that came with the task: a webhook's body, exactly. Empty for other tasks."""
        row = Body.get_or_none(Body.task_id == self.id)
        return row.open(self.shop) if row else b""

    def sending(self, call: Call) -> None:
        """clients.Journal: keep what is about to be sent. On disk before the call, when the call changes something."""
        if db.in_transaction():
            raise RuntimeError(f"{call.system} is called inside a transaction, which would hold its locks meanwhile.")
        if call.effect is not Effect.READ:
            if not Task.renew([self], config.lease):
                raise Lost(str(self.id))
            self.sent = True
            self._open = Exchange.open(self, call)

    def answered(self, call: Call) -> None:
        """clients.Journal: keep what came back."""
        row = Exchange.open(self, call) if call.effect is Effect.READ else self._open
        row.close(self.shop, call)


# A success closes the earlier Errors of its entity and type, in the statement that writes it.
def _columns(table: type[Table], alias: str) -> str:
    """Every column under a name of its own, since two tables share some."""
    return ", ".join(f"{alias}.{each.column_name} AS {alias}_{each.column_name}" for each in table._meta.sorted_fields)


def _filled(table: type[Table], values: Iterable[Any]) -> Any:
    """A row by hand: peewee would look up each column's name again at every query, at half the cost of a claim."""
    row = table(__no_default__=True)
    row.__data__.update(zip(table._meta.sorted_field_names, values, strict=True))
    return row


SHOP_COLUMNS = len(Shop._meta.sorted_fields)
CLAIM = claim(_columns(Task, "task"), _columns(Shop, "shop"))


class Body(Table):
    """The exact bytes that a task came with."""

    task_id = UUIDField(primary_key=True)
    shop_id = IntegerField()
    sealed = BlobField()

    def open(self, shop: Shop) -> bytes:
        return shop.vault.open(self.sealed, "body", "sealed", self.task_id)

    @staticmethod
    def seal(shop: Shop, task_id: UUID, body: bytes) -> bytes:
        return shop.vault.seal(body, "body", "sealed", task_id)


class Attempt(Table):
    """One run of a task."""

    task = ForeignKeyField(Task)
    number = IntegerField()
    worker = TextField()
    started_at = DateTimeTZField()
    ended_at = DateTimeTZField(null=True)
    outcome = SmallIntegerField(default=Outcome.OPEN)
    reason = TextField(null=True)
    code = TextField(null=True)

    class Meta:
        primary_key = CompositeKey("task", "number")


class Exchange(Table):
    """One call during an attempt: the bytes sent, kept before the call, and the bytes that came back."""

    id = UUIDField(primary_key=True, default=new_id)
    task = ForeignKeyField(Task)
    shop_id = IntegerField()
    attempt = IntegerField()
    system = TextField()
    method = TextField()
    path = TextField()
    url = BlobField()
    effect = SmallIntegerField()
    sent = BlobField()
    status = SmallIntegerField(null=True)
    received = BlobField(null=True)
    unknown = BooleanField(default=True)
    error = TextField(null=True)
    started_at = DateTimeTZField()
    duration_ms = IntegerField(null=True)

    @classmethod
    def open(cls, task: Task, call: Call) -> Exchange:
        row = cls(id=new_id(), task=task, shop_id=task.shop_id, attempt=task.fence, system=call.system)
        row.method, row.path, row.effect = call.method, urlsplit(call.url).path, call.effect
        row.started_at = call.started_at
        row.url = row._seal(task.shop, "url", call.url.encode())
        row.sent = row._seal(task.shop, "sent", call.sent)
        row.save(force_insert=True)
        return row

    def close(self, shop: Shop, call: Call) -> None:
        self.status, self.error, self.unknown = call.status, call.error, call.unknown
        self.received = self._seal(shop, "received", call.received)
        self.duration_ms = round(call.duration.total_seconds() * 1000) if call.duration else None
        self.save(only=[Exchange.status, Exchange.error, Exchange.received, Exchange.unknown, Exchange.duration_ms])

    @classmethod
    def unsure(cls, task_id: UUID, attempt: int) -> bool:
        """Whether the attempt made a call that has acted, or may have, and must not be made twice."""
        acted = cls.unknown | (cls.status < 300) | (cls.status >= 500) | cls.status.in_([408, 425])
        once = (cls.task == task_id) & (cls.attempt == attempt) & (cls.effect == Effect.ONCE)
        return bool(cls.select().where(once & acted).exists())

    def _seal(self, shop: Shop, column: str, body: bytes) -> bytes:
        return shop.vault.seal(body, "exchange", column, self.id)

    def clear(self, shop: Shop, column: str) -> bytes:
        """`url`, `sent` or `received` as it was on the wire. Raises vault.Unreadable."""
        sealed = getattr(self, column)
        return shop.vault.open(sealed, "exchange", column, self.id) if sealed else b""


class Seen(Table):
    """What we know of one entity at Shopify: its newest state, whatever order the news came in."""

    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    shopify_id = BigIntegerField()
    updated_at = DateTimeTZField()
    seen = BlobField()

    @classmethod
    def remember(cls, shop: Shop, node: dict[str, Any], **columns: Any) -> Self:
        """Keep this state of the entity, unless a newer one is known. Returns the row as it then is.

        `node` is Shopify's GraphQL object. Its newest `updatedAt` wins.
        """
        shopify_id, updated_at = int(node["legacyResourceId"]), datetime.fromisoformat(node["updatedAt"])
        sealed = shop.vault.seal(orjson.dumps(node, default=str), cls._meta.table_name, "seen", shopify_id)
        values = {"shop": shop, "shopify_id": shopify_id, "updated_at": updated_at, "seen": sealed, **columns}
        changed = {field: value for field, value in values.items() if field not in ("shop", "shopify_id")}
        cls.insert(values).on_conflict(
            conflict_target=[cls.shop, cls.shopify_id], update=changed, where=cls.updated_at <= updated_at
        ).execute()
        return cls.known(shop, shopify_id)

    @classmethod
    def find(cls, shop: Shop, shopify_id: int) -> Self | None:
        return cls.get_or_none((cls.shop == shop) & (cls.shopify_id == shopify_id))

    @classmethod
    def known(cls, shop: Shop, shopify_id: int) -> Self:
        """The row of an entity that was indexed before. Raises DoesNotExist."""
        return cls.get((cls.shop == shop) & (cls.shopify_id == shopify_id))

    @property
    def node(self) -> dict[str, Any]:
        """Shopify's GraphQL object as last seen."""
        sealed = self.shop.vault.open(self.seen, self._meta.table_name, "seen", self.shopify_id)
        node: dict[str, Any] = orjson.loads(sealed)
        return node


class Customer(Seen):
    contact_id = TextField(null=True)
    contact_type = TextField(null=True)
    sent = BlobField(null=True)
    skipped = TextField(null=True)
    synced_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "customer"

    @property
    def last_sent(self) -> dict[str, Any] | None:
        """The contact's fields as we last brought them to Engage, or None."""
        if self.sent is None:
            return None
        fields: dict[str, Any] = orjson.loads(self.shop.vault.open(self.sent, "customer", "sent", self.shopify_id))
        return fields

    def became(self, contact_id: str, contact_type: str, fields: dict[str, Any]) -> None:
        """Remember the contact that this customer is in Engage, and what it was last given."""
        sealed = self.shop.vault.seal(orjson.dumps(fields), "customer", "sent", self.shopify_id)
        now = {"contact_id": contact_id, "contact_type": contact_type, "sent": sealed, "synced_at": utcnow()}
        Customer.update(**now, skipped=None).where(Customer.id == self.id).execute()

    def skip(self, reason: str) -> None:
        """There is nothing to sync by; orders need not wait for a contact."""
        Customer.update(skipped=reason).where(Customer.id == self.id).execute()


class Order(Seen):
    name = TextField()
    customer_id = BigIntegerField(null=True)
    receipt_id = TextField(null=True)
    receipt_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "orders"

    @classmethod
    def waiting_for(cls, customer: Customer) -> list[int]:
        """Shopify ids of the customer's orders that have no receipt yet."""
        query = cls.select(cls.shopify_id).where(
            (cls.shop == customer.shop) & (cls.customer_id == customer.shopify_id) & cls.receipt_id.is_null()
        )
        return [order.shopify_id for order in query]

    def receipted(self, receipt_id: str) -> None:
        """Remember that Engage has accepted the order's receipt."""
        Order.update(receipt_id=receipt_id, receipt_at=utcnow()).where(Order.id == self.id).execute()
