"""Typed state of a request: its session, its form, and the nonce and frame-ancestors of its answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.requests import Request as AnyRequest
from starlette.types import Scope

from models import Permission, Shop

NO_FRAME_ANCESTORS = "'none'"  # as a Content-Security-Policy says it
_NAME = "request"  # in the dictionary that ASGI has for an app's own state


@dataclass(frozen=True)
class Session:
    """Who is signed in to which shop, with which permissions.

    `user_id`: their id at Shopify; of a sign-in link its name, or None. `browser_session`: the hash that names the
    session of a sign-in link. `csrf_subject`: whom the page's CSRF tokens belong to; "":
    to the session cookie. The rest is empty outside of Shopify's admin: `admin_params` are its parameters that links to
    other pages carry, `locale` is its language.
    """

    shop: Shop | None = None
    user_id: str | None = None
    permissions: frozenset[Permission] = frozenset()
    csrf_subject: str = ""
    embedded: bool = False
    id_token: str = ""
    locale: str = ""
    browser_session: str = ""
    admin_params: Mapping[str, str] = field(default_factory=dict)


@dataclass
class RequestState:
    """The nonce of its scripts, who may frame it, its session, a POST's form, and whether a support link led here."""

    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    frame_ancestors: str = NO_FRAME_ANCESTORS
    session: Session = Session()
    form: dict[str, str] = field(default_factory=dict)
    by_support_link: bool = False

    @property
    def shop(self) -> Shop:
        """The shop of a page that needs a session, as every `view` does. Raises LookupError without one."""
        if self.session.shop is None:
            raise LookupError("No shop is signed in.")
        return self.session.shop


class Request(AnyRequest):
    """A request whose `state` has a type."""

    @property
    def state(self) -> RequestState:  # type: ignore[override]  # Starlette types an untyped dictionary only
        return state_of(self)


def begin_state(scope: Scope) -> RequestState:
    """Give the request a new state."""
    state = RequestState()
    scope.setdefault("state", {})[_NAME] = state
    return state


def state_of(request: HTTPConnection) -> RequestState:
    """The state that the outermost middleware has begun."""
    found = request.scope.get("state", {}).get(_NAME)
    return found if isinstance(found, RequestState) else begin_state(request.scope)
