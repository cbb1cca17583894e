"""Settings routes: the page, and saving alerts, stores, recipients, the webhook signing secret and sync settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from alerts import incident_mails, recipients
from alerts.incident_mails import normalized_address
from clients.engage.webhook_encryption import is_encryption_key
from clients.engage.webhooks import is_webhook_secret
from database import db
from i18n.catalogue import t
from models import Action, AlertRecipient, Permission, Shop, utcnow
from sync import webhook_endpoints
from views.settings.backtest import Backtest, run_backtest
from views.settings.choices import STORE, Path, choose, chosen_at
from views.settings.form import read_section, sections
from views.settings.page import render_page
from views.settings.recipients import split_addresses, validation_error
from views.settings.store_map import StoreMap
from views.settings.trial import try_mail
from views.web import audit_log
from views.web.errors import Conflict, PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.request_state import Request
from views.web.view import view

SINCE: Path = ("notifications", "since")
ENABLED: Path = ("notifications", "enabled")


@view
def index(request: Request) -> Response:
    """`GET /settings`: every section with the shop's settings."""
    return render_page(request)


@action(needs=Permission.SETTINGS)
def save_section(request: Request) -> Response:
    """`POST /settings/{part}`: save a section: all of its fields or none."""
    name = request.path_params["part"]
    if name not in sections():
        raise PageNotFound(t("settings.missing"))
    wanted, section = read_section(name, request.state.form)
    if section.errors:
        return render_page(request, section=section)
    return _save_once(request, name, lambda shop: choose(shop, wanted | _start_of_notifications(shop, wanted)))


def _start_of_notifications(shop: Shop, wanted: Mapping[Path, Any]) -> dict[Path, Any]:
    """Notifications start now when they are first switched on: shoppers get none about earlier events."""
    if wanted.get(ENABLED) and not chosen_at(shop, ENABLED):
        return {SINCE: utcnow().isoformat()}
    return {}


@action(needs=None)
def show_backtest(request: Request) -> Response:
    """`POST /settings/backtest`: which alerts the values of the form would have opened. Saves nothing."""
    wanted, section = read_section("alerts", request.state.form)
    return render_page(
        request, section=section, backtest=None if section.errors else _run_backtest(request.state.shop, wanted)
    )


def _run_backtest(shop: Shop, wanted: Mapping[Path, Any]) -> Backtest | None:
    values = {path[-1]: value for path, value in wanted.items() if value is not None}
    return run_backtest(shop, values, utcnow())


@action(needs=Permission.SETTINGS)
def save_stores(request: Request) -> Response:
    """`POST /settings/stores`: save the default store, and the map from markets, countries and languages to stores."""
    store_map = StoreMap.read(request.state.shop, request.state.form)
    if store_map.errors:
        return render_page(request, store_map=store_map)
    return _save_once(
        request, "stores", lambda shop: choose(shop, {STORE: store_map.default, ("stores",): store_map.as_map()})
    )


@action(needs=Permission.SETTINGS)
def save_secret(request: Request) -> Response:
    """`POST /settings/secret`: save what Engage signs its webhooks with, encrypts them with, or both."""
    secret, key = (request.state.form.get(name, "").strip() for name in ("secret", "encryption_key"))
    if errors := _webhook_errors(secret, key):
        return render_page(request, errors=errors)

    def save_to_endpoint(shop: Shop) -> dict[Path, Any]:
        endpoint = webhook_endpoints.get_or_create(shop)
        if secret:
            webhook_endpoints.add_secret(endpoint, secret)
        if key:
            webhook_endpoints.set_encryption_key(endpoint, key)
        return {}

    return _save_once(request, "secret", save_to_endpoint)


def _webhook_errors(secret: str, key: str) -> dict[str, str]:
    """Messages by field. An empty field keeps what is set, unless both are empty."""
    errors = {}
    if not is_webhook_secret(secret) and (secret or not key):
        errors["secret"] = t("settings.bad.secret")
    if key and not is_encryption_key(key):
        errors["encryption_key"] = t("settings.bad.encryption_key")
    return errors


