"""The sandbox's Engage over HTTP: it behaves as documented, and its faults happen on real connections."""

import json
import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from clients.engage.client import EngageClient
from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http.messages import ApiResponse
from sandbox.engage.http.server import Engage
from sandbox.serve import serving

KEY = "sandbox-key"
HEADERS = {"apikey": KEY, "Content-Type": "application/json"}
ELIN = {"email": "elin@example.test", "firstName": "Elin", "externalId": "7719", "mobilePhone": "+46701740605"}
TYPES = ("Member", "Contact")
UNKNOWN_ID = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"


@pytest.fixture(scope="module")
def running():
    """One server for all tests; each test has a tenant of its own."""
    engage = Engage(faults=Faults(), batch_seconds=60, calls_a_second=10_000)
    with serving(engage.app) as base:
        yield engage, base


class Caller:
    """One tenant, over HTTP."""

    def __init__(self, engage: Engage, base: str, name: str) -> None:
        self.engage, self.base, self.name = engage, f"{base}/{name}", name
        self.tenant = engage.tenant(name)

    def __call__(self, method: str, path: str, json: object = None, **options) -> requests.Response:
        options = {"headers": HEADERS, "timeout": 5} | options
        return requests.request(method, f"{self.base}/api/v3{path}", json=json, **options)

    def contact(self, **fields: object) -> str:
        return self("POST", "/contacts", ELIN | fields).json()["id"]

    def get_page(self, path: str, **options) -> requests.Response:
        return requests.get(self.base + path, timeout=5, **options)

    def logged(self) -> list:
        return [each for each in self.engage.calls if each.tenant == self.name]


@pytest.fixture
def call(running):
    engage, base = running
    return Caller(engage, base, f"tenant-{uuid4()}")


def receipt(contact_id: str, **changes: object) -> dict:
    item = {"type": "PURCHASE", "sku": "MUG", "articleNumber": "1", "articleName": "Mug", "quantity": 2}
    return {
        "contact": {"matchKey": contact_id, "matchKeyType": "contactId"},
        "uniqueReceiptId": "6102",
        "receiptNumber": "#10482",
        "createdDate": "2026-02-11T09:20:31+01:00",
        "storeExternalId": "SE-WEB",
        "currency": "SEK",
        "totalGrossPrice": 268.2,
        "paymentMethods": [{"type": "card", "value": 268.2}],
        "items": [item | {"grossPaidPrice": 268.2, "taxAmount": 53.64, "taxPercent": 25}],
    } | changes


ITEM = receipt(UNKNOWN_ID)["items"][0]


