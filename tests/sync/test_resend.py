"""Sending again: the same bytes, or rebuilt from Shopify now, with the difference between both shown before."""

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
from sync.resend import NotResendable, resendable_call
from taskqueue import claims
from taskqueue.exchanges import ExchangeJournal
from taskqueue.types import TYPES
from tests.conftest import ENGAGE_KEY
from tests.end_to_end.test_order_to_receipt import ADA, buy, calls, index, newest
from tests.support.tasks.task_steps import claim, enqueue, finish
from tests.support.web.forms import Forms, fields, press
from tests.sync.test_notifications import mails, sent_parcel, wanted
from tests.sync.test_refunds import arrive, line_of, told

__all__ = ["wanted"]


@pytest.fixture
def sold(shop, shopify, engage, drain):
    """The task that brought an order's receipt."""
    buy(shop, shopify)
    drain(waiting=True)
    return newest("SyncOrder")


def same(client, task):
    return press(client, f"/tasks/{task.id}/replay", f"/tasks/{task.id}/replay/same")


def rebuilt(client, task):
    return press(client, f"/tasks/{task.id}/replay", f"/tasks/{task.id}/replay/rebuild")


def made(answer):
    assert answer.status_code == 303, answer.text
    return Task.get_by_id(answer.headers["location"].removeprefix("/tasks/"))


def words(client, task):
    response = client.get(f"/tasks/{task.id}/replay")
    assert response.status_code == 200, response.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.text))


# The same bytes


def test_the_same_bytes_go_out_as_a_task_of_their_own(client, sold, engage, drain):
    task = made(same(client, sold))
    drain()

    first, second = calls(engage, "POST", "receipts")
    assert second.request == first.request
    row = Task.get_by_id(task.id)
    assert (row.state, row.type, row.parent_id, row.shopify_id) == (State.SUCCESS, sold.type, sold.id, sold.shopify_id)
    assert row.engage_id == sold.engage_id
    assert client.get(f"/tasks/{task.id}/sent").content == first.request


def test_it_is_written_down_what_was_sent_again_and_by_what(client, sold):
    task = made(same(client, sold))

    (note,) = AuditEntry.select()
    assert (note.action, note.task_id, note.created_task_id) == (Action.SAME, sold.id, task.id)


def test_a_double_click_sends_once(client, sold, engage, drain):
    page, path = f"/tasks/{sold.id}/replay", f"/tasks/{sold.id}/replay/same"
    form = fields(client, page, path)

    answers = [client.post(path, data=form).headers["location"] for _ in range(2)]
    drain()

    assert answers[0] == answers[1]
    assert len(calls(engage, "POST", "receipts")) == 2


def test_the_two_kinds_of_one_page_are_two_actions(client, sold):
    page = f"/tasks/{sold.id}/replay"
    form = fields(client, page, f"{page}/same")

    places = {client.post(f"{page}/{how}", data=form).headers["location"] for how in ("same", "rebuild")}

    assert len(places) == 2


def test_a_receipt_that_arrives_so_is_known_from_then_on(client, shop, shopify, engage, drain):
    engage.script("POST .*/receipts$", [400])
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    task = newest("SyncOrder")
    assert task.state == State.ERROR

    same(client, task)
    drain()

    order = entities.get(Order, shop, order_id)
    assert (order.receipt_id, sent_receipts.is_sent(shop, str(order_id))) == (str(order_id), True)
    assert len(engage.tenant("demo").receipts_report()["applied"]) == 1
    assert Task.get_by_id(task.id).closed_by is not None


def renamed(shop, shopify, drain, customer_id, **fields):
    """The task that told Engage that a customer has changed."""
    shopify.update_customer(shop.domain, customer_id, **fields)
    index(shop, "IndexCustomer", customer_id)
    drain()
    return newest("SyncContact")


