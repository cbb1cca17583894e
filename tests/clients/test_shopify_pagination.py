"""Shopify client beyond single orders and customers: pages, refunds, parcels, consents and bulk operations."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from clients import NotFound, Refused, Rejected, Throttled, Unanswered, Unavailable
from clients.shopify import bulk_query
from clients.shopify.client import PAGE_SIZE, ShopifyClient
from sandbox import shopify as sandbox
from sandbox.engage.faults import Fault
from sandbox.purchases import add_history
from sandbox.serve import serving
from sandbox.shopify import customers as shopify_customers
from sandbox.shopify.orders import checkout
from tests.support.tasks.outcomes import raises_saying

SHOP = "demo.myshopify.com"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CD = checkout.Item("Blue Harbour", "CD-1", Decimal("149.00"), quantity=2)


class Clock:
    """A clock that stands still until a test sets it."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shop(clock):
    """A sandbox whose clock is `clock`."""
    shopify = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0, now=clock, points=1e9)
    yield shopify
    shopify.close()


@pytest.fixture
def client(shop):
    with serving(shop.app) as url:
        yield ShopifyClient(f"{url}/{SHOP}", shop.token)


def line_ids(shop, order_id):
    return [int(each["id"].rpartition("/")[2]) for each in shop.order(SHOP, order_id)["lineItems"]]


def lines(count):
    return tuple(checkout.Item(f"CD {n}", f"CD-{n}", Decimal("149.00")) for n in range(count))


# Pages of changed customers and orders


def test_orders_are_found_from_an_instant_on_oldest_change_first(shop, client, clock):
    ids = []
    for hour in range(4):
        clock.now = NOON + timedelta(hours=hour)
        ids.append(shop.add_order(SHOP, checkout.Checkout((CD,))))
    clock.now = NOON + timedelta(hours=5)
    shop.update_order(SHOP, ids[1], note="changed last")

    page = client.orders_updated_since(NOON + timedelta(hours=1))

    assert [int(each["legacyResourceId"]) for each in page.nodes] == [ids[2], ids[3], ids[1]]
    assert page.cursor is None


def test_pages_follow_one_another_to_the_last(shop, client):
    ids = {shop.add_order(SHOP, checkout.Checkout((CD,))) for _ in range(2 * PAGE_SIZE + 1)}

    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = client.orders_updated_since(NOON, cursor)
        found, cursor, pages = found + page.nodes, page.cursor, pages + 1

    assert pages == 3
    assert len(found) == len(ids)
    assert {int(each["legacyResourceId"]) for each in found} == ids


def test_a_page_that_is_just_full_is_the_last(shop, client):
    for _ in range(PAGE_SIZE):
        shop.add_order(SHOP, checkout.Checkout((CD,)))

    page = client.orders_updated_since(NOON)

    assert (len(page.nodes), page.cursor) == (PAGE_SIZE, None)


def test_orders_are_counted_by_their_creation_with_the_end_left_out(shop, client, clock):
    for hour in range(4):
        clock.now = NOON + timedelta(hours=hour)
        order_id = shop.add_order(SHOP, checkout.Checkout((CD,)))
    clock.now = NOON + timedelta(hours=9)
    shop.update_order(SHOP, order_id, note="changed, not created")

    assert client.orders_count(NOON + timedelta(hours=1), NOON + timedelta(hours=3)) == 2
    assert client.orders_count(NOON, NOON + timedelta(hours=9)) == 4
    assert client.orders_count(NOON + timedelta(hours=4), NOON + timedelta(hours=9)) == 0


def test_nothing_new_is_an_empty_page(client):
    assert client.customers_updated_since(NOON) == ([], None)


def test_a_found_customer_is_the_customer_itself(shop, client):
    customer_id = shop.add_customer(
        SHOP, shopify_customers.CustomerDetails(phone="+46700000001", gender="female", accepts_email=True)
    )

    (found,) = client.customers_updated_since(NOON).nodes

    assert found == client.customer(customer_id)


