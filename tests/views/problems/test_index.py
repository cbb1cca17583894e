"""The problems page: groups by cause, links to their tasks, and a retry of one group."""

from __future__ import annotations

from i18n.explanations import KEYS
from i18n.locale import LANGUAGES
from models import BulkRetry, Entity, State, Task
from taskqueue.bulk_retry import process_portions
from tests.support.tasks.listed_tasks import add_task
from tests.support.tasks.task_steps import enqueue, finish
from tests.support.web.forms import press
from tests.support.web.pages import get_page

PHONE = ("Engage answered 400 InvalidPhoneNumber: +46 70 is Ada's.", "Engage 400 InvalidPhoneNumber")


def fail(shop, count, reason, code=None, name="SyncOrder", first=1):
    return [
        finish(shop, enqueue(shop, name, shopify_id=number), State.ERROR, reason=reason, code=code)
        for number in range(first, first + count)
    ]


def test_a_group_says_in_plain_words_what_is_wrong_and_what_to_do(client, shop):
    fail(shop, 3, *PHONE, name="SyncContact")

    words = get_page(client, "/problems").text

    assert "The phone number is not valid Sync contact" in words
    assert "Correct the phone number of the customer in Shopify." in words
    assert "Who: You, in the shop" in words
    assert "Retry these 3…" in words
    assert "Ada" not in words


def test_every_reason_can_be_shown_as_a_group(client, shop):
    """Whatever parameters its tasks have."""
    for number, key in enumerate(sorted(KEYS)):
        add_task(shop, state=State.ERROR, entity=Entity.ORDER, shopify_id=number + 1, reason=key, code="unusable")

    assert len(client.get("/problems.json").json()["problems"]) == len(KEYS)
    for language in LANGUAGES:
        assert client.get(f"/problems?lang={language}", follow_redirects=True).status_code == 200


def test_groups_with_one_error_are_told_apart_by_their_reasons(client, shop):
    fail(shop, 1, "The webhook's body is no JSON object.", "unusable")
    fail(shop, 1, "The webhook names no customer and no order.", "unusable", first=2)

    words = get_page(client, "/problems").text

    assert words.count("What arrived cannot be used") == 2
    assert "The webhook's body is no JSON object." in words


def test_the_link_of_a_group_lists_its_tasks(client, shop):
    wanted = fail(shop, 2, *PHONE, name="SyncContact")
    fail(shop, 2, "Engage answered 503.", "Engage 503", name="SyncContact", first=7)

    found = client.get("/problems.json").json()["problems"]

    urls = {each["reason_key"]: each["url"] for each in found}
    listed = client.get(urls["engage_invalid_phone"].replace("/tasks?", "/tasks.json?")).json()["tasks"]
    assert {each["id"] for each in listed} == {str(task.id) for task in wanted}


def test_json_has_the_groups(client, shop):
    task = fail(shop, 2, *PHONE, name="SyncContact")[0]

    assert client.get("/problems.json").json() == {
        "problems": [
            {
                "reason_key": "engage_invalid_phone",
                "type": "SyncContact",
                "tasks": 2,
                "orders": 0,
                "customers": 2,
                "value": None,
                "currency": shop.currency,
                "since": f"{Task.get_by_id(task.id).created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
                "url": "/tasks?type=SyncContact&reason=engage_invalid_phone&problem=open",
            }
        ]
    }


def test_a_retry_of_one_group_retries_that_group(client, shop):
    wanted = fail(shop, 3, *PHONE, name="SyncContact")
    other = fail(shop, 2, "Engage answered 503.", "Engage 503")
    query = "type=SyncContact&reason=engage_invalid_phone&problem=open"
    assert "3 failed tasks" in get_page(client, f"/batches/new?{query}").text

    answer = press(client, f"/batches/new?{query}", f"/batches?{query}")

    assert answer.status_code == 303
    assert BulkRetry.get().total == 3
    process_portions()
    assert {task.state for task in Task.select().where(Task.id.in_([each.id for each in wanted]))} == {State.PENDING}
    assert {task.state for task in Task.select().where(Task.id.in_([each.id for each in other]))} == {State.ERROR}


def test_a_text_of_an_older_version_is_shown_and_leads_to_its_type(client, shop):
    fail(shop, 2, "The moon is full.")

    words = get_page(client, "/problems").text
    (problem,) = client.get("/problems.json").json()["problems"]

    assert "The moon is full. Sync order" in words
    assert "Retry these" not in words
    assert (problem["reason_key"], problem["url"]) == (None, "/tasks?type=SyncOrder&problem=open")


def test_without_problems_the_page_says_so(client, shop):
    finish(shop, enqueue(shop, shopify_id=1))

    assert "Nothing is open" in get_page(client, "/problems").text
    assert client.get("/problems.json").json() == {"problems": []}


def test_the_tabs_lead_from_the_listing_to_the_problems_and_back(client, shop):
    assert "/problems" in {link.get("href") for link in get_page(client, "/tasks").all("a")}
    assert "/tasks?problem=open" in {link.get("href") for link in get_page(client, "/problems").all("a")}
