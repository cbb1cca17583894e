"""Tasks about the shop itself: Engage's stores, the shop's details, uninstall, and periodic tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

import scheduler
from actors import settings as actors_settings
from models import NOW, BulkImport, ImportState, Lane, PollCursor, Shop, State, Store, Task
from privacy import uninstall
from reasons import Reason
from sandbox.engage.faults import Fault
from sync import polling
from sync import stores as sync_stores
from sync.imports.state import create_import
from taskqueue import claims
from taskqueue.periodic import TimeSlots, slot_start
from taskqueue.runner import run_task
from taskqueue.sweeper import pick_due
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import index, newest
from tests.support.tasks.outcomes import sentence
from tests.support.tasks.webhook_tasks import receive_webhook

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def saved_stores(shop):
    return {store.external_id: (store.name, store.active) for store in sync_stores.stores_of(shop)}


def saved_shop(shop):
    row = Shop.get_by_id(shop.id)
    return {name: getattr(row, name) for name in ("name", "email", "currency", "timezone", "plan")}


def run_one(task):
    """The task alone, without what follows from it."""
    run_task(TYPES["ShopWebhook"], str(task.id))


# Stores


def test_engages_stores_are_saved_and_updated(shop, engage, drain):
    stores = engage.tenant("demo").stores
    stores.create({"name": "The web", "externalId": "SE-WEB"})
    stores.create({"name": "Lund", "externalId": "SE-1", "type": "RETAIL", "countryCode": "SE", "active": False})

    index(shop, "IndexStores", None)
    drain()
    stores.change("SE-1", {"name": "Lund city", "active": True})
    index(shop, "IndexStores", None)
    drain()

    assert saved_stores(shop) == {"SE-WEB": ("The web", True), "SE-1": ("Lund city", True)}
    assert Store.get(Store.external_id == "SE-1").kind == "RETAIL"


def test_a_store_that_engage_no_longer_has_is_inactive(shop, engage, drain):
    engage.tenant("demo").stores.create({"name": "The web", "externalId": "SE-WEB"})
    sync_stores.save_stores(shop, [{"name": "Old", "externalId": "OLD"}])

    index(shop, "IndexStores", None)
    drain()

    assert saved_stores(shop) == {"SE-WEB": ("The web", True), "OLD": ("Old", False)}


def test_an_unchanged_store_is_not_written_again(shop):
    stores = [{"name": "The web", "externalId": "SE-WEB"}]
    sync_stores.save_stores(shop, stores)
    before = Store.get().changed_at

    sync_stores.save_stores(shop, stores)

    assert Store.get().changed_at == before


def test_stores_of_another_shop_are_left_alone(shop, other_shop):
    sync_stores.save_stores(other_shop, [{"name": "Theirs", "externalId": "X"}])

    sync_stores.save_stores(shop, [])

    assert saved_stores(other_shop) == {"X": ("Theirs", True)}


# The shop itself


def test_the_shops_currency_zone_name_and_plan_come_from_shopify(shop, shopify, drain):
    shopify.records(shop.domain).changed_settings |= {
        "currencyCode": "EUR",
        "ianaTimezone": "Europe/Paris",
        "name": "Y",
    }

    index(shop, "SyncShopCurrency", None)
    drain()

    now = saved_shop(shop)
    assert (now["currency"], now["timezone"], now["name"]) == ("EUR", "Europe/Paris", "Y")
    assert now["plan"]


def test_a_shop_update_is_saved_from_the_webhooks_body(shop):
    run_one(receive_webhook(shop, "shop/update", UPDATE))

    assert saved_shop(shop) == {
        "name": "New name",
        "email": "new@example.com",
        "currency": "EUR",
        "timezone": "Europe/Paris",
        "plan": "Advanced",
    }
    assert newest("SyncShopCurrency").parent_id == newest("ShopWebhook").id


UPDATE = {
    "id": 60000000001,
    "name": "New name",
    "email": "new@example.com",
    "currency": "EUR",
    "iana_timezone": "Europe/Paris",
    "plan_display_name": "Advanced",
}


def test_an_older_shop_update_that_comes_late_is_corrected(shop, shopify, drain):
    receive_webhook(shop, "shop/update", UPDATE | {"name": "Older name"})

    drain()

    assert saved_shop(shop)["name"] == shopify.records(shop.domain).settings()["name"]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"currency": "crowns"},
        {"currency": None},
        {"iana_timezone": "Europe/Atlantis"},
        {"email": "not an address"},
        {"email": "a@b.se\r\nBcc: c@d.se"},
        {"name": ["x"]},
        {"name": "a\0b"},
    ],
)
def test_unusable_values_of_a_shop_update_are_not_saved(nonsense, shop):
    before = saved_shop(shop)

    run_one(receive_webhook(shop, "shop/update", {"id": 60000000001} | nonsense))

    assert saved_shop(shop) == before
    assert newest("ShopWebhook").state == State.SUCCESS


def test_an_unreadable_update_is_an_error(shop, drain):
    receive_webhook(shop, "shop/update", b"{")

    drain()

    assert newest("ShopWebhook").state == State.ERROR


# A shop that removes the app


def test_an_uninstalled_shop_is_inactive_and_its_tokens_are_deleted(shop, shopify, drain):
    index(shop, "IndexCustomer", 4711)
    polling.advance_cursor(shop, "orders", NOON)
    shopify.uninstall(shop.domain)

    receive_webhook(shop, "app/uninstalled", {"id": 1})
    Task.update(due_at=NOW + timedelta(hours=1)).where(Task.type != TYPES["ShopWebhook"].number).execute()
    drain()

    row = Shop.get_by_id(shop.id)
    assert (row.active, row.shopify_token, row.engage_key) == (False, None, None)
    assert newest("IndexCustomer").state == State.SUCCESS
    assert newest("IndexCustomer").reason == Reason.APP_UNINSTALLED
    assert not PollCursor.select().exists()


def test_an_uninstall_waits_for_running_tasks(shop, shopify, drain):
    index(shop, "IndexCustomer", 4711)
    lease = timedelta(minutes=1)
    claims.claim(newest("IndexCustomer").id, lease=lease, worker="w", calls_engage=False, newest_only=False)
    shopify.uninstall(shop.domain)

    receive_webhook(shop, "app/uninstalled", {"id": 1})
    drain()

    assert newest("ShopWebhook").state == State.PENDING
    assert "still running" in sentence(newest("ShopWebhook").cause)
    assert not Shop.get_by_id(shop.id).active  # nothing further begins


def test_a_late_uninstall_does_not_stop_a_shop_that_came_back(shop, shopify, drain):
    receive_webhook(shop, "app/uninstalled", {"id": 1})

    drain()

    assert Shop.get_by_id(shop.id).active
    assert "installed again" in sentence(newest("ShopWebhook").cause)


def test_an_uninstall_waits_while_shopify_is_unavailable(shop, shopify):
    shopify.admin.script.append(Fault.UNAVAILABLE)

    run_one(receive_webhook(shop, "app/uninstalled", {"id": 1}))

    assert Shop.get_by_id(shop.id).active
    assert newest("ShopWebhook").state == State.PENDING


def test_webhooks_after_the_uninstall_are_ended(shop, other_shop):
    Shop.update(active=False).where(Shop.id == shop.id).execute()
    index(shop, "IndexCustomer", 4711)
    index(other_shop, "IndexCustomer", 4711)

    assert uninstall.end_tasks_of_uninstalled() == 1

    states = {task.shop_id: task.state for task in Task.select()}
    assert states == {shop.id: State.SUCCESS, other_shop.id: State.PENDING}


def test_tasks_about_an_uninstalled_shop_itself_still_run(shop):
    Shop.update(active=False).where(Shop.id == shop.id).execute()
    receive_webhook(shop, "shop/redact", {"shop_id": 1})

    uninstall.end_tasks_of_uninstalled()

    assert newest("ShopWebhook").state == State.PENDING


def test_only_tasks_about_an_uninstalled_shop_itself_are_published(shop):
    index(shop, "IndexCustomer", 4711)
    about_the_shop = receive_webhook(shop, "shop/redact", {"shop_id": 1})
    Task.update(published_at=None).execute()
    Shop.update(active=False).where(Shop.id == shop.id).execute()

    picked = pick_due(Lane.LIVE, 10, republish_after=timedelta(seconds=60))

    assert picked == [(about_the_shop.id, TYPES["ShopWebhook"].number)]


def test_an_uninstall_cancels_the_import(shop, shopify):
    importing = create_import(shop, NOON - timedelta(days=1), NOON)
    shopify.uninstall(shop.domain)

    run_one(receive_webhook(shop, "app/uninstalled", {"id": 1}))

    assert BulkImport.get_by_id(importing.id).state == ImportState.CANCELLED


def test_a_reinstalled_shop_polls_from_its_new_connection_on(shop, shopify, drain):
    Shop.update(active=False, connected_at=NOON).where(Shop.id == shop.id).execute()

    connect_again(shop)

    assert Shop.get_by_id(shop.id).active
    assert polling.poll_from(Shop.get_by_id(shop.id), "orders") > NOON


def test_a_new_token_does_not_move_the_time_of_connection(shop):
    Shop.update(connected_at=NOON).where(Shop.id == shop.id).execute()

    connect_again(shop)

    assert Shop.get_by_id(shop.id).connected_at == NOON


def connect_again(shop):
    from tests.conftest import connect_shop

    return connect_shop(shop.domain)


# The clock


def periodic_types():
    return [each for each in TYPES.values() if each.period]


def test_each_shop_has_one_task_of_each_periodic_type_in_a_slot(shop, other_shop):
    first, second = TimeSlots(), TimeSlots()  # two schedulers

    assert first.fill(NOON) == 2 * len(periodic_types())
    assert first.fill(NOON) == second.fill(NOON) == 0


def test_two_schedulers_that_both_see_a_free_slot_fill_it_once(shop):
    TimeSlots().fill(NOON)
    Task.update(state=State.SUCCESS).execute()

    assert TimeSlots().fill(NOON) == 0


def test_the_next_slot_has_the_next_task(shop):
    slots = TimeSlots()
    slots.fill(NOON)
    Task.update(state=State.SUCCESS).execute()

    assert slots.fill(NOON + timedelta(minutes=5)) == 2
    Task.update(state=State.SUCCESS).execute()
    assert slots.fill(NOON + timedelta(days=1)) == len(periodic_types())


def test_a_slot_is_left_empty_while_a_periodic_task_is_pending(shop):
    slots = TimeSlots()
    slots.fill(NOON)

    assert slots.fill(NOON + timedelta(days=1)) == 0


def test_the_slots_of_shops_are_staggered(database):
    period = timedelta(hours=1)
    began = sorted((NOON - slot_start(period, shop_id, NOON)) / period for shop_id in range(1, 101))

    gaps = [after - before for before, after in pairwise(began)]
    assert max(gaps) < 0.03  # of an hour; a hundred shops a hundredth apart, nearly


def test_a_shop_without_the_app_has_no_periodic_tasks(shop):
    Shop.update(active=False).where(Shop.id == shop.id).execute()

    assert TimeSlots().fill(NOON) == 0


def test_a_connected_shops_details_are_read_at_once(shop, shopify, engage, drain):
    engage.tenant("demo").stores.create({"name": "The web", "externalId": "SE-WEB"})

    actors_settings.enqueue_first_sync(shop)
    drain()

    assert "SE-WEB" in saved_stores(shop)
    assert saved_shop(shop)["plan"]


def test_the_scheduler_fills_the_slots(shop):
    for job in scheduler.jobs():
        job.do()

    assert Task.select().count() == len(periodic_types())
