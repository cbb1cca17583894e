"""Every table on one page: its columns, its enums and small properties.

Queries stand with the code that asks them: `taskqueue` (run tasks), `tasklog` (list and count tasks), `sync` (entities,
imports, stores), `alerts`, `privacy`, `views`. The schema is made by `migrations/`; a test compares both.

Row-level security (migration 0014) shows a connection only the rows of the shop whose scope it has entered
(`database.py`), so most tables have a `shop_id`, even where a join would find it. BlobFields hold what
`encryption.Vault` has encrypted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

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
    DoubleField,
    ForeignKeyField,
    IntegerField,
    JSONField,
    Model,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import ArrayField, DateTimeTZField

from config import config
from database import db
from encryption import Vault
from reasons import Cause, ErrorCode

# What all tables share

NOW = SQL("now()")  # the database's clock, the only one that leases and waits are measured by


def utcnow() -> datetime:
    return datetime.now(UTC)


def new_id() -> UUID:
    """Make a UUIDv7: ids sort in the order of their creation."""
    return UUID(int=uuid_utils.uuid7().int)


def time_of_id(made: UUID) -> datetime:
    """When an id was made, to the millisecond: a UUIDv7 begins with that."""
    return datetime.fromtimestamp((made.int >> 80) / 1000, UTC)


@lru_cache(maxsize=4096)
def _vault(shop_id: int, wrapped_key: bytes) -> Vault:
    return Vault(shop_id, wrapped_key)


class Table(Model):
    class Meta:
        database = db
        legacy_table_names = False


# Shop and people


class Shop(Table):
    """A merchant's Shopify shop and the Engage tenant that it syncs with.

    `key`: the shop's data key, wrapped by SECRET_KEYS. `failures`, `paused_until` and `pause_reason` are the state of
    the circuit breaker for its calls to Engage. `locations`: names of Shopify's active locations, by id.
    """

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
    name = TextField(default="")
    plan = TextField(default="")
    connected_at = DateTimeTZField(default=utcnow)
    shopify_token_until = DateTimeTZField(null=True)
    shopify_refresh = BlobField(null=True)
    shopify_refresh_until = DateTimeTZField(null=True)
    scopes = TextField(default="")
    locations = JSONField(default=dict)

    def token_expires_within(self, wait: timedelta) -> bool:
        """Whether the Shopify access token expires within this time, or is missing."""
        until = self.shopify_token_until
        return self.shopify_token is None or (until is not None and until - utcnow() <= wait)

    @property
    def pause_cause(self) -> Cause | None:
        """Why the calls to Engage are paused."""
        return Cause.loads(self.pause_reason)

    @property
    def engage_connected(self) -> bool:
        """Whether the shop is connected to an Engage tenant."""
        return bool(self.engage_tenant and self.engage_key)

    @property
    def zone(self) -> ZoneInfo:
        """The shop's time zone, in which its days begin."""
        return ZoneInfo(self.timezone)

    @property
    def vault(self) -> Vault:
        return _vault(self.id, bytes(self.key))

    def seal(self, column: str, secret: str) -> bytes:
        return self.vault.seal(secret.encode(), "shop", column, self.id)

    def secret(self, column: str) -> str:
        """Decrypt a secret of the shop. Raises encryption.Unreadable."""
        return self.vault.open(getattr(self, column), "shop", column, self.id).decode()


class SignIn(Table):
    """A sign-in link: it opens one shop once. Only the token's hash is stored."""

    token_hash = TextField(primary_key=True)
    shop = ForeignKeyField(Shop)
    name = TextField(default="")
    expires_at = DateTimeTZField()


class BrowserSession(Table):
    """A session that a sign-in link has opened, `name` as the link's. Only the hash of the cookie's token is stored."""

    # browser_session_shop (shop_id, expires_at) lists the shop's.
    token_hash = TextField(primary_key=True)
    shop = ForeignKeyField(Shop)
    name = TextField(default="")
    opened_at = DateTimeTZField(default=utcnow)
    expires_at = DateTimeTZField()

    class Meta:
        table_name = "browser_session"


class Permission(StrEnum):
    """What a member may do besides reading."""

    RETRY = "retry"
    REVEAL = "reveal"
    EXPORT = "export"
    IMPORT = "import"
    ALERTS = "alerts"
    SETTINGS = "settings"
    SUPPORT = "support"


EVERYTHING = frozenset(Permission)


