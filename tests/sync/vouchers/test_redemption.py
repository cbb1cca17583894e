"""Discount codes of orders that are Engage's vouchers and promotions: redeemed once, and given back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from actors import imports as actors_imports
from alerts.jobs import alert_task_types
from alerts.task_history import synced_orders
from i18n.explanations import explain
from models import Customer, ImportState, State, Task, VoucherState, VoucherUse
from reasons import CallError, Reason
from sandbox.engage.faults import Fault
from sandbox.shopify.orders.checkout import Discount
from sync import entities, shop_connections
from sync.preview import purchase_preview
from sync.resend import NotResendable, enqueue_resend, resendable_call
from taskqueue.types import TYPES
from tests.conftest import ENGAGE_KEY
from tests.end_to_end.test_order_to_receipt import ADA, RECORD, calls, index, newest, receipts
from tests.support.web.pages import get_page
from tests.sync.test_imports import drain_until, state_of
from tests.sync.test_refunds import enqueue_refund_webhooks, line_of
from views.account import support_links

VOUCHER, OFFER = "2511233093766", "JEANS-3-FOR-2"


@pytest.fixture
def contact_id(shop, shopify, engage, drain):
    """A customer's contact in Engage, of a shop that redeems codes."""
    shop.settings = {"receipt": {"redeem_codes": True}}
    shop.save()
    customer_id = shopify.add_customer(shop.domain, ADA, number=7)
    index(shop, "IndexCustomer", customer_id)
    drain(waiting=True)
    return entities.get(Customer, shop, customer_id).contact_id


@pytest.fixture
def voucher(engage, contact_id):
    return engage.tenant("demo").vouchers.give(contact_id, VOUCHER)


@pytest.fixture
def promotion(engage, contact_id):
    return engage.tenant("demo").promotions.assign(contact_id, OFFER)


def buy_with(shop, shopify, code, **fields):
    """Place an order with this discount code and index it, as its webhook would."""
    checkout = replace(RECORD, discount=Discount(code, Decimal("50.00")))
    customer_id = shopify.customer_id(shop.domain, 7)
    order_id = shopify.add_order(shop.domain, checkout, customer_id=customer_id, **fields)
    index(shop, "IndexOrder", order_id)
    return order_id


def offer_calls(engage):
    """The calls about vouchers and promotions that change something, by what they do."""
    found = [call for call in calls(engage, "POST") if "reward-vouchers" in call.path or "promotions" in call.path]
    return [call.path.rpartition("/")[2] for call in found]


def look_ups(engage):
    return [call for call in calls(engage, "GET") if "reward-vouchers" in call.path or "promotions" in call.path]


def states(order_id):
    rows = VoucherUse.select().where(VoucherUse.order_id == order_id).order_by(VoucherUse.number)
    return [VoucherState(row.state) for row in rows]


def sync_again(shop, order_id):
    index(shop, "SyncOrder", order_id)


# Redeeming


def test_a_voucher_is_redeemed_after_the_receipt_and_named_on_it(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)

    drain(waiting=True)

    (receipt,) = receipts(engage)
    assert receipt["usedBonusChecks"] == [{"checkNumber": VOUCHER}]
    assert (voucher.redemptions, offer_calls(engage), states(order_id)) == (1, ["redeem"], [VoucherState.REDEEMED])
    assert [call.path.rpartition("/")[2] for call in calls(engage, "POST")][-2:] == ["receipts", "redeem"]
    assert newest("SyncOrder").engage_id == str(order_id)


def test_a_promotion_is_redeemed_by_the_id_of_its_assignment(shop, shopify, engage, drain, promotion):
    order_id = buy_with(shop, shopify, OFFER)

    drain(waiting=True)

    (redeemed,) = [call for call in calls(engage, "POST") if "promotions" in call.path]
    assert redeemed.path.endswith(f"/promotions/codes/{promotion.id}/redeem")
    assert redeemed.request == b'{"redemptionChannel":"ECOM"}'
    assert (promotion.redemptions, states(order_id)) == (1, [VoucherState.REDEEMED])
    assert "usedBonusChecks" not in receipts(engage)[0]


