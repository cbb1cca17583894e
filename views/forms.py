"""Forms that change something: parsed whole, CSRF token and permission checked, one idempotency key each."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from urllib.parse import parse_qs
from uuid import UUID

from starlette.requests import Request as AnyRequest
from starlette.responses import Response

from models.members import Permission
from views import BadInput, Endpoint, Refusal, View, parameters, view
from views.request_state import Request, state_of
from views.seal import is_valid_csrf_token
from words import t

LARGEST = 16 * 1024
FIELDS = 120


class Foreign(Refusal):
    """The form's CSRF token is not of this session."""

    status = 403


class Forbidden(Refusal):
    """The session lacks the permission for this."""

    status = 403


class Conflict(Refusal):
    """The present state of things does not allow this."""

    status = 409


def action(needs: Permission | None) -> Callable[[View], Endpoint]:
    """A view that changes something, with the fields in `request.state.form`; 403 without a valid CSRF token.

    `needs`: the permission for it. None: every session has it.
    """

    def declared(function: View) -> Endpoint:
        @view
        @wraps(function)
        def checked(request: Request) -> Response:
            if not is_valid_csrf_token(request, request.state.form.get("token", "")):
                raise Foreign(t("form.foreign"))
            if needs:
                require(request, needs)
            return function(request)

        @wraps(function)
        async def endpoint(request: AnyRequest) -> Response:
            state_of(request).form = await _fields(request)
            return await checked(request)

        return declaring(endpoint, needs)

    return declared


def declaring(endpoint: Endpoint, needs: Permission | None) -> Endpoint:
    """Set the permission that the endpoint needs as its attribute, so that it can be read from the route table."""
    vars(endpoint)["needs"] = needs
    return endpoint


def require(request: AnyRequest, needs: Permission) -> None:
    """Raises Forbidden where the session lacks this permission."""
    if needs not in state_of(request).session.permissions:
        raise Forbidden(t("form.forbidden", what=t(f"permission.{needs}")))


async def drained(request: AnyRequest) -> bytes:
    """The request's body, or b"" if it is larger than any form of ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return b""
    return bytes(body)


async def _fields(request: AnyRequest) -> dict[str, str]:
    body = await drained(request)
    try:
        found = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items()}


def click_of(request: AnyRequest) -> UUID:
    """The idempotency key of the form: a second click on the same button has the same one. Raises BadInput."""
    found = parameters.uuid(state_of(request).form.get("click", ""))
    if found is None:
        raise BadInput(t("form.click"))
    return found


def who(request: AnyRequest) -> str | None:
    """The session's user by their id at Shopify, or None for a session by a sign-in link."""
    return state_of(request).session.user