def test_customers_of_earlier_the_same_day_are_left_out(shop, client, clock):
    shop.add_customer(SHOP, shopify_customers.CustomerDetails(email="early@example.com"))
    clock.now = NOON + timedelta(hours=2)
    late = shop.add_customer(SHOP, shopify_customers.CustomerDetails(email="late@example.com"))

    page = client.customers_updated_since(NOON + timedelta(hours=1))

    assert [int(each["legacyResourceId"]) for each in page.nodes] == [late]


def test_a_misspelt_search_is_an_error_and_never_everything(shop, client):
    shop.add_order(SHOP, checkout.Checkout((CD,)))

    with raises_saying(Rejected, match="Invalid search field") as caught:
        client.query("orders_updated_since", "orders", first=10, after=None, search="updatedat:>='2026-01-01'")

    assert caught.value.code == "SEARCH_WARNING"


def test_a_time_without_quotes_is_a_misspelt_search(client):
    with raises_saying(Rejected, match="Invalid search field"):
        client.query("orders_updated_since", "orders", first=1, after=None, search="updated_at:>=2026-01-01T09:00:00Z")


# Refunds


def test_a_refund_comes_with_its_lines_its_money_and_its_order(shop, client):
    customer_id = shop.add_customer(SHOP, shopify_customers.CustomerDetails())
    order_id = shop.add_order(SHOP, checkout.Checkout((CD,), shipping=Decimal(49)), customer_id=customer_id)
    refund_id = shop.refund(SHOP, order_id, {line_ids(shop, order_id)[0]: 1}, shipping=Decimal(49))

    refund = client.refund(refund_id)

    (line,) = refund["refundLineItems"]["nodes"]
    assert (line["quantity"], line["lineItem"]["sku"]) == (1, "CD-1")
    assert line["subtotalSet"]["shopMoney"]["amount"] == "149.0"
    assert refund["refundShippingLines"]["nodes"][0]["subtotalAmountSet"]["shopMoney"]["amount"] == "49.0"
    assert refund["totalRefundedSet"]["shopMoney"]["amount"] == "198.0"
    assert [each["kind"] for each in refund["transactions"]["nodes"]] == ["REFUND"]
    assert refund["order"]["legacyResourceId"] == str(order_id)
    assert refund["order"]["customer"]["legacyResourceId"] == str(customer_id)


@pytest.mark.parametrize("count", [30, 31, 95])
def test_a_refund_comes_with_all_of_its_lines(shop, client, count):
    order_id = shop.add_order(SHOP, checkout.Checkout(lines(count)))
    refund_id = shop.refund(SHOP, order_id, dict.fromkeys(line_ids(shop, order_id), 1))

    refund = client.refund(refund_id)

    assert [each["lineItem"]["sku"] for each in refund["refundLineItems"]["nodes"]] == [f"CD-{n}" for n in range(count)]


@pytest.mark.parametrize("count", [1, 5, 6, 9])
def test_an_order_comes_with_all_of_its_refunds_and_parcels(shop, client, count):
    order_id = shop.add_order(SHOP, checkout.Checkout(lines(count)))
    for line_id in line_ids(shop, order_id):
        shop.fulfil(SHOP, order_id, {line_id: 1})
        shop.refund(SHOP, order_id, {line_id: 1})

    order = client.order(order_id)

    returned = [line["lineItem"]["id"] for each in order["refunds"] for line in each["refundLineItems"]["nodes"]]
    assert returned == [line["id"] for line in order["lineItems"]["nodes"]]
    assert len(order["fulfillments"]) == count


def test_an_orders_refund_of_many_lines_is_complete(shop, client):
    order_id = shop.add_order(SHOP, checkout.Checkout(lines(45)))
    shop.refund(SHOP, order_id, dict.fromkeys(line_ids(shop, order_id), 1))

    (refund,) = client.order(order_id)["refunds"]

    assert len(refund["refundLineItems"]["nodes"]) == 45