def code(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["errorCode"]


# Who may call


@pytest.mark.parametrize("key", [None, "wrong"])
def test_without_the_key_there_is_401(call, key):
    headers = {"Content-Type": "application/json"} | ({"apikey": key} if key else {})

    assert code(call("GET", "/contacts/count", headers=headers)) == (401, "Unauthorized")


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_without_the_json_content_type_there_is_500(call, media):
    headers = {"apikey": KEY} | ({"Content-Type": media} if media else {})

    response = call("GET", "/contacts/count", headers=headers)

    assert (response.status_code, response.json()["message"]) == (500, "An error has occurred")


def test_each_tenant_may_have_a_key_of_its_own():
    with serving(Engage({"demo": "k-1"}, faults=Faults()).app) as base:
        statuses = [
            requests.get(
                f"{base}/{tenant}/api/v3/contacts/count", headers=HEADERS | {"apikey": key}, timeout=5
            ).status_code
            for tenant, key in (("demo", "k-1"), ("demo", "k-2"), ("other", "k-1"))
        ]

    assert statuses == [200, 401, 401]


def test_one_call_more_than_the_limit_in_a_second_is_throttled():
    """A limit of ten: two hundred calls take longer than a second on a busy machine."""
    engage = Engage(faults=Faults(), calls_a_second=10)
    with serving(engage.app) as base, requests.Session() as session:
        responses = [session.get(f"{base}/demo/api/v3/contacts/count", headers=HEADERS) for _ in range(11)]
        time.sleep(1)
        later = session.get(f"{base}/demo/api/v3/contacts/count", headers=HEADERS)

    assert [response.status_code for response in responses] == [200] * 10 + [429]
    assert responses[-1].headers["Retry-After"] == "1"
    assert later.status_code == 200


def test_engage_accepts_two_hundred_calls_a_second():
    assert Engage(faults=Faults()).calls_a_second == 200


def test_every_response_has_the_sandboxs_header(call):
    paths = ("/api/v3/nothing", "/journal", "/receipts", "/log", "/mails", "/webhooks", "/faults")

    assert {call.get_page(path).headers["X-Engage-Sandbox"] for path in paths} == {"1"}


@pytest.mark.parametrize(("method", "status"), [("GET", 404), ("DELETE", 405)])
def test_unknown_calls_are_refused(call, method, status):
    path = "/nothing" if status == 404 else "/contacts"

    assert call(method, path).status_code == status


# Contacts


def test_the_count_is_a_bare_number(call):
    call.contact()

    assert call("GET", "/contacts/count").text == "1"


def test_a_created_contact_is_read_back(call):
    created = call("POST", "/contacts?source=Shopify&storeExternalId=SE-WEB", ELIN | {"nonsense": 1})

    contact = call("GET", f"/contacts/{created.json()['id']}").json()

    assert created.status_code == 201
    assert contact["attributes"].items() >= (ELIN | {"contactType": "Member", "createdInStore": "SE-WEB"}).items()
    assert "nonsense" not in contact["attributes"]
    assert contact["meta"]["source"] == "Shopify"


def test_source_and_store_as_headers_are_ignored(call):
    created = call("POST", "/contacts", ELIN, headers=HEADERS | {"source": "x", "storeExternalId": "x"}).json()

    assert (created["meta"]["source"], created["attributes"]["createdInStore"]) == ("", "")


@pytest.mark.parametrize("again", [{}, {"email": "ELIN@example.test", "externalId": "1"}])
def test_a_second_contact_with_the_key_is_a_conflict_that_names_the_first(call, again):
    first = call.contact()

    second = call("POST", "/contacts", ELIN | again)

    assert code(second) == (409, "ApprovedContactWithKeyExists")
    assert first in second.text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "NoData")),
        ([], (400, "NoData")),
        ({"firstName": "Elin"}, (422, "ValidationError")),
        (ELIN | {"email": "elin"}, (422, "ValidationError")),
        (ELIN | {"mobilePhone": "070-1740605"}, (422, "ValidationError")),
        (ELIN | {"birthDay": "11/2"}, (422, "ValidationError")),
        (ELIN | {"city": {}}, (422, "ValidationError")),
        (ELIN | {"preferences": {"acceptsEmail": "yes"}}, (422, "ValidationError")),
        (ELIN | {"consents": [{"value": True}]}, (422, "ValidationError")),
        (ELIN | {"contactType": "Emperor"}, (400, "InvalidContactType")),
    ],
)
def test_a_contact_that_is_not_valid_is_refused_and_not_created(call, body, expected):
    assert code(call("POST", "/contacts", body)) == expected
    assert len(call.tenant.contacts) == 0


@pytest.mark.parametrize(
    "query", ["email=elin%40example.test", "mobilePhone=%2B46701740605", "customKey=7719", "any=7719"]
)
def test_a_contact_is_found_by_each_of_its_keys(call, query):
    contact_id = call.contact()

    assert call("GET", f"/contacts/id?{query}").text == f'"{contact_id}"'


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("email=nobody%40example.test", (404, "ContactNotFound")),
        ("any=nobody%40example.test", (404, "ContactNotFound")),
        ("email=elin", (400, "InvalidEmailAddress")),
        ("mobilePhone=+46701740605", (400, "InvalidPhoneNumber")),  # a plus sign that was not encoded
        ("socialSecurityNumber=x", (400, "InvalidSocialSecurityNumber")),
        ("customKey=7719&contactType=Emperor", (400, "InvalidContactType")),
        ("customKey=7719&contactType=Contact", (404, "ContactNotFound")),
        ("", (400, "InvalidSearchQuery")),
    ],
)
def test_a_search_without_a_result_says_why(call, query, expected):
    call.contact()

    assert code(call("GET", f"/contacts/id?{query}")) == expected


def test_several_matches_are_named(call):
    ids = [call.contact(email=f"{name}@example.test") for name in ("a", "b")]

    response = call("GET", "/contacts/id?customKey=7719")

    assert code(response) == (409, "MultipleMatches")
    assert response.json()["messageDetails"]["multipleMatchesFound"] == ids


