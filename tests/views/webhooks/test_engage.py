"""Engage's webhooks over a real socket: the answer, the stored task, and what the task does."""

from __future__ import annotations

import base64
import time
from uuid import uuid4

import orjson
import pytest
import requests

from models import Body, Customer, Shop, State, Task, WebhookEndpoint, new_id
from reasons import Reason, cause
from sandbox.engage.webhooks.encryption import encoded, encrypt, encrypted_blocks
from sandbox.engage.webhooks.message import SvixEndpoint as Receiver
from sandbox.engage.webhooks.message import SvixMessage
from sync import entities, webhook_endpoints
from taskqueue import exchanges, insert
from taskqueue.types import TYPES
from tests.support.tasks.outcomes import sentence
from tests.support.web.webhook_requests import web
from views.web.request_checks import LARGEST_BODY

__all__ = ["web"]

SECRET = "whsec_" + base64.b64encode(b"the secret of this endpoint").decode()
NEXT_SECRET = "whsec_" + base64.b64encode(b"the one after it").decode()
CONTACT = str(uuid4())


KEY = "0123456789abcdefghijABCDEFGHIJKL"


def event(event_type="contact.acceptsEmail.changed", **payload):
    envelope = {"eventType": event_type, "id": str(uuid4()), "isEncrypted": False, "tenant": "demo"}
    return orjson.dumps({**envelope, "payload": {"contactId": CONTACT, "acceptsEmail": False, **payload}})


@pytest.fixture
def endpoint(shop):
    found = webhook_endpoints.get_or_create(shop)
    webhook_endpoints.add_secret(found, SECRET)
    return found


def post(web, endpoint, body=b"{}", *secrets, at=None, svix_id=None, signed=None):
    """POST it as Svix would; `signed` is the body that the signature is of."""
    message = SvixMessage(svix_id or f"msg_{uuid4().hex}", "", Receiver("", secrets or (SECRET,)), body=signed or body)
    path = endpoint.url.partition("/webhooks")[2] if isinstance(endpoint, WebhookEndpoint) else f"/engage/{endpoint}"
    return requests.post(f"{web}/webhooks{path}", body, headers=message.headers(at or int(time.time())), timeout=20)


def test_a_signed_webhook_becomes_a_task_with_its_exact_body(web, shop, endpoint):
    body = event() + b"  \n"

    assert post(web, endpoint, body, svix_id="msg_1").status_code == 200

    (task,) = Task.select()
    assert (task.type, task.shop_id, task.key) == (16, shop.id, "msg_1")
    assert exchanges.webhook_body(task) == body


def test_a_redelivery_with_a_new_signature_is_the_same_task(web, endpoint):
    now = int(time.time())

    assert [post(web, endpoint, svix_id="msg_1", at=now - age).status_code for age in (30, 0)] == [200, 200]

    assert Task.select().count() == 1


def test_two_shops_may_get_webhooks_with_the_same_id(web, endpoint, other_shop):
    other = webhook_endpoints.get_or_create(other_shop)
    webhook_endpoints.add_secret(other, SECRET)

    for each in (endpoint, other):
        post(web, each, svix_id="msg_1")

    assert Task.select().count() == 2


@pytest.mark.parametrize("seconds", [-240, 240])
def test_a_timestamp_within_the_tolerance_is_accepted(web, endpoint, seconds):
    assert post(web, endpoint, at=int(time.time()) + seconds).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"signed": b'{"a": 1}'}, id="of another body"),
        pytest.param({"at": int(time.time()) - 3600}, id="an hour old"),  # a recorded one that is played again
        pytest.param({"at": int(time.time()) + 3600}, id="of the future"),
    ],
)
def test_an_invalid_signature_is_refused(web, endpoint, wrong):
    assert post(web, endpoint, **wrong).status_code == 401
    assert not Task.select().exists()


def test_a_signature_by_another_secret_is_refused(web, endpoint):
    assert post(web, endpoint, b"{}", NEXT_SECRET).status_code == 401


def test_an_unsigned_webhook_is_refused(web, endpoint):
    path = endpoint.url.partition("/webhooks")[2]

    assert requests.post(f"{web}/webhooks{path}", b"{}", timeout=20).status_code == 401


