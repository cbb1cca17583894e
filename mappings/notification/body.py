"""Body of an order notification, by which Engage mails the customer about a change of an order (v2 orders)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from mappings import Json, nodes, numeric_id
from mappings.money import ZERO, Ledger
from mappings.notification.contents import order_contents, refund_contents
from mappings.notification.extra_fields import extra_fields
from mappings.notification.language import mail_language
from mappings.receipt.payments import refund_payments
from mappings.receipt.purchase import in_zone
from reasons import Cause, Reason, cause

NotificationKind = Literal["confirmed", "partly_fulfilled", "fulfilled", "cancelled", "refunded"]

# Each value must be configured in the tenant, or Engage rejects the call. ORDER_CREATED, ORDER_FULFILLED and PAID are
# from Engage's samples; the others are named like them. A shop enters its tenant's own.
ORDER_STATUS: dict[str, str] = {
    "confirmed": "ORDER_CREATED",
    "partly_fulfilled": "ORDER_PARTLY_FULFILLED",
    "fulfilled": "ORDER_FULFILLED",
    "cancelled": "ORDER_CANCELLED",
    "refunded": "ORDER_REFUNDED",
}
# By Shopify's displayFinancialStatus; a state that is not listed keeps Shopify's name.
PAYMENT_STATUS: dict[str, str] = {
    state: state
    for state in (
        *("PAID", "PENDING", "AUTHORIZED", "PARTIALLY_PAID"),
        *("PARTIALLY_REFUNDED", "REFUNDED", "VOIDED", "EXPIRED"),
    )
}


@dataclass(frozen=True)
class NotificationRules:
    """A shop's settings for its notifications. Presentment currency, since a mail shows customers what they paid.

    The mappings have the status words that the shop has entered. An empty one: such notifications are not sent.
    """

    store: str = ""
    language: str = "sv-SE"
    currency: Literal["shop", "presentment"] = "presentment"
    order_status: Mapping[str, str] = field(default_factory=dict)
    payment_status: Mapping[str, str] = field(default_factory=dict)

    def order_status_of(self, kind: NotificationKind) -> str:
        return self.order_status.get(kind, ORDER_STATUS[kind])

    def payment_status_of(self, financial: str) -> str:
        return self.payment_status.get(financial, PAYMENT_STATUS.get(financial, financial))


def notification_skip_reason(order: Json, email: str | None, fulfillment: Json | None = None) -> Cause | None:
    """Why no notification is sent, or None."""
    if order.get("test"):
        return cause(Reason.TEST_ORDER_NOTIFICATION)
    if not email:
        return cause(Reason.ORDER_NO_EMAIL)
    if not nodes(order["lineItems"]):
        return cause(Reason.ORDER_NO_ARTICLES)
    if fulfillment and fulfillment.get("status") != "SUCCESS":
        return cause(Reason.FULFILLMENT_NOT_SENT, status=str(fulfillment.get("status")))
    return None


def status_skip_reason(kind: NotificationKind, order: Json, rules: NotificationRules) -> Cause | None:
    """Why no notification of this kind, or of an order in this payment state, is sent: the shop has no word for it."""
    if not rules.order_status_of(kind):
        return cause(Reason.NOTIFICATION_KIND_OFF)
    if not rules.payment_status_of(order["displayFinancialStatus"]):
        return cause(Reason.NOTIFICATION_PAYMENT_OFF, status=str(order["displayFinancialStatus"]))
    return None


def kind_of_order(order: Json) -> NotificationKind | None:
    """The notification to resend, by the order's present state, or None if there is nothing to notify about."""
    if order.get("test") or not nodes(order["lineItems"]):
        return None
    if order.get("cancelledAt"):
        return "cancelled"
    if order["displayFinancialStatus"] == "REFUNDED" and order.get("refunds"):
        return "refunded"
    return _shipped(order) or "confirmed"


