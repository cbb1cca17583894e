"""What a task sent to Engage, sent again: the same bytes, as a task of their own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import orjson

from actors.outcomes import Unusable
from actors.registry import INSTEAD, NUMBERS, TYPES, enqueue
from actors.systems import engage_of, engage_origin
from clients import Effect
from clients.engage_again import effect_of, path_at
from mappings import Json
from models import Customer, Exchange, Lane, State, Task
from models.receipts import Receipt
from vault import Unreadable

EXCHANGE = "exchange"  # the argument that names the call; statements that look for newer tasks know it
RECEIPTS = {"SyncOrder", "SyncRefund"}
GONE = "What was sent is no longer kept, so it cannot be sent again."
NOT_AGAIN = "What was sent was for another tenant or another contact, or is nothing that may be sent again."


class Why(StrEnum):
    """Why there is nothing that can be sent again."""

    PENDING = "pending"
    NOTHING = "nothing"
    GONE = "gone"
    NOT_AGAIN = "not_again"


@dataclass(frozen=True)
class Recording:
    """A call that may be made again. `letter`: Engage would write to the shopper a second time."""

    exchange: Exchange
    path: str
    sent: bytes

    @property
    def letter(self) -> bool:
        return self.exchange.effect == Effect.ONCE


def recorded(task: Task) -> Recording | Why:
    """The last call of the task that changed something in Engage, or why it cannot be made again."""
    if task.state == State.PENDING:
        return Why.PENDING
    mine = (Exchange.task == task) & (Exchange.shop_id == task.shop_id)
    changing = mine & (Exchange.effect != Effect.READ) & (Exchange.system == "Engage")
    last = Exchange.select().where(changing).order_by(Exchange.id.desc()).first()
    return _recording(task, last) if last else Why.NOTHING


def _recording(task: Task, exchange: Exchange) -> Recording | Why:
    try:
        url, sent = exchange.clear(task.shop, "url").decode(), exchange.clear(task.shop, "sent")
    except Unreadable:
        return Why.GONE
    path = path_at(engage_origin(task.shop), url)
    if path is None or effect_of(exchange.method, path) is None or not _theirs(task, path, sent):
        return Why.NOT_AGAIN
    return Recording(exchange, path, sent)


def _theirs(task: Task, path: str, sent: bytes) -> bool:
    """Whether an update is of the contact that the customer still is, and says nothing of marketing: only they may."""
    if "/contacts/" not in path:
        return True
    customer = Customer.find(task.shop, task.shopify_id) if task.shopify_id else None
    same = customer is not None and customer.contact_id is not None and path.endswith(customer.contact_id)
    return same and "preferences" not in _fields(sent)


def _fields(sent: bytes) -> Json:
    try:
        found = orjson.loads(sent)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def send_again(task: Task, recording: Recording, key: str) -> Task | None:
    """Enqueue the same bytes as a new task of the same type, in the caller's transaction. None: its key is there."""
    kind = NUMBERS[task.type]
    again = kind.new(task.shop, key=key, shopify_id=task.shopify_id, parent=task, lane=Lane.LIVE)
    again.args, again.engage_id = {EXCHANGE: str(recording.exchange.id)}, task.engage_id
    return next(iter(enqueue([again])), None)


def same_bytes(task: Task, exchange: str) -> None:
    """The whole of such a task."""
    found = Exchange.get_or_none((Exchange.id == UUID(exchange)) & (Exchange.shop_id == task.shop_id))
    recording = _recording(task, found) if found else Why.GONE
    if isinstance(recording, Why):
        raise Unusable(NOT_AGAIN if recording is Why.NOT_AGAIN else GONE)
    engage_of(task).repeat(recording.exchange.method, recording.path, recording.sent)
    with task.effects(engage_id=task.engage_id):
        _followed(task, recording)


def _followed(task: Task, recording: Recording) -> None:
    """What Engage now has is what we know of it."""
    name = NUMBERS[task.type].name
    if "/contacts/" in recording.path:
        _told(task, _fields(recording.sent))
    elif name in RECEIPTS and not Receipt.sent(task.shop, str(_fields(recording.sent).get("uniqueReceiptId"))):
        TYPES[name].enqueue(task.shop, key=f"after:{task.id}", shopify_id=task.shopify_id, parent=task)


def _told(task: Task, fields: Json) -> None:
    """So that the next sync brings what has changed since."""
    customer = Customer.known(task.shop, task.subject)
    if customer.contact_id and customer.last_sent is not None:
        customer.became(customer.contact_id, customer.contact_type or "", customer.last_sent | fields)


INSTEAD[EXCHANGE] = same_bytes
