"""Order mails end to end: what the merchant sets on the settings page, and what Engage gets for each kind of mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import orjson
import pytest

from models import Customer, Order, Shop, State, Task, utcnow
from reasons import Reason
from sandbox.shopify.orders.checkout import Checkout, Discount, Item
from sync import entities
from sync.notifications import contact_with_email, resend_notification
from sync.resend import ResendableCall, resendable_call
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import ADA, RECORD, buy, calls, index, newest
from tests.support.web.forms import press
from tests.sync.test_notifications import enqueue_order_webhook, mails, send_parcel
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of
from tests.views.settings.test_page import save

WORDS = {
    "confirmed": "Confirmed",
    "partly_fulfilled": "PartlyShipped",
    "fulfilled": "Shipped",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
}
PAYMENT_WORDS = {
    "PAID": "Paid",
    "PENDING": "Waiting",
    "REFUNDED": "Repaid",
    "PARTIALLY_REFUNDED": "Repaid",
    "VOIDED": "Void",
}
ALL_ON = {"notifications_enabled": "yes", "notifications_language": "sv-SE", "notifications_currency": "presentment"}


def order_words(**words):
    return {f"notifications_order_status_{kind}": word for kind, word in words.items()}


@pytest.fixture
def tenant(engage):
    """A tenant with status words of its own, as most have."""
    found = engage.tenant("demo")
    found.orders.statuses = tuple(WORDS.values())
    found.orders.payment_statuses = tuple(PAYMENT_WORDS.values())
    return found


@pytest.fixture
def mailing_shop(shop, client, tenant):
    """A shop whose merchant has entered the tenant's words on the settings page."""
    payments = {
        "PAID": "Paid",
        "PENDING": "Waiting",
        "REFUNDED": "Repaid",
        "PARTIALLY_REFUNDED": "Repaid",
        "VOIDED": "Void",
    }
    typed = {f"notifications_payment_status_{state}": word for state, word in payments.items()}
    assert save(client, "notifications", **ALL_ON, **typed, **order_words(**WORDS)).status_code == 303
    found = Shop.get_by_id(shop.id)
    # Shopify's instants have whole seconds: what happens in this very second is otherwise from before.
    found.settings["notifications"]["since"] = (utcnow() - timedelta(minutes=1)).isoformat()
    found.save()
    return found


def mail_of(mailing_shop, shopify, kind):
    """Make what a mail of this kind is about happen to a new order."""
    domain = mailing_shop.domain
    _, order_id = buy(mailing_shop, shopify, paid=kind != "cancelled")
    if kind == "cancelled":
        enqueue_refund_webhooks(mailing_shop, shopify.cancel(domain, order_id), order_id)
    if kind in ("partly_fulfilled", "fulfilled"):
        units = {line_of(shopify, mailing_shop, order_id): 1} if kind == "partly_fulfilled" else None
        send_parcel(mailing_shop, shopify, order_id, units)
    if kind == "refunded":
        units = {line_of(shopify, mailing_shop, order_id): 2}
        enqueue_refund_webhooks(mailing_shop, shopify.refund(domain, order_id, units, shipping=Decimal(49)), order_id)
    return order_id


@pytest.mark.parametrize("kind", WORDS)
def test_each_kind_of_mail_has_the_word_that_the_merchant_entered(kind, mailing_shop, shopify, engage, drain):
    mail_of(mailing_shop, shopify, kind)

    drain(waiting=True)

    assert mails(engage).count(WORDS[kind]) == 1
    assert set(mails(engage)) <= {"Confirmed", WORDS[kind]}


def test_a_word_that_the_tenant_lacks_is_an_error_until_it_is_corrected(client, mailing_shop, shopify, engage, drain):
    save(client, "notifications", **ALL_ON, **order_words(confirmed="ORDER_CREATED"))
    buy(mailing_shop, shopify)
    drain(waiting=True)
    refused = newest("SyncOrderNotification")
    page = client.get(f"/tasks/{refused.id}").text

    save(client, "notifications", **ALL_ON, **order_words(confirmed="Confirmed"))
    press(client, f"/tasks/{refused.id}", f"/tasks/{refused.id}/retry")
    drain(waiting=True)

    assert refused.state == State.ERROR
    assert "the status words of order mails stand in this app" in page
    assert mails(engage) == ["Confirmed"]


