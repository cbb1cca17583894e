"""Polling finds changes whose webhooks were lost, and fetches nothing else again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from clients.shopify import client as shopify_client
from models import Customer, Exchange, Lane, Order, PollCursor, Shop, State, Task
from sandbox.engage.faults import Fault
from sandbox.shopify import Shopify
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from sync import entities
from sync import polling as sync_polling
from sync.polling import OVERLAP
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.conftest import SECRET
from tests.end_to_end.test_order_to_receipt import index, newest
from tests.support.tasks.webhook_tasks import receive_webhook
from tests.sync.test_refunds import line_of

RECORD = Checkout(items=(Item("A record", "REC-1", Decimal("149.00")),))
START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)


class Clock:
    """A Shopify's clock, set by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def later(self, **units: float) -> None:
        self.now += timedelta(**units)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shopify(current_sandboxes, clock):
    """A Shopify whose webhooks all get lost, with a clock of its own."""
    sandbox = Shopify(SECRET, "http://127.0.0.1:1/webhooks/shopify", schedule=[], now=clock)
    current_sandboxes[0].app = sandbox.app
    yield sandbox
    sandbox.close()


@pytest.fixture
def shop(shop):
    Shop.update(connected_at=START).where(Shop.id == shop.id).execute()
    return Shop.get_by_id(shop.id)


def poll(shop, drain, name="IndexOrders"):
    index(shop, name, None)
    drain(waiting=True)


def poll_once(task):
    """The poll alone, without what it finds."""
    run_task(TYPES["IndexOrders"], str(task.id))


def count(name):
    return Task.select().where(Task.type == TYPES[name].number).count()


def test_orders_whose_webhooks_were_lost_are_found(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, CustomerDetails())
    order_ids = {shopify.add_order(shop.domain, RECORD, customer_id=customer_id) for _ in range(3)}
    shopify.wait_until_idle()
    assert {delivery.state for delivery in shopify.deliveries} == {"failed"}

    poll(shop, drain)

    assert {order.shopify_id for order in Order.select()} == order_ids
    assert len(engage.tenant("demo").receipts_report()["applied"]) == 3


def test_customers_whose_webhooks_were_lost_are_found(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, CustomerDetails())

    poll(shop, drain, "IndexShopCustomers")

    assert entities.get(Customer, shop, customer_id).contact_id


def test_an_unchanged_entity_is_not_fetched_again(shop, shopify, engage, drain):
    shopify.add_customer(shop.domain, CustomerDetails())
    poll(shop, drain, "IndexShopCustomers")

    poll(shop, drain, "IndexShopCustomers")

    assert count("IndexCustomer") == 1


def test_a_change_of_a_known_entity_is_found(shop, shopify, engage, drain, clock):
    customer_id = shopify.add_customer(shop.domain, CustomerDetails())
    poll(shop, drain, "IndexShopCustomers")
    clock.later(minutes=1)
    shopify.update_customer(shop.domain, customer_id, last_name="Berg")

    poll(shop, drain, "IndexShopCustomers")

    assert entities.get(Customer, shop, customer_id).snapshot["lastName"] == "Berg"


def test_two_polls_that_find_the_same_change_enqueue_it_once(shop, shopify):
    shopify.add_order(shop.domain, RECORD)
    for _ in range(2):
        poll_once(index(shop, "IndexOrders", None))

    assert count("IndexOrder") == 1


def test_changes_before_the_connection_are_not_polled(shop, shopify, engage, drain, clock):
    clock.later(minutes=-1)
    shopify.add_order(shop.domain, RECORD)

    poll(shop, drain)

    assert not Order.select().exists()
    assert newest("IndexOrders").state == State.SUCCESS


def test_customers_from_earlier_on_the_same_day_are_not_polled(shop, shopify, engage, drain, clock):
    clock.later(hours=-3)  # Shopify matches customers by whole days
    shopify.add_customer(shop.domain, CustomerDetails())

    poll(shop, drain, "IndexShopCustomers")

    assert count("IndexCustomer") == 0


def test_the_next_poll_overlaps_the_last_one(shop, shopify, engage, drain, clock):
    clock.later(hours=1)
    shopify.add_order(shop.domain, RECORD)

    poll(shop, drain)

    assert sync_polling.poll_from(shop, "orders") == clock.now - OVERLAP


def test_a_change_that_the_search_returns_late_is_found(shop, shopify, engage, drain, clock):
    clock.later(hours=1)
    shopify.add_order(shop.domain, RECORD)
    poll(shop, drain)
    clock.later(minutes=-9)
    late = shopify.add_order(shop.domain, RECORD)

    poll(shop, drain)

    assert entities.find(Order, shop, late)


def test_each_shop_and_resource_has_a_cursor_of_its_own(shop, other_shop, shopify, engage, drain, clock):
    clock.later(hours=1)
    shopify.add_order(shop.domain, RECORD)

    poll(shop, drain)

    assert [(row.shop_id, row.resource) for row in PollCursor.select()] == [(shop.id, "orders")]


