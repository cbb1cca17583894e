"""Forms that change something: small, read whole, and only our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from urllib.parse import parse_qs
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from models.members import Permission
from views import BadInput, Refusal, parameters, view
from views.seal import is_ours
from words import t

View = Callable[[Request], Response]
Endpoint = Callable[[Request], Awaitable[Response]]

LARGEST = 16 * 1024
FIELDS = 120


class Foreign(Refusal):
    """A form that was made for another session, or by another site."""

    status = 403


class Forbidden(Refusal):
    """Somebody who may look is not permitted to do this."""

    status = 403


class Conflict(Refusal):
    """What is asked for cannot be done as things are now."""

    status = 409


def action(needs: Permission | None) -> Callable[[View], Endpoint]:
    """A view that changes something. `request.state.form` has the fields; the form was ours, or the answer is 403.

    `needs`: what one must be permitted to do. None: whoever may look may do this, too.
    """

    def declared(function: View) -> Endpoint:
        @view
        @wraps(function)
        def checked(request: Request) -> Response:
            if not is_ours(request, request.state.form.get("token", "")):
                raise Foreign(t("form.foreign"))
            if needs:
                require(request, needs)
            return function(request)

        @wraps(function)
        async def endpoint(request: Request) -> Response:
            request.state.form = await _fields(request)
            return await checked(request)

        return declaring(endpoint, needs)

    return declared


def declaring(endpoint: Endpoint, needs: Permission | None) -> Endpoint:
    """Write on the endpoint what it needs, so that the route table tells."""
    vars(endpoint)["needs"] = needs
    return endpoint


def require(request: Request, needs: Permission) -> None:
    """Raises Forbidden for who may look but not do this."""
    if needs not in request.state.may:
        raise Forbidden(t("form.forbidden", what=t(f"permission.{needs}")))


async def drained(request: Request) -> bytes:
    """The request's body; of something larger than any form of ours, nothing."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return b""
    return bytes(body)


async def _fields(request: Request) -> dict[str, str]:
    body = await drained(request)
    try:
        found = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items()}


def click_of(request: Request) -> UUID:
    """The number of the button that was pressed. Raises BadInput."""
    found = parameters.uuid(request.state.form.get("click", ""))
    if found is None:
        raise BadInput(t("form.click"))
    return found


def who(request: Request) -> str | None:
    """The session's user as Shopify names them, or None for whoever came by a sign-in link."""
    user: str | None = getattr(request.state, "user", None)
    return user
