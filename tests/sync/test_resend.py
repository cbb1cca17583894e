"""Resend the same bytes, or rebuild them from Shopify now, with a preview of the difference before."""

from __future__ import annotations

import re
from dataclasses import replace

import orjson
import pytest

from clients import Call, Effect
from clients.engage.client import EngageClient
from clients.engage.resendable import path_in_tenant
from config import config
from models import Action, AuditEntry, Exchange, Order, Receipt, Shop, State, Task
from sync import entities, sent_receipts
from sync.resend import NotResendable, ResendableCall, resendable_call
from taskqueue import claims
from taskqueue.exchanges import ExchangeJournal
from taskqueue.types import TYPES
from tests.conftest import ENGAGE_KEY
from tests.end_to_end.test_order_to_receipt import ADA, buy, calls, index, newest
from tests.support.tasks.task_steps import claim, enqueue, finish
from tests.support.web.forms import Forms, fields, press
from tests.sync.test_notifications import mails, notifying_shop, send_parcel
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of

__all__ = ["notifying_shop"]


@pytest.fixture
def synced_order(shop, shopify, engage, drain):
    """The task that sent an order's receipt."""
    buy(shop, shopify)
    drain(waiting=True)
    return newest("SyncOrder")


def post_resend(client, task):
    return press(client, f"/tasks/{task.id}/replay", f"/tasks/{task.id}/replay/same")


def post_rebuild(client, task):
    return press(client, f"/tasks/{task.id}/replay", f"/tasks/{task.id}/replay/rebuild")


def created_task(answer):
    assert answer.status_code == 303, answer.text
    return Task.get_by_id(answer.headers["location"].removeprefix("/tasks/"))


def preview_text(client, task):
    response = client.get(f"/tasks/{task.id}/replay")
    assert response.status_code == 200, response.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.text))


# The same bytes


def test_a_resend_sends_the_same_bytes_as_a_new_task(client, synced_order, engage, drain):
    task = created_task(post_resend(client, synced_order))
    drain()

    first, second = calls(engage, "POST", "receipts")
    assert second.request == first.request
    row = Task.get_by_id(task.id)
    assert (row.state, row.type, row.parent_id, row.shopify_id) == (
        State.SUCCESS,
        synced_order.type,
        synced_order.id,
        synced_order.shopify_id,
    )
    assert row.engage_id == synced_order.engage_id
    assert client.get(f"/tasks/{task.id}/sent").content == first.request


def test_the_audit_log_names_the_resent_task_and_the_new_one(client, synced_order):
    task = created_task(post_resend(client, synced_order))

    (note,) = AuditEntry.select()
    assert (note.action, note.task_id, note.created_task_id) == (Action.SAME, synced_order.id, task.id)


def test_a_resends_page_names_its_exchange(client, synced_order):
    task = created_task(post_resend(client, synced_order))

    page = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", client.get(f"/tasks/{task.id}").text))

    assert f"Exchange {resendable_call(synced_order).exchange.id}" in page


def test_a_double_click_resends_once(client, synced_order, engage, drain):
    page, path = f"/tasks/{synced_order.id}/replay", f"/tasks/{synced_order.id}/replay/same"
    form = fields(client, page, path)

    answers = [client.post(path, data=form).headers["location"] for _ in range(2)]
    drain()

    assert answers[0] == answers[1]
    assert len(calls(engage, "POST", "receipts")) == 2


def test_resend_and_rebuild_of_one_page_are_two_actions(client, synced_order):
    page = f"/tasks/{synced_order.id}/replay"
    form = fields(client, page, f"{page}/same")

    places = {client.post(f"{page}/{how}", data=form).headers["location"] for how in ("same", "rebuild")}

    assert len(places) == 2


def test_a_resent_receipt_is_recorded(client, shop, shopify, engage, drain):
    engage.script("POST .*/receipts$", [400])
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    task = newest("SyncOrder")
    assert task.state == State.ERROR

    post_resend(client, task)
    drain()

    order = entities.get(Order, shop, order_id)
    assert (order.receipt_id, sent_receipts.is_sent(shop, str(order_id))) == (str(order_id), True)
    assert len(engage.tenant("demo").receipts_report()["applied"]) == 1
    assert Task.get_by_id(task.id).closed_by is not None


def sync_changed_customer(shop, shopify, drain, customer_id, **fields):
    """Change a customer and return the task that synced it."""
    shopify.update_customer(shop.domain, customer_id, **fields)
    index(shop, "IndexCustomer", customer_id)
    drain()
    return newest("SyncContact")


