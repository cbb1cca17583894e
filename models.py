"""The tables and the questions we ask them."""

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


class Action(StrEnum):
    """What somebody did."""

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
    SUPPORT = "support"
    SUPPORT_END = "support_end"


class BulkRetryState(IntEnum):
    """Where a batch stands."""

    RUNNING = 0
    DONE = 1
    CANCELLED = 2


class ImportState(IntEnum):
    """Where an import stands as a whole."""

    RUNNING = 0
    PAUSED = 1
    CANCELLED = 2
    DONE = 3


OPEN_IMPORTS = (ImportState.RUNNING, ImportState.PAUSED)


class ImportKind(IntEnum):
    """What a part of an import brings, in the order in which they run."""

    CUSTOMERS = 1
    ORDERS = 2


class ImportStep(IntEnum):
    """What is to be done next for a part."""

    ASK = 0
    AWAIT = 1
    READ = 2
    JOIN = 3
    FOLLOW = 4
    OVER = 5


class Rule(StrEnum):
    """What is watched."""

    SILENCE = "order_silence"
    ERRORS = "error_rate"
    RHYTHM = "order_rhythm"  # silence, by the shop's own week
    STALLED = "stalled"  # the app itself: no shop's rule, and the operator's to know


SHOP_RULES = (Rule.SILENCE, Rule.RHYTHM, Rule.ERRORS)


SILENCE_RULES = (Rule.SILENCE, Rule.RHYTHM)


class RuleState(StrEnum):
    """How a rule stands."""

    OFF = "off"
    WAITING = "waiting"  # there was no order yet
    OK = "ok"
    PENDING = "pending"  # it holds, but not for long enough yet
    FIRING = "firing"
    RECOVERING = "recovering"  # it holds no more, but not for long enough yet
    UNKNOWN = "unknown"  # we ourselves have stopped


class MailKind(StrEnum):
    """What a mail is for."""

    FIRE = "fire"
    REMIND = "remind"
    RESOLVE = "resolve"
    UNSTABLE = "unstable"
    TEST = "test"
    CONFIRM = "confirm"


class MailState(IntEnum):
    """How a mail stands."""

    DUE = 0
    SENT = 1
    BOUNCED = 2
    GIVEN_UP = 3
    CANCELLED = 4
    KEPT = 5  # there is no mail server; it can be read on the page


class Permission(StrEnum):
    """What somebody may do beyond looking."""

    RETRY = "retry"
    REVEAL = "reveal"
    EXPORT = "export"
    IMPORT = "import"
    ALERTS = "alerts"
    SETTINGS = "settings"
    SUPPORT = "support"


EVERYTHING = frozenset(Permission)


class ReceiptKind(IntEnum):
    """What a receipt tells."""

    PURCHASE = 1
    REFUND = 2
    CORRECTION = 3


@lru_cache(maxsize=4096)
def _vault(shop_id: int, wrapped_key: bytes) -> Vault:
    return Vault(shop_id, wrapped_key)


NOW = SQL("now()")  # the database's clock, the only one that leases and waits are measured by


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
    REFUND = 3
    FULFILLMENT = 4
    SHOP = 9  # these also run when the shop has removed the app


class Outcome(IntEnum):
    """How an attempt ended."""

    OPEN = 0
    SUCCESS = 1
    FAILED = 2
    WAITED = 3
    LOST = 4


class Table(Model):
    class Meta:
        database = db
        legacy_table_names = False


class Erasure(Table):
    """That something was erased and when, not of whom."""

    task_id = UUIDField(primary_key=True)
    shop_id = IntegerField()
    topic = TextField()
    erased_at = DateTimeTZField(default=utcnow)
    rows = IntegerField()


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


