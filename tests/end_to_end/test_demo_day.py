"""The demo shop's day: what is played, in which order, and that the app sees something of everything."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from actors import settings as actors_settings
from models import ImportState as Progress
from models import Shop, Task
from sandbox.__main__ import ENGAGE_WEBHOOK_SECRET, SHOP
from sandbox.demo_day import Day, Town, living
from sandbox.demo_shop import prepare
from sandbox.dev_servers import wait_for
from sandbox.engage.http.server import Engage
from sandbox.merchant import Merchant
from sandbox.pricing import Pricing
from sandbox.purchases import items, purchases
from sandbox.scenes import Stage, once
from sandbox.shopify import Shopify
from sync import webhook_endpoints
from sync.imports.state import create_import, newest_imports
from taskqueue.periodic import TimeSlots
from taskqueue.types import TYPES
from tests.conftest import SECRET
from tests.support.demo_days import lived, pricing
from tests.support.webhook_requests import web

__all__ = ["lived", "pricing", "web"]


# The stage


def told(seen, word, *pauses):
    """A scene that says when it goes on."""
    seen.append(word)
    for pause in pauses:
        yield pause
        seen.append(word)


def test_scenes_go_on_beside_each_other():
    stage, seen = Stage(), []
    stage.begin(told(seen, "slow", 10, 10))
    stage.begin(told(seen, "quick", 3, 3), after=1)

    stage.skip(8)

    assert seen == ["slow", "quick", "quick", "quick"]
    stage.skip(2)
    assert seen[4:] == ["slow"]


def test_a_scene_may_let_another_begin():
    stage, seen = Stage(), []
    stage.begin(once(lambda: stage.begin(told(seen, "later"), after=5)), after=1)

    stage.skip(5.9)
    assert seen == []

    stage.skip(0.2)
    assert seen == ["later"]


def test_a_scene_that_breaks_off_ends_no_other(caplog):
    stage, came = Stage(), threading.Event()
    stage.begin(once(lambda: 1 / 0))
    stage.begin(once(came.set), after=0.05)

    with stage.playing():
        assert came.wait(10)

    assert "A scene of the sandbox broke off" in caplog.text


def test_nothing_is_played_any_more_when_the_block_is_left():
    stage, came = Stage(), threading.Event()
    stage.begin(once(came.set), after=0.2)

    with stage.playing():
        pass

    assert not came.wait(0.4)


# Prices


@pytest.mark.parametrize(("currency", "per_dollar"), [("EUR", "0.92"), ("JPY", "151.3"), ("KWD", "0.3071")])
def test_a_purchase_costs_the_same_in_any_currency(currency, per_dollar):
    there = Pricing(currency, Decimal(per_dollar))

    for purchase in purchases():
        bought = items(purchase, there)
        assert sum(each.price * each.quantity for each in bought) == there.price(purchase.dollars)
        assert sum(each.quantity for each in bought) == purchase.cds


# The day


@pytest.fixture
def quiet():
    """A town whose webhooks go nowhere, with a few people whom both systems know."""
    shopify, tenant = Shopify(SECRET, "http://127.0.0.1:9/", workers=0), Engage().tenant("demo")
    town = Town(shopify, SHOP, tenant)
    for number in range(5):
        person = {"email": f"{number}@example.com", "externalId": str(shopify.customer_id(SHOP, 800_000 + number))}
        tenant.contacts.create(person)
    yield town
    shopify.close()


def topics(town):
    return {delivery.topic for delivery in town.shopify.deliveries}


def test_the_opening_brings_a_task_of_every_type(lived):
    actors_settings.enqueue_first_sync(lived.shop)
    TimeSlots().fill()
    Day(lived.town).open(lived.stage)

    for _ in range(9):
        lived.pass_by(seconds=10)

    seen = {number for (number,) in Task.select(Task.type).distinct().tuples()}
    assert {name for name, kind in TYPES.items() if kind.number not in seen} == set()
    lived.rest()


def test_everything_that_may_happen_happens_sooner_or_later(quiet):
    stage = Stage()
    Day(quiet).open(stage)
    stage.skip(90)
    of_the_opening = len(quiet.shopify.deliveries)
    stage.begin(Day(quiet, seed=2).go_on(stage))

    stage.skip(3600)

    assert len(quiet.shopify.deliveries) > of_the_opening + 200
    assert {"customers/delete", "customers/merge", "customers/data_request", "shop/update"} <= topics(quiet)
    assert {contact["preferences"]["acceptsEmail"] for contact in quiet.tenant.contacts.all()} == {True, False}


def test_the_day_goes_by_as_time_passes_and_ends_with_its_block(quiet):
    with living(Day(quiet)):
        wait_for(lambda: "orders/create" in topics(quiet), 30, "The first order")

    assert not [thread for thread in threading.enumerate() if thread.name == "stage"]


def test_nothing_happens_when_nobody_is_to_come(monkeypatch, quiet):
    monkeypatch.setenv("SANDBOX_RATE", "0")

    with living(Day(quiet)):
        time.sleep(1.2)  # the first order would come after one

    assert quiet.shopify.deliveries == []


# The merchant


def play(scene):
    return list(scene)


def test_the_merchants_import_is_one_of_the_last_year(lived):
    play(Day(lived.town).imports_the_past(lived.town.merchant))

    (importing,) = newest_imports(lived.shop, 10)
    assert (importing.ends_at - importing.starts_at).days in (366, 367)
    assert importing.state == Progress.RUNNING


def test_a_merchant_waits_until_the_app_answers():
    assert Merchant("http://127.0.0.1:9", "http://127.0.0.1:9/sign-in?token=x").came_in() is False


def test_a_link_that_was_used_before_brings_no_second_import(lived, capsys):
    lived.town.merchant.came_in()

    play(Day(lived.town).imports_the_past(lived.town.merchant))

    assert newest_imports(lived.shop, 10) == []
    assert "No import this time: HTTP Error 401" in capsys.readouterr().out


# The demo shop


def test_the_demo_shop_is_connected_with_everything_on(database):
    link, told = prepare()

    shop = Shop.get(Shop.domain == SHOP)
    assert re.fullmatch(r"http://testserver/sign-in\?token=\S+", link)
    assert link != told["MERCHANT_LINK"]
    assert told["ENGAGE_WEBHOOK_URL"] == webhook_endpoints.get_or_create(shop).url
    assert webhook_endpoints.get_or_create(shop).signing_secrets == [ENGAGE_WEBHOOK_SECRET]
    assert shop.settings["preferences"] == {"both_ways": True}
    assert shop.settings["notifications"]["enabled"] is True
    assert {row.type for row in Task.select()} == {TYPES[name].number for name in ("IndexStores", "SyncShopCurrency")}


def test_the_next_run_keeps_the_merchants_choices_and_ends_an_import_that_the_sandbox_forgot(database):
    prepare()
    shop = Shop.get()
    shop.settings = {"preferences": {"both_ways": False}}
    shop.save()
    create_import(shop, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))

    prepare()

    assert Shop.get().settings["preferences"] == {"both_ways": False}
    assert [each.state for each in newest_imports(shop, 10)] == [Progress.CANCELLED]