class Member(Table):
    """A member of the shop's staff, by Shopify's user id. The name is encrypted."""

    # member_user (shop_id, user_id), unique.
    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    user_id = TextField()
    name = BlobField(null=True)
    owner = BooleanField(default=False)
    allowed = JSONField(default=list)
    last_seen_at = DateTimeTZField(column_name="seen_at", default=utcnow)

    @property
    def display_name(self) -> str:
        """The member's name, or Shopify's user id where Shopify has sent no name."""
        if self.name is None:
            return self.user_id
        return self.shop.vault.open(self.name, "member", "name", self.id).decode()

    @property
    def permissions(self) -> frozenset[Permission]:
        """The member's permissions. A stored permission that this version does not know is ignored."""
        if self.owner:
            return EVERYTHING
        return frozenset(each for each in Permission if each in self.allowed)


class SupportLink(Table):
    """A link that shows one task or one entity, masked, until it expires. Only the token's hash is stored."""

    token_hash = TextField(primary_key=True)
    shop = ForeignKeyField(Shop)
    task_id = UUIDField(null=True)
    kind = TextField(null=True)
    shopify_id = BigIntegerField(null=True)
    made_by = TextField(null=True)
    made_at = DateTimeTZField(default=utcnow)
    expires_at = DateTimeTZField()

    shop_id: int  # what peewee makes of `shop`


class Action(StrEnum):
    """An action that the audit log records."""

    RETRY = "retry"
    RETRY_ALL = "retry_all"
    CANCEL = "cancel"
    RESEND = "resend"
    SAME = "same"
    REBUILD = "rebuild"
    DOWNLOAD = "download"
    IMPORT = "import"
    IMPORT_PAUSE = "import_pause"
    IMPORT_RESUME = "import_resume"
    IMPORT_CANCEL = "import_cancel"
    EXPORT = "export"
    REVEAL = "reveal"
    READ = "read"
    VIEW_SAVE = "view_save"
    VIEW_CHANGE = "view_change"
    VIEW_DELETE = "view_delete"
    VIEW_RESTORE = "view_restore"
    SETTINGS = "settings"
    ALERT_ACKNOWLEDGE = "alert_acknowledge"
    ALERT_SNOOZE = "alert_snooze"
    ALERT_WAKE = "alert_wake"
    ALERT_TEST = "alert_test"
    NOTIFICATION_TEST = "notification_test"
    SUPPORT = "support"
    SUPPORT_END = "support_end"
    SESSIONS_END = "sessions_end"


class AuditEntry(Table):
    """An action of a member in a shop. It names tasks, never customers: those may have to be erased.

    `user_id`: the member's; for a sign-in link its name, None if it has none. `created_task_id`: the task that the
    action made.
    """

    # audit_click (shop_id, click, action), unique: the idempotency key of the form makes a second press no second
    # action. audit_newest (shop_id, id) lists; audit_task (task_id, id) finds a task's actions.
    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    at = DateTimeTZField(default=utcnow)
    user_id = TextField(column_name="who", null=True)
    action = TextField()
    idempotency_key = UUIDField(column_name="click", default=new_id)
    task_id = UUIDField(null=True)
    created_task_id = UUIDField(column_name="made_id", null=True)
    bulk_retry_id = UUIDField(column_name="batch_id", null=True)
    details = JSONField(default=dict)

    class Meta:
        table_name = "audit"


# Tasks


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
    REFUND = 3
    FULFILLMENT = 4
    SHOP = 9  # these also run when the shop has removed the app