class Heartbeat(Table):
    """One job of the clock. By the database's clock, as everything that is measured between machines."""

    name = TextField(primary_key=True)
    at = DateTimeTZField(default=utcnow)


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
    name = TextField(default="")
    plan = TextField(default="")
    connected_at = DateTimeTZField(default=utcnow)
    shopify_token_until = DateTimeTZField(null=True)
    shopify_refresh = BlobField(null=True)
    shopify_refresh_until = DateTimeTZField(null=True)
    scopes = TextField(default="")

    def ends_within(self, wait: timedelta) -> bool:
        """Whether the token is over by then, or missing."""
        until = self.shopify_token_until
        return self.shopify_token is None or (until is not None and until - utcnow() <= wait)

    @property
    def joined(self) -> bool:
        """Whether it is connected to a tenant of Engage's."""
        return bool(self.engage_tenant and self.engage_key)

    @property
    def zone(self) -> ZoneInfo:
        """The shop's own time, in which its days begin."""
        return ZoneInfo(self.timezone)

    @property
    def vault(self) -> Vault:
        return _vault(self.id, bytes(self.key))

    def seal(self, column: str, secret: str) -> bytes:
        return self.vault.seal(secret.encode(), "shop", column, self.id)

    def secret(self, column: str) -> str:
        """A secret of the shop in clear. Raises vault.Unreadable."""
        return self.vault.open(getattr(self, column), "shop", column, self.id).decode()


class AuditEntry(Table):
    """Something that somebody did in a shop. It names tasks, never people: those may have to be forgotten.

    `click` is the button as it was shown, so that a second press is no second action. `made_id` is the task that came
    of it, `who` is None for whoever has a sign-in link.
    """

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    at = DateTimeTZField(default=utcnow)
    who = TextField(null=True)
    action = TextField()
    click = UUIDField(default=new_id)
    task_id = UUIDField(null=True)
    made_id = UUIDField(null=True)
    batch_id = UUIDField(null=True)
    details = JSONField(default=dict)

    class Meta:
        table_name = "audit"


class BulkRetry(Table):
    """A wish to retry every failed task of a selection. `query` is the listing that it was made from."""

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    state = SmallIntegerField(default=BulkRetryState.RUNNING)
    query = TextField()
    total = IntegerField(default=0)
    queued = IntegerField(default=0)
    fine = IntegerField(default=0)
    refused = IntegerField(default=0)
    refusals = ArrayField(UUIDField, default=list, index=False)
    created_at = DateTimeTZField(default=utcnow)
    stepped_at = DateTimeTZField(default=utcnow)
    ended_at = DateTimeTZField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "batch"

    @property
    def stage(self) -> str:
        """Its name, for pages."""
        return BulkRetryState(self.state).name.lower()

    @property
    def running(self) -> bool:
        return self.state == BulkRetryState.RUNNING

    @property
    def looked_at(self) -> int:
        return int(self.queued + self.fine + self.refused)

    @property
    def left(self) -> int:
        return int(self.total - self.looked_at)


class BulkRetryPortion(Table):
    """Some of a batch's tasks that are still to be looked at."""

    batch = ForeignKeyField(BulkRetry)
    number = IntegerField()
    shop_id = IntegerField()
    task_ids = ArrayField(UUIDField, index=False)

    class Meta:
        table_name = "batch_portion"
        primary_key = CompositeKey("batch", "number")


class BulkImport(Table):
    """A merchant's wish for everything from `starts_at` on and before `ends_at`."""

    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    state = SmallIntegerField(default=ImportState.RUNNING)
    starts_at = DateTimeTZField()
    ends_at = DateTimeTZField()
    created_at = DateTimeTZField(default=utcnow)
    ended_at = DateTimeTZField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "bulk_import"

    @property
    def open(self) -> bool:
        return self.state in OPEN_IMPORTS


class ImportPart(Table):
    """One bulk query of an import and how far its result has been read. `task_id` is the task whose turn it is."""

    id = BigAutoField()
    bulk_import = ForeignKeyField(BulkImport)
    shop_id = IntegerField()
    kind = SmallIntegerField()
    state = SmallIntegerField(default=ImportStep.ASK)
    turn = IntegerField(default=0)
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


class ImportBadLine(Table):
    """A line of a result that could not be understood."""

    part = ForeignKeyField(ImportPart)
    number = IntegerField()
    reason = TextField()

    class Meta:
        table_name = "bulk_bad_line"
        primary_key = CompositeKey("part", "number")


class DeletedCustomer(Table):
    """A customer who is gone. It may be one that we never knew."""

    shop = ForeignKeyField(Shop)
    shopify_id = BigIntegerField()
    merged_into = BigIntegerField(null=True)
    noted_at = DateTimeTZField(default=utcnow)

    class Meta:
        table_name = "departure"
        primary_key = CompositeKey("shop", "shopify_id")


