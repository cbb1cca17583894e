"""The sandbox's Shopify: signatures, redelivery, payloads, the replayed purchases, and the Admin API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
import requests
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from sandbox.invented_customers import invented_customer
from sandbox.purchases import items_of, purchases, replay_orders, replaying_orders
from sandbox.serve import serving
from sandbox.shopify import Shopify
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Discount, Item, Tender
from sandbox.shopify.webhooks.delivery import WebhookFaults

SHOP = "demo.myshopify.com"
SECRET = "hush"
EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "shopify-webhook-examples"
CD = Item("Blue Harbour", "CD-1", Decimal("149.00"))


class DeliveryReceiver:
    """Receives webhooks: keeps each, and answers with the statuses given, then with 200."""

    def __init__(self, *statuses: int, slow: float = 0.0) -> None:
        self.received: list[tuple[dict, bytes]] = []
        self._statuses, self._slow = list(statuses), slow
        self.app = Starlette(routes=[Route("/webhooks/shopify", self._receive, methods=["POST"])])

    async def _receive(self, request):
        self.received.append((dict(request.headers), await request.body()))
        if self._slow:
            slow, self._slow = self._slow, 0.0
            await anyio.sleep(slow)
        return Response(status_code=self._statuses.pop(0) if self._statuses else 200)

    @property
    def topics(self):
        return [headers["x-shopify-topic"] for headers, _ in self.received]

    def bodies(self, topic):
        return [json.loads(body) for headers, body in self.received if headers["x-shopify-topic"] == topic]


@contextmanager
def connected(receiver: DeliveryReceiver, **options):
    """A sandbox whose webhooks go to this receiver."""
    with serving(receiver.app) as url:
        shopify = Shopify(SECRET, f"{url}/webhooks/shopify", **{"schedule": (0.01, 0.01), **options})
        yield shopify
        shopify.close()


@pytest.fixture
def receiver():
    return DeliveryReceiver()


@pytest.fixture
def shopify(receiver):
    with connected(receiver) as sandbox:
        yield sandbox


# Webhooks


def test_the_signature_is_over_the_exact_bytes(shopify, receiver):
    shopify.fire(SHOP, "orders/create", b'{ "id":1,  "note":"\xc3\xa5" }')
    shopify.wait_until_idle()

    headers, body = receiver.received[0]
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
    assert body == b'{ "id":1,  "note":"\xc3\xa5" }'
    assert headers["x-shopify-hmac-sha256"] == base64.b64encode(digest).decode()


def test_a_webhook_carries_every_header(shopify, receiver):
    webhook_id = shopify.fire(SHOP, "orders/create", {"id": 1}, event_id="e1")
    shopify.wait_until_idle()

    headers, _ = receiver.received[0]
    assert headers["x-shopify-topic"] == "orders/create"
    assert headers["x-shopify-shop-domain"] == SHOP
    assert headers["x-shopify-api-version"] == "2026-10"
    assert headers["x-shopify-webhook-id"] == webhook_id
    assert headers["x-shopify-event-id"] == "e1"
    assert datetime.fromisoformat(headers["x-shopify-triggered-at"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize("status", [500, 401, 302, 404, 503])
def test_anything_but_2xx_is_delivered_again_the_same(status):
    receiver = DeliveryReceiver(status, status)
    with connected(receiver) as shopify:
        webhook_id = shopify.fire(SHOP, "orders/create", {"id": 1})
        assert shopify.wait_until_idle()

    assert len(receiver.received) == 3
    assert {body for _, body in receiver.received} == {b'{"id":1}'}
    assert {headers["x-shopify-webhook-id"] for headers, _ in receiver.received} == {webhook_id}


def test_a_response_after_five_seconds_is_too_late():
    receiver = DeliveryReceiver(slow=6.0)
    with connected(receiver) as shopify:
        shopify.fire(SHOP, "orders/create", {"id": 1})
        assert shopify.wait_until_idle(10)
        (delivery,) = shopify.deliveries

    assert len(receiver.received) == 2
    assert (delivery.attempts, delivery.status, delivery.state) == (2, 200, "delivered")


def test_a_webhook_fails_after_its_last_retry():
    receiver = DeliveryReceiver(500, 500, 500)
    with connected(receiver) as shopify:
        shopify.fire(SHOP, "orders/create", {"id": 1})
        shopify.wait_until_idle()
        (delivery,) = shopify.deliveries

    assert (delivery.attempts, delivery.status, delivery.state) == (3, 500, "failed")


def test_a_webhook_is_retried_until_the_app_is_up(receiver):
    with serving(receiver.app) as url:
        shopify = Shopify(SECRET, f"{url}/webhooks/shopify", schedule=(0.2,) * 20)
    shopify.fire(SHOP, "orders/create", {"id": 1})
    with serving(receiver.app, port=int(url.rpartition(":")[2])):
        assert shopify.wait_until_idle()
    shopify.close()

    assert receiver.topics == ["orders/create"]


def test_duplicates_have_the_same_webhook_id(receiver):
    with connected(receiver, faults=WebhookFaults(duplicates=1.0)) as shopify:
        webhook_id = shopify.fire(SHOP, "orders/create", {"id": 1})
        assert shopify.wait_until_idle()

    assert [headers["x-shopify-webhook-id"] for headers, _ in receiver.received] == [webhook_id] * 2


def test_late_webhooks_arrive_out_of_order(receiver):
    with connected(receiver, faults=WebhookFaults(late=0.5, late_seconds=0.5), workers=1) as shopify:
        for number in range(20):
            shopify.fire(SHOP, "orders/updated", {"id": number})
        assert shopify.wait_until_idle()

    arrived = [body["id"] for body in receiver.bodies("orders/updated")]
    assert sorted(arrived) == list(range(20))
    assert arrived != sorted(arrived)


def test_deliveries_are_listed_as_json(shopify):
    webhook_id = shopify.fire(SHOP, "orders/create", {"id": 1})
    shopify.fire("other.myshopify.com", "orders/create", {"id": 2})
    shopify.wait_until_idle()

    with serving(shopify.app) as url:
        listed = requests.get(f"{url}/{SHOP}/deliveries", timeout=5).json()

    assert [(each["webhook_id"], each["state"], each["status"], each["attempts"]) for each in listed] == [
        (webhook_id, "delivered", 200, 1)
    ]


# Events in a shop


def test_a_paid_order_fires_create_paid_and_updated_of_one_event(shopify, receiver):
    shopify.add_order(SHOP, Checkout((CD,)))
    shopify.wait_until_idle()

    assert sorted(receiver.topics) == ["orders/create", "orders/paid", "orders/updated"]
    assert len({headers["x-shopify-event-id"] for headers, _ in receiver.received}) == 1
    assert len({headers["x-shopify-webhook-id"] for headers, _ in receiver.received}) == 3


def test_an_authorised_order_can_be_paid_later(shopify, receiver):
    order_id = shopify.add_order(SHOP, Checkout((CD,)), paid=False)
    before = shopify.order(SHOP, order_id)
    shopify.pay(SHOP, order_id)
    after = shopify.order(SHOP, order_id)
    shopify.wait_until_idle()

    assert before["displayFinancialStatus"] == "AUTHORIZED"
    assert after["displayFinancialStatus"] == "PAID"
    assert [each["kind"] for each in after["transactions"]] == ["AUTHORIZATION", "CAPTURE"]
    assert [body["financial_status"] for body in receiver.bodies("orders/paid")] == ["paid"]


def test_a_fulfilled_order_has_its_status(shopify, receiver):
    order_id = shopify.add_order(SHOP, Checkout((CD,)))
    shopify.fulfil(SHOP, order_id)
    shopify.wait_until_idle()

    assert shopify.order(SHOP, order_id)["displayFulfillmentStatus"] == "FULFILLED"
    statuses = [body["fulfillment_status"] for body in receiver.bodies("orders/updated")]
    assert sorted(statuses, key=str) == [None, "fulfilled"]


def test_an_edited_order_keeps_its_original_quantities(shopify):
    order_id = shopify.add_order(SHOP, Checkout((CD, Item("Silver Echoes", "CD-2", Decimal(100), quantity=2))))
    line_id = int(shopify.order(SHOP, order_id)["lineItems"][1]["id"].rpartition("/")[2])

    shopify.edit_order(SHOP, order_id, line_id, 1)

    order = shopify.order(SHOP, order_id)
    assert [line["currentQuantity"] for line in order["lineItems"]] == [1, 1]
    assert order["totalPriceSet"]["shopMoney"]["amount"] == "349.0"
    assert order["currentTotalPriceSet"]["shopMoney"]["amount"] == "249.0"


def test_a_change_has_the_time_of_its_making(receiver):
    noon = datetime.fromisoformat("2026-11-24T12:00:00+00:00")
    seconds = iter(range(10))
    with connected(receiver, now=lambda: noon + timedelta(seconds=next(seconds))) as shopify:
        order_id = shopify.add_order(SHOP, Checkout((CD,)))
        shopify.update_order(SHOP, order_id, note="ring the bell")
        shopify.wait_until_idle()

    updated = {body["note"]: body["updated_at"] for body in receiver.bodies("orders/updated")}
    assert shopify.order(SHOP, order_id)["updatedAt"] == "2026-11-24T12:00:01Z"
    assert updated == {None: "2026-11-24T13:00:00+01:00", "ring the bell": "2026-11-24T13:00:01+01:00"}


def test_an_order_has_its_customer_as_changed_since(shopify):
    customer_id = shopify.add_customer(SHOP, CustomerDetails(first_name="Ada"))
    order_id = shopify.add_order(SHOP, Checkout((CD,)), customer_id=customer_id)

    shopify.update_customer(SHOP, customer_id, first_name="Eva")

    assert shopify.order(SHOP, order_id)["customer"]["firstName"] == "Eva"


def test_customers_fire_create_and_update(shopify, receiver):
    customer_id = shopify.add_customer(SHOP, CustomerDetails(account=False))
    shopify.update_customer(SHOP, customer_id, accepts_email=True)
    shopify.wait_until_idle()

    (created,), (updated,) = receiver.bodies("customers/create"), receiver.bodies("customers/update")
    assert created["id"] == updated["id"] == customer_id
    assert created["state"] == "disabled"
    assert shopify.customer(SHOP, customer_id)["defaultEmailAddress"]["marketingState"] == "SUBSCRIBED"


def test_a_customers_number_gives_one_id_for_each_shop_in_every_run():
    one, other = Shopify(SECRET, "http://127.0.0.1:9/"), Shopify(SECRET, "http://127.0.0.1:9/")

    assert one.customer_id(SHOP, 7) == other.customer_id(SHOP, 7)
    assert one.customer_id(SHOP, 7) != one.customer_id("other.myshopify.com", 7)


def test_a_restarted_sandbox_gives_no_order_id_twice():
    def orders() -> list[int]:
        shopify = Shopify(SECRET, "http://127.0.0.1:9/", workers=0)
        return [shopify.add_order(SHOP, Checkout((CD,))) for _ in range(3)]

    first = orders()

    assert min(orders()) > max(first) > 2**40


def test_the_oldest_orders_are_dropped():
    shopify = Shopify(SECRET, "http://127.0.0.1:9/", workers=0, max_orders=2)
    ids = [shopify.add_order(SHOP, Checkout((CD,))) for _ in range(3)]

    assert [shopify.order(SHOP, each) is not None for each in ids] == [False, True, True]


# Payloads


def test_a_payload_has_the_ids_of_graphql(shopify, receiver):
    customer_id = shopify.add_customer(SHOP, CustomerDetails())
    order_id = shopify.add_order(SHOP, Checkout((CD, CD)), customer_id=customer_id)
    shopify.wait_until_idle()

    (body,) = receiver.bodies("orders/create")
    order = shopify.order(SHOP, order_id)
    assert body["id"] == order_id
    assert body["admin_graphql_api_id"] == order["id"]
    assert body["customer"]["id"] == customer_id
    assert [each["admin_graphql_api_id"] for each in body["line_items"]] == [each["id"] for each in order["lineItems"]]


def test_a_payloads_money_has_all_its_digits(shopify, receiver):
    shopify.add_order(SHOP, Checkout((CD,), shipping=Decimal(49), discount=Discount("TEN", Decimal("14.9"))))
    shopify.wait_until_idle()

    (body,) = receiver.bodies("orders/create")
    assert (body["total_price"], body["subtotal_price"], body["total_discounts"]) == ("183.10", "134.10", "14.90")
    assert body["discount_codes"] == [{"code": "TEN", "amount": "14.90", "type": "fixed_amount"}]
    assert body["total_line_items_price_set"]["shop_money"] == {"amount": "149.00", "currency_code": "SEK"}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="Shopify's example payloads are not at hand")
@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("orders/create", []),
        ("orders/create", ["customer"]),
        ("orders/create", ["billing_address"]),
        ("customers/create", []),
        ("customers/create", ["default_address"]),
    ],
)
def test_a_payload_has_the_keys_of_shopifys_example(shopify, receiver, topic, path):
    customer_id = shopify.add_customer(SHOP, CustomerDetails())
    shopify.add_order(SHOP, Checkout((CD,)), customer_id=customer_id)
    shopify.wait_until_idle()

    (ours,) = receiver.bodies(topic)
    example = json.loads((EXAMPLES / f"{topic}.json").read_text())["response"]
    for key in path:
        ours, example = ours[key], example[key]
    assert set(example) - set(ours) <= {"latitude", "longitude"}


# Money


def amounts(order: dict, side: str) -> dict[str, Decimal]:
    """An order's own totals, and the same made from its parts."""

    def amount(bag: dict) -> Decimal:
        return Decimal(bag[side]["amount"])

    lines = sum(amount(line["originalUnitPriceSet"]) * line["quantity"] for line in order["lineItems"])
    allocations = [each for line in order["lineItems"] for each in line["discountAllocations"]]
    discounts = sum(amount(each["allocatedAmountSet"]) for each in allocations)
    shipping = sum(amount(each["discountedPriceSet"]) for each in order["shippingLines"])
    taxes = [tax for part in (*order["lineItems"], *order["shippingLines"]) for tax in part["taxLines"]]
    tax = sum(amount(each["priceSet"]) for each in taxes)
    return {
        "parts": lines - discounts + shipping + (0 if order["taxesIncluded"] else tax),
        "total": amount(order["totalPriceSet"]),
        "paid": sum(amount(each["amountSet"]) for each in order["transactions"] if each["kind"] != "AUTHORIZATION"),
        "tax_of_parts": tax,
        "tax": amount(order["totalTaxSet"]),
        "tax_by_rate": sum(amount(each["priceSet"]) for each in order["taxLines"]),
    }