class Task(Table):
    """One transfer, or one step of it. The row is the truth; the broker's message only carries its id.

    `type`: number of the task type. `key`: the idempotency key. `trace`: the Shopify event that it all began with.
    `resends`: the exchange whose request this task sends again; None: it sends what its type makes. `closed_by`: the
    task that replaced this one or solved its Error. `fence`: number of the newest attempt, by which an outdated run is
    recognised. `attempts`: those that count for the retry policy. `crashes`: workers that were lost at it.
    `leased_until`: set while a worker has claimed it. `reason`: the key of a reason, with its
    `params`, or a text of an older version. `system`, `status`, `code`: of the error (reasons.ErrorCode).
    """

    # task_key (shop_id, type, key), unique: idempotency, a second webhook, child or periodic task is not inserted.
    # task_running (shop_id, entity, shopify_id) WHERE leased AND entity <> 0, unique: one running task per entity.
    # task_due (shop_id, lane, due_at) WHERE Pending, not leased: the sweep. task_leased (leased_until): expired leases.
    # task_newest (shop_id, id) and task_listed (shop_id, state, type, id): the listing, newest first. For its other
    # orders task_started, task_completed, task_unstarted, task_uncompleted (shop_id, state, type, ...), and
    # task_started_late, task_completed_late for what took longer than a day. Open problems (Errors that no later
    # success has solved): task_problem, task_problem_started, task_problem_completed (shop_id, closed_by, type, ...).
    # task_shopify, task_engage (shop_id, their id, id): search, history. task_parent (parent_id): children.
    # task_import (args ->> 'import_id', state) WHERE lane = 1 AND state <> 1: what an import has still to send.
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
    trace = TextField(null=True)
    resends = UUIDField(null=True)
    closed_by = UUIDField(null=True)
    reason = TextField(null=True)
    params = JSONField(null=True)
    system = SmallIntegerField(null=True)
    status = SmallIntegerField(null=True)
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

    @property
    def cause(self) -> Cause | None:
        """Why it was skipped, waits or failed."""
        return Cause(self.reason, self.params or {}) if self.reason else None

    @property
    def error_code(self) -> ErrorCode:
        """Whose error it was, if it failed."""
        return ErrorCode(self.code, self.system, self.status)

    @property
    def subject(self) -> int:
        """Shopify's id of the entity that the task is about. Raises ValueError when it has none."""
        if self.shopify_id is None:
            raise ValueError(f"Task {self.id} has no Shopify id.")
        return int(self.shopify_id)


class Body(Table):
    """The exact bytes of the webhook that a task came with, encrypted."""

    task_id = UUIDField(primary_key=True)
    shop_id = IntegerField()
    sealed = BlobField()

    def open(self, shop: Shop) -> bytes:
        return shop.vault.open(self.sealed, "body", "sealed", self.task_id)

    @staticmethod
    def seal(shop: Shop, task_id: UUID, body: bytes) -> bytes:
        return shop.vault.seal(body, "body", "sealed", task_id)


class Outcome(IntEnum):
    """How an attempt ended."""

    OPEN = 0
    SUCCESS = 1
    FAILED = 2
    WAITED = 3
    LOST = 4


class Attempt(Table):
    """One run of a task, by one worker. `number` is the fence that its claim has set."""

    task = ForeignKeyField(Task)
    shop_id = IntegerField()
    number = IntegerField()
    worker = TextField()
    started_at = DateTimeTZField()
    ended_at = DateTimeTZField(null=True)
    outcome = SmallIntegerField(default=Outcome.OPEN)
    reason = TextField(null=True)
    params = JSONField(null=True)
    system = SmallIntegerField(null=True)
    status = SmallIntegerField(null=True)
    code = TextField(null=True)

    class Meta:
        primary_key = CompositeKey("task", "number")

    @property
    def cause(self) -> Cause | None:
        """Why it ended as it did, or what is worth knowing beside a success."""
        return Cause(self.reason, self.params or {}) if self.reason else None

    @property
    def error_code(self) -> ErrorCode:
        """Whose error it was, if it failed."""
        return ErrorCode(self.code, self.system, self.status)


class Exchange(Table):
    """One HTTP request of an attempt and its response: the bytes sent, saved before the call, and the bytes received.

    `effect`: whether the call may be repeated (clients.Effect). `unknown`: the request may have arrived or not.
    """

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

    task_id: UUID  # what peewee makes of `task`

    @property
    def cause(self) -> Cause | None:
        """Why there was no response, or none that could be used."""
        return Cause.loads(self.error)

    def seal(self, shop: Shop, column: str, body: bytes) -> bytes:
        return shop.vault.seal(body, "exchange", column, self.id)

    def open(self, shop: Shop, column: str) -> bytes:
        """Decrypt `url`, `sent` or `received` as it was on the wire. Raises encryption.Unreadable."""
        sealed = getattr(self, column)
        return shop.vault.open(sealed, "exchange", column, self.id) if sealed else b""


class TaskDelta(Table):
    """A change of the task totals. Triggers on `task` insert it, whatever code made the change; folding deletes it.

    `count` and `duration_ms` may be negative. `hour`: of completion; None while the task is Pending.
    """

    shop_id = IntegerField()
    type = SmallIntegerField()
    state = SmallIntegerField()
    hour = DateTimeTZField(null=True)
    count = IntegerField()
    duration_ms = BigIntegerField()

    class Meta:
        primary_key = False