class WebhookEndpoint(Table):
    """A shop's own address for Engage's webhooks. The token in it cannot be guessed, and is found by its hash."""

    shop = ForeignKeyField(Shop, primary_key=True)
    token_hash = TextField(unique=True)
    token = BlobField()
    secrets = BlobField()

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "endpoint"

    @property
    def signing_secrets(self) -> list[str]:
        found: list[str] = orjson.loads(self.shop.vault.open(self.secrets, "endpoint", "secrets", self.shop_id))
        return found

    @property
    def url(self) -> str:
        """What to enter in Svix's portal."""
        token = self.shop.vault.open(self.token, "endpoint", "token", self.shop_id).decode()
        return f"{config.app_url}/webhooks/engage/{token}"


class AlertRule(Table):
    """One rule of one shop. `counts_from`: silence counts from here at the earliest; `failure`: why it was skipped."""

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
    """Something that was noticed. There is one open for a shop and a rule at most: an index sees to it.

    Without a shop it is about the app itself.
    `bad_since`: when it began; `opened_at`: when the rule began to hold, which may be before anybody looked.
    `held_by`: the rule whose open incident explains this one, so that one mail tells both.
    """

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop, null=True)
    rule = TextField()
    bad_since = DateTimeTZField()
    opened_at = DateTimeTZField()
    closed_at = DateTimeTZField(null=True)
    closed_by = TextField(null=True)
    evidence = JSONField(default=dict)
    cause = JSONField(null=True)
    held_by = TextField(null=True)
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
    def quiet(self) -> bool:
        """Whether somebody has said that they know."""
        return bool(self.acknowledged_at or (self.snoozed_until and self.snoozed_until > utcnow()))


class AlertRecipient(Table):
    """An additional address of a shop. It confirms by a link first, and may leave with one click."""

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
    def clear_token(self) -> str:
        """Raises vault.Unreadable."""
        name = f"{self.shop_id}:{self.address}"
        return self.shop.vault.open(self.token, "alert_address", "token", name).decode()

    @property
    def subscribed(self) -> bool:
        """Whether alerts go to it."""
        return bool(self.confirmed_at and not self.unsubscribed_at and not self.bounced_at)


class Mail(Table):
    """One mail to one address. It is written when it is sent; the same words are sent at each try.

    Without a shop it is the operator's.
    """

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


class Market(Table):
    """A market by its handle. `regions` are countries ("SE"), parts of them ("US-CA"), or "*" for all."""

    id = AutoField()
    shop = ForeignKeyField(Shop)
    handle = TextField()
    name = TextField()
    regions = ArrayField(TextField, index=False)
    told_at = DateTimeTZField(default=utcnow)


class Member(Table):
    """Somebody of the shop's staff, by Shopify's user id. Their name is encrypted."""

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    user_id = TextField()
    name = BlobField(null=True)
    owner = BooleanField(default=False)
    allowed = JSONField(default=list)
    seen_at = DateTimeTZField(default=utcnow)

    @property
    def called(self) -> str:
        """Their name, or Shopify's id where Shopify told none."""
        if self.name is None:
            return self.user_id
        return self.shop.vault.open(self.name, "member", "name", self.id).decode()

    @property
    def permissions(self) -> frozenset[Permission]:
        """What they may do. A permission that this version does not know is none."""
        if self.owner:
            return EVERYTHING
        return frozenset(each for each in Permission if each in self.allowed)


class SupportLink(Table):
    """A link that shows one task or one entity, masked, to whoever has it, until it ends. Only its hash is kept."""

    token_hash = TextField(primary_key=True)
    shop = ForeignKeyField(Shop)
    task_id = UUIDField(null=True)
    kind = TextField(null=True)
    shopify_id = BigIntegerField(null=True)
    made_by = TextField(null=True)
    made_at = DateTimeTZField(default=utcnow)
    expires_at = DateTimeTZField()

    shop_id: int  # what peewee makes of `shop`


class PollCursor(Table):
    """`since` is the newest `updatedAt` whose row is stored. It is Shopify's clock, and it never goes back."""

    shop = ForeignKeyField(Shop)
    resource = TextField()
    since = DateTimeTZField()

    class Meta:
        table_name = "poll"
        primary_key = CompositeKey("shop", "resource")


