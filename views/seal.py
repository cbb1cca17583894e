"""What makes a form ours: a token bound to the reader's session, and a number for each time its button is shown."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request

import vault
from config import config
from models import new_id

# With this prefix a browser takes it from nobody but our very host, and sends it nowhere else.
COOKIE = "__Host-session" if config.app_url.startswith("https://") else "session"


@dataclass(frozen=True)
class Seal:
    """The hidden fields of a form that changes something."""

    token: str
    click: UUID

    @classmethod
    def of(cls, request: Request) -> Seal:
        """A new one for the reader of this page."""
        return cls(_tokens(request)[0], new_id())


def is_ours(request: Request, token: str) -> bool:
    """Whether a form of ours that this very session was shown has sent the token. Another site cannot read one."""
    return any(hmac.compare_digest(token.encode(), own.encode()) for own in _tokens(request))


def _tokens(request: Request) -> list[str]:
    """By each of SECRET_KEYS: the first one makes them, all are good."""
    session = (getattr(request.state, "holder", "") or request.cookies.get(COOKIE, "")).encode()
    keys = [hashlib.sha256(b"form" + key).digest() for key in vault.ring().values()]
    return [hmac.new(key, session, hashlib.sha256).hexdigest() for key in keys]
