"""The file that Shopify is told of the app by, and what comes of it."""

from __future__ import annotations

import re
import tomllib

from models import Shop, Task
from sandbox import dev_servers
from shopify_app_config import COMPLIANCE_TOPICS, OPTIONAL_SCOPES, SCOPES
from taskqueue.runner import run_task
from taskqueue.types import TYPES, types_by_topic
from tests.support.servers.processes import printed
from tests.support.tasks.webhook_tasks import receive_webhook

EXAMPLE = {"APP_URL": "https://app.example.com", "SHOPIFY_API_KEY": "0123456789abcdef0123456789abcdef"}
KEPT = dev_servers.CHECKOUT / "shopify.app.toml"


def test_the_committed_file_is_the_generated_one():
    assert printed("manage.py", "shopify-app", **EXAMPLE) == KEPT.read_text().strip()


def test_every_topic_that_a_task_hears_of_is_subscribed_to_once():
    first, second = tomllib.loads(KEPT.read_text())["webhooks"]["subscriptions"]

    assert sorted([*first["topics"], *second["compliance_topics"]]) == sorted(types_by_topic())
    assert second["compliance_topics"] == list(COMPLIANCE_TOPICS)
    assert {each["uri"] for each in (first, second)} == {"/webhooks/shopify"}


def test_the_scopes_are_those_that_the_documentation_names():
    told = (dev_servers.CHECKOUT / "docs" / "scopes.md").read_text().partition("\n`read_orders` reaches")[0]

    assert set(re.findall(r"`((?:read|write)_\w+)`", told)) == set(SCOPES)


def test_the_optional_scopes_are_in_the_file_as_a_list():
    assert tomllib.loads(KEPT.read_text())["access_scopes"]["optional_scopes"] == list(OPTIONAL_SCOPES)


def test_what_the_shop_grants_is_known_and_looked_at_anew(shop, shopify, drain):
    shopify.records(shop.domain).scopes = ("read_orders", "read_markets", "write_customers")
    receive_webhook(shop, "app/scopes_update", {"current": ["read_orders", "read_markets"]})
    run_task(TYPES["ShopWebhook"], str(Task.get().id))
    as_told = Shop.get_by_id(shop.id).scopes
    shopify.records(shop.domain).scopes = ("read_markets", "write_customers")
    drain()

    assert as_told == "read_orders,read_markets"
    assert Shop.get_by_id(shop.id).scopes == "read_customers,read_markets,write_customers"
    assert Task.select().where(Task.type == 42).count() == 1
