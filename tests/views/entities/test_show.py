"""The page of one order, customer or refund: its history, its ids, its sync status, and the diff of two syncs."""

from __future__ import annotations

import orjson
import pytest

from models import Customer, Order, Refund, State, Task, utcnow
from sync import entities
from taskqueue import claims
from tests.support.tasks.listed_tasks import add_task
from tests.support.tasks.task_steps import claim, enqueue, send
from tests.support.web.pages import get_page

ORDER = 6100000001001


def save_snapshot(shop, table, shopify_id, **node):
    """Save a snapshot of an entity."""
    node = {"legacyResourceId": str(shopify_id), "updatedAt": utcnow().isoformat(), **node}
    columns = {name: node.pop(f"_{name}") for name in table.extra_columns}
    return entities.save(table, shop, node, **columns)


@pytest.fixture
def order(shop):
    return save_snapshot(shop, Order, ORDER, _name="#1001", _customer_id=77, fulfillments=[{"legacyResourceId": "88"}])


def synced(shop, body, name="SyncOrder", shopify_id=ORDER):
    """A sync that has sent this body to Engage."""
    run = claim(shop, enqueue(shop, name, shopify_id=shopify_id))
    send(run, sent=orjson.dumps(body))
    claims.finish(run, State.SUCCESS)
    return run.task


def test_the_history_has_an_orders_webhooks_syncs_refunds_and_parcels(client, shop, order):
    save_snapshot(shop, Refund, 99, _order_id=ORDER)
    names = ["OrderWebhook", "IndexOrder", "SyncOrder"]
    tasks = [enqueue(shop, name, shopify_id=ORDER) for name in names]
    tasks.append(enqueue(shop, "SyncOrderFulfillmentNotification", shopify_id=88, args={"order_id": ORDER}))
    tasks.append(enqueue(shop, "SyncRefund", shopify_id=99))
    enqueue(shop, "SyncOrder", shopify_id=ORDER + 1)

    links = [link for link in get_page(client, f"/entities/order/{ORDER}").links if str(link).startswith("/tasks/")]

    assert [link for link in dict.fromkeys(links) if link != f"/tasks/{tasks[2].id}"][:4] == [
        f"/tasks/{task.id}" for task in [*tasks[:2], *tasks[3:]]
    ]
    assert len(set(links)) == 5


def test_the_page_shows_the_ids_of_both_systems(client, shop, order):
    save_snapshot(shop, Refund, 99, _order_id=ORDER)
    customer = save_snapshot(shop, Customer, 77)
    entities.set_contact(customer, "contact-1", "Member", {})

    of_order, of_customer, of_refund = (
        get_page(client, f"/entities/{path}") for path in (f"order/{ORDER}", "customer/77", "refund/99")
    )

    assert "Order #1001" in of_order.text
    assert {"/entities/customer/77", "/entities/refund/99", f"https://{shop.domain}/admin/orders/{ORDER}"} <= set(
        of_order.links
    )
    assert "Voyado Engage contact ID contact-1 Contact type Member" in of_customer.text
    assert f"/entities/order/{ORDER}" in of_customer.links
    assert f"/entities/order/{ORDER}" in of_refund.links


@pytest.mark.parametrize(
    ("state", "fields", "sentence"),
    [
        (State.SUCCESS, {"completed_at": utcnow()}, "In step with Engage since"),
        (State.SUCCESS, {"reason": "Replaced by a newer one."}, "It was left out: Replaced by a newer one."),
        (State.ERROR, {"reason": "Engage answered 503.", "code": "Engage 503"}, "Its newest sync failed: Engage"),
        (State.PENDING, {}, "Its newest sync is on the way: Queued"),
    ],
)
def test_the_sync_status_is_one_sentence(client, shop, order, state, fields, sentence):
    add_task(shop, utcnow(), state=state, shopify_id=ORDER, **fields)

    assert sentence in get_page(client, f"/entities/order/{ORDER}").text


