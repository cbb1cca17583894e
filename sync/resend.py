"""Resend what a task sent to Engage: the same bytes, as a new task."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import orjson

from clients import Effect
from clients.engage.resendable import path_in_tenant, resend_effect
from encryption import Unreadable
from mappings import Json
from mappings.contact import KEYS, ContactRules, update_fields
from models import Customer, Exchange, Lane, State, Task
from reasons import Reason
from sync import entities, sent_receipts
from sync.api_clients import engage_client, engage_origin
from taskqueue import claims
from taskqueue.outcomes import Unusable
from taskqueue.run import Run
from taskqueue.types import NUMBERS, enqueue

OWN_FIELDS = (*KEYS, "externalId")


class NotResendable(StrEnum):
    """Reason that a task has nothing to resend."""

    PENDING = "pending"
    NOTHING = "nothing"
    DELETED = "gone"
    NOT_ALLOWED = "not_again"


@dataclass(frozen=True)
class ResendableCall:
    """A recorded request that may be resent. `sends_mail`: Engage would mail the customer a second time."""

    exchange: Exchange
    path: str
    sent: bytes

    @property
    def sends_mail(self) -> bool:
        return self.exchange.effect == Effect.ONCE


def resendable_call(task: Task) -> ResendableCall | NotResendable:
    """Find the task's last request that changed something in Engage, or why it cannot be resent."""
    if task.state == State.PENDING:
        return NotResendable.PENDING
    of_task = (Exchange.task == task) & (Exchange.shop_id == task.shop_id)
    changing = of_task & (Exchange.effect != Effect.READ) & (Exchange.system == "Engage")
    last = Exchange.select().where(changing).order_by(Exchange.id.desc()).first()
    return _resendable(task, last) if last else NotResendable.NOTHING


def _resendable(task: Task, exchange: Exchange) -> ResendableCall | NotResendable:
    try:
        url, sent = exchange.open(task.shop, "url").decode(), exchange.open(task.shop, "sent")
    except Unreadable:
        return NotResendable.DELETED
    path = path_in_tenant(engage_origin(task.shop), url)
    if path is None or resend_effect(exchange.method, path) is None or not _same_contact(task, path, sent):
        return NotResendable.NOT_ALLOWED
    return ResendableCall(exchange, path, sent)


def _same_contact(task: Task, path: str, sent: bytes) -> bool:
    """Whether an update is of the customer's present contact: only those are resent.

    Not with marketing preferences, or with a key that is not the customer's any more: it may be another's by now.
    """
    if "/contacts/" not in path:
        return True
    customer = entities.find(Customer, task.shop, task.shopify_id) if task.shopify_id else None
    if customer is None or customer.contact_id is None or not path.endswith(customer.contact_id):
        return False
    fields, present = _fields(sent), update_fields(customer.snapshot, ContactRules())
    return "preferences" not in fields and all(fields[each] == present[each] for each in OWN_FIELDS if each in fields)


def _fields(sent: bytes) -> Json:
    try:
        found = orjson.loads(sent)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def enqueue_resend(task: Task, call: ResendableCall, key: str) -> Task | None:
    """Enqueue a resend as a new task of the same type, in the caller's transaction. None: its key exists already."""
    created = NUMBERS[task.type].new(
        task.shop, key=key, shopify_id=task.shopify_id, parent=task, lane=Lane.LIVE, resends=call.exchange.id
    )
    created.engage_id = task.engage_id
    return next(iter(enqueue([created])), None)


def resend(run: Run) -> None:
    """Resend the recorded request that the task names: the function of such a task, whatever its type."""
    found = Exchange.get_or_none((Exchange.id == run.task.resends) & (Exchange.shop_id == run.task.shop_id))
    call = _resendable(run.task, found) if found else NotResendable.DELETED
    if isinstance(call, NotResendable):
        raise Unusable(Reason.RESEND_NOT_ALLOWED if call is NotResendable.NOT_ALLOWED else Reason.SENT_BODY_DELETED)
    engage_client(run).resend(call.exchange.method, call.path, call.sent)
    with claims.effects(run, engage_id=run.task.engage_id):
        _record_sent(run, call)


def _record_sent(run: Run, call: ResendableCall) -> None:
    """Record what Engage now has."""
    if "/contacts/" in call.path:
        _record_contact(run, _fields(call.sent))
    elif "/receipts" in call.path and not sent_receipts.is_sent(
        run.shop, str(_fields(call.sent).get("uniqueReceiptId"))
    ):
        task_type = NUMBERS[run.task.type]
        task_type.enqueue(run.shop, key=f"after:{run.task.id}", shopify_id=run.task.shopify_id, parent=run.task)


def _record_contact(run: Run, fields: Json) -> None:
    """Record the contact's fields, so that the next sync sends what has changed since."""
    customer = entities.get(Customer, run.shop, run.subject)
    if customer.contact_id and customer.last_sent is not None:
        entities.set_contact(customer, customer.contact_id, customer.contact_type or "", customer.last_sent | fields)
