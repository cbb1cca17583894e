"""A preference changed in Engage reaches Shopify through an encrypted webhook, over real sockets and tables."""

from __future__ import annotations

import pytest

from database import db
from models import State, Task
from reasons import Reason
from sync import webhook_endpoints
from taskqueue.retry import requeue
from taskqueue.types import TYPES
from tests.support.servers.connected_sandboxes import sandboxes
from tests.support.web.webhook_requests import web

__all__ = ["sandboxes", "web"]

KEY = "0123456789abcdefghijABCDEFGHIJKL"


@pytest.fixture
def shopper(sandboxes):
    """A customer of both systems; from now on Engage encrypts its webhooks."""
    shopify_id = sandboxes.add_customer()
    sandboxes.engage.tenant("demo").encryption_key = KEY
    return shopify_id


def enter_key(sandboxes, key):
    webhook_endpoints.set_encryption_key(webhook_endpoints.get_or_create(sandboxes.shop), key)


def subscribe_in_engage(sandboxes, shopper):
    sandboxes.choose_in_engage(shopper, acceptsEmail=True)
    sandboxes.wait_until_idle()


def retry(sandboxes, task):
    with db.atomic():
        requeue([task.id])
    sandboxes.wait_until_idle()


def newest():
    number = TYPES["SyncCustomerMarketingPreferences"].number
    return Task.select().where(Task.type == number).order_by(Task.id.desc()).get()


def test_a_preference_changed_in_engage_reaches_shopify_through_an_encrypted_webhook(sandboxes, shopper):
    enter_key(sandboxes, KEY)

    subscribe_in_engage(sandboxes, shopper)

    assert b'"isEncrypted":true' in sandboxes.webhooks.messages()[-1].body
    assert (newest().state, newest().shopify_id) == (State.SUCCESS, shopper)
    assert sandboxes.consent_states(shopper)[0] == "SUBSCRIBED"


@pytest.mark.parametrize(
    ("entered", "reason"), [(None, Reason.EVENT_ENCRYPTED), (KEY[::-1], Reason.EVENT_KEY_MISMATCH)]
)
def test_a_retry_with_the_right_key_brings_the_preference_after_all(sandboxes, shopper, entered, reason):
    if entered:
        enter_key(sandboxes, entered)
    subscribe_in_engage(sandboxes, shopper)
    assert (newest().state, newest().reason) == (State.ERROR, reason)
    assert sandboxes.consent_states(shopper)[0] != "SUBSCRIBED"

    enter_key(sandboxes, KEY)
    retry(sandboxes, newest())

    assert newest().state == State.SUCCESS
    assert sandboxes.consent_states(shopper)[0] == "SUBSCRIBED"
