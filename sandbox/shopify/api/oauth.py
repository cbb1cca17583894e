"""Issue Shopify's tokens: ID tokens for staff, and offline access tokens for the app with refresh tokens.

Documented: token exchange, expiring tokens, that each refresh replaces both, that the former access token is valid
until its own end, and that the former refresh token may be used again until the new one is. Error texts are assumed.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.shopify.records import ShopRecords

ID_TOKEN_SECONDS = 60
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"

Json = dict[str, Any]


@dataclass(frozen=True)
class StaffMember:
    """A staff member of a shop."""

    user: str = "548380009"
    first_name: str = "Olga"
    last_name: str = "Ek"
    owner: bool = True


@dataclass
class _Shop:
    tokens: dict[str, float] = field(default_factory=dict)  # until when each is valid
    refresh: str = ""
    former_refresh: str = ""


class OAuth:
    """Answers `POST /{shop}/admin/oauth/access_token`, and checks the tokens that it issued.

    `permanent_token` is valid for every shop and never ends. `calls` are the grants made, as (kind, shop).
    """

    def __init__(
        self, client_id: str, secret: str, records_of: Callable[[str], ShopRecords], permanent_token: str
    ) -> None:
        self.client_id, self.secret, self.permanent_token = client_id, secret, permanent_token
        self.seconds = 3600.0
        self.staff: dict[str, StaffMember] = {}
        self.calls: list[tuple[str, str]] = []
        self._records_of = records_of
        self._shops: dict[str, _Shop] = {}
        self._lock = threading.Lock()

    def id_token(self, shop: str, staff: StaffMember | None = None, *, seconds: float = ID_TOKEN_SECONDS) -> str:
        """The token that App Bridge gives to the app's page. Negative `seconds` give one that has ended."""
        staff, now = staff or StaffMember(), time.time()
        self.staff[staff.user] = staff
        claims = {
            "iss": f"https://{shop}/admin",
            "dest": f"https://{shop}",
            "aud": self.client_id,
            "sub": staff.user,
            "exp": now + seconds,
            "nbf": now - 1,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "sid": secrets.token_hex(16),
        }
        return jwt.encode(claims, self.secret, "HS256")

    def accepts(self, shop: str, token: str | None) -> bool:
        """Whether the Admin API accepts this token for the shop."""
        with self._lock:
            return token == self.permanent_token or self._shop(shop).tokens.get(token or "", 0.0) > time.time()

    def end_tokens(self, shop: str) -> None:
        """End the access tokens that the app has."""
        with self._lock:
            self._shop(shop).tokens.clear()

    def revoke(self, shop: str) -> None:
        """Revoke all of the app's tokens, as when the app is removed."""
        with self._lock:
            self._shops.pop(shop, None)

    async def __call__(self, request: Request) -> Response:
        form = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        shop = request.path_params["shop"]
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.secret):
            return _refused("invalid_client")
        if not self._records_of(shop).installed:
            return _refused("invalid_client")
        answers = {EXCHANGE: self._exchange, "refresh_token": self._renew}
        answer = answers.get(form.get("grant_type", ""))
        return answer(shop, form) if answer else _refused("unsupported_grant_type")

    def _exchange(self, shop: str, form: Json) -> Response:
        try:
            claims = jwt.decode(form.get("subject_token", ""), self.secret, ["HS256"], audience=self.client_id)
        except jwt.InvalidTokenError:
            return _refused("invalid_subject_token")
        if claims["dest"] != f"https://{shop}":
            return _refused("invalid_subject_token")
        if form.get("requested_token_type") == OFFLINE:
            self.calls.append(("exchange", shop))
            return JSONResponse(self._granted(shop))
        self.calls.append(("staff", shop))
        return JSONResponse(self._online(shop, self.staff.get(claims["sub"], StaffMember(claims["sub"]))))

    def _renew(self, shop: str, form: Json) -> Response:
        with self._lock:
            known = self._shop(shop)
            valid = form.get("refresh_token") in {known.refresh, known.former_refresh} - {""}
        self.calls.append(("renew" if valid else "refused", shop))
        return JSONResponse(self._granted(shop)) if valid else _refused("invalid_grant")

    def _granted(self, shop: str) -> Json:
        with self._lock:
            known = self._shop(shop)
            token = f"shpat_{secrets.token_hex(16)}"
            known.tokens[token] = time.time() + self.seconds
            known.former_refresh, known.refresh = known.refresh, f"shprt_{secrets.token_hex(16)}"
            return {
                "access_token": token,
                "scope": ",".join(self._records_of(shop).granted_scopes),
                "expires_in": self.seconds,
                "refresh_token": known.refresh,
                "refresh_token_expires_in": 90 * 24 * 3600,
            }

    def _online(self, shop: str, staff: StaffMember) -> Json:
        user = {
            "id": int(staff.user),
            "first_name": staff.first_name,
            "last_name": staff.last_name,
            "email": f"{staff.first_name.lower()}@example.com",
            "account_owner": staff.owner,
            "locale": "en",
            "collaborator": False,
        }
        token = f"shpua_{secrets.token_hex(16)}"
        scope = ",".join(self._records_of(shop).granted_scopes)
        return {"access_token": token, "scope": scope, "expires_in": 86399, "associated_user": user}

    def _shop(self, shop: str) -> _Shop:
        return self._shops.setdefault(shop, _Shop())


def _refused(error: str) -> Response:
    return JSONResponse({"error": error, "error_description": error.replace("_", " ")}, 400)