def test_a_skipped_sync_after_a_successful_one_is_in_step(client, shop, order):
    synced(shop, {"total": 1})
    add_task(shop, utcnow(), state=State.SUCCESS, shopify_id=ORDER, reason="Its receipt is at Engage already.")

    assert "In step with Engage since" in get_page(client, f"/entities/order/{ORDER}").text


def test_an_entity_that_was_never_synced_says_so(client, shop, order):
    assert "It has not been sent to Engage yet" in get_page(client, f"/entities/order/{ORDER}").text


def test_the_diff_of_the_two_newest_syncs_is_masked(client, shop, order):
    synced(shop, {"quantity": 1, "firstName": "Annika", "same": "x"})
    synced(shop, {"quantity": 2, "firstName": "Beatrice", "same": "x", "new": True})

    text = get_page(client, f"/entities/order/{ORDER}").text

    assert "quantity 1 2" in text
    assert "firstName" in text
    assert "Annika" not in text
    assert "Beatrice" not in text


def test_any_two_syncs_can_be_compared(client, shop, order):
    first, _, third = (synced(shop, {"quantity": total}) for total in (1, 2, 3))

    text = get_page(client, f"/entities/order/{ORDER}?from={first.id}&to={third.id}").text

    assert "quantity 1 3" in text
    assert client.get(f"/entities/order/{ORDER}?from={first.id}&to=01a2").status_code == 404


def test_a_sync_of_another_order_cannot_be_compared(client, shop, order):
    synced(shop, {"total": 1})
    foreign = synced(shop, {"total": 5}, shopify_id=ORDER + 1)

    assert client.get(f"/entities/order/{ORDER}?from={foreign.id}").status_code == 404


def test_a_long_history_has_pages_both_ways(client, shop, order):
    ids = [enqueue(shop, "IndexOrder", shopify_id=ORDER).id for _ in range(120)]

    found, url = [], f"/entities/order/{ORDER}"
    while url:
        links = get_page(client, url).links
        found += [link for link in links if str(link).startswith("/tasks/")]
        url = next((link for link in links if "?after=" in str(link) and "lang=" not in str(link)), None)
        last = links

    assert found == [f"/tasks/{each}" for each in ids]
    assert any("?before=" in str(link) for link in last)


def test_a_gid_redirects_to_the_page(client, shop, order):
    answer = client.get(f"/entities/order/gid://shopify/Order/{ORDER}", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/entities/order/{ORDER}")


@pytest.mark.parametrize("path", ["order/1", "order/x", "order/0", f"order/{10**25}", "basket/1", f"customer/{ORDER}"])
def test_an_unknown_entity_is_not_found(client, shop, order, path):
    answer = client.get(f"/entities/{path}")

    assert answer.status_code == 404
    assert "There is no such order" in answer.text


def test_another_shops_order_is_not_found(client, shop, other_shop):
    save_snapshot(other_shop, Order, ORDER, _name="#1001", _customer_id=None)
    enqueue(other_shop, shopify_id=ORDER)

    assert client.get(f"/entities/order/{ORDER}").status_code == 404
    assert Task.select().count() == 1


@pytest.mark.parametrize("query", ["after=x", "before=x"])
def test_a_made_up_cursor_is_refused(client, shop, order, query):
    assert client.get(f"/entities/order/{ORDER}?{query}").status_code == 400


def test_a_task_links_to_its_entity(client, shop, order):
    links = {
        "SyncOrder": (ORDER, {}, f"/entities/order/{ORDER}"),
        "SyncContact": (77, {}, "/entities/customer/77"),
        "SyncOrderFulfillmentNotification": (88, {"order_id": ORDER}, f"/entities/order/{ORDER}"),
    }
    for name, (shopify_id, args, url) in links.items():
        task = enqueue(shop, name, shopify_id=shopify_id, args=args)
        assert url in get_page(client, f"/tasks/{task.id}").links
