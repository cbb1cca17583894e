"""Confirm or end (unsubscribe) the subscription of an additional recipient, from the links in its mails.

The token of the link stands for the recipient: no sign-in is needed. A GET changes nothing, since mail programs open
links before people do; the POST of the button does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerts import recipients
from database import every_shop, scoped
from i18n.catalogue import t
from models import AlertRecipient, utcnow
from views.web.errors import PageNotFound
from views.web.forms import read_form_body
from views.web.rendering import render
from views.web.view import public_view


@public_view
def confirm(request: Request) -> Response:
    """`GET /alerts/confirm/{token}`: a page with a button that confirms the subscription."""
    return _page(request, _recipient(request), "confirm")


@public_view
def unsubscribe(request: Request) -> Response:
    """`GET /alerts/unsubscribe/{token}`: a page with a button that unsubscribes."""
    return _page(request, _recipient(request), "unsubscribe")


def _without_csrf_token(function: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """A POST without a CSRF token: the URL has all it needs, and mail programs send it without a session (RFC 8058)."""
    view = public_view(function)

    @wraps(function)
    async def endpoint(request: Request) -> Response:
        await read_form_body(request)
        return await view(request)

    return endpoint


@_without_csrf_token
def save_confirmation(request: Request) -> Response:
    """`POST /alerts/confirm/{token}`: it gets alert mails from now on, even if it had unsubscribed or bounced."""
    recipient = _recipient(request)
    with scoped(recipient.shop_id):
        recipients.update(recipient, confirmed_at=utcnow(), unsubscribed_at=None, bounced_at=None, bounce=None)
    return _page(request, recipient, "confirmed")


@_without_csrf_token
def save_unsubscription(request: Request) -> Response:
    """`POST /alerts/unsubscribe/{token}`: unsubscribe at once."""
    recipient = _recipient(request)
    with scoped(recipient.shop_id):
        recipients.update(recipient, unsubscribed_at=utcnow())
    return _page(request, recipient, "unsubscribed")


def _recipient(request: Request) -> AlertRecipient:
    with every_shop():
        found = recipients.by_token(request.path_params["token"])
    if found is None:
        raise PageNotFound(t("address.missing"))
    return found


def _page(request: Request, recipient: AlertRecipient, step: str) -> Response:
    return render(
        request,
        "alerts/subscription.html",
        recipient=recipient,
        step=step,
        shop_name=recipient.shop.name or recipient.shop.domain,
    )


one_click = Route("/alerts/unsubscribe/{token}", save_unsubscription, methods=["POST"])  # of any site: RFC 8058
routes = [
    Route("/alerts/confirm/{token}", confirm),
    Route("/alerts/confirm/{token}", save_confirmation, methods=["POST"]),
    Route("/alerts/unsubscribe/{token}", unsubscribe),
    one_click,
]