def test_an_unknown_refund_or_parcel_is_none(client):
    assert client.refund(1) is None
    assert client.fulfillment(1) is None


# Parcels


def test_a_parcel_comes_with_all_of_its_lines(shop, client):
    order_id = shop.add_order(SHOP, checkout.Checkout(lines(60)))
    ids = line_ids(shop, order_id)
    parcel_id = shop.fulfil(SHOP, order_id, dict.fromkeys(ids[:55], 1))

    parcel = client.fulfillment(parcel_id)

    packed = [each["lineItem"]["sku"] for each in parcel["fulfillmentLineItems"]["nodes"]]
    assert packed == [f"CD-{n}" for n in range(55)]
    assert parcel["order"]["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
    assert parcel["trackingInfo"][0]["company"] == "PostNord"


# Consents


@pytest.fixture
def customer_id(shop):
    return shop.add_customer(SHOP, shopify_customers.CustomerDetails(phone="+46700000001"))


@pytest.mark.parametrize("update", ["update_email_consent", "update_sms_consent"])
@pytest.mark.parametrize("state", ["SUBSCRIBED", "UNSUBSCRIBED", "PENDING"])
def test_a_consent_is_kept_with_the_time_of_the_choice(client, customer_id, update, state):
    consent = getattr(client, update)(customer_id, state, NOON)

    assert (consent.state, consent.updated_at, consent.applied) == (state, NOON, True)


def test_a_written_consent_is_returned_with_the_customer(client, customer_id):
    client.update_email_consent(customer_id, "SUBSCRIBED", NOON)
    client.update_sms_consent(customer_id, "UNSUBSCRIBED", NOON)

    customer = client.customer(customer_id)

    assert customer["defaultEmailAddress"]["marketingState"] == "SUBSCRIBED"
    assert customer["defaultPhoneNumber"]["smsMarketingConsent"]["state"] == "UNSUBSCRIBED"


@pytest.mark.parametrize("update", ["update_email_consent", "update_sms_consent"])
def test_an_older_choice_does_not_undo_a_newer_one(client, customer_id, update):
    getattr(client, update)(customer_id, "UNSUBSCRIBED", NOON)

    consent = getattr(client, update)(customer_id, "SUBSCRIBED", NOON - timedelta(days=1))

    assert (consent.state, consent.updated_at, consent.applied) == ("UNSUBSCRIBED", NOON, False)


def test_a_choice_in_the_future_is_dated_now(client, customer_id):
    consent = client.update_email_consent(customer_id, "SUBSCRIBED", datetime.now(UTC) + timedelta(hours=1))

    assert consent.applied
    assert consent.updated_at <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("update", "person"),
    [
        ("update_email_consent", shopify_customers.CustomerDetails(email=None, phone="+46700000002")),
        ("update_sms_consent", shopify_customers.CustomerDetails(phone=None)),
    ],
)
def test_a_consent_needs_an_address_or_a_phone_number(shop, client, update, person):
    customer_id = shop.add_customer(SHOP, person)

    with pytest.raises(Rejected):
        getattr(client, update)(customer_id, "SUBSCRIBED", NOON)


@pytest.mark.parametrize("update", ["update_email_consent", "update_sms_consent"])
def test_a_consent_of_an_unknown_customer_is_not_found(client, update):
    with raises_saying(NotFound, match="Customer not found"):
        getattr(client, update)(1, "SUBSCRIBED", NOON)


def test_a_consent_state_that_shopify_does_not_accept_is_not_sent(client, customer_id):
    with pytest.raises(ValueError, match="NOT_SUBSCRIBED"):
        client.update_email_consent(customer_id, "NOT_SUBSCRIBED", NOON)


# Bulk operations


WEEK = (NOON - timedelta(days=7), NOON + timedelta(days=1))