def test_of_several_matches_those_of_one_contact_type_are_asked_for(call):
    member, guest = (call.contact(contactType=each) for each in ("Member", "Contact"))

    found = {each: call("GET", f"/contacts/id?mobilePhone=%2B46701740605&contactType={each}").json() for each in TYPES}

    assert code(call("GET", "/contacts/id?mobilePhone=%2B46701740605")) == (409, "MultipleMatches")
    assert found == {"Member": member, "Contact": guest}


@pytest.mark.parametrize(
    ("custom_key", "expected"), [("memberNumber", (404, "ContactNotFound")), (None, (400, "InvalidSearchQuery"))]
)
def test_the_custom_key_is_as_the_tenant_has_it(call, custom_key, expected):
    call.contact()
    call.tenant.contacts.custom_key = custom_key

    assert code(call("GET", "/contacts/id?customKey=7719")) == expected


def test_a_number_that_is_no_mobiles_is_refused(call):
    contact_id = call.contact()

    assert code(call("GET", "/contacts/id?mobilePhone=%2B4684001234")) == (400, "InvalidPhoneNumber")
    assert code(call("PATCH", f"/contacts/{contact_id}", {"mobilePhone": "+4684001234"})) == (422, "ValidationError")


def test_a_contact_keeps_the_key_of_its_type(call):
    contact_id = call.contact()

    assert code(call("PATCH", f"/contacts/{contact_id}", {"email": ""})) == (422, "ValidationError")
    assert call("PATCH", f"/contacts/{contact_id}", {"mobilePhone": ""}).status_code == 200


def test_a_tenant_may_have_another_key(call):
    call.tenant.contacts.key_fields = dict.fromkeys(TYPES, "mobilePhone")
    call.contact()

    assert code(call("POST", "/contacts", ELIN | {"email": "x@example.test"})) == (409, "ApprovedContactWithKeyExists")
    assert code(call("POST", "/contacts", {"email": "x@example.test"})) == (422, "ValidationError")


def test_a_patch_changes_only_the_fields_that_it_has(call):
    contact_id = call.contact(consents=[{"id": "news", "value": True}])
    changes = {"firstName": "", "city": "Linköping", "nonsense": 1, "contactType": "Contact"}
    more = {"preferences": {"acceptsEmail": True}, "consents": [{"id": "account", "value": False}]}

    response = call("PATCH", f"/contacts/{contact_id}", changes | more)

    attributes = response.json()["attributes"]
    assert (attributes["firstName"], attributes["city"], attributes["email"]) == ("", "Linköping", ELIN["email"])
    assert attributes["contactType"] == "Member"
    assert "nonsense" not in attributes
    assert response.json()["preferences"] == {"acceptsEmail": True, "acceptsSms": False, "acceptsPostal": False}
    assert [consent["id"] for consent in response.json()["consents"]] == ["news", "account"]


def test_a_contact_is_found_by_its_new_email_and_not_by_the_old(call):
    contact_id = call.contact()

    call("PATCH", f"/contacts/{contact_id}", {"email": "new@example.test"})

    assert call("GET", "/contacts/id?email=new%40example.test").json() == contact_id
    assert call("GET", "/contacts/id?email=elin%40example.test").status_code == 404


def test_a_patch_cannot_use_another_contacts_key(call):
    call.contact()
    other = call.contact(email="other@example.test")

    assert code(call("PATCH", f"/contacts/{other}", {"email": ELIN["email"]})) == (409, "ApprovedContactWithKeyExists")


def test_the_contact_type_has_a_call_of_its_own(call):
    contact_id = call.contact(contactType="Contact")

    response = call("POST", f"/contacts/{contact_id}/updateContactType?contactTypeId=Member")

    assert (response.status_code, response.json()["attributes"]["contactType"]) == (200, "Member")


@pytest.mark.parametrize(
    ("method", "end"), [("GET", ""), ("PATCH", ""), ("POST", "/updateContactType?contactTypeId=Member")]
)
def test_an_unknown_contact_is_not_found(call, method, end):
    assert code(call(method, f"/contacts/{UNKNOWN_ID}{end}", {"city": "x"})) == (404, "ContactNotFound")


