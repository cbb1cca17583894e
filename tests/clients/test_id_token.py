"""Who comes from Shopify's admin: by our reading and by the official package's, over a thousand made tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_app.verify.app_home_req import verify_app_home_req
from shopify_app.verify.webhook import verify_webhook_req

from clients.shopify.id_token import IdTokenUser, InvalidIdToken, verify_id_token
from tests.conftest import SECRET
from views.webhooks.shopify import verified

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

CLIENT, OTHER = "sandbox-client-id", "another secret, as long as the first"
SHOP = "demo.myshopify.com"
LOOKALIKES = [
    "https://evil.example",
    "https://demo.myshopify.com.evil.example",
    "https://evil.example/demo.myshopify.com",
    "https://demo.myshopify.com@evil.example",
    "https://demo.myshopify.com\n",
    "http://demo.myshopify.com",
    "https://-demo.myshopify.com",
    "https://demo.myshopify.com/x",
    "https://demo.myshopify.com?x",
    "https://demo_.myshopify.com",
    "https://[demo.myshopify.com",
    "demo.myshopify.com",
    "",
    7,
    None,
]


def claims(**changes):
    now = time.time()
    made = {
        "iss": f"https://{SHOP}/admin",
        "dest": f"https://{SHOP}",
        "aud": CLIENT,
        "sub": "42",
        "exp": now + 60,
        "nbf": now - 1,
        "iat": now - 1,
        "jti": "1",
        "sid": "2",
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def signed(secret=SECRET, algorithm="HS256", **changes):
    return jwt.encode(claims(**changes), secret, algorithm)


def ours(token, *secrets):
    try:
        return verify_id_token(token, secrets or [SECRET.encode()], CLIENT)
    except InvalidIdToken:
        return None


def theirs(token, *, in_address=False):
    """The shop that the official package reads, or None."""
    address = "https://app.example.com/tasks?embedded=1" + (f"&id_token={token}" if in_address else "")
    headers = {} if in_address else {"Authorization": f"Bearer {token}"}
    asked = {"method": "GET", "url": address, "headers": headers, "body": ""}
    found = verify_app_home_req(asked, {"client_id": CLIENT, "client_secret": SECRET}, "/auth/session-token")
    return f"{found.shop}.myshopify.com" if found.ok else None


def test_a_valid_token_names_the_shop_and_the_user():
    assert ours(signed()) == IdTokenUser(SHOP, "42")


def test_during_a_rotation_both_client_secrets_are_accepted():
    assert ours(signed(OTHER), SECRET.encode(), OTHER.encode()) == IdTokenUser(SHOP, "42")
    assert ours(signed(OTHER)) is None


@pytest.mark.parametrize("lookalike", LOOKALIKES)
def test_only_a_shop_domain_of_shopify_is_accepted(lookalike):
    assert ours(signed(dest=lookalike, iss=f"{lookalike}/admin")) is None
    assert ours(signed(dest=lookalike)) is None
    assert ours(signed(iss=f"{lookalike}/admin")) is None


@pytest.mark.parametrize("missing", ["iss", "dest", "aud", "sub", "exp", "nbf", "jti", "sid"])
def test_no_claim_may_be_missing(missing):
    assert ours(signed(**{missing: None})) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-app"},
        {"aud": [CLIENT, "another-app"]},
        {"exp": time.time() - 11},
        {"nbf": time.time() + 3600},
        {"sub": ""},
        {"sub": "4" * 65},
    ],
)
def test_a_token_for_another_app_or_time_is_refused(changes):
    assert ours(signed(**changes)) is None


@pytest.mark.parametrize("late", [1, 5, 9])
def test_a_clock_may_differ_by_ten_seconds(late):
    assert ours(signed(exp=time.time() - late)) is not None
    assert ours(signed(nbf=time.time() + late)) is not None


def test_only_hs256_signatures_are_accepted():
    head, body, _ = signed().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()

    assert ours(signed(algorithm="HS512")) is None
    assert ours(f"{none}.{body}.") is None
    assert ours(f"{head}.{body}.") is None


def test_without_a_client_id_every_token_is_refused():
    with pytest.raises(InvalidIdToken):
        verify_id_token(signed(), [SECRET.encode()], "")


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused_without_another_error(text):
    assert ours(text) is None
    assert ours(f"{text}.{text}.{text}") is None


def made(dice):
    """A token, good or bad in one of many ways, among them none that the official package is known to overlook."""
    now = time.time()
    ways = [
        {},
        {},
        {"aud": dice.choice([CLIENT, "another", CLIENT.upper()])},
        {"exp": now + dice.choice([60, 1, -5, -9, -12, -3600])},
        {"nbf": now + dice.choice([-60, 5, 9, 12, 3600])},
        {"iss": f"https://{SHOP}/admin", "sub": str(dice.randrange(10**12))},
        {"dest": (shop := f"https://shop-{dice.randrange(1000)}.myshopify.com"), "iss": f"{shop}/admin"},
    ]
    token = signed(
        dice.choice([SECRET, SECRET, SECRET, OTHER]), dice.choice(["HS256"] * 5 + ["HS384"]), **dice.choice(ways)
    )
    if dice.random() < 0.15:
        place = dice.randrange(len(token))
        token = token[:place] + dice.choice("AZaz09-_.") + token[place + 1 :]
    return token


def test_the_official_package_agrees_on_a_thousand_tokens():
    dice, good = random.Random(11), 0

    for number in range(1000):
        token = made(dice)
        mine = ours(token)
        assert (mine and mine.shop) == theirs(token, in_address=number % 2 == 0), token
        good += mine is not None

    assert 200 < good < 800


@pytest.mark.parametrize(
    "overlooked", [{"exp": None}, {"dest": "https://evil.example", "iss": "https://evil.example/admin"}]
)
def test_what_the_official_package_overlooks_is_refused(overlooked):
    assert theirs(signed(**overlooked)) is not None
    assert ours(signed(**overlooked)) is None


def test_the_official_package_agrees_on_a_thousand_bodies():
    dice, good = random.Random(12), 0

    for _ in range(1000):
        body = "".join(chr(dice.choice([*range(32, 127), 0xE5, 0x1F600])) for _ in range(dice.randrange(200)))
        secret = dice.choice([SECRET, SECRET, OTHER])
        signature = base64.b64encode(hmac.digest(secret.encode(), body.encode(), hashlib.sha256)).decode()
        if dice.random() < 0.2:
            signature = dice.choice(["", "A" * 44, signature[:-2], signature.lower()])
        headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Shop-Domain": SHOP}
        asked = {"method": "POST", "url": "https://app.example.com/webhooks", "headers": headers, "body": body}
        found = verify_webhook_req(asked, {"client_id": CLIENT, "client_secret": SECRET})
        assert verified(body.encode(), signature) is found.ok
        good += found.ok

    assert 300 < good < 700
