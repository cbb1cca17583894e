"""What a task's page tells beyond its attempts: what happened when, what is hidden, and where to look elsewhere."""

from __future__ import annotations

import pytest

from models import Action, AuditEntry, Refund, Shop, Task, utcnow
from sync.api_clients import engage_origin
from taskqueue.types import TYPES
from tests.support.forms import fields, press
from tests.support.pages import Page, page
from tests.support.transfers import claim, enqueue, sale, send, webhook

__all__ = ["sale", "webhook"]

PERSON = b'{"email":"anna.ek@example.com","firstName":"Annika","amount":1249.10}'


@pytest.fixture
def personal(shop):
    """A task that has sent something about somebody."""
    task = enqueue(shop)
    send(claim(shop, task), sent=PERSON)
    return task


def noted(action):
    return AuditEntry.select().where(AuditEntry.action == action).count()


# What happened


def test_the_story_has_creation_attempts_and_end_in_order(client, sale):
    words = page(client, f"/tasks/{sale.id}").text
    story = words[words.index("What happened") :]

    steps = [
        "Created",
        "Attempt 1: Failed",
        "1 call · Engage answered 503.",
        "Attempt 2: Success",
        "Completed: Success",
    ]
    places = [story.index(step) for step in steps]
    assert places == sorted(places)
    assert story.count("+") >= 3


def test_a_task_that_waits_says_for_how_long_so_far(client, shop):
    task = enqueue(shop)

    assert "Queued for" in page(client, f"/tasks/{task.id}").text


# What is hidden


def test_nobody_can_be_recognised_until_somebody_asks(client, personal):
    shown = client.get(f"/tasks/{personal.id}").text

    assert "Annika" not in shown
    assert "anna.ek" not in shown
    assert "1249.10" in shown


def test_revealing_shows_everything_and_is_written_down(client, personal):
    answer = press(client, f"/tasks/{personal.id}", f"/tasks/{personal.id}/reveal")

    assert answer.status_code == 200
    assert "anna.ek@example.com" in Page(answer.text).text
    assert answer.headers["Cache-Control"] == "no-store"
    assert AuditEntry.select().where(AuditEntry.task_id == personal.id, AuditEntry.action == Action.REVEAL).count() == 1
    assert "Revealed personal data of a task" in page(client, "/audit").text


def test_it_is_hidden_again_on_the_next_page(client, personal):
    press(client, f"/tasks/{personal.id}", f"/tasks/{personal.id}/reveal")

    assert "anna.ek" not in client.get(f"/tasks/{personal.id}").text


def test_a_link_cannot_reveal(client, personal):
    assert client.get(f"/tasks/{personal.id}/reveal").status_code == 405
    assert client.post(f"/tasks/{personal.id}/reveal", data={}).status_code == 403
    assert noted(Action.REVEAL) == 0


def test_another_shops_task_is_not_revealed(client, shop, other_shop, personal):
    foreign = enqueue(other_shop)
    form = fields(client, f"/tasks/{personal.id}", f"/tasks/{personal.id}/reveal")

    assert client.post(f"/tasks/{foreign.id}/reveal", data=form).status_code == 404
    assert noted(Action.REVEAL) == 0


def test_raw_is_as_it_was_sent_but_for_what_is_hidden(client, personal):
    raw, pretty = (page(client, f"/tasks/{personal.id}?view={view}").text for view in ("raw", "pretty"))

    assert '{"email":"…","firstName":"…","amount":1249.10}' in raw
    assert '"amount": 1249.10' in pretty
    assert client.get(f"/tasks/{personal.id}?view=both").status_code == 400


def test_the_exact_bytes_are_written_down_once_an_hour_and_not_for_a_look_at_the_headers(client, personal, sale):
    client.head(f"/tasks/{personal.id}/sent")
    assert noted(Action.READ) == 0

    for _ in range(3):
        assert client.get(f"/tasks/{personal.id}/sent").content == PERSON
    client.get(f"/tasks/{sale.id}/sent")
    assert noted(Action.READ) == 2


# Elsewhere


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("SyncOrder", "/admin/orders/7"),
        ("SyncContact", "/admin/customers/7"),
        ("SyncRefund", "/admin/orders/70"),
        ("IndexStores", "/admin"),
    ],
)
def test_it_leads_to_its_subject_in_shopifys_admin_and_to_engage(client, shop, name, path):
    Refund.create(shop=shop, shopify_id=7, order_id=70, updated_at=utcnow(), sealed_snapshot=b"")
    task = TYPES[name].enqueue(shop, key="k", shopify_id=7)

    links = page(client, f"/tasks/{task.id}").links

    assert f"https://{shop.domain}{path}" in links
    assert f"{engage_origin(shop)}/" in links


def test_a_shop_without_the_app_has_no_admins(client, shop):
    task = enqueue(shop)
    Shop.update(active=False).execute()

    assert "In the other systems" not in client.get(f"/tasks/{task.id}").text
    assert Task.select().count() == 1