def test_an_endpoint_without_a_secret_accepts_nothing(web, shop):
    assert post(web, webhook_endpoints.get_or_create(shop)).status_code == 401


def test_during_a_rotation_both_secrets_are_valid(web, endpoint):
    webhook_endpoints.add_secret(endpoint, NEXT_SECRET)

    assert [post(web, endpoint, b"{}", secret).status_code for secret in (SECRET, NEXT_SECRET)] == [200, 200]


def test_the_secret_before_the_previous_one_is_invalid(web, endpoint):
    webhook_endpoints.add_secret(endpoint, NEXT_SECRET)
    webhook_endpoints.add_secret(
        webhook_endpoints.get_or_create(endpoint.shop), "whsec_" + base64.b64encode(b"the third of them").decode()
    )

    assert post(web, endpoint).status_code == 401


def test_a_malformed_secret_is_refused(endpoint):
    with pytest.raises(ValueError, match="whsec_"):
        webhook_endpoints.add_secret(endpoint, "hunter2")


@pytest.mark.parametrize("token", ["unknown", "x" * 2000, "%00", "é"])
def test_an_unknown_webhook_url_is_not_found(web, endpoint, token):
    assert post(web, token).status_code == 404


def test_the_webhook_url_of_an_uninstalled_shop_is_not_found(web, endpoint):
    Shop.update(active=False).execute()

    assert post(web, endpoint).status_code == 404


def test_a_shops_secret_is_invalid_at_another_shops_url(web, endpoint, other_shop):
    other = webhook_endpoints.get_or_create(other_shop)
    webhook_endpoints.add_secret(other, NEXT_SECRET)

    assert post(web, other).status_code == 401


def test_a_webhook_url_is_stable_and_only_its_hash_is_readable(endpoint):
    token = endpoint.url.rpartition("/")[2]

    assert webhook_endpoints.get_or_create(endpoint.shop).url == endpoint.url
    assert len(token) >= 43
    assert token.encode() not in bytes(endpoint.token)
    assert endpoint.token_hash != token


def test_a_larger_body_is_refused(web, endpoint):
    assert post(web, endpoint, b" " * (LARGEST_BODY + 1)).status_code == 413


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"NaN", b'{"a": "\\ud800"}'])
def test_a_body_is_stored_before_it_is_parsed(web, endpoint, body):
    assert post(web, endpoint, body).status_code == 200
    assert exchanges.webhook_body(Task.get()) == body


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(method, anonymous):
    assert anonymous.request(method, "/webhooks/engage/token").status_code == 405


def arrive(shop, body):
    """What the web process leaves behind."""
    task = TYPES["SyncCustomerMarketingPreferences"].new(shop, key=str(new_id()))
    insert.insert_webhooks([(task, Body.seal(shop, task.id, body))])
    return task


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not a JSON object"),
        (b"{}", "does not say what happened"),
        (event().replace(b'"isEncrypted":false', b'"isEncrypted":true'), "the shop has no encryption key"),
        (event(contactId=None), "names no contact"),
    ],
)
def test_a_malformed_event_becomes_an_error_with_its_reason(shop, drain, body, reason):
    task = arrive(shop, body)

    drain()

    ended = Task.get_by_id(task.id)
    assert (ended.state, ended.code) == (State.ERROR, "unusable")
    assert reason in sentence(ended.cause)


def encrypted_event(payload):
    envelope = {"eventType": "contact.acceptsEmail.changed", "id": str(uuid4()), "isEncrypted": True}
    return orjson.dumps({**envelope, "payload": payload, "tenant": "demo"})


