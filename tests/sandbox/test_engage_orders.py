"""The sandbox's order notifications over HTTP: each accepted call is a mail, and what Engage refuses is refused."""

from uuid import uuid4

import pytest
import requests

from clients import ApiError, Rejected
from clients.engage.client import EngageClient
from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http.server import Engage
from sandbox.serve import serving
from tests.support.tasks.outcomes import raises_saying

KEY = "sandbox-key"
HEADERS = {"apikey": KEY, "Content-Type": "application/json"}
ELIN = {"email": "elin@example.test", "firstName": "Elin"}


@pytest.fixture(scope="module")
def running():
    """One server for all tests; each test has a tenant of its own."""
    engage = Engage(faults=Faults(), batch_seconds=60, calls_a_second=10_000)
    with serving(engage.app) as base:
        yield engage, base


class NotifiedTenant:
    """One tenant that receives order notifications."""

    def __init__(self, engage: Engage, base: str, name: str) -> None:
        self.engage, self.base = engage, f"{base}/{name}"
        self.tenant = engage.tenant(name)
        self.client = EngageClient(self.base, KEY, deadline=0.5)

    def notify(self, order: object, version: str = "v2") -> requests.Response:
        return requests.post(f"{self.base}/api/{version}/orders", json=order, headers=HEADERS, timeout=5)

    def mails(self) -> list[dict]:
        return requests.get(f"{self.base}/mails", timeout=5).json()["mails"]


@pytest.fixture
def tenant(running):
    engage, base = running
    return NotifiedTenant(engage, base, f"tenant-{uuid4()}")


MUG = {
    "type": "PURCHASE",
    "sku": "MUG-BLU",
    "description": "Mug, blue",
    "quantity": 2,
    "grossPaidPrice": 268.2,
    "taxAmount": 53.64,
    "taxPercent": 25,
    "discounts": [{"value": -29.8, "type": "code"}],
}
TRAY = {"type": "PURCHASE", "sku": "TRAY", "description": "Tray", "quantity": 0.5, "grossPaidPrice": 399}
MUG_BACK = MUG | {"type": "RETURN", "quantity": -1, "grossPaidPrice": 134.1, "taxAmount": 26.82, "discounts": []}


def order(**changes: object) -> dict:
    return {
        "contact": {"matchKey": "elin@example.test", "matchKeyType": "email"},
        "orderNumber": "#10482",
        "orderStatus": "ORDER_FULFILLED",
        "paymentStatus": "PAID",
        "language": "sv-SE",
        "createdDate": "2026-02-11T09:20:31+01:00",
        "storeId": "SE-WEB",
        "currency": "SEK",
        "totalGrossPrice": 716.2,
        "totalTax": 63.44,
        "freightFee": {"value": 49.0, "tax": 9.8},
        "paymentMethods": [{"type": "card", "value": 716.2}],
        "extraData": {"TrackingNumber": "UB771920SE"},
        "items": [MUG, TRAY],
    } | changes


def refusal(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["errorCode"]


# Mails


def test_an_accepted_order_is_a_mail_to_its_contact(tenant):
    contact = tenant.tenant.contacts.create(ELIN)

    response = tenant.notify(order())

    (mail,) = tenant.mails()
    assert (response.status_code, response.content) == (202, b"")
    assert (mail["orderNumber"], mail["orderStatus"], mail["contactId"]) == ("#10482", "ORDER_FULFILLED", contact["id"])
    assert mail["order"]["totalGrossPrice"] == 716.2


def test_the_same_order_twice_is_two_mails(tenant):
    for _ in range(2):
        tenant.notify(order())

    assert len(tenant.mails()) == 2


def test_an_order_of_an_unknown_contact_is_accepted_and_logged(tenant):
    tenant.notify(order())

    (line,) = requests.get(f"{tenant.base}/log", timeout=5).json()
    assert tenant.mails()[0]["contactId"] is None
    assert (line["area"], line["message"], line["orderNumber"]) == ("Orders", "Contact is missing", "#10482")


def test_an_order_finds_a_contact_of_any_type(tenant):
    contact = tenant.tenant.contacts.create(ELIN | {"contactType": "Contact"})

    tenant.notify(order())

    assert tenant.mails()[0]["contactId"] == contact["id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"extraData": ["UB1"]},
        {"extraData": {"TrackingNumber": 7}},
        {"taxDetails": {"value": 1}},
        {"taxDetails": [{"value": "1.00"}]},
        {"statusChangedDate": "yesterday"},
        {"totalTax": "143.24"},
        {"anyReturnItems": "no"},
    ],
    ids=str,
)
def test_a_field_of_another_type_is_refused(tenant, wrong):
    response = tenant.notify(order(**wrong))

    assert (response.status_code, response.json()["errorCode"]) == (422, "ValidationError")
    assert next(iter(wrong)) in response.json()["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"imageUrl": "mug.jpg"},
        {"targetUrl": {"url": "https://shop.example"}},
        {"totalDiscount": "29.80"},
        {"originalPricePerUnit": "149"},
        {"discounted": "true"},
        {"discounts": [{"value": "-1"}]},
    ],
    ids=str,
)
def test_an_items_field_of_another_type_is_refused(tenant, wrong):
    (first, *others) = order()["items"]

    response = tenant.notify(order(items=[first | wrong, *others]))

    assert f"items.{next(iter(wrong))}" in response.json()["message"]


def test_fields_that_the_model_lacks_are_ignored(tenant):
    assert tenant.notify(order(loyaltyTier="gold")).status_code == 202


