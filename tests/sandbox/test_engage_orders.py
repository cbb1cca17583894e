"""The sandbox's order notifications over HTTP: each accepted call is a mail, and what Engage refuses is refused."""

from uuid import uuid4

import pytest
import requests

from clients import ApiError, Rejected
from clients.engage.client import EngageClient
from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http.server import Engage
from sandbox.serve import serving

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
    """One tenant that is told of orders."""

    def __init__(self, engage: Engage, base: str, name: str) -> None:
        self.engage, self.base = engage, f"{base}/{name}"
        self.tenant = engage.tenant(name)
        self.client = EngageClient(self.base, KEY, deadline=0.5)

    def notify(self, order: object, version: str = "v2") -> requests.Response:
        return requests.post(f"{self.base}/api/{version}/orders", json=order, headers=HEADERS, timeout=5)

    def mails(self) -> list[dict]:
        return requests.get(f"{self.base}/mails", timeout=5).json()["mails"]


@pytest.fixture
def shop(running):
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


def test_an_accepted_order_is_a_mail_to_its_contact(shop):
    contact = shop.tenant.contacts.create(ELIN)

    response = shop.notify(order())

    (mail,) = shop.mails()
    assert (response.status_code, response.content) == (202, b"")
    assert (mail["orderNumber"], mail["orderStatus"], mail["contactId"]) == ("#10482", "ORDER_FULFILLED", contact["id"])
    assert mail["order"]["totalGrossPrice"] == 716.2


def test_the_same_order_twice_is_two_mails(shop):
    for _ in range(2):
        shop.notify(order())

    assert len(shop.mails()) == 2


def test_an_order_of_nobody_is_accepted_with_a_line_in_the_log(shop):
    shop.notify(order())

    (line,) = requests.get(f"{shop.base}/log", timeout=5).json()
    assert shop.mails()[0]["contactId"] is None
    assert (line["area"], line["message"], line["orderNumber"]) == ("Orders", "Contact is missing", "#10482")


def test_an_order_finds_its_contact_whatever_its_type(shop):
    contact = shop.tenant.contacts.create(ELIN | {"contactType": "Contact"})

    shop.notify(order())

    assert shop.mails()[0]["contactId"] == contact["id"]


def test_the_newer_path_is_there_only_when_it_is_switched_on(shop):
    before = shop.notify(order(), version="v3").status_code
    shop.tenant.orders.v3 = True
    after = shop.notify(order(), version="v3").status_code

    assert (before, after, len(shop.mails())) == (404, 202, 1)


# What is refused, always


REQUIRED = ("contact", "orderNumber", "createdDate", "storeId", "currency", "totalGrossPrice", "items", "language")


@pytest.mark.parametrize("name", [*REQUIRED, "orderStatus", "paymentStatus"])
def test_an_order_without_a_required_field_is_refused(shop, name):
    response = shop.notify(order(**{name: None}))

    assert refusal(response) == (422, "ValidationError")
    assert name in response.json()["message"]
    assert shop.mails() == []


@pytest.mark.parametrize(
    ("name", "code"), [("orderStatus", "UnknownOrderStatus"), ("paymentStatus", "UnknownPaymentStatus")]
)
def test_a_status_that_the_tenant_does_not_have_is_refused(shop, name, code):
    assert refusal(shop.notify(order(**{name: "ORDER_LOST"}))) == (422, code)
    assert shop.mails() == []


def test_a_tenants_statuses_are_its_own(shop):
    shop.tenant.orders.statuses = ("Confirmed", "Shipped")

    assert shop.notify(order(orderStatus="Shipped")).status_code == 202
    assert shop.notify(order()).status_code == 422


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
def test_an_item_with_a_wrong_field_is_refused(shop, wrong):
    assert refusal(shop.notify(order(items=[TRAY, wrong]))) == (422, "ValidationError")


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
def test_an_item_that_fits_is_accepted(shop, item):
    assert shop.notify(order(items=[item])).status_code == 202


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
def test_an_order_with_a_wrong_field_is_refused(shop, changes):
    assert refusal(shop.notify(order(**changes))) == (422, "ValidationError")


# What is refused by the tenants that have it so


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
def test_sums_that_do_not_add_up_are_refused_where_the_rule_is_on(shop, rule, changes):
    before = shop.notify(order(**changes)).status_code
    shop.tenant.orders.rules = (rule,)

    assert before == 202
    assert refusal(shop.notify(order(**changes))) == (422, "ValidationError")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"totalTax": 53.64},  # without the freight's
        {"items": [MUG, TRAY, MUG_BACK], "totalGrossPrice": 582.1, "totalTax": 36.62}
        | {"paymentMethods": [{"type": "card", "value": 500}, {"type": "giftcard", "value": 82.1}]},
    ],
)
def test_sums_that_add_up_pass_every_rule(shop, changes):
    shop.tenant.orders.rules = ("taxes", "total", "payments")

    assert shop.notify(order(**changes)).status_code == 202


# With our own client: at most one mail, and never a wrong belief about it


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (Fault.NONE, Fault.LATE)])
def test_a_mail_that_was_sent_is_never_believed_unsent(shop, fault):
    shop.tenant.faults = Faults({fault: 1.0}, hang_seconds=5)

    with pytest.raises(ApiError) as caught:
        shop.client.create_order_notification(order())

    assert len(shop.mails()) == (1 if fault.takes_effect else 0)
    assert caught.value.unknown or not shop.mails()


def test_the_client_is_told_why_an_order_is_refused(shop):
    with pytest.raises(Rejected, match="ORDER_LOST") as caught:
        shop.client.create_order_notification(order(orderStatus="ORDER_LOST"))

    assert caught.value.code == "UnknownOrderStatus"


def test_the_journal_has_every_notification(shop):
    shop.client.create_order_notification(order())

    (entry,) = requests.get(f"{shop.base}/journal?path=orders", timeout=5).json()
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/api/v2/orders", 202)