def _save_once(request: Request, section_name: str, write: Callable[[Shop], dict[Path, Any]]) -> Response:
    """Save and audit a change once. The audit has the names of changed settings; it never has a secret."""
    shop, form = request.state.shop, request.state.form
    key = uuid5(idempotency_key(request), repr((section_name, sorted(form.items()))))
    with db.atomic():
        before = write(shop)
        changed = sorted(".".join(path) for path in before)
        audit_log.record(
            shop,
            Action.SETTINGS,
            current_user(request),
            idempotency_key=key,
            details={"part": section_name, "changed": changed},
        )
    return _redirect_to_section(shop, key, section_name)


def _redirect_to_section(shop: Shop, key: UUID, section_name: str) -> Response:
    found = audit_log.by_idempotency_key(shop, Action.SETTINGS, key)
    return RedirectResponse(f"/settings?saved={found.id}#{section_name}" if found else f"/settings#{section_name}", 303)


@action(needs=Permission.SETTINGS)
def add_recipients(request: Request) -> Response:
    """`POST /settings/addresses`: add recipients. Each gets a mail with a link that confirms its subscription."""
    shop, typed = request.state.shop, request.state.form.get("addresses", "")
    wanted = split_addresses(typed)
    if error := validation_error(shop, wanted):
        return render_page(request, typed_addresses=typed, errors={"addresses": error})
    return _change_recipients(request, "add", lambda: _add_recipients(shop, wanted))


def _add_recipients(shop: Shop, wanted: Sequence[str]) -> None:
    for each in wanted:
        if normalized_address(each) != normalized_address(shop.email) and recipients.add(shop, each):
            incident_mails.queue_confirmation_mail(shop, each)


@action(needs=Permission.SETTINGS)
def remove_recipient(request: Request) -> Response:
    """`POST /settings/addresses/remove`: remove a recipient."""
    recipient = _recipient(request)
    return _change_recipients(request, f"remove {recipient.address}", lambda: recipients.remove(recipient))


@action(needs=Permission.SETTINGS)
def resend_confirmation(request: Request) -> Response:
    """`POST /settings/addresses/ask`: mail the confirmation link to a recipient again."""
    recipient = _recipient(request)
    return _change_recipients(
        request,
        f"ask {recipient.address}",
        lambda: incident_mails.queue_confirmation_mail(request.state.shop, recipient.address),
    )


def _recipient(request: Request) -> AlertRecipient:
    found = recipients.find(request.state.shop, request.state.form.get("address", ""))
    if found is None:
        raise PageNotFound(t("settings.bad.gone"))
    return found


def _change_recipients(request: Request, change: str, write: Callable[[], None]) -> Response:
    """Change recipients and audit it once. The audit does not have the addresses: they are personal data."""
    shop, key = request.state.shop, uuid5(idempotency_key(request), change)
    try:
        with db.atomic():
            if audit_log.record(
                shop, Action.SETTINGS, current_user(request), idempotency_key=key, details={"part": "addresses"}
            ):
                write()
    except incident_mails.TooManyMails:
        raise Conflict(t("alerts.too_many")) from None
    return _redirect_to_section(shop, key, "addresses")


routes = [
    Route("/settings", index),
    Route("/settings/addresses", add_recipients, methods=["POST"]),
    Route("/settings/addresses/remove", remove_recipient, methods=["POST"]),
    Route("/settings/addresses/ask", resend_confirmation, methods=["POST"]),
    Route("/settings/backtest", show_backtest, methods=["POST"]),
    Route("/settings/stores", save_stores, methods=["POST"]),
    Route("/settings/secret", save_secret, methods=["POST"]),
    Route("/settings/notifications/try", try_mail, methods=["POST"]),
    Route("/settings/{part}", save_section, methods=["POST"]),
]
