"""Forms that change something: small, read whole, and only our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from urllib.parse import parse_qs
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from views import BadInput, Refusal, parameters, view
from views.seal import is_ours
from words import t

LARGEST = 16 * 1024
FIELDS = 120


class Foreign(Refusal):
    """A form that was made for another session, or by another site."""

    status = 403


class Conflict(Refusal):
    """What is asked for cannot be done as things are now."""

    status = 409


def action(function: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """A view that changes something. `request.state.form` has the fields; the form was ours, or the answer is 403."""

    @view
    @wraps(function)
    def checked(request: Request) -> Response:
        if not is_ours(request, request.state.form.get("token", "")):
            raise Foreign(t("form.foreign"))
        return function(request)

    @wraps(function)
    async def endpoint(request: Request) -> Response:
        request.state.form = await _fields(request)
        return await checked(request)

    return endpoint


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