@pytest.mark.parametrize("name", ["acceptsEmail", "acceptsSms", "acceptsPostal"])
def test_a_preference_has_a_call_of_its_own_that_approves_the_contact(call, name):
    contact_id = call("POST", "/contacts?createAsUnapproved=true", ELIN).json()["id"]

    response = call("POST", f"/contacts/{contact_id}/preferences/{name}", {"value": True})

    assert (response.status_code, response.json()["preferences"][name]) == (200, True)
    assert response.json()["meta"]["approved"] is True


@pytest.mark.parametrize(
    ("name", "value", "status"), [("acceptsEmail", "yes", 422), ("acceptsEmail", None, 422), ("acceptsFax", True, 404)]
)
def test_an_invalid_preference_is_refused(call, name, value, status):
    assert call("POST", f"/contacts/{call.contact()}/preferences/{name}", {"value": value}).status_code == status


def test_a_deleted_contact_is_not_found_and_its_key_is_free(call):
    contact_id = call.contact()

    assert call("DELETE", f"/contacts/{contact_id}").status_code == 200

    assert call("GET", f"/contacts/{contact_id}").status_code == 404
    assert call("DELETE", f"/contacts/{contact_id}").status_code == 404
    assert call.contact() != contact_id


def changes(call: Caller, kind: str, since: str = "2026-01-01", until: str = "2999-01-01") -> list:
    query = {"changeType": kind, "fromDate": since, "toDate": until}
    return call("GET", "/contacts/changes", params=query).json()


def test_changed_contacts_are_listed_by_the_kind_of_change(call):
    kept, deleted = call.contact(), call.contact(email="gone@example.test")
    for city in ("Borås", "Umeå"):
        call("PATCH", f"/contacts/{kept}", {"city": city})
    call("DELETE", f"/contacts/{deleted}")

    assert changes(call, "Created") == [kept, deleted]
    assert changes(call, "updated") == [kept]
    assert changes(call, "Deleted") == [deleted]


def test_changed_contacts_are_listed_by_time(call):
    first = call.contact()
    between = datetime.now(UTC).isoformat()
    second = call.contact(email="second@example.test")

    assert changes(call, "Created", until=between) == [first]
    assert changes(call, "Created", since=between) == [second]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("changeType=Moved&fromDate=2026-01-01&toDate=2026-02-01", "InvalidChangeType"),
        ("changeType=Created&toDate=2026-02-01", "InvalidDate"),
        ("changeType=Created&fromDate=yesterday&toDate=2026-02-01", "InvalidDate"),
    ],
)
def test_an_invalid_query_for_changes_is_refused(call, query, expected):
    assert code(call("GET", f"/contacts/changes?{query}")) == (400, expected)


# Receipts


def test_a_receipt_is_queued_and_applied_by_the_batch(call):
    contact_id = call.contact()

    response = call("POST", "/receipts", receipt(contact_id))
    before = call.get_page("/receipts").json()["counts"]
    call.tenant.apply_batch()
    after = call.get_page("/receipts").json()

    assert (response.status_code, response.content) == (202, b"")
    assert (before["queued"], before["applied"]) == (1, 0)
    assert (after["counts"]["queued"], after["applied"][0]["uniqueReceiptId"]) == (0, "6102")


def test_the_batch_runs_by_itself():
    with serving(Engage(faults=Faults(), batch_seconds=0.2).app) as base:
        call = Caller(Engage(), base, "demo")
        call("POST", "/receipts", receipt(call.contact()))
        before = call.get_page("/receipts").json()["counts"]["applied"]
        time.sleep(0.25)
        after = call.get_page("/receipts").json()["counts"]["applied"]

    assert (before, after) == (0, 1)


def test_a_second_receipt_with_the_same_unique_id_is_ignored(call):
    contact_id = call.contact()

    for total in (268.2, 1.0):
        assert call("POST", "/receipts", receipt(contact_id, totalGrossPrice=total)).status_code == 202
    call.tenant.apply_batch()

    report = call.get_page("/receipts").json()
    assert report["counts"] == {"applied": 1, "queued": 0, "duplicates": 1, "dropped": 0}
    assert report["applied"][0]["totalGrossPrice"] == 268.2


def test_a_store_that_is_missing_is_created_by_the_batch(call):
    call("POST", "/receipts", receipt(call.contact()))
    call.tenant.apply_batch()

    assert call("GET", "/stores/SE-WEB").json()["externalId"] == "SE-WEB"
    assert call.get_page("/log").json()[0]["message"] == "Store SE-WEB was created"


