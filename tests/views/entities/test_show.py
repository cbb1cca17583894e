"""The page of one order, customer or refund: its whole story, and what changed between two syncs."""

from __future__ import annotations

import orjson
import pytest

from models import Customer, Order, Refund, State, Task, utcnow
from sync import entities
from taskqueue import claims
from tests.support.listings import add
from tests.support.pages import page
from tests.support.transfers import claim, enqueue, send

ORDER = 6100000001001


def seen(shop, table, shopify_id, **node):
    """What was last read of an entity."""
    node = {"legacyResourceId": str(shopify_id), "updatedAt": utcnow().isoformat(), **node}
    columns = {name: node.pop(f"_{name}") for name in table.extra_columns}
    return entities.save(table, shop, node, **columns)


@pytest.fixture
def order(shop):
    return seen(shop, Order, ORDER, _name="#1001", _customer_id=77, fulfillments=[{"legacyResourceId": "88"}])


def synced(shop, body, name="SyncOrder", shopify_id=ORDER):
    """A sync that has sent this body to Engage."""
    task = claim(shop, enqueue(shop, name, shopify_id=shopify_id))
    send(task, sent=orjson.dumps(body))
    claims.finish(task, State.SUCCESS)
    return task


def test_an_orders_story_has_its_webhooks_syncs_refunds_and_parcels_in_order(client, shop, order):
    seen(shop, Refund, 99, _order_id=ORDER)
    names = ["OrderWebhook", "IndexOrder", "SyncOrder"]
    tasks = [enqueue(shop, name, shopify_id=ORDER) for name in names]
    tasks.append(enqueue(shop, "SyncOrderFulfillmentNotification", shopify_id=88, args={"order_id": ORDER}))
    tasks.append(enqueue(shop, "SyncRefund", shopify_id=99))
    enqueue(shop, "SyncOrder", shopify_id=ORDER + 1)

    links = [link for link in page(client, f"/entities/order/{ORDER}").links if str(link).startswith("/tasks/")]

    assert [link for link in dict.fromkeys(links) if link != f"/tasks/{tasks[2].id}"][:4] == [
        f"/tasks/{task.id}" for task in [*tasks[:2], *tasks[3:]]
    ]
    assert len(set(links)) == 5


def test_the_head_says_what_it_is_called_in_both_systems(client, shop, order):
    seen(shop, Refund, 99, _order_id=ORDER)
    customer = seen(shop, Customer, 77)
    entities.set_contact(customer, "contact-1", "Member", {})

    of_order, of_customer, of_refund = (
        page(client, f"/entities/{path}") for path in (f"order/{ORDER}", "customer/77", "refund/99")
    )

    assert "Order #1001" in of_order.text
    assert {"/entities/customer/77", "/entities/refund/99", f"https://{shop.domain}/admin/orders/{ORDER}"} <= set(
        of_order.links
    )
    assert "Voyado Engage contact ID contact-1 Contact type Member" in of_customer.text
    assert f"/entities/order/{ORDER}" in of_customer.links
    assert f"/entities/order/{ORDER}" in of_refund.links


@pytest.mark.parametrize(
    ("state", "fields", "words"),
    [
        (State.SUCCESS, {"completed_at": utcnow()}, "In step with Engage since"),
        (State.SUCCESS, {"reason": "Replaced by a newer one."}, "It was left out: Replaced by a newer one."),
        (State.ERROR, {"reason": "Engage answered 503.", "code": "Engage 503"}, "Its newest sync failed: Engage"),
        (State.PENDING, {}, "Its newest sync is on the way: Queued"),
    ],
)
def test_it_says_in_one_sentence_how_it_stands(client, shop, order, state, fields, words):
    add(shop, utcnow(), state=state, shopify_id=ORDER, **fields)

    assert words in page(client, f"/entities/order/{ORDER}").text


def test_what_was_sent_and_needs_nothing_more_is_in_step(client, shop, order):
    synced(shop, {"total": 1})
    add(shop, utcnow(), state=State.SUCCESS, shopify_id=ORDER, reason="Its receipt is at Engage already.")

    assert "In step with Engage since" in page(client, f"/entities/order/{ORDER}").text


def test_one_that_was_never_sent_says_so(client, shop, order):
    assert "It has not been sent to Engage yet" in page(client, f"/entities/order/{ORDER}").text


def test_the_two_newest_syncs_are_compared_without_anybodys_name(client, shop, order):
    synced(shop, {"total": 1, "firstName": "Annika", "same": "x"})
    synced(shop, {"total": 2, "firstName": "Beatrice", "same": "x", "new": True})

    words = page(client, f"/entities/order/{ORDER}").text

    assert "total 1 2" in words
    assert "firstName" in words
    assert "Annika" not in words
    assert "Beatrice" not in words


def test_any_two_syncs_can_be_compared(client, shop, order):
    first, _, third = (synced(shop, {"total": total}) for total in (1, 2, 3))

    words = page(client, f"/entities/order/{ORDER}?from={first.id}&to={third.id}").text

    assert "total 1 3" in words
    assert client.get(f"/entities/order/{ORDER}?from={first.id}&to=01a2").status_code == 404


def test_a_sync_of_another_order_is_not_compared(client, shop, order):
    synced(shop, {"total": 1})
    foreign = synced(shop, {"total": 5}, shopify_id=ORDER + 1)

    assert client.get(f"/entities/order/{ORDER}?from={foreign.id}").status_code == 404


def test_a_long_story_is_read_page_by_page_both_ways(client, shop, order):
    ids = [enqueue(shop, "IndexOrder", shopify_id=ORDER).id for _ in range(120)]

    found, address = [], f"/entities/order/{ORDER}"
    while address:
        links = page(client, address).links
        found += [link for link in links if str(link).startswith("/tasks/")]
        address = next((link for link in links if "?after=" in str(link) and "lang=" not in str(link)), None)
        last = links

    assert found == [f"/tasks/{each}" for each in ids]
    assert any("?before=" in str(link) for link in last)


def test_a_gid_leads_to_the_page(client, shop, order):
    answer = client.get(f"/entities/order/gid://shopify/Order/{ORDER}", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/entities/order/{ORDER}")


@pytest.mark.parametrize("path", ["order/1", "order/x", "order/0", f"order/{10**25}", "basket/1", f"customer/{ORDER}"])
def test_what_there_is_not_is_not_found(client, shop, order, path):
    answer = client.get(f"/entities/{path}")

    assert answer.status_code == 404
    assert "There is no such order" in answer.text


def test_another_shops_order_is_that_of_nobody(client, shop, other_shop):
    seen(other_shop, Order, ORDER, _name="#1001", _customer_id=None)
    enqueue(other_shop, shopify_id=ORDER)

    assert client.get(f"/entities/order/{ORDER}").status_code == 404
    assert Task.select().count() == 1


@pytest.mark.parametrize("query", ["after=x", "before=x"])
def test_a_mark_that_none_of_our_pages_made_is_refused(client, shop, order, query):
    assert client.get(f"/entities/order/{ORDER}?{query}").status_code == 400


def test_tasks_lead_to_their_story(client, shop, order):
    links = {
        "SyncOrder": (ORDER, {}, f"/entities/order/{ORDER}"),
        "SyncContact": (77, {}, "/entities/customer/77"),
        "SyncOrderFulfillmentNotification": (88, {"order_id": ORDER}, f"/entities/order/{ORDER}"),
    }
    for name, (shopify_id, args, url) in links.items():
        task = enqueue(shop, name, shopify_id=shopify_id, args=args)
        assert url in page(client, f"/tasks/{task.id}").links