@pytest.mark.parametrize("side", ["shopMoney", "presentmentMoney"])
@pytest.mark.parametrize("taxes_included", [True, False])
def test_an_orders_sums_agree_in_both_currencies(side, taxes_included):
    shopify = Shopify(SECRET, "http://127.0.0.1:9/", workers=0)
    checkout = Checkout(
        (
            Item("One", "1", Decimal("33.33"), 3),
            Item("Two", "2", Decimal("0.01"), tax_rate=Decimal("0.06")),
            Item("Gift", "3", Decimal(50), tax_rate=Decimal(0), gift_card=True),
        ),
        shipping=Decimal(49),
        discount=Discount("TEN", Decimal("10.01")),
        tenders=(Tender("gift_card", Decimal("20.01")), Tender()),
        presentment_currency="JPY",
        rate=Decimal("14.237"),
        taxes_included=taxes_included,
    )

    sums = amounts(shopify.order(SHOP, shopify.add_order(SHOP, checkout)), side)

    assert sums["parts"] == sums["total"] == sums["paid"]
    assert sums["tax_of_parts"] == sums["tax"] == sums["tax_by_rate"] > 0


def test_graphqls_money_drops_its_last_zeros():
    shopify = Shopify(SECRET, "http://127.0.0.1:9/", workers=0)
    order = shopify.order(SHOP, shopify.add_order(SHOP, Checkout((CD,), presentment_currency="JPY", rate=Decimal(14))))

    assert order["totalPriceSet"] == {
        "shopMoney": {"amount": "149.0", "currencyCode": "SEK"},
        "presentmentMoney": {"amount": "2086.0", "currencyCode": "JPY"},
    }