class TaskTotal(Table):
    """Number of a shop's tasks by type and state, as far as the deltas are folded."""

    shop_id = IntegerField()
    type = SmallIntegerField()
    state = SmallIntegerField()
    count = BigIntegerField()
    duration_ms = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("shop_id", "type", "state")


class TaskHour(Table):
    """Number of a shop's tasks that ended in an hour, by type and state, as far as the deltas are folded."""

    shop_id = IntegerField()
    hour = DateTimeTZField()
    type = SmallIntegerField()
    state = SmallIntegerField()
    count = BigIntegerField()
    duration_ms = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("shop_id", "hour", "type", "state")


class MetricCounter(Table):
    """A counter of the metrics page, added up over all processes (tasklog.counters). It only grows."""

    name = TextField()
    labels = ArrayField(TextField, index=False)
    value = DoubleField()

    class Meta:
        table_name = "tally"
        primary_key = CompositeKey("name", "labels")


class Heartbeat(Table):
    """When a job of the scheduler ran last, by the database's clock, as everything that machines compare."""

    name = TextField(primary_key=True)
    at = DateTimeTZField(default=utcnow)


class BulkRetryState(IntEnum):
    RUNNING = 0
    DONE = 1
    CANCELLED = 2


class BulkRetry(Table):
    """A bulk retry: a request to retry every failed task of a listing. `query` is that listing's.

    `queued`: tasks put into the queue. `not_needed`: those that were no longer Errors. `refused`: those that a person
    must judge one by one; `refusals` has the first of them. `stepped_at`: when it last had its turn.
    """

    # batch_newest (shop_id, id) lists; batch_running (stepped_at) WHERE state = 0 finds the one whose turn it is.
    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    state = SmallIntegerField(default=BulkRetryState.RUNNING)
    query = TextField()
    total = IntegerField(default=0)
    queued = IntegerField(default=0)
    not_needed = IntegerField(column_name="fine", default=0)
    refused = IntegerField(default=0)
    refusals = ArrayField(UUIDField, default=list, index=False)
    created_at = DateTimeTZField(default=utcnow)
    stepped_at = DateTimeTZField(default=utcnow)
    ended_at = DateTimeTZField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "batch"

    @property
    def state_name(self) -> str:
        """The state as the pages' texts call it."""
        return BulkRetryState(self.state).name.lower()

    @property
    def running(self) -> bool:
        return self.state == BulkRetryState.RUNNING

    @property
    def processed(self) -> int:
        return int(self.queued + self.not_needed + self.refused)

    @property
    def left(self) -> int:
        return int(self.total - self.processed)


class BulkRetryPortion(Table):
    """Some of a bulk retry's tasks that are not processed yet: a million of them are two thousand rows."""

    bulk_retry = ForeignKeyField(BulkRetry, column_name="batch_id")
    number = IntegerField()
    shop_id = IntegerField()
    task_ids = ArrayField(UUIDField, index=False)

    class Meta:
        table_name = "batch_portion"
        primary_key = CompositeKey("bulk_retry", "number")


class SavedView(Table):
    """A saved view: a name for a query of the task listing. A deleted one is kept for a while, to be restored."""

    # saved_view_name (shop_id, lower(name)) WHERE not deleted, unique. saved_view_deleted (shop_id, deleted_at).
    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    name = TextField()
    query = TextField()
    created_at = DateTimeTZField(default=utcnow)
    deleted_at = DateTimeTZField(null=True)


# Entities, and what Engage has of them


class Snapshot(Table):
    """An entity of Shopify as last read, its newest state. Base class of three tables, without one of its own."""

    # Each of its tables has (shop_id, shopify_id), unique.
    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    shopify_id = BigIntegerField()
    updated_at = DateTimeTZField()
    sealed_snapshot = BlobField(column_name="seen")

    shop_id: int  # what peewee makes of `shop`
    extra_columns: ClassVar[dict[str, str]] = {}  # further columns that are saved with it, and their types in SQL

    @property
    def snapshot(self) -> dict[str, Any]:
        """Shopify's GraphQL object as last read."""
        opened = self.shop.vault.open(self.sealed_snapshot, self._meta.table_name, "seen", self.shopify_id)
        snapshot: dict[str, Any] = orjson.loads(opened)
        return snapshot


