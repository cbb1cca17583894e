"""Try an order notification: send a test to a contact that Engage has already, and return what Engage answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clients import AlreadyExists, ApiError, Call, NullJournal
from clients.engage.client import EngageClient
from mappings import Json
from mappings.notification.body import NotificationKind, notification_body, status_skip_reason
from models import Shop, utcnow
from reasons import Cause, Reason, cause
from sync.api_clients import engage_client_without_task
from sync.notification_trial.example import example_order, example_parcel, example_refund
from sync.notifications import notification_rules

CALL_SECONDS = 10.0  # for each of the two calls: somebody waits for the page


class TrialOutcome(StrEnum):
    """How a test ended."""

    ACCEPTED = "accepted"
    NO_CONTACT = "no_contact"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Trial:
    """The outcome of a test: the status of the response or why there is none, and the words that were sent."""

    outcome: TrialOutcome
    why: Cause | None = None
    status: int | None = None
    order_status: str = ""
    payment_status: str = ""


class _LastCall(NullJournal):
    """Keeps the newest call, for the status of its response."""

    call: Call | None = None

    def sending(self, call: Call) -> None:
        self.call = call

    @property
    def status(self) -> int | None:
        return self.call.status if self.call else None


def try_notification(shop: Shop, kind: NotificationKind, email: str) -> Trial:
    """Send a test of this kind to the contact with the e-mail address. Creates no contact, and writes nothing.

    Makes two calls, so the caller must not be in a transaction.
    """
    body = _body(shop, kind, email)
    if isinstance(body, Cause):
        return Trial(TrialOutcome.NOT_SENT, body)
    journal = _LastCall()
    engage = engage_client_without_task(shop, journal, CALL_SECONDS)
    try:
        contact_id = _contact_id(engage, email)
        if contact_id is None:
            return Trial(TrialOutcome.NO_CONTACT)
    except ApiError as error:
        return Trial(TrialOutcome.NOT_SENT, error.cause, journal.status)
    return _send(engage, journal, body | ({"contact": _by_id(contact_id)} if contact_id else {}))


def _body(shop: Shop, kind: NotificationKind, email: str) -> Json | Cause:
    """The test's body, or why none can be sent."""
    if not shop.engage_connected:
        return cause(Reason.ENGAGE_NOT_CONNECTED)
    at = utcnow().isoformat()
    order = example_order(kind, shop.currency, email, at)
    rules = notification_rules(shop, order)
    return status_skip_reason(kind, order, rules) or notification_body(
        kind,
        order,
        rules=rules,
        email=email,
        fulfillment=example_parcel(kind, at),
        refund=example_refund(kind, shop.currency, at),
        zone=shop.zone,
    )


def _contact_id(engage: EngageClient, email: str) -> str | None:
    """The contact's id; "" if several have the address, which is matched then; None if none has."""
    try:
        return engage.find_contact(email=email)
    except AlreadyExists:
        return ""


def _by_id(contact_id: str) -> Json:
    return {"matchKey": contact_id, "matchKeyType": "contactId"}


def _send(engage: EngageClient, journal: _LastCall, body: Json) -> Trial:
    words = {"order_status": body["orderStatus"], "payment_status": body["paymentStatus"]}
    try:
        engage.create_order_notification(body)
    except ApiError as error:
        return Trial(
            TrialOutcome.UNKNOWN if error.unknown else TrialOutcome.REFUSED, error.cause, journal.status, **words
        )
    return Trial(TrialOutcome.ACCEPTED, None, journal.status, **words)
