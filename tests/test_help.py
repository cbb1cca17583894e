"""The page that lists the task types, beside the product's own help page."""

from __future__ import annotations

import re

import pytest

from actors import TYPES
from actors.periodic import PERIODIC
from tests.pages import page
from words import LANGUAGES

# The published list: groups in order, and what each type does. Two slips of it are put right: its IndexOrder is about
# customers, and its SyncRefundNotification misspells Engage.
PUBLISHED = {
    "Data import tasks": {
        "ProcessBulkImportData": "When the app initiates processing of bulk import data.",
        "HandleBulkImportCreateRequest": "When the merchant initiates a bulk import process from settings within the "
        "app.",
        "HandleBulkImportCreate": "When the app initiates a bulk import create in Shopify.",
        "HandleBulkOperationFinish": "When the app initiates handling a bulk operation finished by Shopify.",
        "BulkOperationFinishWebhook": "When Shopify finishes a bulk operation and the app receives this webhook.",
        "TriggerNextBatch": "When the app initiates a consecutive bulk import action. For example, triggering order "
        "bulk import action after the customer bulk import finishes.",
    },
    "Customer sync tasks": {
        "CustomerWebhook": "On creation or update of customer in Shopify, the app receives this webhook.",
        "IndexShopCustomers": "When the app initiates timestamp based customers polling for customer indexing for each "
        "shop.",
        "IndexCustomer": "When a customer is created or updated.",
        "SyncContact": "When app initiates a customer sync to Engage.",
        "UpdateCustomerMarketingPreferences": "When the app initiates a sync of marketing preferences from Shopify to "
        "Engage.",
        "SyncCustomerMarketingPreferences": "When the app initiates sync of marketing preferences from Engage to "
        "Shopify.",
    },
    "Order sync tasks": {
        "OrderWebhook": "Upon creating or update of an order in Shopify the app receives this webhook.",
        "IndexOrder": "When an order is created or updated in the app's database.",
        "FulfillmentWebhook": "On fulfillment create in Shopify, the app receives this webhook.",
        "IndexOrders": "When the app initiates timestamp based orders polling for order indexing for each shop.",
        "SyncOrder": "When the app initiates order sync to Engage via a POST to the /receipts endpoint.",
        "SyncOrderFulfillmentNotification": "When the app initiates order fulfillment notification sync to Engage via "
        "a POST to the /orders endpoint.",
        "SyncOrderNotification": "When the app initiates order notification sync to Engage via a POST to the /orders "
        "endpoint.",
    },
    "Refund sync tasks": {
        "RefundWebhook": "When a refund is created in Shopify the app receives this webhook.",
        "IndexRefund": "When a refund is created or updated in the app's database.",
        "SyncRefundNotification": "When the app initiates an order refund notification sync to Engage via a POST to "
        "the /orders endpoint.",
        "SyncRefund": "When the app initiates a refund sync to Engage via a POST to the /receipts endpoint.",
    },
    "Settings tasks": {
        "IndexStores": "When an Engage store is created or updated in the app's database.",
        "SyncShopCurrency": "When the app initiates a shop currency sync from Shopify to app's database.",
        "ShopWebhook": "When a shop is updated in Shopify, the app receives this webhook.",
    },
}


@pytest.fixture
def html(client):
    return client.get("/help/task-types").text


def row(html, name):
    """What the row of one type says, as text."""
    (found,) = re.findall(rf'<tr id="{name}">(.*?)</tr>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).replace("&#39;", "'").split())


def test_the_groups_and_their_types_stand_in_the_published_order(html):
    found: dict[str, list[str]] = {}
    for group, name in re.findall(r'<h2 id="group-\w+">(.*?)</h2>|<tr id="(\w+)">', html):
        found |= {group: []} if group else {}
        list(found.values())[-1].extend([name] if name else [])

    assert found == {group: list(types) for group, types in PUBLISHED.items()}


@pytest.mark.parametrize(("name", "sentence"), [pair for types in PUBLISHED.values() for pair in types.items()])
def test_a_type_is_described_by_the_published_sentence(name, sentence, html):
    assert sentence in row(html, name)


def test_the_order_index_is_about_orders_whatever_the_published_page_says(html):
    assert "customer" not in row(html, "IndexOrder")


def test_every_type_is_on_the_page(html):
    assert {name for types in PUBLISHED.values() for name in types} == set(TYPES)


@pytest.mark.parametrize(
    ("name", "area"),
    [("SyncContact", "Contact sync"), ("SyncOrder", "Order sync"), ("SyncRefund", "-"), ("OrderWebhook", "-")],
)
def test_a_type_says_which_part_of_the_summary_counts_it(name, area, html):
    assert re.search(rf"{re.escape(area)} (Yes|No) Show them$", row(html, name))


@pytest.mark.parametrize("name", TYPES)
def test_a_type_says_whether_it_calls_engage(name, html):
    assert row(html, name).endswith("Yes Show them" if TYPES[name].engage else "No Show them")


@pytest.mark.parametrize("name", TYPES)
def test_a_type_leads_to_its_tasks(name, client):
    assert f"/tasks?type={name}" in page(client, "/help/task-types").links


def test_a_webhooks_type_names_shopifys_topics(html):
    assert "Started by Shopify's fulfillments/create, fulfillments/update." in row(html, "FulfillmentWebhook")


def test_what_the_clock_starts_says_how_often(html):
    assert "Once every 5 minutes for each shop." in row(html, "IndexOrders")
    assert "Once every hour for each shop." in row(html, "IndexStores")
    assert html.count(" for each shop.</small>") == len(PERIODIC)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_page(language, client):
    client.cookies.set("lang", language)

    html = client.get("/help/task-types").text

    assert f'<html lang="{language}">' in html
    assert html.count("<tr id=") == len(TYPES)


def test_the_page_needs_a_session(anonymous):
    assert anonymous.get("/help/task-types").status_code == 401
