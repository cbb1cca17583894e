"""The rest of a task's page: its timeline, masked and revealed personal data, and links to the admin pages."""

from __future__ import annotations

import pytest

from models import Action, AuditEntry, Refund, Shop, Task, utcnow
from sync.api_clients import engage_origin
from taskqueue.types import TYPES
from tests.support.tasks.task_steps import claim, enqueue, sale, send, webhook
from tests.support.web.forms import fields, press
from tests.support.web.pages import ParsedPage, get_page

__all__ = ["sale", "webhook"]

PERSON = b'{"email":"anna.ek@example.com","firstName":"Annika","amount":1249.10}'


@pytest.fixture
def personal(shop):
    """A task that has sent personal data."""
    task = enqueue(shop)
    send(claim(shop, task), sent=PERSON)
    return task


def audit_count(action):
    return AuditEntry.select().where(AuditEntry.action == action).count()


# Timeline


def test_the_timeline_has_creation_attempts_and_completion(client, sale):
    text = get_page(client, f"/tasks/{sale.id}").text
    timeline = text[text.index("What happened") :]

    steps = [
        "Created",
        "Attempt 1: Failed",
        "1 call · Engage answered 503.",
        "Attempt 2: Success",
        "Completed: Success",
    ]
    positions = [timeline.index(step) for step in steps]
    assert positions == sorted(positions)
    assert timeline.count("+") >= 3


def test_a_pending_task_shows_how_long_it_has_waited(client, shop):
    task = enqueue(shop)

    assert "Queued for" in get_page(client, f"/tasks/{task.id}").text


# Masking


def test_personal_data_is_masked_by_default(client, personal):
    text = client.get(f"/tasks/{personal.id}").text

    assert "Annika" not in text
    assert "anna.ek" not in text
    assert "1249.10" in text


def test_revealing_unmasks_personal_data_and_is_audited(client, personal):
    answer = press(client, f"/tasks/{personal.id}", f"/tasks/{personal.id}/reveal")

    assert answer.status_code == 200
    assert "anna.ek@example.com" in ParsedPage(answer.text).text
    assert answer.headers["Cache-Control"] == "no-store"
    assert AuditEntry.select().where(AuditEntry.task_id == personal.id, AuditEntry.action == Action.REVEAL).count() == 1
    assert "Revealed personal data of a task" in get_page(client, "/audit").text


def test_personal_data_is_masked_again_on_the_next_request(client, personal):
    press(client, f"/tasks/{personal.id}", f"/tasks/{personal.id}/reveal")

    assert "anna.ek" not in client.get(f"/tasks/{personal.id}").text


def test_revealing_needs_a_post_with_a_csrf_token(client, personal):
    assert client.get(f"/tasks/{personal.id}/reveal").status_code == 405
    assert client.post(f"/tasks/{personal.id}/reveal", data={}).status_code == 403
    assert audit_count(Action.REVEAL) == 0


def test_another_shops_task_cannot_be_revealed(client, shop, other_shop, personal):
    foreign = enqueue(other_shop)
    form = fields(client, f"/tasks/{personal.id}", f"/tasks/{personal.id}/reveal")

    assert client.post(f"/tasks/{foreign.id}/reveal", data=form).status_code == 404
    assert audit_count(Action.REVEAL) == 0


def test_a_raw_body_is_masked_but_not_indented(client, personal):
    raw, pretty = (get_page(client, f"/tasks/{personal.id}?view={view}").text for view in ("raw", "pretty"))

    assert '{"email":"…","firstName":"…","amount":1249.10}' in raw
    assert '"amount": 1249.10' in pretty
    assert client.get(f"/tasks/{personal.id}?view=both").status_code == 400


def test_reading_exact_bytes_is_audited_once_an_hour(client, personal, sale):
    client.head(f"/tasks/{personal.id}/sent")
    assert audit_count(Action.READ) == 0

    for _ in range(3):
        assert client.get(f"/tasks/{personal.id}/sent").content == PERSON
    client.get(f"/tasks/{sale.id}/sent")
    assert audit_count(Action.READ) == 2


# Admin links


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("SyncOrder", "/admin/orders/7"),
        ("SyncContact", "/admin/customers/7"),
        ("SyncRefund", "/admin/orders/70"),
        ("IndexStores", "/admin"),
    ],
)
def test_the_page_links_to_its_entity_in_shopify_and_to_engage(client, shop, name, path):
    Refund.create(shop=shop, shopify_id=7, order_id=70, updated_at=utcnow(), sealed_snapshot=b"")
    task = TYPES[name].enqueue(shop, key="k", shopify_id=7)

    links = get_page(client, f"/tasks/{task.id}").links

    assert f"https://{shop.domain}{path}" in links
    assert f"{engage_origin(shop)}/" in links


def test_an_uninstalled_shop_has_no_admin_links(client, shop):
    task = enqueue(shop)
    Shop.update(active=False).execute()

    assert "In the other systems" not in client.get(f"/tasks/{task.id}").text
    assert Task.select().count() == 1