def test_codes_are_compared_without_regard_to_case(shop, shopify, engage, drain, promotion):
    buy_with(shop, shopify, OFFER.lower())

    drain(waiting=True)

    assert promotion.redemptions == 1


def test_a_promotion_that_was_assigned_once_more_is_the_one_redeemed(shop, shopify, engage, drain, promotion):
    promotion.redeemed_at = datetime.now(UTC)
    second = engage.tenant("demo").promotions.assign(promotion.contact_id, OFFER)

    buy_with(shop, shopify, OFFER)
    drain(waiting=True)

    assert (promotion.redemptions, second.redemptions) == (0, 1)


def test_a_voucher_beyond_the_first_page_is_found(shop, shopify, engage, drain, contact_id):
    given = [engage.tenant("demo").vouchers.give(contact_id, f"V-{number}") for number in range(101)]

    buy_with(shop, shopify, "V-100")
    drain(waiting=True)

    assert [each.redemptions for each in given] == [0] * 100 + [1]


def test_a_code_of_another_contact_is_none_of_ours(shop, shopify, engage, drain, contact_id):
    tenant = engage.tenant("demo")
    other = tenant.contacts.create({"email": "other@example.com"})
    theirs = tenant.vouchers.give(other["id"], VOUCHER)

    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert (theirs.redemptions, offer_calls(engage), states(order_id)) == (0, [], [VoucherState.NOT_ENGAGES])


def test_an_unknown_code_costs_the_look_up_and_nothing_else(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, "WELCOME10")
    drain(waiting=True)
    for _ in range(3):
        sync_again(shop, order_id)
        drain(waiting=True)

    assert (len(look_ups(engage)), offer_calls(engage)) == (2, [])
    assert newest("SyncOrder").reason == Reason.RECEIPT_ALREADY_SENT


@pytest.mark.parametrize("settings", [{}, {"receipt": {"redeem_codes": False}}], ids=["never set", "switched off"])
def test_nothing_is_asked_while_it_is_switched_off(settings, shop, shopify, engage, drain, voucher):
    shop.settings = settings
    shop.save()

    buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert (len(receipts(engage)), look_ups(engage), voucher.redemptions) == (1, [], 0)


def test_nothing_is_asked_about_an_order_without_codes(shop, shopify, engage, drain, voucher):
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=shopify.customer_id(shop.domain, 7))
    index(shop, "IndexOrder", order_id)

    drain(waiting=True)

    assert (len(receipts(engage)), look_ups(engage)) == (1, [])


def test_an_order_from_before_the_app_redeems_nothing(shop, shopify, engage, drain, voucher):
    long_ago = datetime.now(UTC) - timedelta(days=30)  # of which Shopify lets the app read
    buy_with(shop, shopify, VOUCHER, createdAt=long_ago.isoformat())

    drain(waiting=True)

    assert (len(receipts(engage)), look_ups(engage), voucher.redemptions) == (1, [], 0)


PLACED = {"before the app": (timedelta(days=2), 0), "since then": (timedelta(0), 1)}


@pytest.mark.parametrize("when", PLACED)
def test_an_import_redeems_for_orders_since_the_app_once(when, shop, shopify, engage, drain, voucher):
    age, redemptions = PLACED[when]
    now = datetime.now(UTC)
    checkout = replace(RECORD, discount=Discount(VOUCHER, Decimal("50.00")))
    placed = {"createdAt": (now - age).isoformat(), "customer_id": shopify.customer_id(shop.domain, 7)}
    shopify.add_order(shop.domain, checkout, **placed)

    for _ in range(2):
        importing = actors_imports.begin_import(shop, now - timedelta(days=9), now + timedelta(days=1))
        drain_until(drain, lambda: state_of(importing) == ImportState.DONE, seconds=60)  # noqa: B023

    assert (len(receipts(engage)), voucher.redemptions) == (1, redemptions)


def test_a_test_order_redeems_nothing(shop, shopify, engage, drain, voucher):
    buy_with(shop, shopify, VOUCHER, test=True)

    drain(waiting=True)

    assert (look_ups(engage), voucher.redemptions) == ([], 0)


def test_an_unpaid_order_redeems_when_it_is_paid(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER, paid=False)
    drain(waiting=True)
    before = voucher.redemptions
    shopify.pay(shop.domain, order_id)
    index(shop, "IndexOrder", order_id)

    drain(waiting=True)

    assert (before, voucher.redemptions) == (0, 1)


