"""Engage's encrypted payloads: round trips, what OpenSSL encrypted, and damage, which is never another exception."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.engage.webhook_encryption import UndecryptablePayload, decrypt_payload, is_encryption_key
from reasons import Reason
from sandbox.engage.webhooks.encryption import encoded, encrypt, encrypted_blocks, padded

KEY = "0123456789abcdefghijABCDEFGHIJKL"
OTHER_KEY = KEY[::-1]
PAYLOAD = {"contactId": "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa", "acceptsEmail": False}
# openssl enc -aes-256-cbc -K (the key in hex) -iv 000102030405060708090a0b0c0d0e0f, the IV in front, in URL-safe Base64
BY_OPENSSL = (
    "AAECAwQFBgcICQoLDA0OD0i4ZwgM5Krox6Ia3Su6g3lYJIBGFJYqxKRtHO06Hua9P8olU86WH7NlGa3OVMLBS_57-3MlsYYxOcDhhItOLG7azluRBugm"
    "zFFIfZ7vAyzE"
)
WITH_AES_128 = "AAECAwQFBgcICQoLDA0OD7skTbcUQwHN2d_KwrbcLrg="  # the same with -aes-128-cbc and the first half of KEY
KEYS = st.text("abcXYZ0189", min_size=32, max_size=32)
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"]))
PAYLOADS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=5)
JSON = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


def reason(payload: object, key: str = KEY) -> Reason | str:
    """The reason why it cannot be decrypted. No other exception passes."""
    with pytest.raises(UndecryptablePayload) as caught:
        decrypt_payload(payload, key)
    return caught.value.cause.reason


# What can be decrypted


def test_what_openssl_encrypted_is_decrypted():
    assert decrypt_payload(BY_OPENSSL, KEY) == PAYLOAD


@pytest.mark.parametrize("padding", ["", "=", "==", "===="])
def test_both_alphabets_of_base64_are_read_with_padding_or_without(padding):
    text = encrypt(b'{"a": "of two blocks"}', KEY) + padding

    assert decrypt_payload(text, KEY) == decrypt_payload(text.replace("-", "+").replace("_", "/"), KEY)


@given(payload=PAYLOADS, key=KEYS)
def test_every_payload_comes_back(payload, key):
    assert decrypt_payload(encrypt(json.dumps(payload).encode(), key), key) == payload


@given(payload=PAYLOADS)
def test_the_same_payload_is_encrypted_differently_each_time(payload):
    plain = json.dumps(payload).encode()

    assert encrypt(plain, KEY) != encrypt(plain, KEY)


# What cannot


@pytest.mark.parametrize("payload", [None, 7, True, PAYLOAD, [BY_OPENSSL], "å", "q7Hd9", "a b=", "q7=Hd9s", "*" * 64])
def test_what_is_no_base64_says_so(payload):
    assert reason(payload) == Reason.EVENT_NOT_BASE64


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 33, 47])
def test_another_length_than_of_whole_blocks_says_so(length):
    assert reason(encoded(bytes(length))) == Reason.EVENT_CIPHERTEXT_LENGTH


def test_another_key_is_a_mismatch():
    assert reason(BY_OPENSSL, OTHER_KEY) == Reason.EVENT_KEY_MISMATCH


@pytest.mark.parametrize("last", [0, 2, 16, 17, 32, 255])
def test_a_wrong_padding_is_a_mismatch_although_the_content_is_right(last):
    blocks = b'{"a":"1234567"}' + bytes([last])

    assert reason(encoded(encrypted_blocks(blocks, KEY))) == Reason.EVENT_KEY_MISMATCH


@pytest.mark.parametrize("plain", [b"", b"{", b"[]", b'"text"', b"null", b"\xff", b"[" * 5000, b'{"a": NaN}'])
def test_a_wrong_content_has_the_same_reason_as_a_wrong_padding(plain):
    assert reason(encoded(encrypted_blocks(padded(plain), KEY))) == Reason.EVENT_KEY_MISMATCH


def test_a_shorter_key_is_a_mismatch_where_another_aes_would_take_it():
    assert reason(WITH_AES_128, KEY[:16]) == Reason.EVENT_KEY_MISMATCH


@given(key=st.text(max_size=40))
def test_a_key_of_any_other_form_is_a_mismatch(key):
    assert reason(BY_OPENSSL, key) == Reason.EVENT_KEY_MISMATCH


@given(payload=JSON)
def test_any_json_value_in_place_of_the_payload_has_a_reason(payload):
    assert reason(payload)


@given(encrypted=st.binary(max_size=200))
def test_any_bytes_in_place_of_the_payload_have_a_reason(encrypted):
    assert reason(encoded(encrypted))


@given(position=st.integers(16, 95), change=st.integers(1, 255))
def test_a_changed_byte_of_the_ciphertext_raises_no_other_exception(position, change):
    """CBC alone does not notice every change: that is what the signature is for."""
    encrypted = bytearray(base64.urlsafe_b64decode(BY_OPENSSL))
    encrypted[position] ^= change

    with suppress(UndecryptablePayload):
        assert isinstance(decrypt_payload(encoded(bytes(encrypted)), KEY), dict)


@given(length=st.integers(0, 95))
def test_a_payload_that_was_cut_off_has_a_reason(length):
    encrypted = base64.urlsafe_b64decode(BY_OPENSSL)[:length]

    assert reason(encoded(encrypted)) in (Reason.EVENT_CIPHERTEXT_LENGTH, Reason.EVENT_KEY_MISMATCH)


# Keys


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (KEY, True),
        (KEY[:-1], False),
        (KEY + "a", False),
        (KEY + "\n", False),
        (KEY[:-1] + "-", False),
        (KEY[:-1] + "å", False),
        ("", False),
    ],
)
def test_an_encryption_key_is_recognised_by_its_form(text, valid):
    assert is_encryption_key(text) is valid
