"""The demo shop's activity: what happens in which order, and that the app gets a task of every type from it."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from actors.settings import enqueue_first_sync
from models import ImportState, Shop, Task
from sandbox.__main__ import ENGAGE_WEBHOOK_SECRET, SHOP
from sandbox.demo_activity import FIRST_NEW_CUSTOMER, DemoActivity, DemoShop, running_activity
from sandbox.demo_setup import set_up_demo_shop
from sandbox.dev_servers import wait_for
from sandbox.engage.http.server import Engage
from sandbox.merchant import Merchant
from sandbox.pricing import Pricing
from sandbox.purchases import items_of, purchases
from sandbox.shopify import Shopify
from sandbox.simulation import Simulation, one_step
from sync import webhook_endpoints
from sync.imports.state import create_import, newest_imports
from taskqueue.periodic import TimeSlots
from taskqueue.types import TYPES
from tests.conftest import SECRET
from tests.support.servers.demo_run import demo_run, pricing
from tests.support.web.webhook_requests import web

__all__ = ["demo_run", "pricing", "web"]


# Simulation


def recorded(steps, name, *pauses):
    """An activity that records each of its steps."""
    steps.append(name)
    for pause in pauses:
        yield pause
        steps.append(name)


def test_activities_run_beside_each_other():
    simulation, steps = Simulation(), []
    simulation.start(recorded(steps, "slow", 10, 10))
    simulation.start(recorded(steps, "quick", 3, 3), after=1)

    simulation.advance(8)

    assert steps == ["slow", "quick", "quick", "quick"]
    simulation.advance(2)
    assert steps[4:] == ["slow"]


def test_an_activity_may_start_another():
    simulation, steps = Simulation(), []
    simulation.start(one_step(lambda: simulation.start(recorded(steps, "later"), after=5)), after=1)

    simulation.advance(5.9)
    assert steps == []

    simulation.advance(0.2)
    assert steps == ["later"]


def test_an_activity_that_fails_ends_no_other(caplog):
    simulation, ran = Simulation(), threading.Event()
    simulation.start(one_step(lambda: 1 / 0))
    simulation.start(one_step(ran.set), after=0.05)

    with simulation.running():
        assert ran.wait(10)

    assert "An activity of the sandbox failed" in caplog.text


def test_no_step_runs_after_the_block_has_ended():
    simulation, ran = Simulation(), threading.Event()
    simulation.start(one_step(ran.set), after=0.2)

    with simulation.running():
        pass

    assert not ran.wait(0.4)


# Prices


@pytest.mark.parametrize(("currency", "per_dollar"), [("EUR", "0.92"), ("JPY", "151.3"), ("KWD", "0.3071")])
def test_a_purchase_costs_the_same_in_any_currency(currency, per_dollar):
    pricing = Pricing(currency, Decimal(per_dollar))

    for purchase in purchases():
        bought = items_of(purchase, pricing)
        assert sum(each.price * each.quantity for each in bought) == pricing.price(purchase.dollars)
        assert sum(each.quantity for each in bought) == purchase.cds


# Activity


@pytest.fixture
def demo():
    """A demo shop whose webhooks go nowhere, with a few customers that both systems have."""
    shopify, tenant = Shopify(SECRET, "http://127.0.0.1:9/", workers=0), Engage().tenant("demo")
    for number in range(5):
        customer_id = shopify.customer_id(SHOP, FIRST_NEW_CUSTOMER + number)
        tenant.contacts.create({"email": f"{number}@example.com", "externalId": str(customer_id)})
    yield DemoShop(shopify, SHOP, tenant)
    shopify.close()


def topics(demo):
    return {delivery.topic for delivery in demo.shopify.deliveries}


def test_the_opening_brings_a_task_of_every_type(demo_run):
    enqueue_first_sync(demo_run.shop)
    TimeSlots().fill()
    DemoActivity(demo_run.demo).start_opening(demo_run.simulation)

    for _ in range(9):
        demo_run.advance(seconds=10)

    steps = {number for (number,) in Task.select(Task.type).distinct().tuples()}
    assert {name for name, kind in TYPES.items() if kind.number not in steps} == set()
    demo_run.finish()


def test_customers_use_vouchers_and_promotions_of_engage(demo_run):
    demo_run.shop.settings |= {"receipt": {"redeem_codes": True}}
    demo_run.shop.save()
    activity, tenant = DemoActivity(demo_run.demo), demo_run.demo.tenant
    run_to_end(activity.customer_signs_up())
    demo_run.finish()
    for use in (*[activity.customer_uses_a_voucher] * 3, activity.customer_uses_a_promotion):
        demo_run.simulation.start(use())

    demo_run.advance(seconds=1)
    demo_run.finish()

    offers = [*tenant.vouchers.by_id.values(), *tenant.promotions.by_id.values()]
    assert [offer.redemptions for offer in offers] == [1] * 4


def test_every_event_happens_sooner_or_later(demo):
    simulation = Simulation()
    DemoActivity(demo).start_opening(simulation)
    simulation.advance(90)
    of_the_opening = len(demo.shopify.deliveries)
    simulation.start(DemoActivity(demo, seed=2).random_events(simulation))

    simulation.advance(3600)

    assert len(demo.shopify.deliveries) > of_the_opening + 200
    assert {"customers/delete", "customers/merge", "customers/data_request", "shop/update"} <= topics(demo)
    assert {contact["preferences"]["acceptsEmail"] for contact in demo.tenant.contacts.all()} == {True, False}


def test_activity_runs_on_a_thread_that_ends_with_the_block(demo):
    with running_activity(DemoActivity(demo)):
        wait_for(lambda: "orders/create" in topics(demo), 30, "The first order")

    assert not [thread for thread in threading.enumerate() if thread.name == "simulation"]


def test_nothing_happens_at_a_rate_of_zero(monkeypatch, demo):
    monkeypatch.setenv("SANDBOX_RATE", "0")

    with running_activity(DemoActivity(demo)):
        time.sleep(1.2)  # the first order would come after one

    assert demo.shopify.deliveries == []


# The merchant


def run_to_end(activity):
    return list(activity)


def test_the_merchant_imports_the_last_year(demo_run):
    run_to_end(DemoActivity(demo_run.demo).merchant_imports_last_year(demo_run.demo.merchant))

    (importing,) = newest_imports(demo_run.shop, 10)
    assert (importing.ends_at - importing.starts_at).days in (366, 367)
    assert importing.state == ImportState.RUNNING


def test_a_merchant_is_not_signed_in_while_the_app_does_not_answer():
    assert Merchant("http://127.0.0.1:9", "http://127.0.0.1:9/sign-in?token=x").sign_in() is False


def test_a_link_that_was_used_before_starts_no_second_import(demo_run, capsys):
    demo_run.demo.merchant.sign_in()

    run_to_end(DemoActivity(demo_run.demo).merchant_imports_last_year(demo_run.demo.merchant))

    assert newest_imports(demo_run.shop, 10) == []
    assert "No import this time: HTTP Error 401" in capsys.readouterr().out


# The demo shop


def test_the_demo_shop_is_connected_with_everything_on(database):
    link, environment = set_up_demo_shop()

    shop = Shop.get(Shop.domain == SHOP)
    assert re.fullmatch(r"http://testserver/sign-in\?token=\S+", link)
    assert link != environment["MERCHANT_LINK"]
    assert environment["ENGAGE_WEBHOOK_URL"] == webhook_endpoints.get_or_create(shop).url
    assert webhook_endpoints.get_or_create(shop).signing_secrets == [ENGAGE_WEBHOOK_SECRET]
    assert shop.settings["preferences"] == {"both_ways": True}
    assert shop.settings["receipt"]["redeem_codes"] is True
    assert shop.settings["notifications"]["enabled"] is True
    assert {row.type for row in Task.select()} == {TYPES[name].number for name in ("IndexStores", "SyncShopCurrency")}


def test_the_next_run_keeps_settings_and_cancels_an_open_import(database):
    set_up_demo_shop()
    shop = Shop.get()
    shop.settings = {"preferences": {"both_ways": False}, "receipt": {"redeem_codes": False}}
    shop.save()
    create_import(shop, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))

    set_up_demo_shop()

    assert Shop.get().settings["preferences"] == {"both_ways": False}
    assert Shop.get().settings["receipt"] == {"redeem_codes": False}
    assert [each.state for each in newest_imports(shop, 10)] == [ImportState.CANCELLED]