def test_a_receipt_of_an_unknown_contact_is_dropped_and_logged(call):
    assert call("POST", "/receipts", receipt(UNKNOWN_ID)).status_code == 202
    call.tenant.apply_batch()

    (line,) = call.get_page("/log").json()
    assert call.get_page("/receipts").json()["counts"]["dropped"] == 1
    assert (line["message"], line["uniqueReceiptId"]) == ("Contact is missing", "6102")


@pytest.mark.parametrize(("key", "applied"), [({}, 0), ({"contactType": "Contact"}, 1)])
def test_matching_by_email_finds_members_unless_a_type_is_given(call, key, applied):
    call.contact(contactType="Contact")

    call("POST", "/receipts", receipt("", contact={"matchKey": ELIN["email"], "matchKeyType": "Email"} | key))
    call.tenant.apply_batch()

    assert call.get_page("/receipts").json()["counts"]["applied"] == applied


def test_a_contact_without_a_store_gets_that_of_its_first_receipt(call):
    contact_id = call.contact()

    call("POST", "/receipts", receipt(contact_id))
    call("POST", "/receipts", receipt(contact_id, uniqueReceiptId="2", storeExternalId="NO-WEB"))
    call.tenant.apply_batch()

    assert call("GET", f"/contacts/{contact_id}").json()["attributes"]["createdInStore"] == "SE-WEB"


def test_a_contacts_transactions_are_read_in_pages(call):
    contact_id = call.contact()
    for day in (1, 2, 3):
        call(
            "POST", "/receipts", receipt(contact_id, uniqueReceiptId=f"610{day}", createdDate=f"2026-02-0{day}T09:20Z")
        )
    call("POST", "/receipts", receipt(call.contact(email="other@example.test"), uniqueReceiptId="7"))
    call.tenant.apply_batch()

    page = call("GET", f"/contacts/{contact_id}/transactions?offset=1&count=2").json()

    assert (page["totalCount"], page["offset"], page["count"]) == (3, 1, 2)
    item, oldest = page["items"]
    assert oldest["externalId"] == "6101"
    assert (item["externalId"], item["transactionNumber"], item["numberOfItems"]) == ("6102", "#10482", 2)
    assert (item["localNetPriceSum"], item["localCurrency"], item["storeName"]) == (214.56, "SEK", "SE-WEB")


@pytest.mark.parametrize("query", ["offset=-1", "count=many"])
def test_an_invalid_page_is_refused(call, query):
    assert code(call("GET", f"/contacts/{call.contact()}/transactions?{query}")) == (400, "InvalidSearchQuery")


def returned(contact_id: str, receipt_id: str, amount: float) -> dict:
    item = ITEM | {"type": "RETURN", "quantity": -1, "grossPaidPrice": amount, "taxAmount": 0}
    payments = [{"type": "card", "value": -amount}]
    return receipt(
        contact_id, uniqueReceiptId=receipt_id, items=[item], paymentMethods=payments, totalGrossPrice=-amount
    )


def test_sums_are_purchases_minus_returns_to_the_digit(call):
    contact_id = call.contact()
    call("POST", "/receipts", receipt(contact_id))
    for number, amount in enumerate((0.1, 0.2)):
        call("POST", "/receipts", returned(contact_id, f"6102-R{number}", amount))
    call("POST", "/receipts", receipt(contact_id, uniqueReceiptId="6103", currency="EUR"))
    call("POST", "/receipts", returned(contact_id, "6102-R0", 99))  # a duplicate
    call.tenant.apply_batch()

    sums = call.tenant.receipts_report()["sums"]

    assert sums["orders"] == {"6102": {"SEK": Decimal("267.9")}, "6103": {"EUR": Decimal("268.2")}}
    assert sums["contacts"] == {contact_id: {"SEK": Decimal("267.9"), "EUR": Decimal("268.2")}}
    assert sums["unbalanced"] == []


def test_amounts_in_the_report_have_their_exact_digits(call):
    body = receipt(call.contact(), uniqueReceiptId="1", totalGrossPrice=0)
    text = json.dumps(body).replace('"totalGrossPrice": 0', '"totalGrossPrice": 12345678901234.567')

    call("POST", "/receipts", data=text)
    call.tenant.apply_batch()

    report = call.get_page("/receipts").text
    assert report.count("12345678901234.567") == 3  # the receipt's own, its contact's and its order's


