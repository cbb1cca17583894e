"""Events in the sandbox's shops: refunds, cancellations, fulfillments, edits, consents, merges, bulk operations."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from clients.shopify.client import ShopifyClient
from sandbox.order_changes import OrderReplayWithChanges
from sandbox.purchases import OrderReplay, replaying_orders
from sandbox.serve import serving
from sandbox.shopify import Shopify
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Discount, Item, Tender

SHOP = "demo.myshopify.com"
EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "shopify-webhook-examples"
MUG = Item("Mug", "MUG", Decimal("33.33"), quantity=3)
TRAY = Item("Tray", "TRAY", Decimal("100.00"))
SALE = Checkout((MUG, TRAY), shipping=Decimal(49), discount=Discount("TEN", Decimal("10.01")))
ABROAD = Checkout(
    (MUG, TRAY),
    shipping=Decimal(49),
    discount=Discount("TEN", Decimal("10.01")),
    presentment_currency="JPY",
    rate=Decimal("14.237"),
    taxes_included=False,
)


class TopicReceiver:
    """Receives webhooks, and keeps their topics, bodies and event ids."""

    def __init__(self):
        self.received: list[tuple[str, dict, str]] = []
        self.app = Starlette(routes=[Route("/", self._receive, methods=["POST"])])

    async def _receive(self, request):
        headers, body = request.headers, json.loads(await request.body())
        self.received.append((headers["x-shopify-topic"], body, headers["x-shopify-event-id"]))
        return Response()

    def topics(self):
        """The topics received since the last call, sorted."""
        topics = sorted(topic for topic, _, _ in self.received)
        self.received.clear()
        return topics

    def body(self, topic):
        (found,) = [body for each, body, _ in self.received if each == topic]
        return found


@pytest.fixture(scope="module")
def received():
    receiver = TopicReceiver()
    with serving(receiver.app) as url:
        yield receiver, url


@pytest.fixture
def receiver(received):
    received[0].received.clear()
    return received[0]


@pytest.fixture
def shopify(receiver, received):
    sandbox = Shopify("secret", f"{received[1]}/")
    yield sandbox
    sandbox.close()


@pytest.fixture
def quiet():
    """A sandbox whose webhooks go nowhere."""
    return Shopify("secret", "http://127.0.0.1:9/", workers=0)


DINARS = Checkout(
    (Item("Mug", "MUG", Decimal("3.335"), quantity=3), TRAY), shipping=Decimal(49), currency="KWD", rate=Decimal("2.99")
)


@pytest.fixture(params=[SALE, ABROAD, DINARS], ids=["in kronor", "in yen without tax", "in dinars"])
def checkout(request):
    return request.param


def line_ids(shopify, order_id):
    return [int(each["id"].rpartition("/")[2]) for each in shopify.order(SHOP, order_id)["lineItems"]]


def amount(money, side="shopMoney"):
    return Decimal(money[side]["amount"])


def figures(shopify, order_id, side="shopMoney"):
    order = shopify.order(SHOP, order_id)
    names = ("currentTotalPriceSet", "totalReceivedSet", "totalRefundedSet", "totalOutstandingSet")
    return [amount(order[name], side) for name in names]


def states(shopify, order_id):
    order = shopify.order(SHOP, order_id)
    return order["displayFinancialStatus"], order["displayFulfillmentStatus"]


# Refunds


@pytest.mark.parametrize("side", ["shopMoney", "presentmentMoney"])
def test_refunds_of_all_units_and_the_shipping_sum_to_what_was_paid(quiet, checkout, side):
    order_id = quiet.add_order(SHOP, checkout)
    total = amount(quiet.order(SHOP, order_id)["totalPriceSet"], side)
    mug, tray = line_ids(quiet, order_id)

    for units, shipping in (({mug: 1}, 0), ({mug: 1}, 20), ({mug: 1, tray: 1}, 29)):
        quiet.refund(SHOP, order_id, units, shipping=Decimal(shipping))

    order = quiet.order(SHOP, order_id)
    given_back = sum(amount(each["totalRefundedSet"], side) for each in order["refunds"])
    assert given_back == total
    assert figures(quiet, order_id)[0] == figures(quiet, order_id)[3] == 0
    assert states(quiet, order_id)[0] == "REFUNDED"


def test_a_partial_refund_leaves_the_rest_and_nothing_outstanding(quiet, checkout):
    order_id = quiet.add_order(SHOP, checkout)
    before = figures(quiet, order_id)

    quiet.refund(SHOP, order_id, {line_ids(quiet, order_id)[0]: 2})

    current, received, refunded, outstanding = figures(quiet, order_id)
    assert received == before[1]
    assert refunded > 0
    assert (current, outstanding) == (received - refunded, 0)
    assert [line["currentQuantity"] for line in quiet.order(SHOP, order_id)["lineItems"]] == [1, 1]
    assert states(quiet, order_id)[0] == "PARTIALLY_REFUNDED"


def test_shipping_alone_is_refunded_with_its_tax(quiet):
    order_id = quiet.add_order(SHOP, SALE)

    quiet.refund(SHOP, order_id, shipping=Decimal(49))

    (refund,) = quiet.order(SHOP, order_id)["refunds"]
    (shipping,) = refund["refundShippingLines"]
    assert refund["refundLineItems"] == []
    assert (amount(shipping["subtotalAmountSet"]), amount(shipping["taxAmountSet"])) == (Decimal(49), Decimal("9.8"))
    assert amount(quiet.order(SHOP, order_id)["currentShippingPriceSet"]) == 0


def test_an_amount_alone_is_a_negative_adjustment(quiet):
    order_id = quiet.add_order(SHOP, SALE)
    total = figures(quiet, order_id)[0]

    quiet.refund(SHOP, order_id, amount=Decimal(50))

    (refund,) = quiet.order(SHOP, order_id)["refunds"]
    assert [amount(each["amountSet"]) for each in refund["orderAdjustments"]] == [Decimal(-50)]
    assert amount(refund["totalRefundedSet"]) == 50
    assert figures(quiet, order_id) == [total - 50, total, 50, 0]


def test_less_money_than_the_units_cost_is_a_positive_adjustment(quiet):
    order_id = quiet.add_order(SHOP, SALE)

    quiet.refund(SHOP, order_id, {line_ids(quiet, order_id)[1]: 1}, amount=Decimal(60))

    (refund,) = quiet.order(SHOP, order_id)["refunds"]
    cost = amount(refund["refundLineItems"][0]["subtotalSet"])
    assert [amount(each["amountSet"]) for each in refund["orderAdjustments"]] == [cost - 60]
    assert figures(quiet, order_id)[3] == 0


def test_no_more_is_refunded_than_was_paid(quiet):
    order_id = quiet.add_order(SHOP, SALE)

    quiet.refund(SHOP, order_id, amount=Decimal(10_000))

    current, received, refunded, outstanding = figures(quiet, order_id)
    assert (refunded, current, outstanding) == (received, 0, 0)


def test_a_refund_goes_back_to_the_payments_in_order(quiet):
    tenders = (Tender("gift_card", Decimal(100)), Tender())
    order_id = quiet.add_order(SHOP, Checkout((MUG, TRAY), tenders=tenders))

    quiet.refund(SHOP, order_id, dict.fromkeys(line_ids(quiet, order_id), 9))

    (refund,) = quiet.order(SHOP, order_id)["refunds"]
    paid_back = [(each["gateway"], amount(each["amountSet"])) for each in refund["transactions"]]
    assert paid_back == [("gift_card", Decimal(100)), ("shopify_payments", Decimal("99.99"))]


def test_a_refund_fires_its_topic_and_the_orders_with_one_event_id(shopify, receiver):
    order_id = shopify.add_order(SHOP, SALE)
    shopify.wait_until_idle()
    receiver.topics()

    refund_id = shopify.refund(SHOP, order_id, {line_ids(shopify, order_id)[0]: 1}, note="Too small")
    shopify.wait_until_idle()

    body = receiver.body("refunds/create")
    assert (body["id"], body["order_id"], body["note"]) == (refund_id, order_id, "Too small")
    assert receiver.body("orders/updated")["refunds"] == [body]
    assert len({event for _, _, event in receiver.received}) == 1
    assert receiver.topics() == ["orders/updated", "refunds/create"]


def test_a_guests_order_is_refunded_too(shopify, receiver):
    order_id = shopify.add_order(SHOP, SALE)
    shopify.refund(SHOP, order_id, amount=Decimal(10))
    shopify.wait_until_idle()

    assert receiver.body("refunds/create")["transactions"][0]["amount"] == "10.00"


# Cancellations


def test_a_paid_order_that_is_cancelled_is_refunded_and_restocked(shopify, receiver):
    order_id = shopify.add_order(SHOP, SALE)
    total = figures(shopify, order_id)[0]
    shopify.wait_until_idle()
    receiver.topics()

    shopify.cancel(SHOP, order_id, reason="INVENTORY")
    shopify.wait_until_idle()

    order = shopify.order(SHOP, order_id)
    assert figures(shopify, order_id) == [0, total, total, 0]
    assert (order["cancelReason"], order["displayFinancialStatus"]) == ("INVENTORY", "REFUNDED")
    assert {each["restockType"] for each in order["refunds"][0]["refundLineItems"]} == {"CANCEL"}
    assert receiver.body("orders/cancelled")["cancel_reason"] == "inventory"
    assert receiver.topics() == ["orders/cancelled", "orders/updated", "refunds/create"]


def test_an_unpaid_order_that_is_cancelled_is_void_and_no_money_moves(quiet):
    order_id = quiet.add_order(SHOP, SALE, paid=False)

    quiet.cancel(SHOP, order_id)

    (refund,) = quiet.order(SHOP, order_id)["refunds"]
    assert states(quiet, order_id)[0] == "VOIDED"
    assert [each["kind"] for each in quiet.order(SHOP, order_id)["transactions"]] == ["AUTHORIZATION", "VOID"]
    assert (refund["transactions"], refund["orderAdjustments"]) == ([], [])
    assert figures(quiet, order_id) == [0, 0, 0, 0]


def test_a_paid_order_that_is_cancelled_without_a_refund_keeps_its_money(quiet):
    order_id = quiet.add_order(SHOP, SALE)
    total = figures(quiet, order_id)[0]

    quiet.cancel(SHOP, order_id, refund=False)

    assert figures(quiet, order_id) == [total, total, 0, 0]
    assert states(quiet, order_id)[0] == "PAID"


# Fulfillments


def test_an_order_is_fulfilled_in_parts(shopify, receiver):
    order_id = shopify.add_order(SHOP, SALE)
    mug, tray = line_ids(shopify, order_id)
    shopify.wait_until_idle()
    receiver.topics()
    seen = [states(shopify, order_id)[1]]

    for units in ({mug: 2}, {mug: 1, tray: 1}):
        shopify.fulfil(SHOP, order_id, units)
        seen.append(states(shopify, order_id)[1])
    shopify.wait_until_idle()

    assert seen == ["UNFULFILLED", "PARTIALLY_FULFILLED", "FULFILLED"]
    fulfillments = sorted(
        (body for topic, body, _ in receiver.received if topic == "fulfillments/create"), key=lambda b: b["id"]
    )
    packed = [[(line["id"], line["quantity"]) for line in each["line_items"]] for each in fulfillments]
    assert packed == [[(mug, 2)], [(mug, 1), (tray, 1)]]
    assert receiver.topics() == ["fulfillments/create"] * 2 + ["orders/updated"] * 2


def test_no_unit_is_fulfilled_twice(quiet):
    order_id = quiet.add_order(SHOP, SALE)
    quiet.fulfil(SHOP, order_id)

    with pytest.raises(ValueError, match="left to send"):
        quiet.fulfil(SHOP, order_id)


def test_a_fulfillments_tracking_number_may_change(shopify, receiver):
    order_id = shopify.add_order(SHOP, SALE)
    fulfillment_id = shopify.fulfil(SHOP, order_id)
    shopify.wait_until_idle()
    receiver.topics()

    shopify.track(SHOP, order_id, fulfillment_id, "SE123")
    shopify.wait_until_idle()

    body = receiver.body("fulfillments/update")
    assert (body["tracking_number"], body["shipment_status"]) == ("SE123", "in_transit")
    assert receiver.topics() == ["fulfillments/update", "orders/updated"]


def test_after_a_cancelled_fulfillment_units_can_be_fulfilled(quiet):
    order_id = quiet.add_order(SHOP, SALE)
    fulfillment_id = quiet.fulfil(SHOP, order_id)

    quiet.cancel_fulfilment(SHOP, order_id, fulfillment_id)
    cancelled = states(quiet, order_id)[1]
    quiet.fulfil(SHOP, order_id)

    assert (cancelled, states(quiet, order_id)[1]) == ("UNFULFILLED", "FULFILLED")


def test_refunded_units_need_no_fulfillment(quiet):
    order_id = quiet.add_order(SHOP, SALE)
    mug, tray = line_ids(quiet, order_id)
    quiet.fulfil(SHOP, order_id, {mug: 3})

    quiet.refund(SHOP, order_id, {tray: 1})

    assert states(quiet, order_id)[1] == "FULFILLED"
    (line,) = quiet.order(SHOP, order_id)["refunds"][0]["refundLineItems"]
    assert line["restockType"] == "CANCEL"


# Edits


def test_a_line_added_after_payment_is_outstanding_until_paid(quiet, checkout):
    order_id = quiet.add_order(SHOP, checkout)
    before = figures(quiet, order_id)

    quiet.add_line(SHOP, order_id, TRAY)
    owed, status = figures(quiet, order_id)[3], states(quiet, order_id)[0]
    quiet.pay(SHOP, order_id)

    price = Decimal(100) if checkout.taxes_included else Decimal(125)
    assert (owed, status) == (price, "PARTIALLY_PAID")
    assert figures(quiet, order_id) == [before[0] + price, before[1] + price, 0, 0]
    assert amount(quiet.order(SHOP, order_id)["originalTotalPriceSet"]) == before[0]
    assert states(quiet, order_id)[0] == "PAID"


def test_a_unit_removed_after_payment_is_owed_to_the_customer(quiet):
    order_id = quiet.add_order(SHOP, SALE)
    total = figures(quiet, order_id)[0]

    quiet.edit_order(SHOP, order_id, line_ids(quiet, order_id)[1], 0)

    current, received, _, outstanding = figures(quiet, order_id)
    assert (current - total, received) == (outstanding, total)
    assert outstanding < 0


def test_a_capture_after_an_edit_is_of_the_current_total(quiet):
    order_id = quiet.add_order(SHOP, SALE, paid=False)
    quiet.edit_order(SHOP, order_id, line_ids(quiet, order_id)[1], 0)

    quiet.pay(SHOP, order_id)

    current, received, _, outstanding = figures(quiet, order_id)
    assert (received, outstanding) == (current, 0)
    assert states(quiet, order_id)[0] == "PAID"


def test_an_exchange_is_a_refund_and_a_line(shopify, receiver):
    order_id = shopify.add_order(SHOP, SALE)
    mug, _ = line_ids(shopify, order_id)
    shopify.wait_until_idle()
    receiver.topics()

    shopify.exchange(SHOP, order_id, {mug: 1}, Item("Bowl", "BOWL", Decimal(80)))
    shopify.wait_until_idle()

    order = shopify.order(SHOP, order_id)
    assert [(line["sku"], line["currentQuantity"]) for line in order["lineItems"]] == [
        ("MUG", 2),
        ("TRAY", 1),
        ("BOWL", 1),
    ]
    assert figures(shopify, order_id)[3] == 0
    assert receiver.topics() == ["orders/paid", *["orders/updated"] * 3, "refunds/create"]


# Customers


def test_an_unsubscribe_fires_three_topics(shopify, receiver):
    customer_id = shopify.add_customer(
        SHOP, CustomerDetails(accepts_email=True, phone="+46700000001", accepts_sms=True)
    )
    shopify.wait_until_idle()
    receiver.topics()

    shopify.update_customer(SHOP, customer_id, accepts_email=False, accepts_sms=False)
    shopify.wait_until_idle()

    email, sms = (
        receiver.body("customers_email_marketing_consent/update"),
        receiver.body("customers_marketing_consent/update"),
    )
    assert (email["customer_id"], email["email_marketing_consent"]["state"]) == (customer_id, "unsubscribed")
    assert (sms["id"], sms["sms_marketing_consent"]["state"]) == (customer_id, "unsubscribed")
    assert sms["sms_marketing_consent"]["consent_collected_from"] == "shopify"
    assert len(receiver.topics()) == 3


def test_an_apps_consent_fires_webhooks_but_not_a_repeated_one(shopify, receiver):
    customer_id = shopify.add_customer(SHOP, CustomerDetails())
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    with serving(shopify.app) as url:
        client = ShopifyClient(f"{url}/{SHOP}", shopify.token)
        shopify.wait_until_idle()
        receiver.topics()
        seen = []
        for _ in range(2):
            client.update_email_consent(customer_id, "SUBSCRIBED", at)
            shopify.wait_until_idle()
            seen.append(receiver.topics())

    assert seen == [["customers/update", "customers_email_marketing_consent/update"], []]


def test_a_merged_customer_has_the_orders_of_both(shopify, receiver):
    kept = shopify.add_customer(SHOP, CustomerDetails(email="a@example.com", phone=None))
    deleted = shopify.add_customer(SHOP, CustomerDetails(email="b@example.com", phone="+46700000002"))
    order_id = shopify.add_order(SHOP, SALE, customer_id=deleted)
    shopify.wait_until_idle()
    receiver.topics()

    shopify.merge_customers(SHOP, kept, deleted)
    shopify.wait_until_idle()

    merged = shopify.customer(SHOP, kept)
    assert merged["defaultPhoneNumber"]["phoneNumber"] == "+46700000002"
    assert shopify.customer(SHOP, deleted) is None
    assert shopify.order(SHOP, order_id)["customer"]["id"] == merged["id"]
    body = receiver.body("customers/merge")
    assert body["admin_graphql_api_customer_kept_id"] == f"gid://shopify/Customer/{kept}"
    assert body["admin_graphql_api_customer_deleted_id"] == f"gid://shopify/Customer/{deleted}"
    assert receiver.topics() == ["customers/delete", "customers/merge", "customers/update"]


def test_a_deleted_customers_orders_stay(shopify, receiver):
    customer_id = shopify.add_customer(SHOP, CustomerDetails())
    order_id = shopify.add_order(SHOP, SALE, customer_id=customer_id)

    shopify.delete_customer(SHOP, customer_id)
    shopify.wait_until_idle()

    assert shopify.order(SHOP, order_id)["customer"] is None
    assert receiver.body("customers/delete")["id"] == customer_id


# The shop


def test_a_changed_shop_fires_its_topic(shopify, receiver):
    shopify.update_shop(SHOP, currencyCode="EUR", contactEmail="new@example.com")
    shopify.wait_until_idle()

    body = receiver.body("shop/update")
    assert (body["currency"], body["customer_email"], body["myshopify_domain"]) == ("EUR", "new@example.com", SHOP)


def test_an_uninstall_fires_its_topic_and_the_app_may_be_reinstalled(shopify, receiver):
    with serving(shopify.app) as url:
        client = ShopifyClient(f"{url}/{SHOP}", shopify.token)
        shopify.uninstall(SHOP)
        shopify.install(SHOP)
        assert client.shop()["myshopifyDomain"] == SHOP
    shopify.wait_until_idle()

    assert receiver.body("app/uninstalled")["myshopify_domain"] == SHOP


def test_privacy_requests_fire_their_topics(shopify, receiver):
    customer_id = shopify.add_customer(SHOP, CustomerDetails(email="ada@example.com"))
    shopify.request_data(SHOP, customer_id, [1, 2])
    shopify.redact_customer(SHOP, customer_id, [1])
    shopify.redact_shop(SHOP)
    shopify.wait_until_idle()

    assert receiver.body("customers/data_request")["orders_requested"] == [1, 2]
    assert receiver.body("customers/redact")["customer"]["email"] == "ada@example.com"
    assert receiver.body("customers/redact")["orders_to_redact"] == [1]
    assert receiver.body("shop/redact") == {"shop_id": 60000000001, "shop_domain": SHOP}


# Bulk operations


def test_a_finished_bulk_operation_fires_its_topic_unless_lost(shopify, receiver):
    with serving(shopify.app) as url:
        client = ShopifyClient(f"{url}/{SHOP}", shopify.token)
        shopify.bulk.lost = 1
        operations = [client.run_bulk_query("{ orders { edges { node { id } } } }")]
        _until_ended(client, operations[0])
        operations.append(client.run_bulk_query("{ orders { edges { node { id } } } }"))
        _until_ended(client, operations[1])
    shopify.wait_until_idle()

    body = receiver.body("bulk_operations/finish")
    assert (body["admin_graphql_api_id"], body["status"], body["type"]) == (operations[1], "completed", "query")


def _until_ended(client, operation_id):
    while client.bulk_operation(operation_id)["status"] in ("CREATED", "RUNNING"):
        pass


# Payloads


@pytest.mark.skipif(not EXAMPLES.exists(), reason="Shopify's example payloads are not at hand")
@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("refunds/create", []),
        ("refunds/create", ["refund_line_items", 0]),
        ("fulfillments/create", []),
        ("fulfillments/update", []),
        ("customers/delete", []),
        ("customers_email_marketing_consent/update", []),
        ("customers_email_marketing_consent/update", ["email_marketing_consent"]),
        ("customers_marketing_consent/update", ["sms_marketing_consent"]),
        ("bulk_operations/finish", []),
        ("customers/data_request", []),
        ("customers/redact", []),
        ("shop/redact", []),
    ],
)
def test_a_payload_has_the_keys_of_shopifys_example(shopify, receiver, topic, path):
    _fire_every_topic(shopify)

    ours = next(body for each, body, _ in receiver.received if each == topic)
    example = json.loads((EXAMPLES / f"{topic}.json").read_text())["response"]
    for key in path:
        ours, example = ours[key], example[key]
    assert set(example) - set(ours) == set()


def _fire_every_topic(shopify):
    customer_id = shopify.add_customer(SHOP, CustomerDetails(phone="+46700000001"))
    order_id = shopify.add_order(SHOP, SALE, customer_id=customer_id)
    shopify.track(SHOP, order_id, shopify.fulfil(SHOP, order_id), "SE1")
    shopify.refund(SHOP, order_id, {line_ids(shopify, order_id)[0]: 1})
    shopify.update_customer(SHOP, customer_id, accepts_email=True, accepts_sms=True)
    shopify.request_data(SHOP, customer_id)
    shopify.redact_customer(SHOP, customer_id)
    shopify.redact_shop(SHOP)
    shopify.delete_customer(SHOP, customer_id)
    with serving(shopify.app) as url:
        client = ShopifyClient(f"{url}/{SHOP}", shopify.token)
        _until_ended(client, client.run_bulk_query("{ orders { edges { node { id } } } }"))
    assert shopify.wait_until_idle()


# Orders with changes


def test_orders_with_changes_fire_every_topic(shopify, receiver):
    replay = OrderReplayWithChanges(shopify, SHOP)
    for _ in range(400):
        _, follow_ups = replay.place_order()
        for _, act in sorted(follow_ups, key=lambda each: each[0]):
            act()
    assert shopify.wait_until_idle(60)

    topics = set(receiver.topics())
    assert {"refunds/create", "orders/cancelled", "fulfillments/create", "fulfillments/update"} <= topics
    assert {"customers_email_marketing_consent/update", "customers/merge"} <= topics


def test_after_all_changes_nothing_is_outstanding(quiet):
    replay, order_ids = OrderReplayWithChanges(quiet, SHOP), []
    for _ in range(300):
        order_id, follow_ups = replay.place_order()
        order_ids.append(order_id)
        for _, act in sorted(follow_ups, key=lambda each: each[0]):
            act()

    assert {figures(quiet, order_id)[3] for order_id in order_ids} == {0}


def test_orders_with_changes_can_be_replayed(quiet):
    with replaying_orders(quiet, SHOP, rate=200, replay=OrderReplayWithChanges):
        while len(quiet.deliveries) < 20:
            pass

    assert issubclass(OrderReplayWithChanges, OrderReplay)