def test_the_stored_orders_of_version_3_take_no_notifications(tenant):
    assert (tenant.notify(order(), version="v3").status_code, tenant.mails()) == (404, [])


# Always refused


REQUIRED = ("contact", "orderNumber", "createdDate", "storeId", "currency", "totalGrossPrice", "items", "language")


@pytest.mark.parametrize("name", [*REQUIRED, "orderStatus", "paymentStatus"])
def test_an_order_without_a_required_field_is_refused(tenant, name):
    response = tenant.notify(order(**{name: None}))

    assert refusal(response) == (422, "ValidationError")
    assert name in response.json()["message"]
    assert tenant.mails() == []


@pytest.mark.parametrize(
    ("name", "code"), [("orderStatus", "UnknownOrderStatus"), ("paymentStatus", "UnknownPaymentStatus")]
)
def test_an_unknown_status_is_refused(tenant, name, code):
    assert refusal(tenant.notify(order(**{name: "ORDER_LOST"}))) == (422, code)
    assert tenant.mails() == []


def test_a_tenant_may_have_its_own_statuses(tenant):
    tenant.tenant.orders.statuses = ("Confirmed", "Shipped")

    assert tenant.notify(order(orderStatus="Shipped")).status_code == 202
    assert tenant.notify(order()).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        MUG | {"sku": None},
        MUG | {"description": ""},
        MUG | {"type": "ADJUSTMENT"},
        MUG | {"quantity": "2"},
        MUG | {"quantity": -2},
        MUG | {"quantity": 0},
        MUG | {"discounts": [{"value": 29.8, "type": "code"}]},
        MUG | {"taxAmount": 53.62},
        MUG | {"taxAmount": 67.05},  # a quarter of the price with tax, not of the one without
        MUG | {"taxAmount": "53.64"},
        MUG | {"taxPercent": None},
        MUG_BACK | {"quantity": 1},
        MUG_BACK | {"taxAmount": -26.82, "grossPaidPrice": -134.1},
        MUG_BACK | {"taxAmount": 0, "taxPercent": 0},  # to be left out, then
    ],
)
def test_an_item_with_a_wrong_field_is_refused(tenant, wrong):
    assert refusal(tenant.notify(order(items=[TRAY, wrong]))) == (422, "ValidationError")


@pytest.mark.parametrize(
    "item",
    [
        MUG | {"taxAmount": 53.63},  # rounded otherwise
        MUG | {"taxAmount": 54},  # in a currency without decimals
        MUG | {"taxAmount": 0, "taxPercent": 0},
        MUG_BACK,
        {"type": "RETURN", "sku": "BOOK", "description": "Book", "quantity": -1, "grossPaidPrice": 10},
    ],
)
def test_a_valid_item_is_accepted(tenant, item):
    assert tenant.notify(order(items=[item])).status_code == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"contact": {"matchKey": "elin@example.test", "matchKeyType": "shoeSize"}},
        {"createdDate": "yesterday"},
        {"currency": "kr"},
        {"totalGrossPrice": "716.20"},
        {"extraData": [{"name": "TrackingNumber", "value": "UB771920SE"}]},  # as receipts have it
        {"freightFee": 49},
        {"freightFee": {"value": 49, "tax": "9.8"}},
        {"paymentMethods": [{"type": "card"}]},
    ],
)
def test_an_order_with_a_wrong_field_is_refused(tenant, changes):
    assert refusal(tenant.notify(order(**changes))) == (422, "ValidationError")


# Refused by a tenant's own rules


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("taxes", {"totalTax": 53.63}),
        ("taxes", {"totalTax": None}),
        ("total", {"totalGrossPrice": 716.1}),
        ("total", {"items": [MUG, TRAY, MUG_BACK]}),
        ("payments", {"paymentMethods": [{"type": "card", "value": 716.1}]}),
        ("payments", {"paymentMethods": []}),
    ],
)
def test_wrong_sums_are_refused_where_the_rule_is_on(tenant, rule, changes):
    before = tenant.notify(order(**changes)).status_code
    tenant.tenant.orders.rules = (rule,)

    assert before == 202
    assert refusal(tenant.notify(order(**changes))) == (422, "ValidationError")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"totalTax": 53.64},  # without the freight's
        {"items": [MUG, TRAY, MUG_BACK], "totalGrossPrice": 582.1, "totalTax": 36.62}
        | {"paymentMethods": [{"type": "card", "value": 500}, {"type": "giftcard", "value": 82.1}]},
    ],
)
def test_right_sums_pass_every_rule(tenant, changes):
    tenant.tenant.orders.rules = ("taxes", "total", "payments")

    assert tenant.notify(order(**changes)).status_code == 202


# With our own client: at most one mail, and never a wrong outcome of it


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (Fault.NONE, Fault.LATE)])
def test_a_sent_mail_is_never_taken_for_unsent(tenant, fault):
    tenant.tenant.faults = Faults({fault: 1.0}, hang_seconds=5)

    with pytest.raises(ApiError) as caught:
        tenant.client.create_order_notification(order())

    assert len(tenant.mails()) == (1 if fault.takes_effect else 0)
    assert caught.value.unknown or not tenant.mails()


def test_the_client_raises_the_reason_of_a_refusal(tenant):
    with raises_saying(Rejected, match="ORDER_LOST") as caught:
        tenant.client.create_order_notification(order(orderStatus="ORDER_LOST"))

    assert caught.value.code == "UnknownOrderStatus"


def test_the_log_of_calls_has_every_notification(tenant):
    tenant.client.create_order_notification(order())

    (entry,) = requests.get(f"{tenant.base}/journal?path=orders", timeout=5).json()
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/api/v2/orders", 202)
