"""Ciphertext is bound to its place, and nothing of a customer is stored in clear text."""

from __future__ import annotations

import base64
import logging
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

import encryption
from config import Misconfigured
from database import db
from encryption import Unreadable, Vault, new_key, parse_keyring
from models import Exchange, State, Task
from sandbox.shopify import TOKEN
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from taskqueue.broker import broker
from taskqueue.types import TYPES
from tests.conftest import ENGAGE_KEY, SECRET
from tests.support.servers.processes import printed
from tests.support.web.webhook_requests import post, web

__all__ = ["web"]

PLACE = ("body", "sealed", "row-1")
KEY = base64.b64encode(b"q" * 32).decode()
SENTENCE = "must be a short name, a colon and 32 bytes in base64."


@pytest.fixture(scope="module")
def wrapped():
    return new_key()


@given(plain=st.one_of(st.binary(max_size=2000), st.integers(150, 300).map(lambda size: b"a" * size)))
def test_encrypted_text_can_be_decrypted(plain, wrapped):
    sealed = Vault(1, wrapped).seal(plain, *PLACE)

    assert Vault(1, wrapped).open(sealed, *PLACE) == plain
    assert Vault(1, wrapped).open(memoryview(sealed), *PLACE) == plain


def test_large_bodies_are_compressed(wrapped):
    assert len(Vault(1, wrapped).seal(b'{"id": 1}' * 10_000, *PLACE)) < 2000


def test_the_same_text_is_never_encrypted_alike(wrapped):
    assert len({Vault(1, wrapped).seal(b"secret", *PLACE) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("shop", "place"),
    [
        pytest.param(2, PLACE, id="another shop"),
        pytest.param(1, ("exchange", "sealed", "row-1"), id="another table"),
        pytest.param(1, ("body", "received", "row-1"), id="another column"),
        pytest.param(1, ("body", "sealed", "row-2"), id="another row"),
    ],
)
def test_a_ciphertext_cannot_be_moved(shop, place, wrapped):
    sealed = Vault(1, wrapped).seal(b"secret", *PLACE)

    with pytest.raises(Unreadable):
        Vault(shop, wrapped).open(sealed, *place)


@given(position=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_damaged_ciphertext_is_unreadable(position, change, wrapped):
    sealed = bytearray(Vault(1, wrapped).seal(b"secret" * 60, *PLACE))
    sealed[position % len(sealed)] ^= change

    with pytest.raises(Unreadable):
        Vault(1, wrapped).open(bytes(sealed), *PLACE)


@given(length=st.integers(0, 34))
def test_a_truncated_ciphertext_is_unreadable(length, wrapped):
    sealed = Vault(1, wrapped).seal(b"secret", *PLACE)  # 12 bytes of nonce, 7 of content, 16 of tag

    with pytest.raises(Unreadable, match=r"body\.sealed of row-1 cannot be decrypted\."):
        Vault(1, wrapped).open(sealed[:length], *PLACE)


def test_every_shop_has_a_key_of_its_own(wrapped):
    sealed = Vault(1, wrapped).seal(b"secret", *PLACE)

    with pytest.raises(Unreadable):
        Vault(1, new_key()).open(sealed, *PLACE)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda wrapped: wrapped.replace(b"test:", b"gone:"), "SECRET_KEYS has no key named 'gone'."),
        (lambda wrapped: wrapped[:-1], "The key named 'test' in SECRET_KEYS is not the one used before."),
        (lambda wrapped: wrapped[:8], "The key named 'test' in SECRET_KEYS is not the one used before."),
        (lambda wrapped: b"", "SECRET_KEYS has no key named ''."),
        (lambda wrapped: b"\xff\xfe", "SECRET_KEYS has no key named"),
    ],
)
def test_a_shops_key_that_cannot_be_unwrapped_says_why(damage, reason, wrapped):
    with pytest.raises(Unreadable) as refused:
        Vault(1, damage(wrapped))

    assert str(refused.value).startswith(reason)


def test_another_key_under_a_known_name_is_reported(wrapped):
    other = b"test:" + bytes(12) + AESGCM(b"x" * 32).encrypt(bytes(12), b"y" * 32, b"test")

    with pytest.raises(Unreadable, match="is not the one used before"):
        Vault(1, other)


def test_the_first_key_encrypts_and_all_decrypt(wrapped):
    """In processes of their own: the keys are read once."""
    both = f"new:{KEY},test:{base64.b64encode(b'k' * 32).decode()}"
    script = (
        "import sys, encryption; old, sealed = map(bytes.fromhex, sys.argv[1:])\n"
        "place = ('body', 'sealed', 'row-1')\n"
        "print(encryption.Vault(1, old).open(sealed, *place).decode(), encryption.new_key()[:4].decode())"
    )
    sealed = Vault(1, wrapped).seal(b"secret", *PLACE)

    assert printed("-c", script, wrapped.hex(), sealed.hex(), SECRET_KEYS=both) == "secret new:"