# Purchases


def test_all_purchases_are_read_in_order_of_date():
    rows = purchases()

    assert len(rows) == 6919
    assert len({row.customer for row in rows}) == 2357
    assert [row.date for row in rows] == sorted(row.date for row in rows)


def test_a_purchases_cds_cost_exactly_what_was_paid():
    wrong = [
        row for row in purchases() if sum(each.price * each.quantity for each in items_of(row)) != row.dollars * 10
    ]

    assert wrong == []


def test_a_purchase_has_as_many_cds_as_were_bought():
    assert all(sum(each.quantity for each in items_of(row)) == row.cds for row in purchases())


def test_the_same_number_gives_the_same_customer_with_unique_contacts():
    customers = [invented_customer(number) for number in range(1, 2358)]

    assert customers == [invented_customer(number) for number in range(1, 2358)]
    assert len({each.email for each in customers}) == 2357
    phones = [each.phone for each in customers if each.phone]
    assert len(set(phones)) == len(phones) > 1000
    assert 300 < sum(not each.account for each in customers) < 600


def test_replayed_orders_have_the_prices_of_the_purchases():
    shopify = Shopify(SECRET, "http://127.0.0.1:9/", workers=0)

    orders = [shopify.order(SHOP, order_id) for order_id in replay_orders(shopify, SHOP, 300)]

    gross = [
        sum(
            Decimal(line["originalUnitPriceSet"]["shopMoney"]["amount"]) * line["quantity"]
            for line in each["lineItems"]
        )
        for each in orders
    ]
    assert gross == [purchase.dollars * 10 for purchase in purchases()[:300]]
    for order in orders:
        sums = amounts(order, "shopMoney")
        assert sums["parts"] == sums["total"] == sums["paid"]