# Once


def test_edits_and_further_syncs_redeem_nothing_again(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    shopify.edit_order(shop.domain, order_id, line_of(shopify, shop, order_id), 1)
    for _ in range(3):
        index(shop, "IndexOrder", order_id)
        sync_again(shop, order_id)

    drain(waiting=True)

    assert (offer_calls(engage), len(look_ups(engage)), len(receipts(engage))) == (["redeem"], 1, 2)


def test_a_redemption_whose_response_was_lost_counts_as_ours(shop, shopify, engage, drain, voucher):
    engage.script("POST .*/redeem$", [Fault.RESET])

    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert (offer_calls(engage), voucher.redemptions) == (["redeem", "redeem"], 1)
    assert (states(order_id), newest("SyncOrder").reason) == ([VoucherState.REDEEMED], None)


def test_a_receipt_whose_response_was_lost_redeems_all_the_same(shop, shopify, engage, drain, voucher):
    engage.script("POST .*/receipts$", [Fault.RESET])

    buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert (len(receipts(engage)), voucher.redemptions) == (1, 1)


@pytest.mark.parametrize("answer", [503, 504, 429, Fault.RESET_BEFORE], ids=["503", "504", "429", "reset"])
def test_a_redemption_that_did_not_arrive_is_tried_again(answer, shop, shopify, engage, drain, voucher):
    engage.script("POST .*/redeem$", [answer])

    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert (voucher.redemptions, states(order_id)) == (1, [VoucherState.REDEEMED])


def test_a_failing_redemption_holds_up_no_receipt(shop, shopify, engage, drain, voucher):
    engage.script("POST .*/redeem$", [503] * 50)

    order_id = buy_with(shop, shopify, VOUCHER)
    drain()

    synced = Task.select().where(Task.type == TYPES["SyncOrder"].number).order_by(Task.id)
    assert [task.state for task in synced] == [State.SUCCESS, State.PENDING]
    assert (len(receipts(engage)), states(order_id)) == (1, [VoucherState.DUE])


def test_one_code_that_fails_does_not_hold_up_another(shop, shopify, engage, drain, voucher, promotion):
    engage.script("POST .*/redeem$", [503])
    order_id = buy_with(shop, shopify, VOUCHER)
    shopify.update_order(shop.domain, order_id, discountCodes=[VOUCHER, OFFER])

    drain(waiting=True)

    assert (voucher.redemptions, promotion.redemptions) == (1, 1)
    assert states(order_id) == [VoucherState.REDEEMED] * 2


@pytest.mark.parametrize("answer", [503, Fault.RESET, 404], ids=["503", "reset", "404"])
def test_a_look_up_that_fails_holds_up_no_receipt(answer, shop, shopify, engage, drain, voucher):
    engage.script("GET .*/reward-vouchers$", [answer])

    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert len(receipts(engage)) == 1
    assert states(order_id) == [VoucherState.NOT_ENGAGES if answer == 404 else VoucherState.REDEEMED]


# Refused


def test_a_voucher_that_was_redeemed_in_a_till_is_told(shop, shopify, engage, drain, voucher):
    engage.tenant("demo").vouchers.redeem(voucher.id)

    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    task = newest("SyncOrder")
    assert (task.state, task.reason) == (State.SUCCESS, Reason.VOUCHER_REDEEMED_BEFORE)
    assert "had the discount twice" in explain(task.cause, task.error_code).todo
    assert (voucher.redemptions, states(order_id), len(receipts(engage))) == (1, [VoucherState.REFUSED], 1)


def test_two_orders_with_one_voucher_redeem_it_once(shop, shopify, engage, drain, voucher):
    orders = [buy_with(shop, shopify, VOUCHER) for _ in range(2)]

    drain(waiting=True)

    assert voucher.redemptions == 1
    assert sorted(states(orders[0]) + states(orders[1])) == [VoucherState.REDEEMED, VoucherState.REFUSED]


def test_a_lost_response_does_not_claim_what_another_order_redeemed(shop, shopify, engage, drain, voucher):
    first = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    engage.script("POST .*/redeem$", [503])

    second = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert (states(first), states(second)) == ([VoucherState.REDEEMED], [VoucherState.REFUSED])


def test_an_expired_voucher_is_told(shop, shopify, engage, drain, voucher):
    voucher.expires_at = datetime.now(UTC) - timedelta(minutes=1)

    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert newest("SyncOrder").reason == Reason.VOUCHER_EXPIRED
    assert (states(order_id), len(receipts(engage))) == ([VoucherState.REFUSED], 1)


REFUSALS = {
    "deleted": ((404, {"errorCode": "RewardVoucherNotFound"}), Reason.VOUCHER_NOT_FOUND),
    "no valid id": ((400, {"errorCode": "InvalidRewardVoucherId"}), Reason.VOUCHER_NOT_FOUND),
    "as plain text": ((409, "RewardVoucherExpired"), Reason.VOUCHER_EXPIRED),
    "for a new reason": ((409, {"errorCode": "RewardVoucherLocked"}), Reason.VOUCHER_REFUSED),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_told_once(name, shop, shopify, engage, drain, voucher):
    answer, reason = REFUSALS[name]
    engage.script("POST .*/redeem$", [answer])

    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    told = newest("SyncOrder").reason
    sync_again(shop, order_id)
    drain(waiting=True)

    assert (told, offer_calls(engage)) == (reason, ["redeem"])


FORBIDDEN = {"reading": ("GET .*/reward-vouchers$", 2), "redeeming": ("POST .*/redeem$", 1)}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_key_without_the_right_to_it_is_told_and_pauses_nothing(name, shop, shopify, engage, drain, voucher):
    path, times = FORBIDDEN[name]
    engage.script(path, [403] * times)

    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    failed = newest("SyncOrder")
    assert (failed.state, failed.reason) == (State.ERROR, CallError.ENGAGE_VOUCHERS_FORBIDDEN)
    assert (len(receipts(engage)), shop.get_by_id(shop.id).paused_until) == (1, None)

    sync_again(shop, order_id)
    drain(waiting=True)

    assert (voucher.redemptions, states(order_id)) == (1, [VoucherState.REDEEMED])


# Given back


@pytest.mark.parametrize("refund", [True, False], ids=["paid back", "not paid back"])
def test_a_cancelled_order_gives_its_voucher_back(refund, shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id, refund=refund), order_id)

    drain(waiting=True)

    assert (offer_calls(engage), states(order_id)) == (["redeem", "reactivate"], [VoucherState.REACTIVATED])
    assert (voucher.available, voucher.reactivations) == (True, 1)


def test_an_order_refunded_whole_gives_its_voucher_back(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    line = line_of(shopify, shop, order_id)
    for refunded in ({line: 1}, {line: 1}):
        enqueue_refund_webhooks(shop, shopify.refund(shop.domain, order_id, refunded), order_id)
        drain(waiting=True)

    assert (offer_calls(engage), voucher.available) == (["redeem", "reactivate"], True)


def test_a_part_that_is_refunded_gives_nothing_back(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, order_id)
    refund_id = shopify.refund(shop.domain, order_id, amount=Decimal("10.00"))
    enqueue_refund_webhooks(shop, refund_id, order_id)

    drain(waiting=True)

    assert (offer_calls(engage), states(order_id)) == (["redeem"], [VoucherState.REDEEMED])


def test_an_order_cancelled_before_its_voucher_was_redeemed_redeems_none(shop, shopify, engage, drain, voucher):
    engage.script("POST .*/redeem$", [(429, {}, {"Retry-After": "3600"})])
    order_id = buy_with(shop, shopify, VOUCHER)
    drain()
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id), order_id)

    drain(waiting=True)

    assert (voucher.redemptions, states(order_id)) == (0, [VoucherState.NOT_NEEDED])
    assert "reactivate" not in offer_calls(engage)


