"""Onboarding: its three steps, their errors, and the steps that are done."""

from __future__ import annotations

import pytest

from models import Shop, Task
from reasons import Reason
from sync import stores
from tests.conftest import ENGAGE_KEY
from tests.support.web.embedded_app import admin_frame, installed_shop
from tests.support.web.forms import Forms
from tests.support.web.pages import ParsedPage
from views.account.onboarding import tenant_name
from views.web import audit_log


@pytest.fixture
def frame(database, shopify, engage):
    engage.tenant("demo").stores.create({"name": "The web", "externalId": "SE-WEB"})
    with admin_frame(shopify) as found:
        found.open("/")
        yield found


def press(frame, action, **fields):
    return frame.post(action, Forms(frame.get("/welcome").text).found[action] | fields)


def test_the_first_step_connects_engage_and_saves_its_stores(frame):
    answer = press(frame, "/welcome/engage", tenant="demo", key=ENGAGE_KEY)

    assert (answer.status_code, answer.headers["location"]) == (303, "/welcome#store")
    assert (installed_shop().engage_tenant, installed_shop().secret("engage_key")) == ("demo", ENGAGE_KEY)
    assert [store.external_id for store in stores.stores_of(installed_shop())] == ["SE-WEB"]
    assert [row.details for row in audit_log.page(installed_shop(), 5)] == [{"part": "engage"}]


def test_the_second_step_chooses_the_store_and_the_third_imports(frame):
    press(frame, "/welcome/engage", tenant="demo", key=ENGAGE_KEY)
    assert "Choose the store first." in ParsedPage(frame.get("/welcome").text).text

    answer = press(frame, "/welcome/store", store="SE-WEB")

    assert (answer.status_code, installed_shop().store) == (303, "SE-WEB")
    page = frame.get("/welcome").text
    assert "Everything is connected." in ParsedPage(page).text
    assert "/imports" in Forms(page).found


@pytest.mark.parametrize(
    ("tenant", "key", "message"),
    [
        ("", ENGAGE_KEY, "This is no tenant"),
        ("evil.example/demo", ENGAGE_KEY, "This is no tenant"),
        ("demo@evil", ENGAGE_KEY, "This is no tenant"),
        ("127.0.0.1", ENGAGE_KEY, "This is no tenant"),
        ("demo", "", "Paste the key"),
        ("demo", "two words", "Paste the key"),
        ("demo", "not-the-key", "does not accept this key"),
    ],
)
def test_an_error_is_shown_at_its_field_and_keeps_the_input(frame, tenant, key, message):
    answer = press(frame, "/welcome/engage", tenant=tenant, key=key)

    assert answer.status_code == 422
    assert message in ParsedPage(answer.text).text
    assert f'value="{tenant}"' in answer.text
    assert not installed_shop().engage_connected
    assert key == "" or key not in answer.text.replace(f'value="{tenant}"', "")


@pytest.mark.parametrize(
    "typed", ["demo", " Demo ", "demo.voyado.com", "https://demo.voyado.com/", "HTTPS://DEMO.voyado.com"]
)
def test_a_tenant_is_entered_by_its_name_or_its_url(typed):
    assert tenant_name(typed) == "demo"


def test_a_staging_tenant_is_accepted():
    assert tenant_name("https://demo.staging.voyado.com") == "demo.staging"


def test_the_tenant_and_its_key_can_be_replaced(frame):
    press(frame, "/welcome/engage", tenant="demo", key=ENGAGE_KEY)

    press(frame, "/welcome/engage", tenant="other", key=ENGAGE_KEY)

    assert installed_shop().engage_tenant == "other"


def test_tasks_are_skipped_until_engage_is_connected(frame, drain):
    from actors.settings import index_stores

    index_stores.enqueue(installed_shop(), key="early")
    drain()

    assert Task.get(Task.key == "early").reason == Reason.ENGAGE_NOT_CONNECTED


def test_home_is_the_task_list_once_engage_is_connected(client, shop):
    assert client.get("/").headers["location"] == "/tasks"
    Shop.update(engage_key=None).execute()
    assert client.get("/").headers["location"] == "/welcome"