def test_replayed_orders_cover_every_usual_event(receiver):
    with connected(receiver) as shopify:
        orders = [shopify.order(SHOP, order_id) for order_id in replay_orders(shopify, SHOP, 300)]
        assert shopify.wait_until_idle(30)

    assert any(len(each["transactions"]) == 2 and each["transactions"][0]["kind"] == "SALE" for each in orders)
    assert any(each["transactions"] and each["transactions"][0]["kind"] == "AUTHORIZATION" for each in orders)
    assert any(each["discountCodes"] for each in orders)
    assert {each["displayFulfillmentStatus"] for each in orders} == {"FULFILLED", "UNFULFILLED"}
    assert {each["customer"]["state"] for each in orders} == {"ENABLED", "DISABLED"}
    assert set(receiver.topics) == {
        *("customers/create", "customers/update", "customers_email_marketing_consent/update"),
        *("orders/create", "orders/paid", "orders/updated", "fulfillments/create"),
    }


def test_each_customer_is_created_once(receiver):
    with connected(receiver) as shopify:
        replay_orders(shopify, SHOP, 300)
        assert shopify.wait_until_idle(30)

    created = [body["id"] for body in receiver.bodies("customers/create")]
    assert len(created) == len(set(created)) > 100


def test_orders_are_placed_while_the_block_lasts(receiver):
    with connected(receiver) as shopify:
        with replaying_orders(shopify, SHOP, rate=50):
            _until(lambda: receiver.topics.count("orders/create") >= 5)
        made = len(shopify.deliveries)
        time.sleep(0.2)
        assert len(shopify.deliveries) == made


