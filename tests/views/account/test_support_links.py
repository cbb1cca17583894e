"""Support links: one task or entity, read-only and masked, for a person outside the shop."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from database import db
from models import Action, SupportLink, Task, utcnow
from tasklog.retention import Retention
from tests.end_to_end.test_order_to_receipt import buy
from tests.support.web.forms import Forms, press
from tests.support.web.pages import get_page
from views.web import audit_log


@pytest.fixture
def order(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    return order_id


def link_in(answer):
    assert answer.status_code == 200
    return re.search(r"http://testserver(/support/[\w-]+)", answer.text)[1]


def test_a_support_link_shows_a_task_read_only(client, anonymous, order):
    task = Task.select().where(Task.type == 14).first()
    path = link_in(press(client, f"/tasks/{task.id}", f"/tasks/{task.id}/support"))
    anonymous.cookies.clear()

    found = get_page(anonymous, path)

    assert "You read this by a link of demo.myshopify.com" in found.text
    assert "Attempt 1" in found.text
    assert "@example.com" not in found.text
    assert Forms(anonymous.get(path).text).found == {}
    assert not [each for each in found.links if str(each).startswith(("/tasks/", "/entities/", "/help"))]
    assert anonymous.get(f"/tasks/{task.id}").status_code == 401


def test_a_support_link_shows_an_order(client, anonymous, order):
    path = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}"))
    anonymous.cookies.clear()

    found = get_page(anonymous, path)

    assert "What happened" in found.text or "Order" in found.text
    assert not [each for each in found.links if str(each).startswith(("/tasks/", "/entities/"))]


def test_only_the_hash_of_a_support_link_is_stored_and_it_is_audited(client, shop, order):
    token = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}")).rpartition("/")[2]

    assert token not in str(db.execute_sql("SELECT * FROM support_link").fetchall())
    assert audit_log.page(shop, 1)[0].action == Action.SUPPORT


def test_a_form_sent_twice_creates_one_support_link(client, shop, order):
    form = Forms(client.get(f"/entities/order/{order}").text).found[f"/support/order/{order}"]

    client.post(f"/support/order/{order}", data=form)

    assert client.post(f"/support/order/{order}", data=form).status_code == 409
    assert SupportLink.select().count() == 1


def test_a_support_link_expires_and_is_deleted(client, shop, order):
    path = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}"))
    SupportLink.update(expires_at=utcnow() - timedelta(seconds=1)).execute()

    assert client.get(path).status_code == 404
    Retention().delete_expired()
    assert SupportLink.select().count() == 0


def test_all_support_links_can_be_revoked_at_once(client, shop, order):
    path = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}"))
    assert "1 link shows something now." in get_page(client, "/people").text

    press(client, "/people", "/people/support/end")

    assert client.get(path).status_code == 404


def test_a_support_link_ends_when_the_app_is_uninstalled(client, shop, order):
    path = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}"))
    shop.active = False
    shop.save()

    assert client.get(path).status_code == 404


def test_another_shops_task_cannot_be_shared(client, other_shop):
    from tests.support.tasks.listed_tasks import add_task

    task = add_task(other_shop, utcnow())
    form = Forms(client.get("/settings").text).found["/settings/alerts"]

    assert client.post(f"/tasks/{task.id}/support", data=form).status_code == 404