@pytest.mark.parametrize(
    "changes", [{"totalGrossPrice": 268.3}, {"paymentMethods": [{"type": "card", "value": 268.1}]}]
)
def test_a_receipt_whose_parts_are_not_its_total_is_reported(call, changes):
    call("POST", "/receipts", receipt(call.contact(), **changes))
    call.tenant.apply_batch()

    assert call.get_page("/receipts").json()["sums"]["unbalanced"] == ["6102"]


REQUIRED = ("contact", "uniqueReceiptId", "receiptNumber", "createdDate", "storeExternalId", "currency")


@pytest.mark.parametrize("name", [*REQUIRED, "totalGrossPrice", "paymentMethods", "items"])
def test_a_receipt_without_a_required_field_is_refused(call, name):
    response = call("POST", "/receipts", receipt(UNKNOWN_ID, **{name: None}))

    assert code(response) == (422, "ValidationError")
    assert name in response.json()["message"]


@pytest.mark.parametrize(
    "changes",
    [
        {"createdDate": "2026-02-11T09:20:31"},
        {"createdDate": "yesterday"},
        {"currency": "kr"},
        {"totalGrossPrice": "268.20"},
        {"contact": {"matchKey": UNKNOWN_ID, "matchKeyType": "shoeSize"}},
        {"paymentMethods": [{"type": "card", "value": "268.20"}]},
        {"paymentmethods": []},
        {"exchangeRateToGroupCurrency": "1"},
        {"exchangeRateToGroupCurrency": 0},
        {"items": [ITEM | {"sku": None}]},
        {"items": [ITEM | {"sku": "x" * 256}]},
        {"items": [ITEM | {"barcode": "735"}]},
        {"items": [ITEM | {"awardsBonus": "false"}]},
        {"items": [ITEM | {"articleGroup": 7}]},
        {"items": [ITEM | {"discounts": {}}]},
        {"items": [ITEM | {"type": "GIFT"}]},
        {"items": [ITEM | {"quantity": -1}]},
        {"items": [ITEM | {"quantity": 1.5}]},
        {"items": [ITEM | {"type": "RETURN", "quantity": 1}], "totalGrossPrice": -1},
        {"items": [ITEM | {"type": "RETURN", "quantity": -1, "grossPaidPrice": -1}], "totalGrossPrice": -1},
        {"items": [ITEM | {"type": "RETURN", "quantity": -1, "taxAmount": -1}], "totalGrossPrice": -1},
        {"items": [ITEM | {"type": "RETURN", "quantity": -1}], "totalGrossPrice": 1},
    ],
)
def test_a_receipt_with_a_wrong_field_is_refused(call, changes):
    assert code(call("POST", "/receipts", receipt(UNKNOWN_ID, **changes))) == (422, "ValidationError")


def test_a_return_has_negative_quantities_and_totals(call):
    returned = ITEM | {"type": "RETURN", "quantity": -1}

    assert call("POST", "/receipts", receipt(UNKNOWN_ID, items=[returned], totalGrossPrice=-134.1)).status_code == 202


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 10_000, b'"x"', b"{}"])
def test_a_receipt_that_is_no_json_object_is_refused(call, body):
    assert code(call("POST", "/receipts", data=body)) == (400, "NoData")


# Stores


def test_stores_are_created_listed_and_changed(call):
    created = call("POST", "/stores", {"name": "Web", "externalId": "SE-WEB"})
    changed = call("POST", "/stores/SE-WEB", {"city": "Borås", "nonsense": 1})

    assert created.status_code == 201
    assert "nonsense" not in changed.json()
    assert {"senderName", "timeZone", "footerHtml", "countryCode"} <= changed.json().keys()
    assert changed.json().items() >= {"externalId": "SE-WEB", "city": "Borås", "name": "Web"}.items()
    assert call("GET", "/stores").json() == [changed.json()]


