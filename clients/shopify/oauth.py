"""OAuth at Shopify: token exchange of an ID token for access tokens that expire, and their renewal.

Shopify: "token exchange" and "expiring offline access tokens". A renewal replaces both tokens.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from clients import Call, Effect, NullJournal, Refused, Unanswered
from clients.http.transport import raise_for_status, send
from reasons import Reason, cause

PATH = "/admin/oauth/access_token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - the name of a kind of token
OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"
FINAL_ERRORS = {"invalid_grant", "invalid_client", "invalid_request"}  # a retry does not help
EXPIRED_ID_TOKEN = "invalid_subject_token"  # noqa: S105 - the name of an error
DEADLINE_SECONDS = 10.0


class IdTokenExpired(Refused):
    """The ID token, which lives one minute, has expired: Shopify's admin issues another one."""


@dataclass(frozen=True)
class AccessToken:
    """An access token with its refresh token. `expires_in` and `refresh_expires_in` count from now.

    None, with `refresh_token` empty: the token does not expire.
    """

    token: str
    scopes: str = ""
    expires_in: timedelta | None = None
    refresh_token: str = ""
    refresh_expires_in: timedelta | None = None


@dataclass(frozen=True)
class StaffMember:
    """The staff member who uses the app, as Shopify names them. The shop's account owner may do everything in it."""

    name: str
    owner: bool


@dataclass(frozen=True)
class OAuthClient:
    """OAuth client of one shop. `origin`: scheme and host, as in `https://demo.myshopify.com`."""

    origin: str
    client_id: str
    client_secret: str

    def token_exchange(self, id_token: str) -> AccessToken:
        """The app's own (offline) tokens for the shop. Raises IdTokenExpired, or Refused if it is not installed."""
        return _access_token(self._exchange(id_token, OFFLINE, expiring="1"))

    def staff(self, id_token: str) -> StaffMember:
        """The staff member whom the ID token names. Their online access token is not used for anything else."""
        found = self._exchange(id_token, ONLINE).get("associated_user")
        user = found if isinstance(found, dict) else {}
        name = " ".join(str(user.get(part) or "").strip() for part in ("first_name", "last_name")).strip()
        return StaffMember(name, user.get("account_owner") is True)

    def renew(self, refresh_token: str) -> AccessToken:
        """New tokens for a refresh token. Raises Refused if only the shop's staff can help, by opening the app."""
        return _access_token(self._request_token(grant_type="refresh_token", refresh_token=refresh_token))

    def _exchange(self, id_token: str, kind: str, **more: str) -> dict[str, Any]:
        return self._request_token(
            grant_type=EXCHANGE,
            subject_token=id_token,
            subject_token_type=ID_TOKEN,
            requested_token_type=kind,
            **more,
        )

    def _request_token(self, **fields: str) -> dict[str, Any]:
        sent = urlencode({"client_id": self.client_id, "client_secret": self.client_secret, **fields}).encode()
        call = Call("Shopify", "POST", self.origin + PATH, Effect.REPEATABLE, sent=sent)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        response = send(call, headers, NullJournal(), deadline=DEADLINE_SECONDS)
        answer = _parsed(call.received)
        _raise_oauth_error(answer.get("error"), call)
        raise_for_status(
            response, call, cause(Reason.TOKEN_ERROR_RESPONSE, system="Shopify", status=response.status_code)
        )
        return answer


def _raise_oauth_error(error: object, call: Call) -> None:
    if error == EXPIRED_ID_TOKEN:
        raise IdTokenExpired(Reason.ID_TOKEN_EXPIRED, call=call, code=EXPIRED_ID_TOKEN)
    if isinstance(error, str) and error in FINAL_ERRORS:
        raise Refused(Reason.SHOPIFY_TOKEN_MISSING, call=call, code=error)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _access_token(answer: dict[str, Any]) -> AccessToken:
    token, refresh = answer.get("access_token"), answer.get("refresh_token")
    if not isinstance(token, str) or not token:
        raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="a token")
    return AccessToken(
        token,
        str(answer.get("scope") or ""),
        _seconds(answer.get("expires_in")),
        refresh if isinstance(refresh, str) else "",
        _seconds(answer.get("refresh_token_expires_in")),
    )


def _seconds(value: object) -> timedelta | None:
    return timedelta(seconds=value) if isinstance(value, int | float) and 0 < value < 10**9 else None