class Customer(Snapshot):
    """A customer, and the contact in Engage. `skipped`: why there is none, a reason's key or a cause.

    `key_holders`: the contacts of others that have the customer's e-mail address or phone number.
    """

    # customer_key_holders (gin): who lacks a key of a contact.
    # customer_contact (shop_id, contact_id): Engage's webhooks name the contact.
    contact_id = TextField(null=True)
    contact_type = TextField(null=True)
    sent = BlobField(null=True)
    skipped = TextField(null=True)
    synced_at = DateTimeTZField(null=True)
    key_holders = ArrayField(TextField, null=True, index=False)

    class Meta:
        table_name = "customer"

    @property
    def last_sent(self) -> dict[str, Any] | None:
        """The contact's fields as last sent to Engage, or None."""
        if self.sent is None:
            return None
        fields: dict[str, Any] = orjson.loads(self.shop.vault.open(self.sent, "customer", "sent", self.shopify_id))
        return fields


class CustomerConsents(Table):
    """What both systems have stated about one customer's consents: JSON of mappings.consent.ConsentMemory by name."""

    customer = ForeignKeyField(Customer, primary_key=True)
    memories = JSONField(column_name="kept")

    class Meta:
        table_name = "consents"


class DeletedCustomer(Table):
    """A customer that was deleted in Shopify, or merged into another. It may be one that was never read."""

    # departure_into (shop_id, merged_into): the customers that were merged into one.
    shop = ForeignKeyField(Shop)
    shopify_id = BigIntegerField()
    merged_into = BigIntegerField(null=True)
    recorded_at = DateTimeTZField(column_name="noted_at", default=utcnow)

    class Meta:
        table_name = "departure"
        primary_key = CompositeKey("shop", "shopify_id")


class Order(Snapshot):
    """An order; `receipt_id` and `receipt_at` once Engage has its purchase receipt."""

    # orders_customer (shop_id, customer_id, id): a customer's newest orders. orders_name (shop_id, name): search.
    extra_columns: ClassVar = {"name": "text", "customer_id": "bigint"}

    name = TextField()
    customer_id = BigIntegerField(null=True)
    receipt_id = TextField(null=True)
    receipt_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "orders"


class Refund(Snapshot):
    """A refund; `order_id` is Shopify's id of its order."""

    extra_columns: ClassVar = {"order_id": "bigint"}

    order_id = BigIntegerField()

    class Meta:
        table_name = "refund"


class ReceiptKind(IntEnum):
    PURCHASE = 1
    REFUND = 2
    CORRECTION = 3


class Receipt(Table):
    """A receipt that Engage has accepted, to the byte, and the shop's rules that it was made by."""

    # (shop_id, receipt_id), unique. receipt_order (shop_id, order_id, id): an order's receipts.
    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    order_id = BigIntegerField()
    kind = SmallIntegerField()
    receipt_id = TextField()
    body = BlobField()
    rules = JSONField()
    articles = JSONField(null=True)  # SKU, article number and group by line id; null in receipts of older releases
    sent_at = DateTimeTZField(default=utcnow)

    def open(self, shop: Shop) -> dict[str, Any]:
        """Decrypt the receipt as Engage has it, its numbers read as floats."""
        body: dict[str, Any] = orjson.loads(shop.vault.open(self.body, "receipt", "body", self.receipt_id))
        return body


class VoucherState(IntEnum):
    """What became at Engage of a discount code that an order used."""

    UNCHECKED = 0  # not looked up yet
    NOT_ENGAGES = 1
    DUE = 2
    REDEEMED = 3
    REFUSED = 4
    REACTIVATED = 5
    STAYS_REDEEMED = 6  # though its order was cancelled or refunded whole
    NOT_NEEDED = 7  # its order was cancelled or refunded whole before