class DataRequest(Table):
    """Somebody asked what is known of them. `held` is the answer, for the merchant to pass on."""

    task_id = UUIDField(primary_key=True)
    shop = ForeignKeyField(Shop)
    number = BigIntegerField(null=True)
    customer_id = BigIntegerField(null=True)
    asked_at = DateTimeTZField(default=utcnow)
    held = BlobField()

    @property
    def answer(self) -> dict[str, Any]:
        """What we held of the person when they asked."""
        held: dict[str, Any] = orjson.loads(self.shop.vault.open(self.held, "data_request", "held", self.task_id))
        return held


class Receipt(Table):
    """A receipt that Engage has accepted, to the byte, and the shop's rules that it was made by."""

    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    order_id = BigIntegerField()
    kind = SmallIntegerField()
    receipt_id = TextField()
    body = BlobField()
    rules = JSONField()
    sent_at = DateTimeTZField(default=utcnow)

    def clear(self, shop: Shop) -> dict[str, Any]:
        """The receipt as Engage has it, its numbers read as floats."""
        body: dict[str, Any] = orjson.loads(shop.vault.open(self.body, "receipt", "body", self.receipt_id))
        return body


class SavedView(Table):
    """A name for a query of the listing. A deleted one is kept for a while, so that it can be had back."""

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    name = TextField()
    query = TextField()
    created_at = DateTimeTZField(default=utcnow)
    deleted_at = DateTimeTZField(null=True)


class Snapshot(Table):
    """What we know of one entity at Shopify: its newest state, whatever order the news came in."""

    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    shopify_id = BigIntegerField()
    updated_at = DateTimeTZField()
    seen = BlobField()

    shop_id: int  # what peewee makes of `shop`
    more: ClassVar[dict[str, str]] = {}  # further columns that `remember` takes, and their types in SQL

    @property
    def node(self) -> dict[str, Any]:
        """Shopify's GraphQL object as last seen."""
        sealed = self.shop.vault.open(self.seen, self._meta.table_name, "seen", self.shopify_id)
        node: dict[str, Any] = orjson.loads(sealed)
        return node


class Customer(Snapshot):
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


class ConsentMemory(Table):
    """A memory for each preference of one customer."""

    customer = ForeignKeyField(Customer, primary_key=True)
    kept = JSONField()

    class Meta:
        table_name = "consents"


class Order(Snapshot):
    more: ClassVar = {"name": "text", "customer_id": "bigint"}

    name = TextField()
    customer_id = BigIntegerField(null=True)
    receipt_id = TextField(null=True)
    receipt_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "orders"


class Refund(Snapshot):
    """A refund as last seen; `order_id` is Shopify's id of its order."""

    more: ClassVar = {"order_id": "bigint"}

    order_id = BigIntegerField()

    class Meta:
        table_name = "refund"


class SignIn(Table):
    """A link that opens one shop once. Only the token's hash is kept."""

    token_hash = TextField(primary_key=True)
    shop = ForeignKeyField(Shop)
    expires_at = DateTimeTZField()


class Store(Table):
    """A place where things are sold, by its external id. `kind` is Engage's: ECOM or RETAIL."""

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
    trace = TextField(null=True)
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
    note: str | None = None  # worth reading beside a Success: stands at its attempt
    finished = False
    ended: str | None = None  # how this attempt ended, in a word
    sent = False  # whether this attempt has called something that may have changed the other side

    @property
    def subject(self) -> int:
        """The Shopify id of what the task is about. Raises ValueError when it is about nothing there."""
        if self.shopify_id is None:
            raise ValueError(f"Task {self.id} has no Shopify id.")
        return int(self.shopify_id)


class Attempt(Table):
    """One run of a task."""

    task = ForeignKeyField(Task)
    shop_id = IntegerField()
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

    task_id: UUID  # what peewee makes of `task`

    def seal(self, shop: Shop, column: str, body: bytes) -> bytes:
        return shop.vault.seal(body, "exchange", column, self.id)

    def clear(self, shop: Shop, column: str) -> bytes:
        """`url`, `sent` or `received` as it was on the wire. Raises vault.Unreadable."""
        sealed = getattr(self, column)
        return shop.vault.open(sealed, "exchange", column, self.id) if sealed else b""