def test_an_emptied_word_stops_its_kind_of_mail_alone(client, mailing_shop, shopify, engage, drain):
    save(client, "notifications", **ALL_ON, **order_words(confirmed=""))
    mail_of(mailing_shop, shopify, "fulfilled")

    drain(waiting=True)

    assert mails(engage) == ["Shipped"]
    assert newest("SyncOrderNotification").reason == Reason.NOTIFICATION_KIND_OFF


def contact(tenant, **fields):
    """A contact that the tenant has already."""
    return tenant.contacts.create({"contactType": "Contact", **fields})


def mail_to(tenant):
    """How the newest mail names its contact, and whom Engage mails it to."""
    mail = tenant.orders.mails[-1]
    return mail["contact"]["matchKeyType"], mail["contactId"]


def test_a_mail_goes_to_the_customers_own_contact_among_two_with_the_address(
    mailing_shop, tenant, shopify, engage, drain
):
    customer_id, _ = buy(mailing_shop, shopify)
    drain(waiting=True)
    ours = Customer.select().get().contact_id
    contact(tenant, email=ADA.email)

    index(mailing_shop, "IndexOrder", shopify.add_order(mailing_shop.domain, RECORD, customer_id=customer_id))
    drain(waiting=True)

    assert len(tenant.contacts.matching("email", ADA.email, None)) == 2
    assert mail_to(tenant) == ("contactId", ours)


def test_a_mail_reaches_the_contact_whose_address_was_changed_in_engage(mailing_shop, tenant, shopify, engage, drain):
    customer_id, _ = buy(mailing_shop, shopify)
    drain(waiting=True)
    ours = Customer.select().get().contact_id
    tenant.contacts.update(ours, {"email": "other@example.com"})

    index(mailing_shop, "IndexOrder", shopify.add_order(mailing_shop.domain, RECORD, customer_id=customer_id))
    drain(waiting=True)

    assert mail_to(tenant) == ("contactId", ours)


def test_an_order_with_another_address_than_the_customers_is_mailed_by_that(mailing_shop, tenant, shopify, drain):
    friend = contact(tenant, email="friend@example.com")
    buy(mailing_shop, shopify, email="friend@example.com")

    drain(waiting=True)

    assert mail_to(tenant) == ("email", friend["id"])


def test_an_address_in_other_letters_is_the_same(mailing_shop, tenant, shopify, drain):
    buy(mailing_shop, shopify, email=ADA.email.upper())

    drain(waiting=True)

    assert mail_to(tenant) == ("contactId", Customer.select().get().contact_id)


def test_a_mail_sent_again_to_a_corrected_address_reaches_the_contact_made_for_it(mailing_shop, tenant, shopify, drain):
    _, order_id = buy(mailing_shop, shopify)
    drain(waiting=True)
    shopify.update_order(mailing_shop.domain, order_id, email="right@example.com")
    enqueue_order_webhook(mailing_shop, order_id)
    drain(waiting=True)

    resend_notification(mailing_shop, entities.get(Order, mailing_shop, order_id))
    drain(waiting=True)

    right = tenant.contacts.find({"email": "right@example.com"})
    assert mail_to(tenant) == ("email", right)


@pytest.mark.parametrize(("locale", "language"), [("en", "en-GB"), ("sv-SE", "sv-SE"), (None, "sv-SE")])
def test_a_mail_has_the_shoppers_language_with_its_country(locale, language, mailing_shop, tenant, shopify, drain):
    buy(mailing_shop, shopify, person=replace(ADA, country_code="GB"), customerLocale=locale)

    drain(waiting=True)

    assert tenant.orders.mails[-1]["language"] == language


def body_of(tenant):
    return tenant.orders.mails[-1]["order"]


TWO = Checkout(
    items=(
        Item("Blue mug", "MUG", Decimal("149.00"), quantity=2),
        Item("Hidden tray", "TRAY", Decimal("399.00"), in_online_store=False),
    ),
    shipping=Decimal("49.00"),
    discount=Discount("WINTER10", Decimal("69.70")),
)