def ended(client, operation_id, seconds=20):
    deadline = time.monotonic() + seconds
    while (found := client.bulk_operation(operation_id))["status"] in bulk_query.UNFINISHED:
        assert time.monotonic() < deadline, "the operation did not end"
        time.sleep(0.01)
    return found


def result(client, operation):
    with client.bulk_result(operation["url"]) as opened:
        return [json.loads(line, parse_float=Decimal) for line, _ in opened]


def test_bulk_customers_equal_single_customers(shop, client):
    ids = [
        shop.add_customer(SHOP, shopify_customers.CustomerDetails(email=f"{n}@example.com", gender="male"))
        for n in range(12)
    ]

    operation = ended(client, client.run_bulk_query(bulk_query.customers_query(*WEEK)))

    assert (operation["status"], operation["objectCount"], operation["rootObjectCount"]) == ("COMPLETED", "12", "12")
    assert result(client, operation) == [client.customer(each) for each in ids]


def test_bulk_orders_equal_single_orders_but_for_refund_lines(shop, client):
    discount = checkout.Discount("TEN", Decimal(10))
    order_id = shop.add_order(SHOP, checkout.Checkout(lines(3), shipping=Decimal(49), discount=discount))
    shop.refund(SHOP, order_id, {line_ids(shop, order_id)[0]: 1})

    root, *items = result(client, ended(client, client.run_bulk_query(bulk_query.orders_query(*WEEK))))

    single, bulk = client.order(order_id), bulk_query.assemble_order(root, items)
    assert {each.pop("__parentId") for each in items} == {single["id"]}
    assert bulk["lineItems"]["nodes"] == single["lineItems"]["nodes"]
    assert bulk["shippingLines"]["nodes"] == single["shippingLines"]["nodes"]
    same = set(single) & set(bulk) - {"lineItems", "shippingLines", "refunds"}
    assert {name: bulk[name] for name in same} == {name: single[name] for name in same}
    assert bulk["refunds"][0]["id"] == single["refunds"][0]["id"]


def test_a_bulk_query_returns_only_what_was_created_in_its_period(shop, client, clock):
    for day in range(4):
        clock.now = NOON + timedelta(days=day)
        shop.add_customer(SHOP, shopify_customers.CustomerDetails(email=f"{day}@example.com"))

    window = (NOON + timedelta(days=1), NOON + timedelta(days=3))
    operation = ended(client, client.run_bulk_query(bulk_query.customers_query(*window)))

    assert [each["defaultEmailAddress"]["emailAddress"] for each in result(client, operation)] == [
        "1@example.com",
        "2@example.com",
    ]


def test_an_empty_bulk_result_is_a_success_without_a_url(client):
    operation = ended(client, client.run_bulk_query(bulk_query.orders_query(*WEEK)))

    assert (operation["status"], operation["url"], operation["objectCount"]) == ("COMPLETED", None, "0")


def test_a_sixth_concurrent_bulk_operation_is_throttled(shop, client):
    shop.bulk.seconds = 30
    for _ in range(5):
        client.run_bulk_query(bulk_query.orders_query(*WEEK))

    with pytest.raises(Throttled) as caught:
        client.run_bulk_query(bulk_query.orders_query(*WEEK))

    assert (caught.value.code, caught.value.retry_after) == ("LIMIT_REACHED", timedelta(seconds=60))


def test_an_invalid_bulk_query_is_rejected(client):
    with raises_saying(Rejected, match="at least one connection"):
        client.run_bulk_query("{ shop { id } }")


def test_a_running_operation_can_be_cancelled(shop, client):
    shop.bulk.seconds = 30
    running = client.run_bulk_query(bulk_query.orders_query(*WEEK))

    client.cancel_bulk(running)

    assert ended(client, running)["status"] == "CANCELED"


def test_a_finished_operation_cannot_be_cancelled(client):
    operation_id = client.run_bulk_query(bulk_query.customers_query(*WEEK))
    ended(client, operation_id)

    with raises_saying(Rejected, match="cannot be canceled"):
        client.cancel_bulk(operation_id)