class VoucherUse(Table):
    """A discount code of an order, and the reward voucher or promotion of Engage's that it is.

    `kind`: a mappings.vouchers.OfferKind, and `engage_id` its id, unique to the contact; None: not Engage's, or not
    looked up. `sent_at`: when a redemption was last about to be sent. `reason`: why it is not as the order asks for.
    """

    # (shop_id, order_id, number), unique: an order's codes are saved once. voucher_use_engage (shop_id, engage_id).
    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    order_id = BigIntegerField()
    number = SmallIntegerField()
    code = BlobField()
    kind = SmallIntegerField(null=True)
    engage_id = TextField(null=True)
    state = SmallIntegerField()
    reason = TextField(null=True)
    sent_at = DateTimeTZField(null=True)
    changed_at = DateTimeTZField(default=utcnow)

    shop_id: int  # what peewee makes of `shop`

    @property
    def plain_code(self) -> str:
        """The code as the order has it. Raises encryption.Unreadable."""
        return self.shop.vault.open(self.code, "voucher_use", "code", self._name).decode()

    def seal(self, code: str) -> bytes:
        return self.shop.vault.seal(code.encode(), "voucher_use", "code", self._name)

    @property
    def _name(self) -> str:
        return f"{self.order_id}:{self.number}"


# Sync state


class PollCursor(Table):
    """How far polling has read. `since`: the newest `updatedAt` saved, by Shopify's clock; it never goes back."""

    shop = ForeignKeyField(Shop)
    resource = TextField()
    since = DateTimeTZField()

    class Meta:
        table_name = "poll"
        primary_key = CompositeKey("shop", "resource")


class Market(Table):
    """A market of the shop. `regions` are countries ("SE"), parts of them ("US-CA"), or "*" for all."""

    id = AutoField()
    shop = ForeignKeyField(Shop)
    handle = TextField()
    name = TextField()
    regions = ArrayField(TextField, index=False)
    saved_at = DateTimeTZField(column_name="told_at", default=utcnow)


class Store(Table):
    """A store in Engage, by its external id. `kind` is Engage's: ECOM or RETAIL."""

    # (shop_id, external_id), unique.
    id = AutoField()
    shop = ForeignKeyField(Shop)
    external_id = TextField()
    name = TextField()
    kind = TextField()
    country = TextField()
    locale = TextField()
    timezone = TextField()
    active = BooleanField()
    changed_at = DateTimeTZField(default=utcnow)


class WebhookEndpoint(Table):
    """A shop's own URL for Engage's webhooks. Its token cannot be guessed, and is found by its hash."""

    shop = ForeignKeyField(Shop, primary_key=True)
    token_hash = TextField(unique=True)
    token = BlobField()
    secrets = BlobField()
    encryption_key = BlobField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "endpoint"

    @property
    def signing_secrets(self) -> list[str]:
        found: list[str] = orjson.loads(self.shop.vault.open(self.secrets, "endpoint", "secrets", self.shop_id))
        return found

    @property
    def payload_key(self) -> str | None:
        """The key that Engage encrypts payloads with, or None if none was entered."""
        if self.encryption_key is None:
            return None
        return self.shop.vault.open(self.encryption_key, "endpoint", "encryption_key", self.shop_id).decode()

    @property
    def url(self) -> str:
        """The URL to enter in Svix's portal."""
        token = self.shop.vault.open(self.token, "endpoint", "token", self.shop_id).decode()
        return f"{config.app_url}/webhooks/engage/{token}"


# Imports


class ImportState(IntEnum):
    """State of an import as a whole."""

    RUNNING = 0
    PAUSED = 1
    CANCELLED = 2
    DONE = 3


OPEN_IMPORTS = (ImportState.RUNNING, ImportState.PAUSED)


class BulkImport(Table):
    """A merchant's request to import everything from `starts_at` on and before `ends_at`.

    `orders_since`: Shopify has shown no orders from before this instant; None: it showed all of the period.
    """

    # bulk_import_open (shop_id) WHERE state < 2, unique: one open import per shop. bulk_import_newest (shop_id, id).
    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    state = SmallIntegerField(default=ImportState.RUNNING)
    starts_at = DateTimeTZField()
    ends_at = DateTimeTZField()
    created_at = DateTimeTZField(default=utcnow)
    ended_at = DateTimeTZField(null=True)
    orders_since = DateTimeTZField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "bulk_import"

    @property
    def open(self) -> bool:
        return self.state in OPEN_IMPORTS


class ImportKind(IntEnum):
    """What a part of an import reads, in the order in which the parts run."""

    CUSTOMERS = 1
    ORDERS = 2


class ImportStep(IntEnum):
    """The next step of a part: request the bulk query, await its end, read the result, join orders and their lines,
    follow its tasks until they are through.
    """

    ASK = 0
    AWAIT = 1
    READ = 2
    JOIN = 3
    FOLLOW = 4
    OVER = 5