def test_a_redemption_of_unknown_outcome_is_given_back_with_its_order(shop, shopify, engage, drain, voucher):
    engage.script("POST .*/redeem$", [Fault.RESET])
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(0.01)
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id), order_id)

    drain(waiting=True)

    assert voucher.available
    assert states(order_id)[-1] in (VoucherState.REACTIVATED, VoucherState.NOT_NEEDED)


def test_a_lost_response_to_a_reactivation_is_no_second_one(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    engage.script("POST .*/reactivate$", [Fault.RESET])
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id), order_id)

    drain(waiting=True)

    assert (voucher.reactivations, states(order_id)) == (1, [VoucherState.REACTIVATED])


def test_a_promotion_stays_redeemed_and_that_is_told(shop, shopify, engage, drain, promotion):
    order_id = buy_with(shop, shopify, OFFER)
    drain(waiting=True)
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id), order_id)

    drain(waiting=True)

    told = Task.get(Task.reason == Reason.PROMOTION_NOT_REACTIVATED)
    assert (told.type, told.shopify_id) == (TYPES["SyncOrder"].number, order_id)
    assert (offer_calls(engage), states(order_id)) == (["redeem"], [VoucherState.STAYS_REDEEMED])


NOT_GIVEN_BACK = {
    "expired": ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, Reason.VOUCHER_EXPIRED_SINCE),
    "too often": ({"reactivations": 3}, Reason.VOUCHER_REACTIVATION_LIMIT),
}