def sent_parcels(order: Json) -> list[Json]:
    """The order's parcels that are in transit or delivered, oldest first."""
    sent = [parcel for parcel in order.get("fulfillments") or [] if parcel["status"] == "SUCCESS"]
    return sorted(sent, key=lambda parcel: (parcel["createdAt"], int(numeric_id(parcel))))


def last_parcel(order: Json) -> Json | None:
    return next(reversed(sent_parcels(order)), None)


def kind_of_fulfillment(order: Json, parcel: Json) -> NotificationKind:
    """Whether a parcel completed its order or fulfilled a part. May be asked after the next one was sent as well."""
    last = numeric_id(parcel) == numeric_id(last_parcel(order))
    return "fulfilled" if last and order["displayFulfillmentStatus"] == "FULFILLED" else "partly_fulfilled"


def change_key(kind: NotificationKind, order: Json, change: Json | None = None) -> str:
    """The key of a change, so that it is notified once; `change` is its fulfilment or refund.

    A parcel has the same key for both kinds: the next parcel may turn "partly" into "fulfilled".
    """
    name = "parcel" if kind in ("fulfilled", "partly_fulfilled") else kind
    return ":".join([name, numeric_id(order), *([numeric_id(change)] if change else [])])


def notification_body(
    kind: NotificationKind,
    order: Json,
    *,
    rules: NotificationRules,
    email: str,
    contact_id: str = "",
    fulfillment: Json | None = None,
    refund: Json | None = None,
    zone: ZoneInfo | None = None,
) -> Json:
    """The body for POST /api/v2/orders: everything that the mail may show, since Engage stores nothing of an order.

    The contact with the id is matched, or without one the contact with the e-mail address, of which there may be two.
    For a parcel with a part of the order it has that part; for a refund it has what came back, with negative totals as
    on receipts. Raises ValueError for "refunded" without a refund.
    """
    ledger = Ledger.of(order, rules.currency)
    if kind == "refunded":
        if refund is None:
            raise ValueError("A notification of a refund needs the refund.")
        items = refund_contents(refund, order, ledger)
        payments = refund_payments(refund, items.total, ZERO, ledger)
    else:
        items, payments = order_contents(kind, order, fulfillment, ledger)
    return {
        "contact": _contact_key(email, contact_id),
        "orderNumber": order["name"],
        "orderStatus": rules.order_status_of(kind),
        "paymentStatus": rules.payment_status_of(order["displayFinancialStatus"]),
        "language": mail_language(order, rules.language),
        "storeId": rules.store,
        "currency": ledger.currency,
        **_dates(kind, order, fulfillment, refund, zone),
        **items.body(ledger, order),
        "paymentMethods": payments,
        "extraData": extra_fields(order, fulfillment),
    }


def _contact_key(email: str, contact_id: str) -> Json:
    if contact_id:
        return {"matchKey": contact_id, "matchKeyType": "contactId"}
    return {"matchKey": email, "matchKeyType": "email"}


def _shipped(order: Json) -> NotificationKind | None:
    match order["displayFulfillmentStatus"]:
        case "FULFILLED":
            return "fulfilled"
        case "PARTIALLY_FULFILLED":
            return "partly_fulfilled"
    return None


def _dates(
    kind: NotificationKind, order: Json, parcel: Json | None, refund: Json | None, zone: ZoneInfo | None
) -> Json:
    changed_at = (parcel or refund or {}).get("createdAt") or _changed_at(kind, order)
    dates = {"createdDate": in_zone(order["createdAt"], zone), "statusChangedDate": in_zone(changed_at, zone)}
    if parcel and parcel.get("createdAt"):
        dates["shippingDate"] = in_zone(parcel["createdAt"], zone)
    return dates


def _changed_at(kind: NotificationKind, order: Json) -> str:
    times = {"confirmed": order["createdAt"], "cancelled": order.get("cancelledAt")}
    return times.get(kind) or order.get("updatedAt") or order["createdAt"]