class ImportPart(Table):
    """One bulk query of an import, and how far its result has been read.

    `state`: an ImportStep. `task_id`: the one task that may carry out that step, and `task_number`: how many there
    were. `position`, `etag`: of the result file, where reading goes on. `lines`: read. `found`: customers or orders in
    them; `expected`: as Shopify counts them. `known`: those that Engage has already; `sent`: the tasks enqueued for the
    others; `bad`: unreadable lines.
    """

    # (bulk_import_id, kind), unique. bulk_part_operation (shop_id, operation_id): the webhook names the operation.
    id = BigAutoField()
    bulk_import = ForeignKeyField(BulkImport)
    shop_id = IntegerField()
    kind = SmallIntegerField()
    state = SmallIntegerField(default=ImportStep.ASK)
    task_number = IntegerField(column_name="turn", default=0)
    task_id = UUIDField(null=True)
    operation_id = TextField(null=True)
    note = TextField(null=True)
    expected = IntegerField(null=True)
    etag = TextField(null=True)
    position = BigIntegerField(default=0)
    lines = IntegerField(default=0)
    found = IntegerField(default=0)
    known = IntegerField(default=0)
    sent = IntegerField(default=0)
    bad = IntegerField(default=0)
    begun_at = DateTimeTZField(null=True)
    ended_at = DateTimeTZField(null=True)

    bulk_import_id: int  # what peewee makes of `bulk_import`

    class Meta:
        table_name = "bulk_part"

    @property
    def note_cause(self) -> Cause | None:
        """What is worth knowing about its bulk query."""
        return Cause.loads(self.note)


class ImportLine(Table):
    """A line of a result file that waits to be joined, encrypted: an order (`root`: its id) or a `child` of it.

    Lines come in any order, so that an order is complete only when the last line was read.
    """

    # bulk_line_root (part_id, root) WHERE child.
    part = ForeignKeyField(ImportPart)
    number = IntegerField()
    shop_id = IntegerField()
    root = BigIntegerField()
    child = BooleanField()
    sealed = BlobField()

    class Meta:
        table_name = "bulk_line"
        primary_key = CompositeKey("part", "number")


class ImportBadLine(Table):
    """A line of a result file that could not be parsed, and why."""

    part = ForeignKeyField(ImportPart)
    number = IntegerField()
    reason = TextField()

    class Meta:
        table_name = "bulk_bad_line"
        primary_key = CompositeKey("part", "number")


# Alerts and mail


class RuleState(StrEnum):
    OFF = "off"
    WAITING = "waiting"  # there was no order yet
    OK = "ok"
    PENDING = "pending"  # the condition holds, but not for long enough yet
    FIRING = "firing"
    RECOVERING = "recovering"  # the condition no longer holds, but not for long enough yet
    UNKNOWN = "unknown"  # the app itself has stopped


class AlertRule(Table):
    """One rule of one shop. `since`: of the state. `counts_from`: silence counts from here at the earliest.

    `rule`: the name that it is declared by, in `alerts/declared/`.
    `bad_since`, `good_since`: since when the condition holds or not. `failure`: why the last evaluation was skipped.
    """

    # alert_rule_due (next_check_at): the rules to evaluate.
    shop = ForeignKeyField(Shop)
    rule = TextField()
    state = TextField(default=RuleState.OFF)
    since = DateTimeTZField(default=utcnow)
    counts_from = DateTimeTZField(null=True)
    bad_since = DateTimeTZField(null=True)
    good_since = DateTimeTZField(null=True)
    next_check_at = DateTimeTZField(default=utcnow)
    evidence = JSONField(default=dict)
    failure = TextField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "alert_rule"
        primary_key = CompositeKey("shop", "rule")