def test_the_cursor_never_goes_back(shop):
    sync_polling.advance_cursor(shop, "orders", START + timedelta(hours=2))

    sync_polling.advance_cursor(shop, "orders", START)

    assert PollCursor.get().since == START + timedelta(hours=2)


def test_a_time_in_the_future_does_not_hide_changes_until_then(shop):
    sync_polling.advance_cursor(shop, "orders", datetime.now(UTC) + timedelta(days=365))

    assert sync_polling.poll_from(shop, "orders") < datetime.now(UTC)


def test_the_overlap_covers_settling_and_the_interval_between_polls():
    assert sync_polling.POLL_PERIOD + sync_polling.SETTLING < OVERLAP


def test_a_second_change_in_one_second_is_found(shop, shopify, engage, drain):
    order_id = shopify.add_order(shop.domain, RECORD, paid=False)
    index(shop, "IndexOrder", order_id)
    drain(waiting=True)
    shopify.pay(shop.domain, order_id)  # with the same `updatedAt`

    poll(shop, drain)

    assert entities.get(Order, shop, order_id).snapshot["displayFinancialStatus"] == "PAID"


def test_a_known_order_is_not_fetched_again(shop, shopify, engage, drain):
    index(shop, "IndexOrder", shopify.add_order(shop.domain, RECORD))
    drain(waiting=True)

    poll(shop, drain)

    assert count("IndexOrder") == 1


def test_a_refund_whose_webhook_was_lost_is_found_by_its_order(shop, shopify, engage, drain, clock):
    customer_id = shopify.add_customer(shop.domain, CustomerDetails())
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    poll(shop, drain)
    clock.later(minutes=1)
    shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})

    poll(shop, drain)

    receipts = engage.tenant("demo").receipts_report()["applied"]
    assert [receipt["totalGrossPrice"] for receipt in receipts] == [149.0, -149.0]


def test_the_cursor_stays_when_shopify_fails(shop, shopify):
    shopify.add_order(shop.domain, RECORD)
    shopify.admin.script.append(Fault.UNAVAILABLE)

    poll_once(index(shop, "IndexOrders", None))

    assert newest("IndexOrders").state == State.PENDING
    assert not PollCursor.select().exists()


def test_further_pages_are_read_by_a_bulk_task(shop, shopify, drain):
    many = shopify_client.PAGE_SIZE * sync_polling.PAGES + 20
    for _ in range(many):
        shopify.add_order(shop.domain, RECORD)
    first = index(shop, "IndexOrders", None)
    poll_once(first)
    following = newest("IndexOrders")
    poll_once(following)

    assert (following.parent_id, following.lane) == (first.id, Lane.BULK)
    lanes = [task.lane for task in Task.select().where(Task.type == TYPES["IndexOrder"].number)]
    assert len(lanes) == many
    assert lanes.count(Lane.BULK) == 20
    assert newest("IndexOrders").id == following.id  # nothing follows it


def test_a_page_of_customers_is_not_stored(shop, shopify, engage, drain):
    shopify.add_customer(shop.domain, CustomerDetails())

    poll(shop, drain, "IndexShopCustomers")

    (call,) = Exchange.select().where(Exchange.task == newest("IndexShopCustomers"))
    assert call.received is None
    assert b"CustomersUpdatedSince" in call.open(shop, "sent")


def test_a_page_of_customers_is_not_stored_when_the_next_page_fails(shop, shopify):
    for _ in range(shopify_client.PAGE_SIZE + 1):
        shopify.add_order(shop.domain, RECORD)
    shopify.admin.script.extend([Fault.NONE, Fault.UNAVAILABLE])

    poll_once(index(shop, "IndexOrders", None))

    assert {call.received for call in Exchange.select()} == {None}


def test_a_change_is_left_to_its_webhook_for_a_minute(shop, shopify, engage, drain, clock):
    clock.now = datetime.now(UTC).replace(microsecond=0)
    shopify.add_order(shop.domain, RECORD)
    poll(shop, drain)
    assert count("IndexOrder") == 0

    assert sync_polling.poll_from(shop, "orders") < clock.now - sync_polling.SETTLING  # so the next poll sees it again


def test_tasks_that_a_poll_enqueued_can_be_erased_and_the_poll_stays(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, CustomerDetails())
    poll(shop, drain, "IndexShopCustomers")

    redacted = receive_webhook(shop, "customers/redact", {"customer": {"id": customer_id}})
    run_task(TYPES["ShopWebhook"], str(redacted.id))

    assert not Task.select().where(Task.shopify_id == customer_id).exists()
    assert not Task.select().where(Task.key.contains(str(customer_id))).exists()
    assert Exchange.select().where(Exchange.task == newest("IndexShopCustomers")).exists()