def test_a_resent_contact_update_is_recorded_as_last_sent(client, shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    task = sync_changed_customer(shop, shopify, drain, customer_id, last_name="Berg")
    sync_changed_customer(shop, shopify, drain, customer_id, last_name="Carlsson")

    post_resend(client, task)
    drain()
    index(shop, "IndexCustomer", customer_id)
    drain()

    sent = [orjson.loads(call.request) for call in calls(engage, "PATCH", "contacts")]
    assert [body.get("lastName") for body in sent] == ["Berg", "Carlsson", "Berg", "Carlsson"]


def test_a_pending_sync_is_not_replaced_by_a_resend(client, shop, synced_order, shopify, engage, drain):
    index(shop, "SyncOrder", synced_order.shopify_id)
    waiting = newest("SyncOrder")
    task = created_task(post_resend(client, synced_order))

    run = claims.claim(
        waiting.id, lease=TYPES["SyncOrder"].retry.longest, worker="w", calls_engage=False, newest_only=True
    )

    assert (run.newer_id, task.id > waiting.id) == (None, True)


def test_a_sync_that_gives_way_is_not_replaced_by_a_resend(client, shop, synced_order):
    index(shop, "SyncOrder", synced_order.shopify_id)
    waiting = newest("SyncOrder")
    post_resend(client, synced_order)

    claims.give_way(waiting.id, TYPES["SyncOrder"].retry.longest, replaceable=True)

    assert Task.get_by_id(waiting.id).state == State.PENDING


def test_a_notification_is_resent_only_after_a_confirmation(client, notifying_shop, shopify, engage, drain):
    buy(notifying_shop, shopify)
    drain(waiting=True)
    task, path = newest("SyncOrderNotification"), f"/tasks/{newest('SyncOrderNotification').id}/replay/same"

    asked = post_resend(client, task)
    assert (asked.status_code, mails(engage)) == (200, ["ORDER_CREATED"])
    assert "writes to the shopper once more" in asked.text
    again = created_task(client.post(path, data=Forms(asked.text).found[path]))
    drain()

    assert mails(engage) == ["ORDER_CREATED"] * 2
    (exchange,) = Exchange.select().where(Exchange.task == again)
    assert exchange.effect == Effect.ONCE


def test_a_shop_without_notifications_resends_none(client, notifying_shop, shopify, engage, drain):
    buy(notifying_shop, shopify)
    drain(waiting=True)
    task, path = newest("SyncOrderNotification"), f"/tasks/{newest('SyncOrderNotification').id}/replay/same"
    form = fields(client, f"/tasks/{task.id}/replay", path)
    Shop.update(settings={}).where(Shop.id == notifying_shop.id).execute()

    assert client.post(path, data=form | {"sure": "yes"}).status_code == 409
    assert mails(engage) == ["ORDER_CREATED"]


def assert_not_resendable(client, task):
    """The page offers nothing and says why; a form that comes all the same is refused."""
    page = f"/tasks/{task.id}/replay"
    text = client.get(page).text
    assert f"{page}/same" not in text
    form = fields(client, page, f"{page}/rebuild")
    assert client.post(f"{page}/same", data=form).status_code == 409
    return text


def test_a_request_that_created_a_contact_is_not_resent(client, synced_order):
    assert "made something new" in assert_not_resendable(client, newest("SyncContact"))


def test_marketing_preferences_are_not_resent(client, shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, person=replace(ADA, email="eve@example.com"))
    drain(waiting=True)
    shopify.update_customer(shop.domain, customer_id, accepts_email=True)
    enqueue_webhook(shop, "CustomerWebhook", {"id": customer_id})
    index(shop, "UpdateCustomerMarketingPreferences", customer_id)
    drain(waiting=True)
    task = newest("UpdateCustomerMarketingPreferences")
    assert calls(engage, "PATCH", "contacts")

    assert "only the shopper decides" in assert_not_resendable(client, task)


@pytest.mark.parametrize(("changed", "is_resent"), [({"email": "new@example.com"}, False), ({"city": "Ystad"}, True)])
def test_an_update_with_a_former_key_is_not_resent(changed, is_resent, client, shop, shopify, engage, drain):
    """It may be another customer's key by now."""
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    shopify.update_customer(shop.domain, customer_id, email="second@example.com")
    index(shop, "IndexCustomer", customer_id)
    drain()
    task = newest("SyncContact")

    shopify.update_customer(shop.domain, customer_id, **changed)
    index(shop, "IndexCustomer", customer_id)
    drain()

    assert isinstance(resendable_call(task), ResendableCall) is is_resent


def test_a_request_to_another_tenant_is_not_resent_to_this_one(client, shop, synced_order):
    Shop.update(engage_tenant="another").where(Shop.id == shop.id).execute()

    assert "another tenant" in assert_not_resendable(client, synced_order)


def test_a_deleted_body_cannot_be_resent(client, shop, synced_order, drain, engage):
    task = created_task(post_resend(client, synced_order))
    Exchange.delete().execute()
    drain()

    row = Task.get_by_id(task.id)
    assert (row.state, row.code) == (State.ERROR, "unusable")
    assert "changed nothing in Engage" in assert_not_resendable(client, synced_order)


def test_a_pending_task_is_not_resent(client, shop, synced_order):
    Task.update(state=State.PENDING).where(Task.id == synced_order.id).execute()

    assert "queued or running" in assert_not_resendable(client, synced_order)


def test_another_shops_exchange_cannot_be_resent(shop, other_shop, synced_order, engage, drain):
    (exchange,) = Exchange.select().where((Exchange.task == synced_order) & (Exchange.effect != Effect.READ))
    theirs = TYPES["SyncOrder"].enqueue(other_shop, key="x", shopify_id=1, resends=exchange.id)
    drain()

    assert Task.get_by_id(theirs.id).code == "unusable"
    assert len(calls(engage, "POST", "receipts")) == 1


def task_with_calls(shop, *calls):
    """A task that has made these calls and succeeded."""
    run = claim(shop, enqueue(shop, shopify_id=1001))
    for system, method, path, effect in calls:
        origin = config.engage_origin.format(tenant="demo")
        call, record = Call(system, method, origin + path, effect, b"{}"), ExchangeJournal(run)
        record.sending(call)
        record.answered(call)
    claims.finish(run, State.SUCCESS)
    return Task.get_by_id(run.task.id)


def test_the_last_request_that_changed_something_is_resent(shop):
    first = ("Engage", "POST", "/api/v3/receipts", Effect.REPEATABLE)

    found = resendable_call(task_with_calls(shop, first, ("Engage", "GET", "/api/v3/contacts/id", Effect.READ)))

    assert (found.exchange.method, found.path) == ("POST", "/api/v3/receipts")


def test_a_request_to_shopify_is_not_resent_to_engage(shop):
    assert (
        resendable_call(task_with_calls(shop, ("Shopify", "POST", "/api/v3/receipts", Effect.REPEATABLE)))
        is NotResendable.NOTHING
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v3/contacts"),
        ("PATCH", "/api/v3/contacts/../stores"),
        ("DELETE", "/api/v3/contacts/0e6dbb5e-0000-0000-0000-000000000000"),
        ("POST", "/api/v3/receipts/"),
        ("POST", "/api/v3/receipts?x"),
    ],
)
def test_the_client_resends_no_other_requests(method, path):
    with pytest.raises(ValueError, match="no call to be made again"):
        EngageClient("http://127.0.0.1:1", ENGAGE_KEY).resend(method, path, b"{}")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://demo.voyado.com/api/v3/receipts", "/api/v3/receipts"),
        ("https://demo.voyado.com:444/api/v3/receipts?a=1", "/api/v3/receipts?a=1"),
        ("https://other.voyado.com/api/v3/receipts", None),
        ("https://demo.voyado.com/demo/api/v3/receipts", None),
        ("https://demo.voyado.com/", None),
    ],
)
def test_a_request_is_recognised_by_its_tenant(url, path):
    assert path_in_tenant("https://demo.voyado.com", url) == path


