"""Order notifications: each change is notified once, and none is repeated by itself."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest

from models import Order, State, Task
from reasons import Reason
from sandbox.engage.faults import Fault
from sync import entities
from sync.notifications import cause_not_to_resend, resend_notification
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import ADA, RECORD, buy, calls, index, newest, receipts
from tests.support.tasks.outcomes import sentence
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of, tasks_of
from tests.taskqueue.test_entity_order import drain_on_threads

STATUSES = {"partly_fulfilled": "ORDER_PARTIALLY_FULFILLED"}  # as the sandbox's tenant calls it


@pytest.fixture
def notifying_shop(shop):
    """A shop with notifications enabled."""
    shop.settings = {"notifications": {"enabled": True, "order_status": STATUSES}}
    shop.save()
    return shop


def mails(engage):
    return [mail["orderStatus"] for mail in engage.tenant("demo").orders.report()["mails"]]


def enqueue_order_webhook(shop, order_id):
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})


def send_parcel(shop, shopify, order_id, units=None):
    """Send a parcel and enqueue its webhook. Returns the fulfillment's id."""
    parcel_id = shopify.fulfil(shop.domain, order_id, units)
    enqueue_webhook(shop, "FulfillmentWebhook", {"id": parcel_id, "order_id": order_id})
    return parcel_id


def test_a_shop_without_notifications_enabled_sends_none(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify)
    send_parcel(shop, shopify, order_id)

    drain(waiting=True)

    assert (tasks_of("SyncOrderNotification"), mails(engage)) == ([], [])