def test_the_keyring_keeps_its_order():
    assert list(parse_keyring(f" b:{KEY} , a:{KEY},")) == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "SECRET_KEYS is empty; make one: python manage.py new-key"),
        (" , ", "SECRET_KEYS is empty; make one: python manage.py new-key"),
        (KEY, f"SECRET_KEYS: entry 1 {SENTENCE}"),
        (f":{KEY}", f"SECRET_KEYS: entry 1 {SENTENCE}"),
        (f"two words:{KEY}", f"SECRET_KEYS: entry 1 {SENTENCE}"),
        (f"a:{KEY},b:{KEY[:-5]}=", f"SECRET_KEYS: entry 2 {SENTENCE}"),
        (f"a:{KEY},b:not base64", f"SECRET_KEYS: entry 2 {SENTENCE}"),
        (f"a:{KEY},b:ünïcode", f"SECRET_KEYS: entry 2 {SENTENCE}"),
        (f"a:{KEY},a:{KEY}", "SECRET_KEYS has two keys of one name."),
    ],
)
def test_malformed_keys_are_reported_without_their_text(text, sentence):
    with pytest.raises(Misconfigured) as refused:
        parse_keyring(text)

    assert str(refused.value) == sentence


def test_a_generated_keyring_entry_is_usable():
    assert list(parse_keyring(encryption.new_keyring_entry("k1"))) == ["k1"]
    assert encryption.new_keyring_entry("k1") != encryption.new_keyring_entry("k1")


ADA = CustomerDetails(
    "Canarina", "Kanariefågel", "canary@canary-mail.example", "+46701987654", address1="Canary street 1"
)
CANARIES = [TOKEN, ENGAGE_KEY, "Canarina", "Kanarief", "canary@", "canary-mail", "701987654", "Canary street"]
RECORD = Checkout(items=(Item("A record", "REC-1", Decimal("149.00")),))


@pytest.fixture
def order_synced(web, shop, shopify, engage, drain, caplog):
    """A customer and their order all the way, by webhooks, with an Engage that at first refuses and quotes."""
    caplog.set_level(logging.DEBUG)
    refusal = {"errorCode": "ValidationError", "message": f"{ADA.email} or {ADA.phone} is not valid"}
    engage.script("POST /api/v3/contacts", [(422, refusal)])
    customer_id = shopify.add_customer(shop.domain, ADA)
    shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    shopify.fire(shop.domain, "carts/update", {"email": ADA.email})
    _deliver(web, shopify, drain)
    shopify.update_customer(shop.domain, customer_id, last_name="Kanariefågel-Ek")
    _deliver(web, shopify, drain)
    assert {task.state for task in Task.select()} == {State.SUCCESS, State.ERROR}
    assert Task.select().where(Task.type == TYPES["SyncOrder"].number, Task.state == State.SUCCESS).exists()


def _deliver(web, shopify, drain):
    for delivery in shopify.deliveries:
        assert post(web, delivery.body, delivery.headers(SECRET, "2026-10"))[0] == 200
    drain()


def canaries_in(text: str) -> list[str]:
    """The canaries that a text gives away, also as the hexadecimal of PostgreSQL's bytes."""
    return [canary for canary in CANARIES if canary in text or canary.encode().hex() in text]


def tables_as_text() -> dict[str, str]:
    """All rows of all tables as text."""
    names = [name for (name,) in db.execute_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    rows = {name: db.execute_sql(f'SELECT t::text FROM "{name}" t').fetchall() for name in names}
    return {name: "\n".join(row for (row,) in found) for name, found in rows.items()}


def test_nothing_secret_or_personal_is_in_the_tables_in_clear_text(order_synced):
    stored = tables_as_text()

    assert {name: canaries_in(text) for name, text in stored.items() if canaries_in(text)} == {}
    assert all(stored[name] for name in ("shop", "body", "exchange", "customer", "orders"))


def test_the_searched_secrets_and_personal_data_were_stored(order_synced):
    sent = b"".join(row.open(Task.get_by_id(row.task_id).shop, "sent") for row in Exchange.select())
    received = b"".join(row.open(Task.get_by_id(row.task_id).shop, "received") for row in Exchange.select())

    assert set(canaries_in((sent + received).decode())) == set(CANARIES) - {TOKEN, ENGAGE_KEY}


def test_nothing_secret_or_personal_is_in_redis(order_synced):
    stored = [(key, broker.client.dump(key)) for key in broker.client.keys("*")]

    assert len(stored) > 1
    assert canaries_in(str(stored)) == []


def test_nothing_secret_or_personal_is_in_the_log(order_synced, caplog):
    logged = "\n".join(map(caplog.handler.format, caplog.get_records("setup")))

    assert "Nothing is done on carts/update." in logged  # so it is the log that is looked at
    assert canaries_in(logged) == []
