"""Shopify's ID token: verified by our code and by the official package, over a thousand generated tokens."""

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


def user_of(token, *secrets):
    try:
        return verify_id_token(token, secrets or [SECRET.encode()], CLIENT)
    except InvalidIdToken:
        return None


def shop_by_official_package(token, *, in_address=False):
    """The shop that the official package reads, or None."""
    address = "https://app.example.com/tasks?embedded=1" + (f"&id_token={token}" if in_address else "")
    headers = {} if in_address else {"Authorization": f"Bearer {token}"}
    request = {"method": "GET", "url": address, "headers": headers, "body": ""}
    found = verify_app_home_req(request, {"client_id": CLIENT, "client_secret": SECRET}, "/auth/session-token")
    return f"{found.shop}.myshopify.com" if found.ok else None


def test_a_valid_token_names_the_shop_and_the_user():
    assert user_of(signed()) == IdTokenUser(SHOP, "42")


def test_during_a_rotation_both_client_secrets_are_accepted():
    assert user_of(signed(OTHER), SECRET.encode(), OTHER.encode()) == IdTokenUser(SHOP, "42")
    assert user_of(signed(OTHER)) is None


@pytest.mark.parametrize("lookalike", LOOKALIKES)
def test_only_a_shop_domain_of_shopify_is_accepted(lookalike):
    assert user_of(signed(dest=lookalike, iss=f"{lookalike}/admin")) is None
    assert user_of(signed(dest=lookalike)) is None
    assert user_of(signed(iss=f"{lookalike}/admin")) is None


@pytest.mark.parametrize("missing", ["iss", "dest", "aud", "sub", "exp", "nbf", "jti", "sid"])
def test_no_claim_may_be_missing(missing):
    assert user_of(signed(**{missing: None})) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-app"},
        {"aud": [CLIENT, "another-app"]},
        {"exp": time.time() - 11},
        {"nbf": time.time() + 3600},
        {"sub": ""},
        {"sub": "4" * 21},
        {"sub": "gid://shopify/Customer/1"},
        {"sub": "gid://shopify/StaffMember/42"},
        {"sub": "-42"},
        {"sub": "42\n"},
        {"sub": "٤٢"},
        {"exp": str(time.time() + 60)},
        {"exp": str(int(time.time()) + 60)},
        {"nbf": str(int(time.time()) - 1)},
        {"exp": True},
    ],
)
def test_a_token_for_another_app_or_time_is_refused(changes):
    assert user_of(signed(**changes)) is None


@pytest.mark.parametrize("seconds", [1, 5, 9])
def test_a_clock_may_differ_by_ten_seconds(seconds):
    assert user_of(signed(exp=time.time() - seconds)) is not None
    assert user_of(signed(nbf=time.time() + seconds)) is not None


def test_only_hs256_signatures_are_accepted():
    head, body, _ = signed().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()

    assert user_of(signed(algorithm="HS512")) is None
    assert user_of(f"{none}.{body}.") is None
    assert user_of(f"{head}.{body}.") is None


def test_without_a_client_id_every_token_is_refused():
    with pytest.raises(InvalidIdToken):
        verify_id_token(signed(), [SECRET.encode()], "")


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused_without_another_error(text):
    assert user_of(text) is None
    assert user_of(f"{text}.{text}.{text}") is None


def random_token(rng):
    """A token, valid or invalid in one of many ways, but none that the official package is known to overlook."""
    now = time.time()
    ways = [
        {},
        {},
        {"aud": rng.choice([CLIENT, "another", CLIENT.upper()])},
        {"exp": now + rng.choice([60, 1, -5, -9, -12, -3600])},
        {"nbf": now + rng.choice([-60, 5, 9, 12, 3600])},
        {"iss": f"https://{SHOP}/admin", "sub": str(rng.randrange(10**12))},
        {"dest": (shop := f"https://shop-{rng.randrange(1000)}.myshopify.com"), "iss": f"{shop}/admin"},
    ]
    token = signed(
        rng.choice([SECRET, SECRET, SECRET, OTHER]), rng.choice(["HS256"] * 5 + ["HS384"]), **rng.choice(ways)
    )
    if rng.random() < 0.15:
        place = rng.randrange(len(token))
        token = token[:place] + rng.choice("AZaz09-_.") + token[place + 1 :]
    return token


def test_the_official_package_agrees_on_a_thousand_tokens():
    rng, valid = random.Random(11), 0

    for number in range(1000):
        token = random_token(rng)
        user = user_of(token)
        assert (user and user.shop) == shop_by_official_package(token, in_address=number % 2 == 0), token
        valid += user is not None

    assert 200 < valid < 800


@pytest.mark.parametrize(
    "overlooked", [{"exp": None}, {"dest": "https://evil.example", "iss": "https://evil.example/admin"}]
)
def test_what_the_official_package_overlooks_is_refused(overlooked):
    assert shop_by_official_package(signed(**overlooked)) is not None
    assert user_of(signed(**overlooked)) is None


def test_the_official_package_agrees_on_a_thousand_bodies():
    rng, valid = random.Random(12), 0

    for _ in range(1000):
        body = "".join(chr(rng.choice([*range(32, 127), 0xE5, 0x1F600])) for _ in range(rng.randrange(200)))
        secret = rng.choice([SECRET, SECRET, OTHER])
        signature = base64.b64encode(hmac.digest(secret.encode(), body.encode(), hashlib.sha256)).decode()
        if rng.random() < 0.2:
            signature = rng.choice(["", "A" * 44, signature[:-2], signature.lower()])
        headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Shop-Domain": SHOP}
        request = {"method": "POST", "url": "https://app.example.com/webhooks", "headers": headers, "body": body}
        found = verify_webhook_req(request, {"client_id": CLIENT, "client_secret": SECRET})
        assert verified(body.encode(), signature) is found.ok
        valid += found.ok

    assert 300 < valid < 700