def test_an_order_is_confirmed_once(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    drain(waiting=True)

    enqueue_order_webhook(notifying_shop, order_id)
    drain(waiting=True)

    assert mails(engage) == ["ORDER_CREATED"]
    (mail,) = engage.tenant("demo").orders.mails
    assert mail["contact"] == {"matchKey": mail["contactId"], "matchKeyType": "contactId"}
    assert newest("SyncOrderNotification").shopify_id == order_id


def test_each_parcel_is_notified_once_with_the_orders_status(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    drain(waiting=True)

    for _ in range(2):
        send_parcel(notifying_shop, shopify, order_id, {line_of(shopify, notifying_shop, order_id): 1})
        drain(waiting=True)

    assert mails(engage) == ["ORDER_CREATED", "ORDER_PARTIALLY_FULFILLED", "ORDER_FULFILLED"]


def test_a_parcels_notification_has_its_articles_and_tracking_number(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    parcel_id = send_parcel(notifying_shop, shopify, order_id, {line_of(shopify, notifying_shop, order_id): 1})

    drain(waiting=True)

    notification = engage.tenant("demo").orders.mails[-1]["order"]
    assert [item["quantity"] for item in notification["items"]] == [1]
    assert notification["extraData"]["TrackingNumber"] == f"{parcel_id}SE"
    assert newest("SyncOrderFulfillmentNotification").shopify_id == parcel_id


def test_a_new_tracking_number_is_not_notified_again(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    parcel_id = send_parcel(notifying_shop, shopify, order_id)
    drain(waiting=True)

    shopify.track(notifying_shop.domain, order_id, parcel_id, "CHANGED")
    enqueue_webhook(notifying_shop, "FulfillmentWebhook", {"id": parcel_id, "order_id": order_id})
    drain(waiting=True)

    assert mails(engage).count("ORDER_FULFILLED") == 1


def test_a_cancelled_parcel_is_not_notified(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    parcel_id = send_parcel(notifying_shop, shopify, order_id)
    shopify.cancel_fulfilment(notifying_shop.domain, order_id, parcel_id)

    drain(waiting=True)

    assert mails(engage) == ["ORDER_CREATED"]


def test_a_refund_is_notified(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    refund_id = shopify.refund(notifying_shop.domain, order_id, {line_of(shopify, notifying_shop, order_id): 1})
    enqueue_refund_webhooks(notifying_shop, refund_id, order_id)

    drain(waiting=True)

    assert mails(engage).count("ORDER_REFUNDED") == 1
    assert newest("SyncRefundNotification").shopify_id == refund_id


def test_a_cancelled_order_is_notified_and_no_longer_confirmed(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify, paid=False)
    enqueue_refund_webhooks(notifying_shop, shopify.cancel(notifying_shop.domain, order_id), order_id)

    drain(waiting=True)

    assert mails(engage) == ["ORDER_CANCELLED"]
    assert newest("SyncRefundNotification").reason == Reason.REFUND_NO_MONEY


def test_a_confirmation_after_the_cancellation_is_skipped(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    shopify.cancel(notifying_shop.domain, order_id)
    drain(waiting=True)

    TYPES["SyncOrderNotification"].enqueue(notifying_shop, key="late", shopify_id=order_id, args={"kind": "confirmed"})
    drain()

    assert newest("SyncOrderNotification").reason == Reason.ORDER_CANCELLED_UNCONFIRMED


def test_an_old_order_that_is_updated_is_not_notified(notifying_shop, shopify, engage, drain):
    long_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    buy(notifying_shop, shopify, createdAt=long_ago)

    drain(waiting=True)

    assert mails(engage) == []


@pytest.mark.parametrize(("fields", "reason"), [({"test": True}, "test order"), ({"email": None}, "e-mail")])
def test_some_orders_are_not_notified_for_a_reason(fields, reason, notifying_shop, shopify, engage, drain):
    buy(notifying_shop, shopify, **fields)

    drain(waiting=True)

    assert reason in sentence(newest("SyncOrderNotification").cause)
    assert mails(engage) == []


def test_a_notification_with_an_unknown_outcome_is_not_retried(notifying_shop, shopify, engage, drain):
    engage.script("POST .*/orders$", [Fault.RESET])  # it has arrived
    buy(notifying_shop, shopify)

    drain(waiting=True)

    notification = newest("SyncOrderNotification")
    assert (notification.state, notification.code) == (State.ERROR, "outcome unknown")
    assert mails(engage) == ["ORDER_CREATED"]


def test_a_throttled_notification_is_retried(notifying_shop, shopify, engage, drain):
    engage.script("POST .*/orders$", [429])
    buy(notifying_shop, shopify)

    drain(waiting=True)

    assert newest("SyncOrderNotification").state == State.SUCCESS
    assert mails(engage) == ["ORDER_CREATED"]


@pytest.mark.parametrize("seed", range(3))
def test_each_change_is_notified_once_by_concurrent_workers(seed, notifying_shop, shopify, engage):
    """Doubled webhooks, both kinds of them, and a poll, on several workers at once."""
    _, order_id = buy(notifying_shop, shopify)
    parcel_id = shopify.fulfil(notifying_shop.domain, order_id)
    refund_id = shopify.refund(notifying_shop.domain, order_id, {line_of(shopify, notifying_shop, order_id): 1})
    webhooks = [
        ("OrderWebhook", {"id": order_id}),
        ("FulfillmentWebhook", {"id": parcel_id, "order_id": order_id}),
        ("RefundWebhook", {"id": refund_id, "order_id": order_id}),
    ]
    for webhook in random.Random(seed).sample(2 * webhooks, 6):
        enqueue_webhook(notifying_shop, *webhook)
    for name, shopify_id in (("IndexOrder", order_id), ("IndexRefund", refund_id)):
        TYPES[name].enqueue(notifying_shop, key=f"poll:{shopify_id}", shopify_id=shopify_id)

    drain_on_threads()

    assert sorted(mails(engage)) == ["ORDER_CREATED", "ORDER_FULFILLED", "ORDER_REFUNDED"]


def test_two_parcels_sent_together_are_partly_and_then_fully_fulfilled(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    for _ in range(2):
        send_parcel(notifying_shop, shopify, order_id, {line_of(shopify, notifying_shop, order_id): 1})

    drain(waiting=True)

    assert sorted(mails(engage)) == ["ORDER_CREATED", "ORDER_FULFILLED", "ORDER_PARTIALLY_FULFILLED"]


def test_a_notification_waits_for_its_contact(notifying_shop, shopify, engage, drain):
    order_id = shopify.add_order(
        notifying_shop.domain, RECORD, customer_id=shopify.add_customer(notifying_shop.domain, ADA)
    )
    enqueue_order_webhook(notifying_shop, order_id)

    drain()

    posted = [call.path.rpartition("/")[2] for call in calls(engage, "POST")]
    assert posted.index("contacts") < posted.index("orders")


@pytest.mark.parametrize("person", [None, replace(ADA, email=None, phone=None)], ids=["a guest", "one without a key"])
def test_an_order_without_a_contact_is_notified_by_its_email_address(person, notifying_shop, shopify, engage, drain):
    customer_id = shopify.add_customer(notifying_shop.domain, person) if person else None
    order_id = shopify.add_order(notifying_shop.domain, RECORD, customer_id=customer_id, email="guest@example.com")
    enqueue_order_webhook(notifying_shop, order_id)

    drain()

    assert mails(engage) == ["ORDER_CREATED"]


@pytest.mark.parametrize("phone", [None, "+46700009206"])
def test_no_mail_is_made_for_another_contact_with_the_address(phone, notifying_shop, shopify, engage, drain):
    """The customer is no contact, or one by phone, while another customer's contact has the address."""
    engage.tenant("demo").contacts.key_fields = {"Member": "mobilePhone", "Contact": "mobilePhone"}
    first = shopify.add_customer(notifying_shop.domain, replace(ADA, email=None, phone="+46700000001"))
    other = engage.tenant("demo").contacts.create(
        {"email": ADA.email, "mobilePhone": "+46700000001", "externalId": str(first)}
    )

    buy(notifying_shop, shopify, person=replace(ADA, phone=phone))
    drain(waiting=True)

    mail = newest("SyncOrderNotification")
    assert (mail.reason, mail.cause.params) == (Reason.EMAIL_OF_ANOTHER_CONTACT, {"contact": other["id"]})
    assert calls(engage, "POST", "/orders") == []


def test_a_refund_of_an_unread_order_is_notified_once_the_order_is_read(notifying_shop, shopify, engage, drain):
    customer_id = shopify.add_customer(notifying_shop.domain, ADA)
    index(notifying_shop, "IndexCustomer", customer_id)
    drain()
    order_id = shopify.add_order(notifying_shop.domain, RECORD, customer_id=customer_id)
    refund_id = shopify.refund(notifying_shop.domain, order_id, {line_of(shopify, notifying_shop, order_id): 1})
    enqueue_webhook(notifying_shop, "RefundWebhook", {"id": refund_id, "order_id": order_id})

    drain()

    assert "ORDER_REFUNDED" in mails(engage)


def test_changes_before_notifications_were_enabled_are_not_notified(shop, shopify, engage, drain):
    since = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    shop.settings = {"notifications": {"enabled": True, "since": since}}
    shop.save()
    _, order_id = buy(shop, shopify)
    send_parcel(shop, shopify, order_id)

    drain(waiting=True)

    assert mails(engage) == []


def test_a_notification_names_the_store_of_the_receipt(shop, shopify, engage, drain):
    shop.settings = {"notifications": {"enabled": True}, "stores": {"SE": "SE-MALMO"}}
    shop.save()
    buy(shop, shopify)

    drain(waiting=True)

    (notification,), (receipt,) = engage.tenant("demo").orders.mails, receipts(engage)
    assert notification["order"]["storeId"] == receipt["storeExternalId"] == "SE-MALMO"


def test_a_shop_that_had_chosen_the_stored_orders_sends_notifications(shop, shopify, engage, drain):
    """Earlier releases offered the path of version 3, whose body is another one."""
    shop.settings = {"notifications": {"enabled": True, "path": "/api/v3/orders"}}
    shop.save()
    buy(shop, shopify)

    drain(waiting=True)

    assert [call.path for call in calls(engage, "POST") if call.path.endswith("/orders")] == ["/api/v2/orders"]
    assert mails(engage) == ["ORDER_CREATED"]


def test_the_store_and_the_status_names_are_settings(shop, shopify, engage, drain):
    engage.tenant("demo").orders.statuses = ("Confirmed",)
    settings = {"store": "SE-MAIL", "order_status": {"confirmed": "Confirmed"}}
    shop.settings = {"notifications": {"enabled": True, **settings}}
    shop.save()
    buy(shop, shopify)

    drain(waiting=True)

    (call,) = calls(engage, "POST", "/api/v2/orders")
    body = orjson.loads(call.request)
    assert (body["orderStatus"], body["storeId"]) == ("Confirmed", "SE-MAIL")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"order_status": {"confirmed": ""}}, Reason.NOTIFICATION_KIND_OFF),
        ({"payment_status": {"PAID": ""}}, Reason.NOTIFICATION_PAYMENT_OFF),
    ],
    ids=["no word for the kind", "no word for the payment state"],
)
def test_a_mail_without_a_status_word_is_not_sent_and_says_so(words, reason, shop, shopify, engage, drain):
    shop.settings = {"notifications": {"enabled": True, **words}}
    shop.save()
    _, order_id = buy(shop, shopify)
    drain(waiting=True)

    task, order = newest("SyncOrderNotification"), entities.get(Order, shop, order_id)
    assert (mails(engage), task.state, task.reason) == ([], State.SUCCESS, reason)
    assert cause_not_to_resend(shop, order).reason == reason
    assert resend_notification(shop, order) is None


@pytest.mark.parametrize("state", ["confirmed", "fulfilled", "cancelled", "refunded"])
def test_a_resend_notifies_of_the_orders_present_state(state, notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    if state == "fulfilled":
        send_parcel(notifying_shop, shopify, order_id)
    if state == "cancelled":
        enqueue_refund_webhooks(notifying_shop, shopify.cancel(notifying_shop.domain, order_id), order_id)
    if state == "refunded":
        units = {line_of(shopify, notifying_shop, order_id): 2}
        enqueue_refund_webhooks(
            notifying_shop, shopify.refund(notifying_shop.domain, order_id, units, shipping=Decimal(49)), order_id
        )
    drain(waiting=True)
    before = len(mails(engage))

    resend_notification(notifying_shop, entities.get(Order, notifying_shop, order_id))
    drain(waiting=True)

    status = {"confirmed": "ORDER_CREATED"}.get(state, f"ORDER_{state.upper()}")
    assert mails(engage)[before:] == [status]


def test_a_resend_goes_to_the_orders_present_email_address(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    drain(waiting=True)
    shopify.update_order(notifying_shop.domain, order_id, email="right@example.com")
    enqueue_order_webhook(notifying_shop, order_id)
    drain(waiting=True)

    resend_notification(notifying_shop, entities.get(Order, notifying_shop, order_id))
    drain(waiting=True)

    assert engage.tenant("demo").orders.mails[-1]["contact"]["matchKey"] == "right@example.com"
    contacts = engage.tenant("demo").contacts.all()
    assert sorted(each["attributes"]["email"] for each in contacts) == ["ada@example.com", "right@example.com"]
    assert contacts[-1]["preferences"] == dict.fromkeys(("acceptsEmail", "acceptsSms", "acceptsPostal"), False)


def test_a_corrected_customer_address_makes_no_second_contact(notifying_shop, shopify, engage, drain):
    notifying_shop.settings |= {"contact": {"mode": "accounts"}}
    notifying_shop.save()
    customer_id, order_id = buy(notifying_shop, shopify)
    drain(waiting=True)
    shopify.update_order(notifying_shop.domain, order_id, email="right@example.com")
    shopify.update_customer(notifying_shop.domain, customer_id, email="right@example.com")
    enqueue_order_webhook(notifying_shop, order_id)
    index(notifying_shop, "IndexCustomer", customer_id)
    drain(waiting=True)

    resend_notification(notifying_shop, entities.get(Order, notifying_shop, order_id))
    drain(waiting=True)

    assert mails(engage) == ["ORDER_CREATED", "ORDER_CREATED"]
    assert [each["attributes"]["email"] for each in engage.tenant("demo").contacts.all()] == ["right@example.com"]


def test_a_resend_may_follow_an_unknown_outcome_and_have_one_itself(notifying_shop, shopify, engage, drain):
    engage.script("POST .*/orders$", [Fault.RESET, Fault.RESET])
    _, order_id = buy(notifying_shop, shopify)
    drain(waiting=True)

    again = resend_notification(notifying_shop, entities.get(Order, notifying_shop, order_id))
    drain(waiting=True)

    assert Task.get_by_id(again.id).code == "outcome unknown"
    assert len(mails(engage)) == 2


@pytest.mark.parametrize(
    ("fields", "enabled", "reason"),
    [({"test": True}, True, "test order"), ({"email": None}, True, "no e-mail"), ({}, False, "does not have")],
)
def test_some_orders_have_no_notification_to_resend(fields, enabled, reason, shop, shopify, engage, drain):
    shop.settings = {"notifications": {"enabled": enabled}}
    shop.save()
    _, order_id = buy(shop, shopify, **fields)
    drain(waiting=True)
    order = entities.get(Order, shop, order_id)

    assert reason in sentence(cause_not_to_resend(shop, order))
    assert resend_notification(shop, order) is None


def test_a_fulfillment_webhook_indexes_its_order(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify)
    parcel_id = send_parcel(shop, shopify, order_id)

    drain(waiting=True)

    webhook = newest("FulfillmentWebhook")
    indexed = Task.get(Task.parent_id == webhook.id)
    assert (webhook.shopify_id, indexed.shopify_id) == (parcel_id, order_id)


def test_a_parcel_that_shopify_no_longer_has_is_skipped(notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    drain(waiting=True)
    args = {"order_id": order_id}

    TYPES["SyncOrderFulfillmentNotification"].enqueue(notifying_shop, key="gone", shopify_id=4711, args=args)
    drain()

    assert newest("SyncOrderFulfillmentNotification").reason == Reason.FULFILLMENT_NOT_FOUND
