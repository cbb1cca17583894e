"""Budget of a page: no inline script or style, few bytes, and as many statements for any number of tasks."""

from __future__ import annotations

import gzip
import threading

import pytest

from tests.support.tasks.task_steps import enqueue, finish, sale, webhook
from tests.support.web.pages import ParsedPage, get_page

__all__ = ["sale", "webhook"]


def test_a_page_has_no_inline_script_or_style(client, sale):
    for url in ("/tasks", f"/tasks/{sale.id}", f"/tasks/{sale.id}/drawer"):
        found = get_page(client, url)
        assert all("src" in script for script in found.all("script"))
        assert not found.all("style")
        assert not [name for _, attributes in found.tags for name in attributes if name == "style" or name[:2] == "on"]


def test_a_full_page_with_its_static_files_is_small(client, shop):
    for _ in range(50):
        finish(shop, enqueue(shop, shopify_id=6100000001001))
    response = client.get("/tasks")
    found = ParsedPage(response.text)

    files = [one["src"] for one in found.all("script")] + [one["href"] for one in found.all("link")]
    bodies = [client.get(name).content for name in files]

    assert len(bodies) == 6
    assert sum(len(gzip.compress(body, 4)) for body in [response.content, *bodies]) < 60_000


@pytest.fixture
def statements(database):
    """A function that counts the statements of a page, without those that enter a shop's scope.

    Only in the threads of pages: those of earlier tests may still be ending.
    """
    count = 0

    def add_one(statement):
        nonlocal count
        in_page = threading.current_thread().name.startswith("view")
        count += in_page and "app.shop_id" not in statement.sql

    def counted(act):
        before = count
        act()
        return count - before

    database.query_hooks.append(add_one)
    yield counted
    database.query_hooks.remove(add_one)


def test_the_listing_sends_as_many_statements_for_fifty_tasks_as_for_one(client, shop, statements):
    enqueue(shop, shopify_id=1)
    one = statements(lambda: client.get("/tasks"))
    for _ in range(49):
        finish(shop, enqueue(shop, shopify_id=1))

    assert statements(lambda: client.get("/tasks")) == one > 0
