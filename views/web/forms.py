"""Forms that change something: parsed whole, CSRF token and permission checked, one idempotency key each."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from urllib.parse import parse_qs
from uuid import UUID

from starlette.requests import Request as AnyRequest
from starlette.responses import Response

from i18n.catalogue import t
from models import Permission
from views.web import query_params
from views.web.csrf import is_valid_csrf_token
from views.web.errors import BadInput, Forbidden, InvalidCsrfToken
from views.web.request_state import Request, state_of
from views.web.view import Endpoint, View, view

LARGEST_FORM = 16 * 1024
MOST_FIELDS = 120
SINGLE_FIELDS = {"token", "click"}  # a form with several has none


def action(needs: Permission | None) -> Callable[[View], Endpoint]:
    """A view that changes something, with the fields in `request.state.form`; 403 without a valid CSRF token.

    `needs`: the permission for it. None: every session has it.
    """

    def declared(function: View) -> Endpoint:
        @view
        @wraps(function)
        def checked(request: Request) -> Response:
            if not is_valid_csrf_token(request, request.state.form.get("token", "")):
                raise InvalidCsrfToken(t("form.foreign"))
            if needs:
                require(request, needs)
            return function(request)

        @wraps(function)
        async def endpoint(request: AnyRequest) -> Response:
            state_of(request).form = await read_form(request)
            return await checked(request)

        return with_permission(endpoint, needs)

    return declared


def with_permission(endpoint: Endpoint, needs: Permission | None) -> Endpoint:
    """Set the permission that the endpoint needs as its attribute, so that it can be read from the route table."""
    vars(endpoint)["needs"] = needs
    return endpoint


def require(request: AnyRequest, needs: Permission) -> None:
    """Raises Forbidden where the session lacks this permission."""
    if needs not in state_of(request).session.permissions:
        raise Forbidden(t("form.forbidden", what=t(f"permission.{needs}")))


async def read_form_body(request: AnyRequest) -> bytes:
    """The request's body, or b"" if it is larger than any form of ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return b""
    return bytes(body)


async def read_form(request: AnyRequest) -> dict[str, str]:
    """The fields of the request's form; none of a body that is larger than any form of ours."""
    body = await read_form_body(request)
    try:
        found = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items() if len(values) == 1 or name not in SINGLE_FIELDS}


def idempotency_key(request: AnyRequest) -> UUID:
    """The idempotency key of the form: a second click on the same button has the same one. Raises BadInput."""
    found = query_params.parse_uuid(state_of(request).form.get("click", ""))
    if found is None:
        raise BadInput(t("form.click"))
    return found


def current_user(request: AnyRequest) -> str | None:
    """The session's user by their id at Shopify, or by the name of their sign-in link; None if it has none."""
    return state_of(request).session.user_id