def test_a_receipt_with_a_stores_former_id_makes_a_new_store(call):
    call("POST", "/stores", {"name": "Web", "externalId": "SE-WEB"})
    call("POST", "/stores/SE-WEB", {"externalId": "SE-NEW"})

    call("POST", "/receipts", receipt(call.contact()))
    call.tenant.apply_batch()

    assert [store["externalId"] for store in call("GET", "/stores").json()] == ["SE-NEW", "SE-WEB"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"externalId": "SE-2"}, (409, "StoreExists")),
        ({"type": "MARKET"}, (422, "ValidationError")),
        ({"active": "yes"}, (422, "ValidationError")),
        ({"city": 7}, (422, "ValidationError")),
    ],
)
def test_a_change_of_a_store_with_a_wrong_field_is_refused(call, changes, expected):
    for external_id in ("SE-1", "SE-2"):
        call("POST", "/stores", {"name": external_id, "externalId": external_id})

    assert code(call("POST", "/stores/SE-1", changes)) == expected
    assert call("GET", "/stores/SE-1").json()["name"] == "SE-1"


def test_an_inactive_store_is_listed_only_on_request(call):
    call("POST", "/stores", {"name": "Web", "externalId": "SE-WEB", "active": False})

    assert call("GET", "/stores").json() == []
    assert len(call("GET", "/stores?includeInactive=true").json()) == 1


@pytest.mark.parametrize("missing", ["name", "externalId"])
def test_a_store_needs_a_name_and_an_external_id(call, missing):
    body = {"name": "Web", "externalId": "SE-WEB"}
    del body[missing]

    assert call("POST", "/stores", body).status_code == 400


def test_an_unknown_store_is_not_found(call):
    assert code(call("GET", "/stores/NO-WEB")) == (404, "StoreNotFound")


# The log of calls


def test_the_log_has_the_exact_bytes_of_request_and_response(call):
    call("POST", "/receipts?x=1", data=b'{"totalGrossPrice": 667.20}')

    (logged,) = call.logged()
    assert (logged.method, logged.path, logged.query, logged.status) == ("POST", "/api/v3/receipts", "x=1", 422)
    assert logged.request == b'{"totalGrossPrice": 667.20}'
    assert b"ValidationError" in logged.response


def test_the_log_is_newest_first_and_can_be_filtered(call):
    for path in ("/contacts/count", "/stores", "/contacts/count"):
        call("GET", path)
    second = call.logged()[1].at.isoformat()

    assert [each["path"][8:] for each in call.get_page("/journal?limit=2").json()] == ["contacts/count", "stores"]
    assert len(call.get_page("/journal?path=count").json()) == 2
    assert len(call.get_page("/journal", params={"since": second}).json()) == 2


@pytest.mark.parametrize("query", ["limit=many", "since=yesterday"])
def test_an_invalid_filter_of_the_log_is_refused(call, query):
    assert call.get_page(f"/journal?{query}").status_code == 400


def test_the_log_drops_the_oldest_calls():
    engage = Engage(faults=Faults(), max_calls=2)
    with serving(engage.app) as base:
        call = Caller(engage, base, "demo")
        for path in ("/stores", "/contacts/count", "/stores"):
            call("GET", path)

    assert [each.path for each in engage.calls] == ["/api/v3/contacts/count", "/api/v3/stores"]


def test_the_log_is_a_page_in_browsers_and_escapes_everything(call):
    call("POST", "/contacts?source=<b>", {"firstName": "<script>alert(1)</script>"})

    page = call.get_page("/journal", headers={"Accept": "text/html"})

    assert page.headers["Content-Type"].startswith("text/html")
    assert "&lt;script&gt;" in page.text
    assert "<script" not in page.text


def test_tenants_do_not_see_each_other(call, running):
    call.contact()
    other = Caller(*running, "somebody-else")

    assert other.get_page("/journal").json() == []
    assert other("GET", "/contacts/count").json() == 0


# Faults


def outcome(call: Caller) -> object:
    """The status of a receipt's call, or the name of the error that `requests` raises."""
    try:
        return call("POST", "/receipts", receipt(call.contact()), timeout=0.5).status_code
    except requests.RequestException as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("fault", "expected", "acted"),
    [
        (Fault.THROTTLED, 429, 0),
        (Fault.THROTTLED_BARE, 429, 0),
        (Fault.FAILED, 500, 1),
        (Fault.UNAVAILABLE, 503, 0),
        (Fault.LATE, "ReadTimeout", 1),
        (Fault.HANG, "ReadTimeout", 1),
        (Fault.RESET_BEFORE, "ConnectionError", 0),
        (Fault.RESET, "ConnectionError", 1),
        (Fault.HALF, "ChunkedEncodingError", 1),
        (Fault.HALF_HEADERS, 202, 1),  # `requests` takes it for whole; our client does not
        (Fault.HTML, 200, 0),
    ],
)
def test_each_fault_happens_on_a_real_connection(call, fault, expected, acted):
    call.engage.script("POST /api/v3/receipts$", [fault])

    assert outcome(call) == expected
    assert call.get_page("/receipts").json()["counts"]["queued"] == acted
    assert call.logged()[-1].fault is fault


