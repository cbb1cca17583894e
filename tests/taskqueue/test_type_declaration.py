"""A declared task type is known wherever types are listed: one function, and its two lines in the catalogue."""

from __future__ import annotations

import re
import runpy
from contextlib import contextmanager
from datetime import timedelta

import pytest

import shopify_app_config
from alerts.jobs import alert_task_types
from demo_history.chains import CHAINS, all_chains
from models import Entity, State, Task, utcnow
from taskqueue.periodic import TimeSlots
from taskqueue.types import NUMBERS, TYPES, Awaited, types_by_topic, wake
from tests.support.tasks.task_steps import finish
from tests.support.tasks.task_types import add_task, run_new_task, undeclare
from tests.support.translations import added_translations
from tests.support.web.pages import get_page
from views.ops.metrics import metrics_text

MODULE = '''
from datetime import timedelta

from actors.order import group
from models import Entity
from sync.preview import purchase_preview
from taskqueue.run import Run
from taskqueue.types import Area, Awaited


@group.task(
    29,
    "SyncDraftOrder",
    entity=Entity.ORDER,
    area=Area.ORDER_SYNC,
    topics=("draft_orders/create",),
    period=timedelta(hours=2),
    calls_engage=True,
    waits_for=(Awaited.CONTACT,),
    stale_after=timedelta(days=2),
    preview=purchase_preview,
)
def sync_draft_order(run: Run) -> None:
    """Drafts become orders, so nothing is to be done."""
'''
NAME, LABEL, ABOUT = "SyncDraftOrder", "type.SyncDraftOrder.label", "type.SyncDraftOrder.about"
TEXTS = {LABEL: "Sync draft order", ABOUT: "When a draft order is created in Shopify."}


@contextmanager
def declared_type(folder):
    """The type of the module, until the block ends."""
    path = folder / "draft_orders.py"
    path.write_text(MODULE)
    task_type = runpy.run_path(str(path))["sync_draft_order"]
    try:
        with added_translations(TEXTS):
            yield task_type
    finally:
        undeclare(task_type)


@pytest.fixture
def draft_orders(tmp_path):
    with declared_type(tmp_path) as task_type:
        yield task_type


@pytest.fixture
def task(draft_orders, shop):
    """A task of the type that has run and succeeded."""
    return run_new_task(draft_orders, shop, shopify_id=1001)


def test_the_type_menu_of_the_listing_has_it_in_its_group(draft_orders, client):
    menu = re.search(r"<legend>Order sync tasks</legend>(.*?)</fieldset>", client.get("/tasks").text, re.DOTALL)[1]

    assert f'title="{NAME}: {TEXTS[ABOUT]}"><input type="checkbox" name="type" value="{NAME}"> {TEXTS[LABEL]}<' in menu


def test_the_help_page_explains_it(draft_orders, client):
    page = get_page(client, "/help/task-types")

    assert (
        f"{TEXTS[LABEL]} {NAME} {TEXTS[ABOUT]} Started by Shopify's draft_orders/create. "
        "Once every 2 hours for each shop. Order sync Yes Show them" in page.text
    )


def test_its_area_and_the_metrics_count_it(task, client):
    assert client.get("/summary.json").json()["order_sync"]["success"] == 1
    assert f'tasks{{state="success",type="{NAME}"}} 1.0' in metrics_text(shops=False).decode()


def test_its_topic_starts_it_and_is_subscribed_to(draft_orders):
    assert types_by_topic()["draft_orders/create"] is draft_orders
    assert '"draft_orders/create"' in shopify_app_config.generate()


def test_json_has_it_and_finds_it(task, client):
    (found,) = client.get(f"/tasks.json?type={NAME}").json()["tasks"]

    assert (found["id"], found["type"]) == (str(task.id), NAME)


def test_its_page_has_its_texts_and_offers_what_it_declares(task, client):
    page = get_page(client, f"/tasks/{task.id}")

    assert TEXTS[LABEL] in page.text
    assert TEXTS[ABOUT] in page.text
    assert {f"/tasks/{task.id}/replay", f"/tasks/{task.id}/resend", "/entities/order/1001"} <= set(page.links)


def test_its_failure_is_an_open_problem(draft_orders, shop, client):
    finish(shop, add_task(draft_orders, shop, shopify_id=1001), State.ERROR, reason="No.")

    assert [each["type"] for each in client.get("/tasks.json?problem=open").json()["tasks"]] == [NAME]


def test_its_period_gives_each_shop_a_task(draft_orders, shop):
    TimeSlots().fill()

    assert Task.select().where(Task.type == draft_orders.number).count() == 1


def test_a_contact_ends_its_wait(draft_orders, shop):
    waiting = add_task(draft_orders, shop, shopify_id=1001)
    Task.update(due_at=utcnow() + timedelta(days=1)).where(Task.id == waiting.id).execute()

    wake(shop, Awaited.CONTACT, {Entity.ORDER: [1001], Entity.REFUND: [], Entity.FULFILLMENT: []})

    assert Task.get_by_id(waiting.id).due_at < utcnow() + timedelta(hours=1)


def test_the_invented_history_has_it(draft_orders):
    assert [chain.steps[0].name for chain in all_chains() if chain not in CHAINS] == [NAME]


def test_orders_arrive_by_their_webhooks_and_by_being_indexed():
    received = {NUMBERS[number].name for number in alert_task_types().order_received}

    assert received == {"OrderWebhook", "FulfillmentWebhook", "IndexOrder"}


def test_afterwards_it_is_not_registered(tmp_path, client):
    with declared_type(tmp_path):
        assert NAME in TYPES

    assert NAME not in TYPES
    assert NAME not in client.get("/tasks").text