# Rebuilt


@pytest.mark.parametrize(
    ("name", "reads"),
    [("SyncOrder", "IndexOrder"), ("SyncContact", "IndexCustomer"), ("IndexOrder", "IndexOrder")],
)
def test_a_rebuild_indexes_the_entity_and_syncs_it(name, reads, client, synced_order, drain):
    task = newest(name)
    form = fields(client, f"/tasks/{synced_order.id}/replay", f"/tasks/{synced_order.id}/replay/rebuild")

    read = created_task(client.post(f"/tasks/{task.id}/replay/rebuild", data=form))
    drain()

    assert (read.type, read.parent_id, read.shopify_id) == (TYPES[reads].number, task.id, task.shopify_id)
    follower = {"IndexOrder": "SyncOrder", "IndexCustomer": "SyncContact"}[reads]
    assert newest(follower).parent_id == read.id
    assert newest(follower).state == State.SUCCESS


def test_a_task_without_an_entity_cannot_be_rebuilt(client, shop, synced_order):
    task = finish(shop, enqueue(shop, "IndexStores"))
    form = fields(client, f"/tasks/{synced_order.id}/replay", f"/tasks/{synced_order.id}/replay/rebuild")

    assert client.post(f"/tasks/{task.id}/replay/rebuild", data=form).status_code == 409


