"""Who looks at the app inside Shopify's admin, by the ID token that comes with each request.

Shopify: "session tokens". A token lives one minute and is signed with the app's client secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import jwt

from clients.shopify_domain import is_shop_domain

LEEWAY_SECONDS = 10  # as all of Shopify's own libraries
LONGEST = 4096
CLAIMS = ["exp", "nbf", "iss", "dest", "aud", "sub", "jti", "sid"]


class BadToken(Exception):
    """Not a token of Shopify's for this app, or no longer."""


@dataclass(frozen=True)
class Viewer:
    """Somebody of the shop's staff. `user`: their id at Shopify."""

    shop: str
    user: str


def viewer_of(token: str, secrets: Sequence[bytes], client_id: str) -> Viewer:
    """Whom the token names. Raises BadToken. `secrets`: the client secrets in use, more than one while they change."""
    for secret in secrets:
        if claims := _claims(token, secret, client_id):
            return _viewer(claims)
    raise BadToken("The token is not signed by Shopify for this app, or its minute is over.")


def _claims(token: str, secret: bytes, client_id: str) -> Mapping[str, Any] | None:
    if not client_id or len(token) > LONGEST:
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
    except (jwt.InvalidTokenError, ValueError, RecursionError):  # the latter two: JSON that is none
        return None
    return found


def _viewer(claims: Mapping[str, Any]) -> Viewer:
    told = [claims[name] for name in ("iss", "dest", "sub")]
    if not all(isinstance(each, str) for each in told):
        raise BadToken("The token's claims are no text.")
    issuer, shop, user = _parted(told[0]), _parted(told[1]), told[2]
    if not shop or not issuer or (issuer.netloc, issuer.path) != (shop.netloc, "/admin") or shop.path not in ("", "/"):
        raise BadToken("The token is not for one shop.")
    if not is_shop_domain(shop.netloc) or not user or len(user) > 64:
        raise BadToken("The token does not say for which shop and for whom it is.")
    return Viewer(shop.netloc, user)


def _parted(address: str) -> SplitResult | None:
    """The address, if it is one that is encrypted and has nothing but a host and a path."""
    try:
        found = urlsplit(address)
    except ValueError:
        return None
    plain = found.scheme == "https" and not found.query and not found.fragment
    return found if plain and found.geturl() == address else None  # urlsplit drops line ends and the like