GOOD = encrypt(orjson.dumps({"contactId": CONTACT, "acceptsEmail": False}), KEY)
WRONG_PADDING = encoded(encrypted_blocks(b'{"a":"1234567"}\x02', KEY))
# Named, since each process encrypts them anew.
UNDECRYPTABLE = [
    pytest.param(encrypt(b"{}", KEY[::-1]), Reason.EVENT_KEY_MISMATCH, id="another key"),
    pytest.param(WRONG_PADDING, Reason.EVENT_KEY_MISMATCH, id="wrong padding"),
    pytest.param(encrypt(b"no object", KEY), Reason.EVENT_KEY_MISMATCH, id="no object"),
    pytest.param("no Base64", Reason.EVENT_NOT_BASE64, id="no Base64"),
    pytest.param(GOOD[:-4], Reason.EVENT_CIPHERTEXT_LENGTH, id="cut"),
]


def test_an_encrypted_webhook_is_stored_as_it_came_and_then_decrypted(web, shop, endpoint, drain):
    webhook_endpoints.set_encryption_key(endpoint, KEY)
    body = encrypted_event(GOOD)

    assert post(web, endpoint, body).status_code == 200
    drain()

    task = Task.get()
    assert (task.reason, task.engage_id) == (Reason.CONTACT_UNKNOWN, CONTACT)
    assert exchanges.webhook_body(task) == body


@pytest.mark.parametrize(("payload", "reason"), UNDECRYPTABLE)
def test_a_webhook_that_cannot_be_decrypted_becomes_an_error_with_its_reason(shop, endpoint, drain, payload, reason):
    webhook_endpoints.set_encryption_key(endpoint, KEY)
    task = arrive(shop, encrypted_event(payload))

    drain()

    ended = Task.get_by_id(task.id)
    assert (ended.state, ended.code, ended.reason, ended.attempts) == (State.ERROR, "unusable", reason, 1)


def test_an_encrypted_webhook_is_answered_alike_whatever_is_wrong_with_it(web, endpoint):
    """Its sender learns nothing of the padding: it is decrypted by a worker, after the answer."""
    payloads = [GOOD, *(each.values[0] for each in UNDECRYPTABLE)]
    without_key = [answer(post(web, endpoint, encrypted_event(payload))) for payload in payloads]

    webhook_endpoints.set_encryption_key(endpoint, KEY)
    with_key = [answer(post(web, endpoint, encrypted_event(payload))) for payload in payloads]

    assert set(without_key) == set(with_key) == {(200, b"")}
    assert Task.select().count() == 2 * len(payloads)


def answer(response):
    return response.status_code, response.content


def test_an_encrypted_webhook_is_verified_before_it_is_decrypted(web, endpoint):
    webhook_endpoints.set_encryption_key(endpoint, KEY)

    assert post(web, endpoint, encrypted_event(GOOD), NEXT_SECRET).status_code == 401
    assert not Task.select().exists()


def test_a_webhook_that_is_not_encrypted_needs_no_key_and_minds_none(shop, endpoint, drain):
    webhook_endpoints.set_encryption_key(endpoint, KEY)
    task = arrive(shop, event())

    drain()

    assert Task.get_by_id(task.id).reason == Reason.CONTACT_UNKNOWN


@pytest.mark.parametrize("event_type", ["contact.updated", "contact.acceptsPostal.changed", "reward.voucher.created"])
def test_other_events_are_skipped(shop, drain, event_type):
    task = arrive(shop, event(event_type))

    drain()

    ended = Task.get_by_id(task.id)
    assert (ended.state, ended.cause) == (State.SUCCESS, cause(Reason.EVENT_IGNORED, event=event_type))
    assert ended.engage_id == CONTACT  # by which it is found when they are to be forgotten


def test_a_contact_without_a_customer_is_skipped_without_a_call(shop, engage, drain):
    task = arrive(shop, event())

    drain()

    assert Task.get_by_id(task.id).reason == Reason.CONTACT_UNKNOWN
    assert len(engage.calls) == 0


def test_a_contact_that_was_deleted_in_engage_is_skipped(shop, shopify, engage, drain):
    from sandbox.shopify.customers import CustomerDetails

    customer = entities.save(
        Customer, shop, shopify.customer(shop.domain, shopify.add_customer(shop.domain, CustomerDetails()))
    )
    Customer.update(contact_id=CONTACT).where(Customer.id == customer.id).execute()
    task = arrive(shop, event())

    drain()

    assert Task.get_by_id(task.id).reason == Reason.CONTACT_NOT_FOUND