# The difference


def test_the_preview_shows_no_difference_while_nothing_has_changed(client, synced_order):
    assert re.search(r"There is none: \d\d fields are the same", preview_text(client, synced_order))


def test_the_preview_shows_changes_in_shopify_field_by_field(client, shop, synced_order, shopify):
    shopify.edit_order(shop.domain, synced_order.shopify_id, line_of(shopify, shop, synced_order.shopify_id), 1)

    page = preview_text(client, synced_order)

    assert "items[0].quantity 2 1 " in page
    assert re.search(r"\d+ fields are the same", page)


def test_a_contact_updates_preview_has_its_own_fields_and_is_masked(client, shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    task = sync_changed_customer(shop, shopify, drain, customer_id, last_name="Berg")
    shopify.update_customer(shop.domain, customer_id, last_name="Carlsson", city="Kyoto")

    page = preview_text(client, task)

    assert "lastName &#34;…&#34; &#34;…&#34;" in page
    assert "city not there &#34;…&#34;" in page
    assert "externalId" not in page
    assert not {"Berg", "Carlsson", "Kyoto"} & set(re.findall(r"\w+", page))


def test_every_type_of_sync_has_a_preview(client, notifying_shop, shopify, engage, drain):
    _, order_id = buy(notifying_shop, shopify)
    send_parcel(notifying_shop, shopify, order_id)
    enqueue_refund_webhooks(
        notifying_shop,
        shopify.refund(notifying_shop.domain, order_id, {line_of(shopify, notifying_shop, order_id): 1}),
        order_id,
    )
    drain(waiting=True)

    for name in ("SyncRefund", "SyncRefundNotification", "SyncOrderFulfillmentNotification"):
        task = newest(name)
        assert task.state == State.SUCCESS, name
        assert "There is none" in preview_text(client, task), name


def test_a_correction_has_no_preview(client, shop, synced_order, shopify, drain):
    shopify.edit_order(shop.domain, synced_order.shopify_id, line_of(shopify, shop, synced_order.shopify_id), 1)
    enqueue_webhook(shop, "OrderWebhook", {"id": synced_order.shopify_id})
    drain(waiting=True)

    assert newest("SyncOrder").engage_id == f"{synced_order.shopify_id}-C1"
    assert "nothing to compare this with" in preview_text(client, newest("SyncOrder"))


def test_the_preview_of_a_deleted_entity_says_not_found(client, shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    task = sync_changed_customer(shop, shopify, drain, customer_id, last_name="Berg")
    shopify.delete_customer(shop.domain, customer_id)

    assert "Shopify does not show the app what this task was about" in preview_text(client, task)


def test_the_preview_says_that_shopify_does_not_respond(client, shop, synced_order):
    Shop.update(shopify_token=shop.seal("shopify_token", "wrong")).where(Shop.id == shop.id).execute()

    assert "Shopify answered 401" in preview_text(client, synced_order)


def test_a_preview_changes_nothing(client, shop, synced_order, shopify, engage):
    shopify.edit_order(shop.domain, synced_order.shopify_id, line_of(shopify, shop, synced_order.shopify_id), 1)
    before = (
        Task.select().count(),
        Exchange.select().count(),
        entities.get(Order, shop, synced_order.shopify_id).updated_at,
    )

    client.get(f"/tasks/{synced_order.id}/replay")

    assert (
        Task.select().count(),
        Exchange.select().count(),
        entities.get(Order, shop, synced_order.shopify_id).updated_at,
    ) == before


def test_a_receipts_preview_follows_the_rules_of_its_purchase(client, shop, synced_order):
    Shop.update(store="ELSEWHERE", settings={"receipt": {"freight_sku": "POST"}}).where(Shop.id == shop.id).execute()

    assert "There is none" in preview_text(client, synced_order)


def test_a_body_that_is_not_json_has_no_preview(client, shop, synced_order):
    run = claim(shop, enqueue(shop, shopify_id=synced_order.shopify_id))
    url = f"{config.engage_origin.format(tenant='demo')}/api/v3/receipts"
    ExchangeJournal(run).sending(Call("Engage", "POST", url, Effect.REPEATABLE, b"\xff no json"))
    claims.finish(run, State.SUCCESS)

    assert "nothing to compare this with" in preview_text(client, run.task)


def test_a_receipt_of_an_older_release_can_still_be_previewed(client, synced_order):
    Receipt.update(rules=Receipt.get().rules | {"a_rule_that_was_dropped_since": True}).execute()

    assert client.get(f"/tasks/{synced_order.id}/replay").status_code == 200
