"""Serialized tasks and summary: the JSON of the listing and of the summary."""

from __future__ import annotations

from models import State
from tests.support.tasks.task_steps import enqueue, finish, sale, webhook

__all__ = ["sale", "webhook"]


def test_json_has_the_properties_of_a_task(client, sale):
    found = {task["id"]: task for task in client.get("/tasks.json").json()["tasks"]}[str(sale.id)]

    assert found["state"] == "success"
    assert found["type"] == "SyncOrder"
    assert found["shopify_id"] == found["engage_id"] == "6100000001001"
    assert found["attempts"] == 2
    assert found["created_at"].endswith("Z")
    assert isinstance(found["duration_ms"], int)


def test_json_has_the_reason_of_a_skipped_task(client, shop):
    finish(shop, enqueue(shop), reason="A test order.")

    (found,) = client.get("/tasks.json").json()["tasks"]

    assert (found["skipped"], found["reason"]) == (True, "A test order.")


def test_next_and_previous_lead_through_every_json_page(client, shop):
    ids = [str(enqueue(shop).id) for _ in range(5)][::-1]

    ids_found, url = [], "/tasks.json?limit=2"
    while url:
        answer = client.get(url).json()
        ids_found, url = ids_found + [task["id"] for task in answer["tasks"]], answer["next"]

    assert ids_found == ids
    assert [task["id"] for task in client.get(answer["previous"]).json()["tasks"]] == ids[2:4]


def test_the_summary_has_the_counts_of_each_area_in_json(client, shop):
    finish(shop, enqueue(shop))
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")

    found = client.get("/summary.json").json()

    assert found["order_sync"]["success_rate"] == 1
    assert found["contact_sync"] | {"mean_duration_ms": 0} == {
        "total": 1,
        "success": 0,
        "error": 1,
        "pending": 0,
        "success_rate": 0,
        "mean_duration_ms": 0,
    }
    assert found["all_tasks"]["total"] == 2
    assert found["since"].endswith("Z")


def test_an_empty_summary_has_no_rates(client):
    found = client.get("/summary.json").json()

    assert found["all_tasks"] == {
        "total": 0,
        "success": 0,
        "error": 0,
        "pending": 0,
        "success_rate": None,
        "mean_duration_ms": None,
    }
    assert found["since"] is None