@pytest.mark.parametrize("name", NOT_GIVEN_BACK)
def test_a_voucher_that_cannot_be_given_back_is_told(name, shop, shopify, engage, drain, voucher):
    changes, reason = NOT_GIVEN_BACK[name]
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    for field, value in changes.items():
        setattr(voucher, field, value)
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id), order_id)

    drain(waiting=True)

    assert Task.select().where(Task.reason == reason).count() == 1
    assert (states(order_id), offer_calls(engage)) == ([VoucherState.STAYS_REDEEMED], ["redeem", "reactivate"])


def test_what_becomes_of_codes_is_no_order_for_the_alerts(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id), order_id)
    drain(waiting=True)

    synced = synced_orders(shop, alert_task_types(), datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC), 10)

    assert len(synced) == 1


# Preview and resend


def test_a_preview_keeps_the_vouchers_that_were_sent(client, shop, shopify, engage, drain, voucher):
    buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    sent = Task.select().where(Task.type == TYPES["SyncOrder"].number).order_by(Task.id).first()

    made = purchase_preview(sent, receipts(engage)[0])

    assert made["usedBonusChecks"] == [{"checkNumber": VOUCHER}]


def test_a_redemption_cannot_be_resent(shop, shopify, engage, drain, voucher):
    buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    assert resendable_call(newest("SyncOrder")) is NotResendable.NOT_ALLOWED


def test_a_receipt_that_is_resent_redeems_nothing_again(shop, shopify, engage, drain, voucher):
    buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    first = Task.select().where(Task.type == TYPES["SyncOrder"].number).order_by(Task.id).first()
    first.shop = shop
    enqueue_resend(first, resendable_call(first), key="again")

    drain(waiting=True)

    assert (len(calls(engage, "POST", "receipts")), offer_calls(engage)) == (2, ["redeem"])


def test_another_tenant_looks_the_codes_up_anew(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    shop_connections.connect_engage(shop, "other", ENGAGE_KEY)

    assert states(order_id) == []


# On the pages


def test_the_pages_of_task_and_order_name_the_codes(client, shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)

    for path in (f"/tasks/{newest('SyncOrder').id}", f"/entities/order/{order_id}"):
        page = get_page(client, path).text
        assert VOUCHER in page
        assert "Redeemed in Engage." in page


def test_pages_for_others_name_no_voucher_that_may_still_be_used(client, shop, shopify, engage, drain, voucher):
    engage.tenant("demo").vouchers.give(voucher.contact_id, "2599999999999")
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    tasks = [task.id for task in Task.select().where(Task.type == TYPES["SyncOrder"].number)]

    order_link = support_links.issue(shop, timedelta(hours=1), "owner", kind="order", shopify_id=order_id)
    links = [support_links.issue(shop, timedelta(hours=1), "owner", task_id=task_id) for task_id in tasks]
    pages = [f"/support/{link}" for link in (order_link, *links)] + [f"/tasks/{task_id}" for task_id in tasks]

    assert VOUCHER not in get_page(client, pages[0]).text
    assert [page for page in pages if "2599999999999" in get_page(client, page).text] == []