def test_a_mail_has_images_links_original_prices_discounts_taxes_and_the_status_page(
    mailing_shop, tenant, shopify, drain
):
    tenant.orders.rules = ("taxes", "total", "payments")
    _, order_id = buy(mailing_shop, shopify, TWO)

    drain(waiting=True)

    body = body_of(tenant)
    mug, tray = body["items"]
    assert mug["imageUrl"] == "https://cdn.example.com/files/blue-mug.jpg?v=1"
    assert (mug["targetUrl"], "targetUrl" in tray) == ("https://shop.example.com/products/blue-mug", False)
    assert (mug["originalPricePerUnit"], mug["totalDiscount"]) == (Decimal("149.00"), Decimal("29.80"))
    assert [each["value"] for each in mug["discounts"]] == [Decimal("-29.80")]
    assert sum(each["value"] for each in body["taxDetails"]) == body["totalTax"] > 0
    assert body["extraData"]["OrderStatusUrl"] == shopify.order(mailing_shop.domain, order_id)["statusPageUrl"]


def test_a_shop_that_has_not_granted_read_products_is_mailed_without_links(mailing_shop, tenant, shopify, drain):
    records = shopify.records(mailing_shop.domain)
    records.scopes = tuple(scope for scope in records.granted_scopes if scope != "read_products")
    buy(mailing_shop, shopify, TWO)

    drain(waiting=True)

    mug, _ = body_of(tenant)["items"]
    assert ("targetUrl" in mug, "imageUrl" in mug) == (False, True)


def test_a_mail_of_a_parcel_has_every_tracking_number(mailing_shop, tenant, shopify, drain):
    _, order_id = buy(mailing_shop, shopify)
    drain(waiting=True)
    parcel_id = shopify.fulfil(mailing_shop.domain, order_id)
    packages = [{"company": "PostNord", "number": f"UB{each}", "url": f"https://t.example/UB{each}"} for each in "123"]
    shopify.update_order(
        mailing_shop.domain,
        order_id,
        fulfillments=[
            each | {"trackingInfo": packages} for each in shopify.order(mailing_shop.domain, order_id)["fulfillments"]
        ],
    )
    enqueue_webhook(mailing_shop, "FulfillmentWebhook", {"id": parcel_id, "order_id": order_id})
    drain(waiting=True)

    extra = body_of(tenant)["extraData"]
    assert extra["TrackingNumbers"] == "UB1, UB2, UB3"
    assert [extra[f"TrackingUrl{each}"] for each in ("", 2, 3)] == [each["url"] for each in packages]


NOTIFYING = {
    TYPES[name].number
    for name in ("SyncOrderNotification", "SyncOrderFulfillmentNotification", "SyncRefundNotification")
}


def sent_status(task):
    """The status word in what the task sent, if it sent something."""
    found = resendable_call(task)
    return orjson.loads(found.sent)["orderStatus"] if isinstance(found, ResendableCall) else None


@pytest.mark.parametrize("kind", WORDS)
def test_a_strict_tenant_accepts_each_kind_and_the_same_bytes_again(
    kind, client, mailing_shop, tenant, shopify, engage, drain
):
    tenant.orders.rules = ("taxes", "total", "payments")
    mail_of(mailing_shop, shopify, kind)
    drain(waiting=True)
    task = next(each for each in Task.select() if each.type in NOTIFYING and sent_status(each) == WORDS[kind])
    sent = resendable_call(task).sent

    press(client, f"/tasks/{task.id}/replay", f"/tasks/{task.id}/replay/same", sure="yes")
    drain(waiting=True)

    again = calls(engage, "POST", "/orders")[-1]
    assert again.request == sent
    assert mails(engage).count(WORDS[kind]) == 2


def test_a_preview_of_a_mail_differs_in_nothing_from_what_was_just_sent(client, mailing_shop, tenant, shopify, drain):
    buy(mailing_shop, shopify, TWO)
    drain(waiting=True)

    page = client.get(f"/tasks/{newest('SyncOrderNotification').id}/replay").text

    assert "There is none:" in page


def test_a_contact_from_which_the_address_was_left_out_is_not_named_for_it(mailing_shop, shopify, drain):
    customer_id, _ = buy(mailing_shop, shopify)
    drain(waiting=True)
    customer = Customer.get()
    before = contact_with_email(mailing_shop, customer_id, ADA.email)

    without = orjson.dumps(customer.last_sent | {"email": ""})
    customer.sent = mailing_shop.vault.seal(without, "customer", "sent", customer.shopify_id)
    Customer.update(sent=customer.sent).where(Customer.id == customer.id).execute()

    assert (before, contact_with_email(mailing_shop, customer_id, ADA.email)) == (customer.contact_id, "")
