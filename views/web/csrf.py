"""CSRF token and idempotency key of a form: the token is bound to the session, the key is new for each page."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request

import encryption
from config import config
from models import new_id
from views.web.request_state import state_of

# A browser accepts a cookie with this prefix from exactly our host, and sends it to no other.
SESSION_COOKIE = "__Host-session" if config.app_url.startswith("https://") else "session"


@dataclass(frozen=True)
class FormToken:
    """The hidden fields of a form that changes something: its CSRF token and its idempotency key."""

    csrf_token: str
    idempotency_key: UUID

    @classmethod
    def of(cls, request: Request) -> FormToken:
        """New hidden fields for the session of this request."""
        return cls(_csrf_tokens(request)[0], new_id())


def is_valid_csrf_token(request: Request, token: str) -> bool:
    """Whether the token is of this request's session. Another site cannot read one."""
    return any(hmac.compare_digest(token.encode(), own.encode()) for own in _csrf_tokens(request))


def _csrf_tokens(request: Request) -> list[str]:
    """The session's token by each of SECRET_KEYS: the first makes new ones, all are valid."""
    session = (state_of(request).session.csrf_subject or request.cookies.get(SESSION_COOKIE, "")).encode()
    keys = [hashlib.sha256(b"form" + key).digest() for key in encryption.keyring().values()]
    return [hmac.new(key, session, hashlib.sha256).hexdigest() for key in keys]
