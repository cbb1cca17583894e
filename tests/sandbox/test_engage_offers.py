"""The sandbox's reward vouchers and promotions over HTTP: what Engage documents is given, redeemed and refused."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import requests

from sandbox.engage.faults import Faults
from sandbox.engage.http.server import Engage
from sandbox.serve import serving

HEADERS = {"apikey": "sandbox-key", "Content-Type": "application/json"}
UNKNOWN_ID = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"


@pytest.fixture(scope="module")
def running():
    """One server for all tests; each test has a tenant of its own."""
    engage = Engage(faults=Faults(), batch_seconds=60, calls_a_second=10_000)
    with serving(engage.app) as base:
        yield engage, base


class OfferTenant:
    """One tenant with one contact, over HTTP."""

    def __init__(self, engage: Engage, base: str) -> None:
        self.name = f"tenant-{uuid4()}"
        self.tenant, self.base = engage.tenant(self.name), f"{base}/{self.name}"
        self.contact_id = self.tenant.contacts.create({"email": "elin@example.test"})["id"]

    def __call__(self, method: str, path: str, json: object = None) -> requests.Response:
        return requests.request(method, f"{self.base}/api{path}", json=json, headers=HEADERS, timeout=5)

    def numbers(self, path: str = "", query: str = "") -> list[str]:
        found = self("GET", f"/v3/reward-vouchers{path}?contactId={self.contact_id}{query}").json()
        return [voucher["voucherNumber"] for voucher in found["items"]]

    def answer(self, path: str, json: object = None, version: str = "v3") -> tuple[int, str | None]:
        found = self("POST", f"/{version}{path}", json)
        return found.status_code, found.json().get("errorCode")


@pytest.fixture
def tenant(running):
    return OfferTenant(*running)


def past():
    return datetime.now(UTC) - timedelta(minutes=1)


def test_vouchers_are_listed_by_what_they_are(tenant):
    vouchers = tenant.tenant.vouchers
    for number, expires_at in (("open", None), ("used", None), ("late", past())):
        vouchers.give(tenant.contact_id, number, expires_at=expires_at)
    vouchers.redeem(next(each.id for each in vouchers.by_id.values() if each.number == "used"))

    assert tenant.numbers() == ["open", "used", "late"]
    assert tenant.numbers("/available") == ["open"]
    assert tenant.numbers("/redeemed") == ["used"]


def test_vouchers_come_in_pages(tenant):
    for number in range(103):
        tenant.tenant.vouchers.give(tenant.contact_id, str(number))

    assert len(tenant.numbers()) == 100
    assert tenant.numbers(query="&offset=100&count=2") == ["100", "101"]


@pytest.mark.parametrize(
    ("query", "answer"),
    [("", (400, "InvalidContactId")), (f"?contactId={UNKNOWN_ID}", (404, "ContactNotFound"))],
    ids=["no contact", "unknown"],
)
def test_vouchers_of_no_contact_are_refused(tenant, query, answer):
    found = tenant("GET", f"/v3/reward-vouchers{query}")

    assert (found.status_code, found.json()["errorCode"]) == answer


def test_a_voucher_is_redeemed_once_and_reactivated_three_times(tenant):
    path = f"/reward-vouchers/{tenant.tenant.vouchers.give(tenant.contact_id, '1').id}"

    assert tenant.answer(f"{path}/reactivate") == (409, "RewardVoucherAlreadyActivated")
    for _ in range(3):
        assert tenant.answer(f"{path}/redeem") == (200, None)
        assert tenant.answer(f"{path}/redeem") == (409, "RewardVoucherAlreadyRedeemed")
        assert tenant.answer(f"{path}/reactivate") == (200, None)
    assert tenant.answer(f"{path}/redeem") == (200, None)
    assert tenant.answer(f"{path}/reactivate") == (409, "ReactivationLimitExceeded")


@pytest.mark.parametrize("action", ["redeem", "reactivate"])
def test_a_voucher_that_is_wrong_unknown_or_late_is_refused(tenant, action):
    late = tenant.tenant.vouchers.give(tenant.contact_id, "1", expires_at=past())
    late.redeemed_at = past() if action == "reactivate" else None

    assert tenant.answer(f"/reward-vouchers/17/{action}") == (400, "InvalidRewardVoucherId")
    assert tenant.answer(f"/reward-vouchers/{UNKNOWN_ID}/{action}") == (404, "RewardVoucherNotFound")
    assert tenant.answer(f"/reward-vouchers/{late.id}/{action}") == (409, "RewardVoucherExpired")


def test_promotions_are_listed_by_channel(tenant):
    promotions = tenant.tenant.promotions
    promotions.assign(tenant.contact_id, "WEB")
    promotions.assign(tenant.contact_id, "TILL", channels=("POS",))
    promotions.assign(tenant.contact_id, "LATE", expires_at=past())

    def codes(query: str) -> list[str]:
        found = tenant("GET", f"/v2/contacts/{tenant.contact_id}/promotions{query}").json()
        return [each["redemptionChannels"][0]["value"] for each in found]

    assert codes("") == ["WEB", "TILL"]
    assert codes("?redemptionChannelType=ECOM") == ["WEB"]


def test_a_promotion_is_redeemed_by_its_assignment_and_channel_once(tenant):
    web = tenant.tenant.promotions.assign(tenant.contact_id, "WEB")
    online, path = {"redemptionChannel": "ECOM"}, f"/promotions/codes/{web.id}/redeem"
    answers = [
        tenant.answer("/promotions/codes/17/redeem", online, "v2"),
        tenant.answer(f"/promotions/codes/{web.promotion_id}/redeem", online, "v2"),
        tenant.answer(path, {"redemptionChannel": "WEB"}, "v2"),
        tenant.answer(path, {"redemptionChannel": "POS"}, "v2"),
        tenant.answer(path, online, "v2"),
        tenant.answer(path, online, "v2"),
    ]

    assert answers == [
        (400, "InvalidPromotionIdNoData"),
        (404, "PromotionNotFound"),
        (400, "NotAValidRedemptionChannel"),
        (409, "PromotionNotValidForRedemptionChannel"),
        (200, None),
        (409, "PromotionAlreadyRedeemed"),
    ]


def test_used_vouchers_on_a_receipt_need_a_number(tenant):
    found = tenant("POST", "/v3/receipts", {"usedBonusChecks": [{"number": "1"}]})

    assert "usedBonusChecks.checkNumber is required." in found.json()["message"]
