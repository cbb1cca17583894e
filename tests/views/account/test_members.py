"""Members and their permissions."""

from __future__ import annotations

import pytest

from app import ROUTES
from database import db
from models import EVERYTHING, Member, Permission
from tests.support.web.embedded_app import BO, admin_frame
from tests.support.web.forms import Forms
from tests.support.web.pages import ParsedPage
from views.web import membership

SEALED = ("/webhooks/", "/alerts/confirm", "/alerts/unsubscribe")  # by a signature, or by a token of their own


@pytest.fixture
def olga(database, shopify):
    with admin_frame(shopify) as found:
        found.open("/")
        yield found


@pytest.fixture
def bo(olga, shopify):
    with admin_frame(shopify, staff=BO) as found:
        found.open("/tasks")
        yield found


def member(staff):
    return Member.get(Member.user_id == staff.user)


def test_every_action_declares_its_permission():
    unsafe = [route for route in ROUTES if "POST" in (getattr(route, "methods", None) or ())]

    without = {route.path for route in unsafe if not hasattr(route.endpoint, "needs")}

    assert {
        path for path in without if not path.startswith(("/webhooks/", "/alerts/confirm", "/alerts/unsub"))
    } == set()
    assert {route.endpoint.needs for route in unsafe if hasattr(route.endpoint, "needs")} >= EVERYTHING - {
        Permission.EXPORT
    }


def test_a_granted_permission_works_at_once(olga, bo):
    action = f"/people/{member(BO).id}"
    assert "Bo Dahl" in ParsedPage(olga.get("/people").text).text

    form = Forms(olga.get("/people").text).found[action]
    answer = olga.post(action, {name: form[name] for name in ("token", "click")} | {"settings": "yes", "retry": "yes"})

    assert answer.status_code == 303
    assert member(BO).permissions == {Permission.SETTINGS, Permission.RETRY}
    form = Forms(bo.get("/settings").text).found["/settings/alerts"]
    assert bo.post("/settings/alerts", form).status_code == 303


def test_a_member_without_permissions_sees_no_buttons(olga, bo):
    assert "/people/" not in "".join(Forms(bo.get("/people").text).found.keys() - {f"/people/{member(BO).id}"})
    assert "Save" not in ParsedPage(bo.get("/people").text).text
    assert bo.get("/tasks.csv").status_code == 403
    assert olga.get("/tasks.csv").status_code == 200


def test_a_member_cannot_remove_their_own_settings_permission(bo, olga):
    membership.set_permissions(member(BO), frozenset({Permission.SETTINGS}))
    action = f"/people/{member(BO).id}"
    form = Forms(bo.get("/people").text).found[action]

    answer = bo.post(action, {name: form[name] for name in ("token", "click")} | {"retry": "yes"})

    assert answer.status_code == 409
    assert member(BO).permissions == {Permission.SETTINGS}


def test_a_members_name_is_encrypted(olga):
    (name,) = db.execute_sql("SELECT name FROM member").fetchone()

    assert b"Olga" not in bytes(name)


def test_the_audit_page_shows_members_by_name(olga):
    form = Forms(olga.get("/settings").text).found["/settings/alerts"]
    olga.post("/settings/alerts", form)

    assert "Olga Ek" in ParsedPage(olga.get("/audit").text).text