def test_a_failed_operation_has_an_error_code_and_partial_data(shop, client):
    for n in range(10):
        shop.add_customer(SHOP, shopify_customers.CustomerDetails(email=f"{n}@example.com"))
    shop.bulk.failures.append("TIMEOUT")

    operation = ended(client, client.run_bulk_query(bulk_query.customers_query(*WEEK)))

    assert (operation["status"], operation["errorCode"], operation["url"]) == ("FAILED", "TIMEOUT", None)
    assert len(result(client, {"url": operation["partialDataUrl"]})) == 1


def test_an_unknown_operation_is_none(client):
    assert client.bulk_operation("gid://shopify/BulkOperation/1") is None


def test_a_shops_history_is_the_same_in_bulk_and_singly(shop, client):
    add_history(shop, SHOP, 50, 120, days=30, until=NOON)

    customers = result(
        client, ended(client, client.run_bulk_query(bulk_query.customers_query(NOON - timedelta(40), NOON)))
    )
    found = result(client, ended(client, client.run_bulk_query(bulk_query.orders_query(NOON - timedelta(40), NOON))))

    orders = [each for each in found if "__parentId" not in each]
    assert (len(customers), len(orders)) == (50, 120)
    assert {each["customer"]["id"] for each in orders} == {each["id"] for each in customers}
    assert [each for each in orders if each["refunds"]] == [orders[0], orders[40], orders[80]]
    assert client.customer(int(customers[7]["legacyResourceId"])) == customers[7]
    assert client.order(int(orders[7]["legacyResourceId"]))["totalPriceSet"] == orders[7]["totalPriceSet"]
    refund = client.refund(int(orders[40]["refunds"][0]["legacyResourceId"]))
    assert refund["order"]["id"] == orders[40]["id"]


def test_bulk_children_do_not_directly_follow_their_parents(shop, client):
    add_history(shop, SHOP, 5, 20, days=5, until=NOON)

    found = result(client, ended(client, client.run_bulk_query(bulk_query.orders_query(NOON - timedelta(9), NOON))))

    parents = [each["id"] for each in found if "__parentId" not in each]
    assert [each.get("id") for each in found[:5]] == parents[:5]
    assert "__parentId" in found[5]
    places = {each["id"]: place for place, each in enumerate(found)}
    assert all(places[each["__parentId"]] < place for place, each in enumerate(found) if "__parentId" in each)


# Faults


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.THROTTLED, Throttled), (Fault.FAILED, Unavailable), (Fault.UNAVAILABLE, Unavailable)],
)
def test_the_sandboxs_faults_raise_the_errors_of_the_family(shop, client, fault, error):
    shop.admin.script.append(fault)

    with pytest.raises(error):
        client.shop()

    assert client.shop()["currencyCode"] == "SEK"


def test_a_throttled_call_reads_retry_after_as_a_float(shop, client):
    shop.admin.faults.retry_after = 2
    shop.admin.script.append(Fault.THROTTLED)

    with pytest.raises(Throttled) as caught:
        client.shop()

    assert caught.value.retry_after == timedelta(seconds=2)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.HALF, Fault.HALF_HEADERS, Fault.HTML])
def test_a_missing_response_leaves_the_outcome_unknown(shop, client, customer_id, fault):
    shop.admin.script.append(fault)

    with pytest.raises(Unanswered):
        client.update_email_consent(customer_id, "SUBSCRIBED", NOON)

    kept = shop.customer(SHOP, customer_id)["defaultEmailAddress"]["marketingState"]
    assert kept == ("NOT_SUBSCRIBED" if fault is Fault.HTML else "SUBSCRIBED")


def test_an_uninstalled_app_is_refused(shop, client):
    shop.uninstall(SHOP)

    with pytest.raises(Refused):
        client.shop()
