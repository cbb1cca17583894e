"""SECRET_KEYS rotated while work goes on: nothing fails, and then the new key alone decrypts everything."""

from __future__ import annotations

import base64
import os
import threading
from decimal import Decimal

import psycopg
import pytest

import encryption
from database import EVERY, connected, db
from models import Exchange, Order, Shop, State, Task
from sandbox.dev_servers import wait_for
from sandbox.invented_customers import invented_customer
from sandbox.shopify.orders.checkout import Checkout, Item
from sync import shop_connections, webhook_endpoints
from taskqueue.types import TYPES
from tests.conftest import SECRET, connect_shop, free_port
from tests.support.servers.app_processes import AppProcesses
from tests.support.servers.processes import printed, run, scratch
from tests.support.web.webhook_requests import post

__all__ = ["scratch"]

OLD = "test:" + base64.b64encode(b"k" * 32).decode()  # as the tests' own process has it
NEW = encryption.new_keyring_entry("new")
BOTH = f"{NEW},{OLD}"
RECORD = Checkout(items=(Item("A record", "REC-1", Decimal("149.00")),))
DONE = "Every shop's key is wrapped by the first of SECRET_KEYS; the others can be removed."

READ_ALL = """
import sys
from database import EVERY, connected
from models import Body, Customer, Exchange, Order, Shop, Task, WebhookEndpoint

with connected(EVERY):
    shops = {shop.id: shop for shop in Shop.select()}
    found = [shop.secret(column) for shop in shops.values() for column in ("shopify_token", "engage_key")]
    found += [row.open(shops[row.shop_id]) for row in Body.select()]
    found += [row.open(shops[row.shop_id], name) for row in Exchange.select() for name in ("url", "sent", "received")]
    found += [row.snapshot for table in (Order, Customer) for row in table.select()]
    found += [row.url for row in WebhookEndpoint.select()]
    print(len(found))
"""


def wrapping_key_names():
    """By which of SECRET_KEYS each shop's key is wrapped."""
    return [bytes(key).partition(b":")[0].decode() for (key,) in Shop.select(Shop.key).order_by(Shop.id).tuples()]


def test_every_shops_key_is_rewrapped_and_still_decrypts(shop, other_shop):
    webhook_endpoints.get_or_create(shop)

    output = printed("manage.py", "rotate-secrets", SECRET_KEYS=BOTH)

    assert output.splitlines() == ["2 of 2 shops", DONE]
    assert wrapping_key_names() == ["new", "new"]
    assert printed("-c", READ_ALL, SECRET_KEYS=NEW) == "5"


def test_a_second_rotation_changes_nothing(shop):
    printed("manage.py", "rotate-secrets", SECRET_KEYS=BOTH)
    before = Shop.get().key

    assert printed("manage.py", "rotate-secrets", SECRET_KEYS=BOTH).endswith(DONE)
    assert Shop.get().key == before


def test_the_rotation_reports_its_progress(database):
    for number in range(150):
        connect_shop(f"shop-{number}.myshopify.com")

    output = printed("manage.py", "rotate-secrets", SECRET_KEYS=BOTH)

    assert output.splitlines() == ["100 of 150 shops", "150 of 150 shops", DONE]
    assert set(wrapping_key_names()) == {"new"}


def test_a_key_that_cannot_be_unwrapped_is_reported_and_the_others_rotated(shop, other_shop):
    Shop.update(key=b"gone" + encryption.new_key()).where(Shop.id == shop.id).execute()

    done = run("manage.py", "rotate-secrets", SECRET_KEYS=BOTH)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Not all can be removed yet:",
        f"shop {shop.id}: SECRET_KEYS has no key named 'gonetest'.",
    ]
    assert wrapping_key_names()[1] == "new"


def test_a_deleted_key_stays_deleted(shop):
    Shop.update(key=b"").execute()

    assert printed("manage.py", "rotate-secrets", SECRET_KEYS=BOTH).endswith(DONE)
    assert bytes(Shop.get().key) == b""


def test_a_key_deleted_during_the_rotation_stays_deleted(shop):
    with psycopg.connect(os.environ["DATABASE_URL"]) as other:
        other.execute("UPDATE shop SET key = ''")
        thread = threading.Thread(target=printed, args=("manage.py", "rotate-secrets"), kwargs={"SECRET_KEYS": BOTH})
        thread.start()
        wait_for(lambda: other.execute(WAITS_FOR_ROW).fetchone(), 20, "The rotation")
    thread.join()

    assert bytes(Shop.get().key) == b""


WAITS_FOR_ROW = "SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"


def test_connecting_a_shop_again_keeps_the_rewrapped_key(shop):
    """Another tenant's contacts are cleared between the reading of the shop's row and its writing."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as other:
        other.execute("LOCK TABLE customer IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(target=connect_elsewhere, args=(shop.domain,))
        thread.start()
        wait_for(lambda: other.execute(WAITS).fetchone(), 20, "The connecting")
        printed("manage.py", "rotate-secrets", SECRET_KEYS=BOTH)
    thread.join()

    assert Shop.get().engage_tenant == "elsewhere"
    assert wrapping_key_names() == ["new"]


WAITS = "SELECT 1 FROM pg_locks WHERE relation = 'customer'::regclass AND NOT granted"


def connect_elsewhere(domain):
    fields = {"email": "a@example.com", "currency": "SEK", "timezone": "Europe/Stockholm", "store": "SE-WEB"}
    with connected(EVERY):
        shop_connections.connect_shop(domain, "token", "key", engage_tenant="elsewhere", **fields)
    db.close()


@pytest.fixture
def work(scratch, shop, shopify, engage):
    """Web, worker and clock with both keys, and orders that keep coming while the block lasts."""
    port = free_port()
    processes = AppProcesses(scratch, {"SECRET_KEYS": BOTH}, port)
    processes.start_all("web", "worker", "scheduler")
    yield Orders(shop, shopify, f"http://127.0.0.1:{port}")
    processes.close()


class Orders:
    """A shop's customers, who buy one record after the other."""

    def __init__(self, shop, shopify, base):
        self.shop, self.shopify, self.base = shop, shopify, base
        self.statuses, self.bought, self._sent = [], 0, 0

    def buy(self):
        self.bought += 1
        customer_id = self.shopify.add_customer(self.shop.domain, invented_customer(self.bought))
        self.shopify.add_order(self.shop.domain, RECORD, customer_id=customer_id)
        fresh = self.shopify.deliveries[self._sent :]
        self._sent += len(fresh)
        for each in fresh:
            self.statuses.append(post(self.base, each.body, each.headers(SECRET, "2026-10"))[0])


@pytest.mark.slow
def test_rotating_while_tasks_run_fails_none_of_them(work, shop):
    for _ in range(5):
        work.buy()
    rotating = threading.Thread(target=lambda: printed("manage.py", "rotate-secrets", SECRET_KEYS=BOTH))
    rotating.start()
    while rotating.is_alive() or work.bought < 15:
        work.buy()
    rotating.join()

    wait_for(lambda: count_synced_orders() == work.bought, 120, "The last receipt")

    assert set(work.statuses) == {200}
    assert wrapping_key_names() == ["new"]
    assert Task.select().where(Task.state == State.ERROR).count() == 0
    assert int(printed("-c", READ_ALL, SECRET_KEYS=NEW)) > Exchange.select().count() > 2 * work.bought
    assert Order.select().count() == work.bought


def count_synced_orders():
    done = (Task.type == TYPES["SyncOrder"].number) & (Task.state == State.SUCCESS) & Task.reason.is_null()
    return Task.select().where(done).count()
