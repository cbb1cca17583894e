"""Engage's webhooks: only valid signatures are accepted, and events are read in any case of their names."""

import base64
import hashlib
import hmac
import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.engage.webhooks import (
    BadSignature,
    UnreadableWebhook,
    WebhookEvent,
    is_webhook_secret,
    read_event,
    verify_signature,
)
from sandbox.engage.webhooks.encryption import encrypt
from tests.support.tasks.outcomes import raises_saying, sentence

CONTACT = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"
SECRET = "whsec_" + base64.b64encode(b"the secret of this endpoint").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"the one before").decode()
KEY = "0123456789abcdefghijABCDEFGHIJKL"
BODY = b'{"eventType": "contact.acceptsEmail.changed"}'


def signature(body: bytes, secret: str, message_id: str, at: int) -> str:
    """The signature as Svix documents it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def headers(
    body: bytes = BODY, *, secret: str = SECRET, age: int = 0, prefix: str = "svix", message_id: str = "msg_1"
) -> dict[str, str]:
    at = int(time.time()) - age
    parts = {"id": message_id, "timestamp": str(at), "signature": signature(body, secret, message_id, at)}
    return {f"{prefix}-{name}": value for name, value in parts.items()}


# Valid signatures


@pytest.mark.parametrize("prefix", ["svix", "webhook", "Svix", "WEBHOOK"])
def test_a_valid_signature_returns_the_message_id(prefix):
    assert verify_signature(headers(prefix=prefix), BODY, [SECRET]) == "msg_1"


@pytest.mark.parametrize("age", [-290, 0, 290])
def test_a_timestamp_may_differ_by_five_minutes(age):
    assert verify_signature(headers(age=age), BODY, [SECRET]) == "msg_1"


@pytest.mark.parametrize("secrets", [[SECRET, OLD_SECRET], [OLD_SECRET, SECRET], ["whsec_!", "", SECRET]])
def test_during_a_rotation_both_webhook_secrets_are_accepted(secrets):
    assert verify_signature(headers(), BODY, secrets) == "msg_1"


@pytest.mark.parametrize("others", ["v1,bm90IHRoaXM= ", "v1a,YWJj ", "v2 ", "nonsense "])
def test_one_valid_signature_of_several_is_enough(others):
    signed = headers()
    signed["svix-signature"] = others + signed["svix-signature"]

    assert verify_signature(signed, BODY, [SECRET]) == "msg_1"


def test_incomplete_headers_of_one_prefix_do_not_spoil_the_other():
    assert verify_signature(headers(prefix="webhook") | {"svix-id": "msg_2"}, BODY, [SECRET]) == "msg_1"


def test_a_secret_without_its_prefix_is_the_same_secret():
    assert verify_signature(headers(), BODY, [SECRET.removeprefix("whsec_")]) == "msg_1"


# Invalid signatures


@pytest.mark.parametrize("age", [-310, 310, 86_400])
def test_a_replay_is_refused_after_five_minutes(age):
    with pytest.raises(BadSignature):
        verify_signature(headers(age=age), BODY, [SECRET])


def test_a_changed_body_is_refused():
    with pytest.raises(BadSignature):
        verify_signature(headers(), BODY + b" ", [SECRET])


@pytest.mark.parametrize("secrets", [[], [OLD_SECRET], [""], ["whsec_"], ["whsec_a"], ["whsec_\u00e5"]])
def test_without_a_matching_secret_it_is_refused(secrets):
    with pytest.raises(BadSignature):
        verify_signature(headers(), BODY, secrets)


@pytest.mark.parametrize("name", ["svix-id", "svix-timestamp", "svix-signature"])
@pytest.mark.parametrize("value", ["", "x", "msg_2", "0", "nan", "v1", "v1,", "v1,a", "v1,,", " ", "\xff" * 300])
def test_a_changed_header_is_refused(name, value):
    with pytest.raises(BadSignature):
        verify_signature(headers() | {name: value}, BODY, [SECRET])


@pytest.mark.parametrize("name", ["svix-id", "svix-timestamp", "svix-signature"])
def test_a_missing_header_is_not_taken_from_the_other_prefix(name):
    mixed = headers()
    other = name.replace("svix", "webhook")
    mixed[other] = mixed.pop(name)

    with pytest.raises(BadSignature):
        verify_signature(mixed, BODY, [SECRET])


def test_a_message_id_that_is_too_long_is_refused():
    with pytest.raises(BadSignature):
        verify_signature(headers(message_id="m" * 201), BODY, [SECRET])


def test_a_body_that_is_not_utf_8_is_refused():
    with pytest.raises(BadSignature):
        verify_signature(headers(b"\xff"), b"\xff", [SECRET])


@pytest.mark.parametrize(
    ("text", "valid"),
    [(SECRET, True), ("", False), ("whsec_", False), ("whsec_a", False), ("whsec_\u00e5", False), ("c2VjcmV0", False)],
)
def test_a_webhook_secret_is_recognised_by_its_form(text, valid):
    assert is_webhook_secret(text) is valid


# Events


def event(**changes: object) -> bytes:
    body = {
        "eventType": "contact.acceptsEmail.changed",
        "id": "e-1",
        "isEncrypted": False,
        "payload": {"contactId": CONTACT, "acceptsEmail": False},
        "tenant": "demo",
    }
    return json.dumps(body | changes).encode()


def test_an_event_is_read():
    assert read_event(event()) == WebhookEvent("contact.acceptsEmail.changed", CONTACT)


def test_field_names_are_read_in_any_case():
    body = {"EventType": "reward.voucher.created", "EventId": "e-2", "Payload": {"ContactID": CONTACT.upper()}}

    found = read_event(json.dumps(body).encode())

    assert (found.event_type, found.contact_id) == ("reward.voucher.created", CONTACT)


@pytest.mark.parametrize(
    ("event_type", "payload", "expected"),
    [
        ("contact.created", {"id": CONTACT}, CONTACT),
        ("Contact.Deleted", {"Id": CONTACT}, CONTACT),
        ("reward.voucher.created", {"id": CONTACT}, None),
        ("contact.updated", {"contactId": "elin@example.test"}, None),
        ("contact.updated", {"contactId": 7}, None),
        ("contact.updated", {}, None),
    ],
)
def test_the_contact_is_the_one_that_the_payload_names(event_type, payload, expected):
    assert read_event(event(eventType=event_type, payload=payload)).contact_id == expected


def encrypted(**payload: object) -> str:
    return encrypt(json.dumps(payload).encode(), KEY)


@pytest.mark.parametrize("value", [True, "true", "True", 1])
def test_an_encrypted_event_is_read_with_the_key(value):
    body = event(isEncrypted=value, payload=encrypted(contactId=CONTACT, acceptsEmail=False))

    assert read_event(body, KEY) == WebhookEvent("contact.acceptsEmail.changed", CONTACT)


def test_an_encrypted_event_of_the_other_form_is_read_with_the_key():
    body = {"EventType": "reward.voucher.created", "EventId": "e-2", "IsEncrypted": True}

    found = read_event(json.dumps(body | {"Payload": encrypted(ContactID=CONTACT.upper())}).encode(), KEY)

    assert (found.event_type, found.contact_id) == ("reward.voucher.created", CONTACT)


@pytest.mark.parametrize("payload", ["q7Hd9s==", {"contactId": CONTACT}, None])
def test_an_encrypted_event_without_a_key_says_that_there_is_none(payload):
    with raises_saying(UnreadableWebhook, match="the shop has no encryption key"):
        read_event(event(isEncrypted=True, payload=payload))


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"contactId": CONTACT}, "not in Base64"),
        ("q7Hd9s==", "a length that"),
        (encrypt(b"{}", KEY[::-1]), "another one than the shop's"),
    ],
    ids=["no text", "too short", "another key"],
)
def test_an_event_that_cannot_be_decrypted_says_why(payload, sentence):
    with raises_saying(UnreadableWebhook, match=sentence):
        read_event(event(isEncrypted=True, payload=payload), KEY)


@given(
    fields=st.dictionaries(
        st.sampled_from(["eventType", "isEncrypted", "payload", "Payload", "ISENCRYPTED"]),
        st.none() | st.booleans() | st.text() | st.integers() | st.dictionaries(st.text(), st.text(), max_size=2),
    ),
    key=st.none() | st.just(KEY),
)
def test_any_envelope_is_an_event_or_unreadable(fields, key):
    with suppress(UnreadableWebhook):
        assert isinstance(read_event(event(**fields), key), WebhookEvent)


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("value", [None, False, "false"])
def test_an_unencrypted_event_may_state_that_or_not(value, key):
    assert read_event(event(isEncrypted=value), key).contact_id == CONTACT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 10_000,
        b'{"eventType": NaN}',
        event(eventType=7),
        event(eventType=""),
        event(payload=None),
        event(payload="q7Hd9s=="),
        event(payload=[CONTACT]),
    ],
)
def test_a_malformed_event_is_unreadable_and_not_encrypted(body):
    with pytest.raises(UnreadableWebhook) as caught:
        read_event(body)

    assert sentence(caught.value.cause).startswith("Engage sent a webhook ")


def test_personal_data_of_an_event_stays_out_of_its_repr():
    assert "acceptsEmail'" not in repr(read_event(event()))
