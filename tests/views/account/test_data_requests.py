"""Data requests: the page, and the personal data export as a file."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from database import db
from encryption import new_key
from models import Action, AuditEntry, Task, new_id, utcnow
from privacy import data_requests as privacy_data_requests
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import buy
from tests.support.privacy_requests import ADA, RECORD, customer_payload
from tests.support.tasks.webhook_tasks import receive_webhook
from tests.support.web.pages import get_page
from views.account import data_requests
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

ASKED = "customers/data_request"


def save_request(shop, personal_data=None, **columns):
    """A request that was answered. Returns its id."""
    task_id = new_id()
    columns = {"number": 9999, "customer_id": 7000000000001, "asked_at": utcnow()} | columns
    privacy_data_requests.save(shop, task_id, personal_data or {"customers": []}, **columns)
    return task_id


def download(client, task_id):
    return client.get(f"/data-requests/{task_id}/download")


def test_the_empty_page_explains_data_requests(client):
    text = get_page(client, "/data-requests").text

    assert "Nobody has asked yet" in text
    assert "the answer can be downloaded here" in text


def test_a_data_request_is_listed_with_its_times_and_export(client, shop):
    asked_at = utcnow() - timedelta(days=10, minutes=1)
    task_id = save_request(shop, asked_at=asked_at)

    listed = get_page(client, "/data-requests")

    assert f"{asked_at:%Y-%m-%dT%H:%M:%S.%fZ}" in [each["datetime"] for each in listed.all("time")]
    assert f"{asked_at + timedelta(days=30):%Y-%m-%dT%H:%M:%S.%fZ}" in [each["datetime"] for each in listed.all("time")]
    assert "19 days left" in listed.text
    assert f"/data-requests/{task_id}/download" in listed.links


@pytest.mark.parametrize(
    ("ago", "label"),
    [
        (timedelta(minutes=-1), "30 days left"),
        (timedelta(days=28, minutes=1), "1 day left"),
        (timedelta(days=29, minutes=1), "0 days left"),
        (timedelta(days=30, minutes=1), "30 days are over"),
    ],
)
def test_a_data_request_shows_the_time_left_to_answer(ago, label, client, shop):
    save_request(shop, asked_at=utcnow() - ago)

    assert label in get_page(client, "/data-requests").text


def test_the_page_shows_only_the_end_of_the_customers_id(client, shop):
    save_request(shop, {"customers": [{"defaultEmailAddress": {"emailAddress": ADA.email}}]})

    html = client.get("/data-requests").text

    assert "…0001" in html
    assert "7000000000001" not in html
    assert ADA.email not in html


def test_a_customer_known_by_e_mail_alone_has_no_id(client, shop):
    save_request(shop, customer_id=None)

    assert "not named" in get_page(client, "/data-requests").text


def test_the_newest_data_request_comes_first(client, shop):
    old = save_request(shop, asked_at=utcnow() - timedelta(days=2))
    new = save_request(shop, asked_at=utcnow() - timedelta(days=1))

    listed = re.findall(r"/data-requests/([\w-]+)/download", client.get("/data-requests").text)

    assert listed == [str(new), str(old)]


def test_a_long_list_says_that_it_is_truncated(client, shop):
    for _ in range(data_requests.MAX_SHOWN + 1):
        save_request(shop)

    html = client.get("/data-requests").text

    assert html.count("/download") == data_requests.MAX_SHOWN
    assert f"Only the newest {data_requests.MAX_SHOWN} are shown." in html


# What is not answered yet


def test_a_data_request_without_an_export_is_counted(client, shop):
    receive_webhook(shop, ASKED, customer_payload(ASKED, 4711))
    receive_webhook(shop, "customers/redact", customer_payload("customers/redact", 4711))

    listed = get_page(client, "/data-requests")

    assert "1 request has no answer yet" in listed.text
    assert "/tasks?state=error&state=pending&type=ShopWebhook" in listed.links


def test_a_data_request_with_an_export_is_not_counted(client, shop):
    task = receive_webhook(shop, ASKED, customer_payload(ASKED, 4711))
    run_task(TYPES["ShopWebhook"], str(task.id))

    assert "no answer yet" not in get_page(client, "/data-requests").text


# The answer


def test_the_export_has_all_personal_data_of_the_customer(client, shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    task = receive_webhook(shop, ASKED, customer_payload(ASKED, customer_id))
    run_task(TYPES["ShopWebhook"], str(task.id))

    answer = download(client, task.id)

    export = answer.json()
    assert (export["shop"], export["request_id"], export["customer_id"]) == (shop.domain, 9999, customer_id)
    assert export["held"]["customers"][0]["defaultEmailAddress"]["emailAddress"] == ADA.email
    assert export["held"]["orders"][0]["legacyResourceId"] == str(order_id)
    assert any(ADA.email in call["sent"] for call in export["held"]["calls"])


def test_the_thirty_days_start_when_the_request_arrives(client, shop):
    task = receive_webhook(shop, ASKED, customer_payload(ASKED, 4711))
    Task.update(created_at=Task.created_at - timedelta(days=3)).where(Task.id == task.id).execute()

    run_task(TYPES["ShopWebhook"], str(task.id))

    assert "26 days left" in get_page(client, "/data-requests").text


def test_the_export_is_a_download_that_no_cache_stores(client, shop):
    headers = download(client, save_request(shop)).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(
        r'attachment; filename="data-request-\d{4}-\d\d-\d\d-9999\.json"', headers["content-disposition"]
    )


def test_a_download_is_audited(client, shop):
    task_id = save_request(shop)

    download(client, task_id)
    client.get("/data-requests")

    assert [(row.action, row.task_id) for row in AuditEntry.select()] == [(Action.DOWNLOAD, task_id)]
    assert "Downloaded what was held of a customer" in get_page(client, "/audit").text


def test_the_export_needs_a_session(anonymous, shop):
    assert download(anonymous, save_request(shop)).status_code == 401
    assert anonymous.get("/data-requests").status_code == 401


def test_another_shops_data_request_is_not_found(client, other_shop):
    task_id = save_request(other_shop)

    answer = download(client, task_id)
    assert answer.status_code == 404
    assert not AuditEntry.select().exists()
    assert "There is no such request" in answer.text  # rather than that it cannot be decrypted
    assert "Nobody has asked yet" in get_page(client, "/data-requests").text
    client.cookies.set(SESSION_COOKIE, session_cookie(other_shop.id))
    assert download(client, task_id).status_code == 200


def test_another_shops_unanswered_request_is_not_counted(client, other_shop):
    receive_webhook(other_shop, ASKED, customer_payload(ASKED, 4711))

    assert "no answer yet" not in get_page(client, "/data-requests").text


@pytest.mark.parametrize("task_id", ["1", "x" * 300, "%00", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_data_request_is_not_found(task_id, client):
    answer = download(client, task_id)

    assert answer.status_code == 404
    assert "There is no such request" in answer.text


def test_an_export_that_cannot_be_decrypted_says_so(client, shop):
    task_id = save_request(shop)
    db.execute_sql("UPDATE shop SET key = %s", (new_key(),))

    answer = download(client, task_id)

    assert answer.status_code == 404
    assert "can no longer be decrypted" in answer.text


def test_an_erased_customers_export_is_deleted(client, shop):
    task = receive_webhook(shop, ASKED, customer_payload(ASKED, 4711))
    run_task(TYPES["ShopWebhook"], str(task.id))

    erased = receive_webhook(shop, "customers/redact", customer_payload("customers/redact", 4711))
    run_task(TYPES["ShopWebhook"], str(erased.id))

    assert download(client, task.id).status_code == 404