class Incident(Table):
    """A rule that has fired, from its opening to its end. Without a shop it is about the app itself.

    `bad_since`: when it began; `opened_at`: when the rule began to hold, which may be before it was evaluated.
    `suppressed_by`: the rule whose open incident explains this one, so that one mail reports both.
    """

    # alert_incident_open (shop_id, rule) WHERE not closed, unique: at most one open incident of a shop and rule.
    # alert_incident_newest (shop_id, id); alert_incident_remind (remind_at); alert_incident_closed for retention.
    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop, null=True)
    rule = TextField()
    bad_since = DateTimeTZField()
    opened_at = DateTimeTZField()
    closed_at = DateTimeTZField(null=True)
    closed_by = TextField(null=True)
    evidence = JSONField(default=dict)
    diagnosis = JSONField(column_name="cause", null=True)
    suppressed_by = TextField(column_name="held_by", null=True)
    acknowledged_at = DateTimeTZField(null=True)
    acknowledged_by = TextField(null=True)
    snoozed_until = DateTimeTZField(null=True)
    remind_at = DateTimeTZField(null=True)
    reminders = SmallIntegerField(default=0)
    created_at = DateTimeTZField(default=utcnow)

    shop_id: int | None  # what peewee makes of `shop`

    class Meta:
        table_name = "alert_incident"

    @property
    def muted(self) -> bool:
        """Whether a member has acknowledged or snoozed it, so that no reminders are sent."""
        return bool(self.acknowledged_at or (self.snoozed_until and self.snoozed_until > utcnow()))


class AlertRecipient(Table):
    """An additional recipient of a shop's alerts. It confirms by a link first, and may unsubscribe with one click."""

    shop = ForeignKeyField(Shop)
    address = TextField()
    token_hash = TextField(unique=True)
    token = BlobField()
    added_at = DateTimeTZField(default=utcnow)
    confirmed_at = DateTimeTZField(null=True)
    unsubscribed_at = DateTimeTZField(null=True)
    bounced_at = DateTimeTZField(null=True)
    bounce = TextField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "alert_address"
        primary_key = CompositeKey("shop", "address")

    @property
    def plain_token(self) -> str:
        """The decrypted token of its links. Raises encryption.Unreadable."""
        name = f"{self.shop_id}:{self.address}"
        return self.shop.vault.open(self.token, "alert_address", "token", name).decode()

    @property
    def receives_alerts(self) -> bool:
        return bool(self.confirmed_at and not self.unsubscribed_at and not self.bounced_at)


class MailKind(StrEnum):
    FIRE = "fire"
    REMIND = "remind"
    RESOLVE = "resolve"
    UNSTABLE = "unstable"
    TEST = "test"
    CONFIRM = "confirm"


class MailState(IntEnum):
    DUE = 0
    SENT = 1
    BOUNCED = 2
    GIVEN_UP = 3
    CANCELLED = 4
    KEPT = 5  # there is no mail server; it can be read on the page


class Mail(Table):
    """A mail of the outbox, to one recipient. It is written when it is sent; every retry sends the same text.

    Without a shop it is the operator's. `number`: of the reminder.
    """

    # alert_mail_once (incident_id, kind, number, address), unique: each recipient gets each mail once.
    # alert_mail_due (due_at) WHERE state = 0: the outbox. alert_mail_newest (shop_id, id); alert_mail_ended (ended_at).
    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop, null=True)
    incident = ForeignKeyField(Incident, null=True)
    kind = TextField()
    number = SmallIntegerField(default=0)
    address = TextField()
    state = SmallIntegerField(default=MailState.DUE)
    due_at = DateTimeTZField(default=utcnow)
    leased_until = DateTimeTZField(null=True)
    tries = SmallIntegerField(default=0)
    subject = TextField(null=True)
    text = TextField(null=True)
    html = TextField(null=True)
    error = TextField(null=True)
    created_at = DateTimeTZField(default=utcnow)
    ended_at = DateTimeTZField(null=True)

    shop_id: int | None  # what peewee makes of `shop`
    incident_id: UUID | None

    class Meta:
        table_name = "alert_mail"


# Privacy


class DataRequest(Table):
    """A customer's request for their personal data (GDPR), with the export, for the merchant to pass on."""

    task_id = UUIDField(primary_key=True)
    shop = ForeignKeyField(Shop)
    number = BigIntegerField(null=True)
    customer_id = BigIntegerField(null=True)
    asked_at = DateTimeTZField(default=utcnow)
    sealed_export = BlobField(column_name="held")

    @property
    def export(self) -> dict[str, Any]:
        """The personal data export, as of the request."""
        opened = self.shop.vault.open(self.sealed_export, "data_request", "held", self.task_id)
        export: dict[str, Any] = orjson.loads(opened)
        return export


class Erasure(Table):
    """That something was erased as the law asks (GDPR), and when, but not of whom."""

    task_id = UUIDField(primary_key=True)
    shop_id = IntegerField()
    topic = TextField()
    erased_at = DateTimeTZField(default=utcnow)
    rows = IntegerField()
