"""Verify Shopify's ID token, the JWT that each request from inside Shopify's admin carries.

Shopify: "session tokens". A token lives one minute and is signed (HS256) with the app's client secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import jwt

from clients.shopify.domain import is_shop_domain

LEEWAY_SECONDS = 10  # as in all of Shopify's own libraries
MAX_TOKEN_LENGTH = 4096
STAFF_ID = re.compile(r"[0-9]{1,20}")  # a member of staff; a shopper is gid://shopify/Customer/1
TIMES = ("exp", "nbf")
CLAIMS = ["exp", "nbf", "iss", "dest", "aud", "sub", "jti", "sid"]


class InvalidIdToken(Exception):
    """Not a valid ID token for this app, or an expired one."""


@dataclass(frozen=True)
class IdTokenUser:
    """A staff member of the shop. `user`: their id at Shopify."""

    shop: str
    user: str


def verify_id_token(token: str, secrets: Sequence[bytes], client_id: str) -> IdTokenUser:
    """Verify the token and return its user. Raises InvalidIdToken. `secrets`: during a rotation, several."""
    for secret in secrets:
        if claims := _claims(token, secret, client_id):
            return _user_of(claims)
    raise InvalidIdToken("The token is not signed by Shopify for this app, or its minute is over.")


def _claims(token: str, secret: bytes, client_id: str) -> Mapping[str, Any] | None:
    if not client_id or len(token) > MAX_TOKEN_LENGTH:
        return None
    try:
        found: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=client_id,
            leeway=LEEWAY_SECONDS,
            options={"require": CLAIMS, "strict_aud": True},
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError):  # the latter two: malformed JSON
        return None
    return found


def _user_of(claims: Mapping[str, Any]) -> IdTokenUser:
    if not all(_is_number(claims[name]) for name in TIMES):
        raise InvalidIdToken("The token's times are no numbers.")
    named = [claims[name] for name in ("iss", "dest", "sub")]
    if not all(isinstance(each, str) for each in named):
        raise InvalidIdToken("The token's claims are no text.")
    issuer, shop, user = _origin_of(named[0]), _origin_of(named[1]), named[2]
    if not shop or not issuer or (issuer.netloc, issuer.path) != (shop.netloc, "/admin") or shop.path not in ("", "/"):
        raise InvalidIdToken("The token is not for one shop.")
    if not is_shop_domain(shop.netloc) or not STAFF_ID.fullmatch(user):
        raise InvalidIdToken("The token does not say for which shop and for whom it is.")
    return IdTokenUser(shop.netloc, user)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _origin_of(url: str) -> SplitResult | None:
    """The parts of an https URL that has nothing but a host and a path; None for any other."""
    try:
        found = urlsplit(url)
    except ValueError:
        return None
    plain = found.scheme == "https" and not found.query and not found.fragment
    return found if plain and found.geturl() == url else None  # urlsplit drops line ends and the like
