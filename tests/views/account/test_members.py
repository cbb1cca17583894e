"""Who may do what, and links that show one thing to a helper outside."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app import ROUTES
from database import db
from models import EVERYTHING, Action, Member, Permission, SupportLink, Task, utcnow
from tasklog.retention import Retention
from tests.end_to_end.test_order_to_receipt import buy
from tests.support.embedded_app import BO, framed
from tests.support.forms import Forms, press
from tests.support.pages import Page, page
from views.account import membership
from views.web import audit_log

SEALED = ("/webhooks/", "/alerts/confirm", "/alerts/unsubscribe")  # by a signature, or by a token of their own


@pytest.fixture
def olga(database, shopify):
    with framed(shopify) as found:
        found.open("/")
        yield found


@pytest.fixture
def bo(olga, shopify):
    with framed(shopify, staff=BO) as found:
        found.open("/tasks")
        yield found


def member(staff):
    return Member.get(Member.user_id == staff.user)


def test_every_action_says_what_it_needs():
    unsafe = [route for route in ROUTES if "POST" in (getattr(route, "methods", None) or ())]

    without = {route.path for route in unsafe if not hasattr(route.endpoint, "needs")}

    assert {
        path for path in without if not path.startswith(("/webhooks/", "/alerts/confirm", "/alerts/unsub"))
    } == set()
    assert {route.endpoint.needs for route in unsafe if hasattr(route.endpoint, "needs")} >= EVERYTHING - {
        Permission.EXPORT
    }


def test_somebody_is_permitted_and_can_from_then_on(olga, bo):
    action = f"/people/{member(BO).id}"
    assert "Bo Dahl" in Page(olga.get("/people").text).text

    sealed = Forms(olga.get("/people").text).found[action]
    answer = olga.post(
        action, {name: sealed[name] for name in ("token", "click")} | {"settings": "yes", "retry": "yes"}
    )

    assert answer.status_code == 303
    assert member(BO).permissions == {Permission.SETTINGS, Permission.RETRY}
    sealed = Forms(bo.get("/settings").text).found["/settings/alerts"]
    assert bo.post("/settings/alerts", sealed).status_code == 303


def test_who_may_only_look_sees_no_buttons_for_the_rest(olga, bo):
    assert "/people/" not in "".join(Forms(bo.get("/people").text).found.keys() - {f"/people/{member(BO).id}"})
    assert "Save" not in Page(bo.get("/people").text).text
    assert bo.get("/tasks.csv").status_code == 403
    assert olga.get("/tasks.csv").status_code == 200


def test_nobody_locks_themselves_out(bo, olga):
    membership.set_permissions(member(BO), frozenset({Permission.SETTINGS}))
    action = f"/people/{member(BO).id}"
    sealed = Forms(bo.get("/people").text).found[action]

    answer = bo.post(action, {name: sealed[name] for name in ("token", "click")} | {"retry": "yes"})

    assert answer.status_code == 409
    assert member(BO).permissions == {Permission.SETTINGS}


def test_a_name_is_encrypted(olga):
    (sealed,) = db.execute_sql("SELECT name FROM member").fetchone()

    assert b"Olga" not in bytes(sealed)


def test_who_did_it_is_told_by_name(olga):
    sealed = Forms(olga.get("/settings").text).found["/settings/alerts"]
    olga.post("/settings/alerts", sealed)

    assert "Olga Ek" in Page(olga.get("/audit").text).text


# Links for support


@pytest.fixture
def order(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    return order_id


def link_in(answer):
    assert answer.status_code == 200
    return re.search(r"http://testserver(/support/[\w-]+)", answer.text)[1]


def test_a_task_is_shown_to_whoever_has_the_link_with_nothing_to_do(client, anonymous, order):
    task = Task.select().where(Task.type == 14).first()
    path = link_in(press(client, f"/tasks/{task.id}", f"/tasks/{task.id}/support"))
    anonymous.cookies.clear()

    found = page(anonymous, path)

    assert "You read this by a link of demo.myshopify.com" in found.text
    assert "Attempt 1" in found.text
    assert "@example.com" not in found.text
    assert Forms(anonymous.get(path).text).found == {}
    assert not [each for each in found.links if str(each).startswith(("/tasks/", "/entities/", "/help"))]
    assert anonymous.get(f"/tasks/{task.id}").status_code == 401


def test_an_order_is_shown_too(client, anonymous, order):
    path = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}"))
    anonymous.cookies.clear()

    found = page(anonymous, path)

    assert "What happened" in found.text or "Order" in found.text
    assert not [each for each in found.links if str(each).startswith(("/tasks/", "/entities/"))]


def test_only_its_hash_is_kept_and_it_is_in_the_audit(client, shop, order):
    token = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}")).rpartition("/")[2]

    assert token not in str(db.execute_sql("SELECT * FROM support_link").fetchall())
    assert audit_log.page(shop, 1)[0].action == Action.SUPPORT


def test_the_same_press_makes_no_second_link(client, shop, order):
    sealed = Forms(client.get(f"/entities/order/{order}").text).found[f"/support/order/{order}"]

    client.post(f"/support/order/{order}", data=sealed)

    assert client.post(f"/support/order/{order}", data=sealed).status_code == 409
    assert SupportLink.select().count() == 1


def test_a_link_ends_by_itself_and_goes(client, shop, order):
    path = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}"))
    SupportLink.update(expires_at=utcnow() - timedelta(seconds=1)).execute()

    assert client.get(path).status_code == 404
    Retention().delete_expired()
    assert SupportLink.select().count() == 0


def test_all_links_are_ended_at_once(client, shop, order):
    path = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}"))
    assert "1 link shows something now." in page(client, "/people").text

    press(client, "/people", "/people/support/end")

    assert client.get(path).status_code == 404


def test_a_shop_that_has_removed_the_app_shows_nothing(client, shop, order):
    path = link_in(press(client, f"/entities/order/{order}", f"/support/order/{order}"))
    shop.active = False
    shop.save()

    assert client.get(path).status_code == 404


def test_somebody_elses_task_is_not_shared(client, other_shop):
    from tests.support.listings import add

    task = add(other_shop, utcnow())
    sealed = Forms(client.get("/settings").text).found["/settings/alerts"]

    assert client.post(f"/tasks/{task.id}/support", data=sealed).status_code == 404
