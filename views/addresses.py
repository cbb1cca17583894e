"""The links of an additional address: it says that it wants alerts, or that it wants no more.

Whoever has the link is the reader of the address: nobody signs in for it. A look at it changes nothing, since mail
programs look at links before people do; the button does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from database import every_shop, scoped
from models import utcnow
from models.mails import Address
from views import Missing, open_view, render
from views.forms import drained
from words import t


@open_view
def confirm(request: Request) -> Response:
    """`GET /alerts/confirm/{token}`: a page with one button."""
    return _page(request, _named(request), "confirm")


@open_view
def unsubscribe(request: Request) -> Response:
    """`GET /alerts/unsubscribe/{token}`: a page with one button."""
    return _page(request, _named(request), "unsubscribe")


def _pressed(function: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """A POST whose form says nothing: the address is all, and mail programs send it without any session (RFC 8058)."""
    view = open_view(function)

    @wraps(function)
    async def endpoint(request: Request) -> Response:
        await drained(request)
        return await view(request)

    return endpoint


@_pressed
def confirmed(request: Request) -> Response:
    """`POST /alerts/confirm/{token}`: from now on it is told. One that had left, or bounced, is back."""
    row = _named(request)
    with scoped(row.shop_id):
        row.change(confirmed_at=utcnow(), unsubscribed_at=None, bounced_at=None, bounce=None)
    return _page(request, row, "confirmed")


@_pressed
def unsubscribed(request: Request) -> Response:
    """`POST /alerts/unsubscribe/{token}`: at once, and without another question."""
    row = _named(request)
    with scoped(row.shop_id):
        row.change(unsubscribed_at=utcnow())
    return _page(request, row, "unsubscribed")


def _named(request: Request) -> Address:
    with every_shop():
        found = Address.named(request.path_params["token"])
    if found is None:
        raise Missing(t("address.missing"))
    return found


def _page(request: Request, row: Address, step: str) -> Response:
    return render(request, "alerts/address.html", row=row, step=step, name=row.shop.name or row.shop.domain)


one_click = Route("/alerts/unsubscribe/{token}", unsubscribed, methods=["POST"])  # of any site: RFC 8058
routes = [
    Route("/alerts/confirm/{token}", confirm),
    Route("/alerts/confirm/{token}", confirmed, methods=["POST"]),
    Route("/alerts/unsubscribe/{token}", unsubscribe),
    one_click,
]