def test_no_order_is_placed_at_a_rate_of_zero(monkeypatch):
    monkeypatch.setenv("SANDBOX_RATE", "0")
    shopify = Shopify(SECRET, "http://127.0.0.1:9/", workers=0)
    with replaying_orders(shopify, SHOP):
        time.sleep(0.1)

    assert shopify.deliveries == []


def test_the_during_context_lasts_as_long_as_the_app():
    seen = []

    @contextmanager
    def during(shopify):
        seen.append("up")
        yield
        seen.append("down")

    with serving(Shopify(SECRET, "http://127.0.0.1:9/", during=during).app):
        assert seen == ["up"]
    assert seen == ["up", "down"]


def _until(done, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


# The Admin API


def post_query(url: str, body: bytes, token: str = "shpat_sandbox") -> requests.Response:
    address = f"{url}/{SHOP}/admin/api/2026-10/graphql.json"
    return requests.post(address, data=body, headers={"X-Shopify-Access-Token": token}, timeout=5)


@pytest.fixture(scope="module")
def admin():
    with serving(Shopify(SECRET, "http://127.0.0.1:9/", workers=0).app) as url:
        yield url


def test_every_response_has_a_request_id_and_the_version(admin):
    answer = post_query(admin, b'{"query": "{ shop { id } }"}')

    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-Shopify-API-Version"] == "2026-10"
    assert answer.json()["extensions"]["cost"]["requestedQueryCost"] == 1


def test_a_wrong_token_is_401(admin):
    answer = post_query(admin, b'{"query": "{ shop { id } }"}', token="wrong")

    assert answer.status_code == 401
    assert "Invalid API key" in answer.json()["errors"]


def test_an_unknown_field_is_an_error_within_a_200(admin):
    answer = post_query(admin, b'{"query": "{ shop { motto } }"}')

    assert answer.status_code == 200
    assert answer.json()["errors"][0]["message"] == "Cannot query field 'motto' on type 'Shop'."


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'"x"', b'{"query": "{ shop { id } }", "variables": 5}'])
def test_a_body_that_is_no_query_is_400(admin, body):
    assert post_query(admin, body).status_code == 400


def test_a_query_that_is_no_graphql_is_an_error(admin):
    assert "Syntax Error" in post_query(admin, b'{"query": "{ shop {"}').json()["errors"][0]["message"]


def test_a_query_that_is_too_costly_is_refused(admin):
    nested = " ".join(
        f"a{n}: lineItems(first: 250) {{ nodes {{ taxLines {{ title }} discountAllocations {{ __typename }} }} }}"
        for n in range(40)
    )
    query = json.dumps({"query": f'{{ order(id: "gid://shopify/Order/1") {{ {nested} }} }}'}).encode()

    error = post_query(admin, query).json()["errors"][0]

    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert error["extensions"]["maxCost"] == 1000


def test_a_missing_variable_is_an_error(admin):
    query = json.dumps({"query": "query Q($id: ID!) { order(id: $id) { id } }"}).encode()

    assert "of non-null type 'ID!'" in post_query(admin, query).json()["errors"][0]["message"]