def test_a_reset_is_a_tcp_reset(call):
    call.engage.script("/stores$", [Fault.RESET])

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        call("GET", "/stores")


@pytest.mark.parametrize(("fault", "wait"), [(Fault.THROTTLED, "1"), (Fault.THROTTLED_BARE, None)])
def test_a_throttled_response_has_retry_after_or_not(call, fault, wait):
    call.engage.script("/stores$", [fault])

    assert call("GET", "/stores").headers.get("Retry-After") == wait


def test_a_late_answer_arrives(call):
    call.tenant.faults = Faults({Fault.LATE: 1.0}, latency_seconds=0.3)
    started = time.monotonic()

    assert call("GET", "/stores").status_code == 200
    assert time.monotonic() - started > 0.3


def test_a_hanging_connection_is_cut_after_its_time(call):
    call.tenant.faults = Faults({Fault.HANG: 1.0}, hang_seconds=0.3)

    with pytest.raises(requests.ConnectionError):
        call("GET", "/stores")


def test_fault_rates_set_over_http_are_kept(call):
    reply = requests.post(f"{call.base}/faults", json={"503": 0.5, "429": 0.25, "seed": 7}, timeout=5)
    statuses = [call("GET", "/stores").status_code for _ in range(200)]

    assert reply.json().items() >= {"503": 0.5, "429": 0.25, "seed": 7}.items()
    assert 75 < statuses.count(503) < 125
    assert 30 < statuses.count(429) < 70


def test_the_same_seed_gives_the_same_faults():
    rates = {Fault.UNAVAILABLE: 0.3, Fault.RESET: 0.3}
    first, again, other = Faults(rates, seed=1), Faults(rates, seed=1), Faults(rates, seed=2)

    drawn = [[faults.draw() for _ in range(50)] for faults in (first, again, other)]

    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("body", [{"flood": 0.1}, {"503": "often"}, {"503": 0.7, "429": 0.7}, {"503": -1}, []])
def test_invalid_fault_rates_are_refused_and_change_nothing(call, body):
    response = requests.post(f"{call.base}/faults", json=body, timeout=5)

    assert response.status_code == 422
    assert call.tenant.faults.rates == {}


def test_the_environment_sets_the_fault_rates(monkeypatch):
    monkeypatch.setenv("SANDBOX_FAULTS", "503=0.01, 429=0.005,reset=0.002,latency_seconds=0.5")

    faults = Engage().tenant("demo").faults

    assert faults.rates == {Fault.UNAVAILABLE: 0.01, Fault.THROTTLED: 0.005, Fault.RESET: 0.002}
    assert faults.latency_seconds == 0.5


def test_scripted_responses_come_in_order_and_then_usual_ones(call):
    call.engage.script("GET .*/stores$", [418, (400, {"errorCode": "X"}, {"X-Y": "z"}), ApiResponse(204)])

    responses = [call("GET", "/stores") for _ in range(4)]

    assert [response.status_code for response in responses] == [418, 400, 204, 200]
    assert (responses[1].json(), responses[1].headers["X-Y"]) == ({"errorCode": "X"}, "z")


def test_a_script_leaves_other_calls_alone(call):
    call.engage.script("POST .*/receipts-of-nobody", [500])

    assert call("GET", "/contacts/count").status_code == 200


# With our own client


@pytest.fixture
def client(call):
    return EngageClient(call.base, KEY)


def test_the_client_lists_inactive_stores_too(call, client):
    call("POST", "/stores", {"name": "Web", "externalId": "SE-WEB"})
    call("POST", "/stores", {"name": "Old", "externalId": "SE-OLD", "active": False})

    assert [store["externalId"] for store in client.stores()] == ["SE-WEB", "SE-OLD"]
    assert [store["externalId"] for store in client.stores(include_inactive=False)] == ["SE-WEB"]


def test_the_readme_names_every_fault():
    text = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text()

    assert {fault.value for fault in Fault if fault is not Fault.NONE} == set(
        re.findall(r"^\| `([\w-]+)` \|", text, re.M)
    )