def test_an_old_update_of_a_contact_is_known_to_be_what_engage_has(client, shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    task = renamed(shop, shopify, drain, customer_id, last_name="Berg")
    renamed(shop, shopify, drain, customer_id, last_name="Carlsson")

    same(client, task)
    drain()
    index(shop, "IndexCustomer", customer_id)
    drain()

    sent = [orjson.loads(call.request) for call in calls(engage, "PATCH", "contacts")]
    assert [body.get("lastName") for body in sent] == ["Berg", "Carlsson", "Berg", "Carlsson"]


def test_a_sync_that_waits_is_not_replaced_by_old_bytes(client, shop, sold, shopify, engage, drain):
    index(shop, "SyncOrder", sold.shopify_id)
    waiting = newest("SyncOrder")
    task = made(same(client, sold))

    claimed = claims.claim(
        waiting.id, lease=TYPES["SyncOrder"].retry.longest, worker="w", calls_engage=False, newest_only=True
    )

    assert (claimed.newer_id, task.id > waiting.id) == (None, True)


def test_neither_is_one_that_gives_way(client, shop, sold):
    index(shop, "SyncOrder", sold.shopify_id)
    waiting = newest("SyncOrder")
    same(client, sold)

    claims.give_way(waiting.id, TYPES["SyncOrder"].retry.longest, replaceable=True)

    assert Task.get_by_id(waiting.id).state == State.PENDING


def test_a_notification_is_sent_again_only_after_one_more_question(client, wanted, shopify, engage, drain):
    buy(wanted, shopify)
    drain(waiting=True)
    task, path = newest("SyncOrderNotification"), f"/tasks/{newest('SyncOrderNotification').id}/replay/same"

    asked = same(client, task)
    assert (asked.status_code, mails(engage)) == (200, ["ORDER_CREATED"])
    assert "writes to the shopper once more" in asked.text
    again = made(client.post(path, data=Forms(asked.text).found[path]))
    drain()

    assert mails(engage) == ["ORDER_CREATED"] * 2
    (exchange,) = Exchange.select().where(Exchange.task == again)
    assert exchange.effect == Effect.ONCE


def test_a_shop_that_does_not_write_to_its_shoppers_sends_no_notification_again(client, wanted, shopify, engage, drain):
    buy(wanted, shopify)
    drain(waiting=True)
    task, path = newest("SyncOrderNotification"), f"/tasks/{newest('SyncOrderNotification').id}/replay/same"
    form = fields(client, f"/tasks/{task.id}/replay", path)
    Shop.update(settings={}).where(Shop.id == wanted.id).execute()

    assert client.post(path, data=form | {"sure": "yes"}).status_code == 409
    assert mails(engage) == ["ORDER_CREATED"]


def refused(client, task):
    """The page offers nothing and says why; a form that comes all the same is refused."""
    page = f"/tasks/{task.id}/replay"
    text = client.get(page).text
    assert f"{page}/same" not in text
    form = fields(client, page, f"{page}/rebuild")
    assert client.post(f"{page}/same", data=form).status_code == 409
    return text


def test_what_made_a_contact_is_not_sent_again(client, sold):
    assert "made something new" in refused(client, newest("SyncContact"))


def test_what_only_the_shopper_decides_is_not_sent_again(client, shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, person=replace(ADA, email="eve@example.com"))
    drain(waiting=True)
    shopify.update_customer(shop.domain, customer_id, accepts_email=True)
    arrive(shop, "CustomerWebhook", {"id": customer_id})
    index(shop, "UpdateCustomerMarketingPreferences", customer_id)
    drain(waiting=True)
    task = newest("UpdateCustomerMarketingPreferences")
    assert calls(engage, "PATCH", "contacts")

    assert "only the shopper decides" in refused(client, task)


def test_what_went_to_another_tenant_is_not_sent_to_this_one(client, shop, sold):
    Shop.update(engage_tenant="another").where(Shop.id == shop.id).execute()

    assert "another tenant" in refused(client, sold)


def test_what_is_no_longer_kept_cannot_be_sent_again(client, shop, sold, drain, engage):
    task = made(same(client, sold))
    Exchange.delete().execute()
    drain()

    row = Task.get_by_id(task.id)
    assert (row.state, row.code) == (State.ERROR, "unusable")
    assert "changed nothing in Engage" in refused(client, sold)


def test_what_is_under_way_is_not_sent_again(client, shop, sold):
    Task.update(state=State.PENDING).where(Task.id == sold.id).execute()

    assert "queued or running" in refused(client, sold)


def test_another_shops_call_cannot_be_named(shop, other_shop, sold, engage, drain):
    (exchange,) = Exchange.select().where((Exchange.task == sold) & (Exchange.effect != Effect.READ))
    theirs = TYPES["SyncOrder"].enqueue(other_shop, key="x", shopify_id=1, args={"exchange": str(exchange.id)})
    drain()

    assert Task.get_by_id(theirs.id).code == "unusable"
    assert len(calls(engage, "POST", "receipts")) == 1


def made_calls(shop, *calls):
    """A task that has made these calls and succeeded."""
    task = claim(shop, enqueue(shop, shopify_id=1001))
    for system, method, path, effect in calls:
        origin = config.engage_origin.format(tenant="demo")
        call, record = Call(system, method, origin + path, effect, b"{}"), ExchangeJournal(task)
        record.sending(call)
        record.answered(call)
    claims.finish(task, State.SUCCESS)
    return Task.get_by_id(task.id)


def test_what_is_sent_again_is_the_last_call_that_changed_something(shop):
    first = ("Engage", "POST", "/api/v3/receipts", Effect.REPEATABLE)

    found = resendable_call(made_calls(shop, first, ("Engage", "GET", "/api/v3/contacts/id", Effect.READ)))

    assert (found.exchange.method, found.path) == ("POST", "/api/v3/receipts")


def test_what_was_changed_in_shopify_alone_is_nothing_to_send_to_engage(shop):
    assert (
        resendable_call(made_calls(shop, ("Shopify", "POST", "/api/v3/receipts", Effect.REPEATABLE)))
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
def test_the_client_repeats_no_other_calls(method, path):
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
def test_a_call_is_known_by_its_tenant(url, path):
    assert path_in_tenant("https://demo.voyado.com", url) == path


# Rebuilt


@pytest.mark.parametrize(
    ("name", "reads"),
    [("SyncOrder", "IndexOrder"), ("SyncContact", "IndexCustomer"), ("IndexOrder", "IndexOrder")],
)
def test_rebuilding_reads_the_entity_anew_and_syncs_it(name, reads, client, sold, drain):
    task = newest(name)
    form = fields(client, f"/tasks/{sold.id}/replay", f"/tasks/{sold.id}/replay/rebuild")

    read = made(client.post(f"/tasks/{task.id}/replay/rebuild", data=form))
    drain()

    assert (read.type, read.parent_id, read.shopify_id) == (TYPES[reads].number, task.id, task.shopify_id)
    follower = {"IndexOrder": "SyncOrder", "IndexCustomer": "SyncContact"}[reads]
    assert newest(follower).parent_id == read.id
    assert newest(follower).state == State.SUCCESS


def test_what_is_about_nothing_cannot_be_rebuilt(client, shop, sold):
    task = finish(shop, enqueue(shop, "IndexStores"))
    form = fields(client, f"/tasks/{sold.id}/replay", f"/tasks/{sold.id}/replay/rebuild")

    assert client.post(f"/tasks/{task.id}/replay/rebuild", data=form).status_code == 409


# The difference


def test_nothing_differs_while_nothing_has_changed(client, sold):
    assert re.search(r"There is none: \d\d fields are the same", words(client, sold))


def test_what_has_changed_in_shopify_is_shown_field_by_field(client, shop, sold, shopify):
    shopify.edit_order(shop.domain, sold.shopify_id, line_of(shopify, shop, sold.shopify_id), 1)

    page = words(client, sold)

    assert "items[0].quantity 2 1 " in page
    assert re.search(r"\d+ fields are the same", page)


def test_an_update_is_compared_by_its_own_fields_and_names_nobody(client, shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    task = renamed(shop, shopify, drain, customer_id, last_name="Berg")
    shopify.update_customer(shop.domain, customer_id, last_name="Carlsson", city="Kyoto")

    page = words(client, task)

    assert "lastName &#34;B…&#34; &#34;C…&#34;" in page
    assert "city not there &#34;K…&#34;" in page
    assert "externalId" not in page
    assert not {"Berg", "Carlsson", "Kyoto"} & set(re.findall(r"\w+", page))


def test_every_kind_of_sync_has_its_page(client, wanted, shopify, engage, drain):
    _, order_id = buy(wanted, shopify)
    sent_parcel(wanted, shopify, order_id)
    told(wanted, shopify.refund(wanted.domain, order_id, {line_of(shopify, wanted, order_id): 1}), order_id)
    drain(waiting=True)

    for name in ("SyncRefund", "SyncRefundNotification", "SyncOrderFulfillmentNotification"):
        task = newest(name)
        assert task.state == State.SUCCESS, name
        assert "There is none" in words(client, task), name


def test_a_correction_is_compared_with_nothing(client, shop, sold, shopify, drain):
    shopify.edit_order(shop.domain, sold.shopify_id, line_of(shopify, shop, sold.shopify_id), 1)
    arrive(shop, "OrderWebhook", {"id": sold.shopify_id})
    drain(waiting=True)

    assert newest("SyncOrder").engage_id == f"{sold.shopify_id}-C1"
    assert "nothing to compare this with" in words(client, newest("SyncOrder"))


def test_what_shopify_no_longer_has_is_said_to_be_gone(client, shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    task = renamed(shop, shopify, drain, customer_id, last_name="Berg")
    shopify.delete_customer(shop.domain, customer_id)

    assert "Shopify no longer has what this task was about" in words(client, task)


def test_a_shopify_that_does_not_answer_is_a_sentence(client, shop, sold):
    Shop.update(shopify_token=shop.seal("shopify_token", "wrong")).where(Shop.id == shop.id).execute()

    assert "Shopify answered 401" in words(client, sold)


def test_looking_changes_nothing(client, shop, sold, shopify, engage):
    shopify.edit_order(shop.domain, sold.shopify_id, line_of(shopify, shop, sold.shopify_id), 1)
    before = Task.select().count(), Exchange.select().count(), entities.get(Order, shop, sold.shopify_id).updated_at

    client.get(f"/tasks/{sold.id}/replay")

    assert (
        Task.select().count(),
        Exchange.select().count(),
        entities.get(Order, shop, sold.shopify_id).updated_at,
    ) == before


def test_a_receipt_is_compared_by_the_rules_that_its_order_was_sold_by(client, shop, sold):
    Shop.update(store="ELSEWHERE", settings={"receipt": {"freight_sku": "POST"}}).where(Shop.id == shop.id).execute()

    assert "There is none" in words(client, sold)


def test_a_body_that_is_no_json_is_compared_with_nothing(client, shop, sold):
    running = claim(shop, enqueue(shop, shopify_id=sold.shopify_id))
    url = f"{config.engage_origin.format(tenant='demo')}/api/v3/receipts"
    ExchangeJournal(running).sending(Call("Engage", "POST", url, Effect.REPEATABLE, b"\xff no json"))
    claims.finish(running, State.SUCCESS)

    assert "nothing to compare this with" in words(client, running)


def test_a_receipt_that_an_older_release_made_can_still_be_compared(client, sold):
    Receipt.update(rules=Receipt.get().rules | {"a_rule_that_was_dropped_since": True}).execute()

    assert client.get(f"/tasks/{sold.id}/replay").status_code == 200
