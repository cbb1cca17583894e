"""The help page of task types, compared with the product's published one."""

from __future__ import annotations

import re

import pytest

from i18n.locale import LANGUAGES
from taskqueue.types import TYPES
from tests.support.tasks import published_types
from tests.support.web.pages import get_page


@pytest.fixture
def html(client):
    return client.get("/help/task-types").text


def row(html, name):
    """What the row of one type says, as text."""
    (found,) = re.findall(rf'<tr id="{name}">(.*?)</tr>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).replace("&#39;", "'").split())


def test_groups_and_types_are_in_the_published_order(html):
    found: dict[str, list[str]] = {}
    for group, name in re.findall(r'<h2 id="group-\w+">(.*?)</h2>|<tr id="(\w+)">', html):
        found |= {group: []} if group else {}
        list(found.values())[-1].extend([name] if name else [])

    assert found == {group: list(types) for group, types in published_types.GROUPS.items()}


def test_a_type_has_its_published_description(html):
    assert [name for name, sentence in published_types.DESCRIPTIONS.items() if sentence not in row(html, name)] == []


def test_index_order_is_described_by_orders_unlike_the_published_page(html):
    assert "customer" not in row(html, "IndexOrder")


def test_every_type_is_on_the_page(html):
    assert set(re.findall(r'<tr id="(\w+)">', html)) == set(TYPES)


@pytest.mark.parametrize(
    ("name", "area"),
    [("SyncContact", "Contact sync"), ("SyncOrder", "Order sync"), ("SyncRefund", "-"), ("OrderWebhook", "-")],
)
def test_a_type_shows_its_summary_area(name, area, html):
    assert re.search(rf"{re.escape(area)} (Yes|No) Show them$", row(html, name))


def test_a_type_shows_whether_it_calls_engage(html):
    calling = [name for name in TYPES if row(html, name).endswith("Yes Show them")]

    assert calling == [name for name, kind in TYPES.items() if kind.calls_engage]


def test_a_type_links_to_its_tasks(client):
    assert {f"/tasks?type={name}" for name in TYPES} <= set(get_page(client, "/help/task-types").links)


def test_a_webhook_type_shows_shopifys_topics(html):
    assert "Started by Shopify's fulfillments/create, fulfillments/update." in row(html, "FulfillmentWebhook")


def test_a_periodic_type_shows_its_interval(html):
    assert "Once every 5 minutes for each shop." in row(html, "IndexOrders")
    assert "Once every hour for each shop." in row(html, "IndexStores")
    assert html.count(" for each shop.</small>") == sum(each.period is not None for each in TYPES.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_in_every_language(language, client):
    client.cookies.set("lang", language)

    html = client.get("/help/task-types").text

    assert f'<html lang="{language}">' in html
    assert html.count("<tr id=") == len(TYPES)


def test_the_page_needs_a_session(anonymous):
    assert anonymous.get("/help/task-types").status_code == 401
