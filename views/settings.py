"""Settings routes: the page, and saving alerts, stores, recipients, the webhook signing secret and sync settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from alerts import telling
from alerts.settings import AlertSettings
from alerts.telling import folded
from database import db
from mappings import chosen
from models import Shop, utcnow
from models.audit import Action, Audit
from models.endpoints import Endpoint
from models.mails import Address
from models.members import Permission
from models.settings import STORE, Path, choose, chosen_at
from views import Missing, view
from views.backtest import Backtest, look_back
from views.forms import Conflict, action, click_of, who
from views.recipients import split, wrong_with
from views.request_state import Request
from views.sections import SECTIONS, read
from views.settings_page import page
from views.shop_map import StoreMap
from words import t

SINCE: Path = ("notifications", "since")
ENABLED: Path = ("notifications", "enabled")


@view
def index(request: Request) -> Response:
    """`GET /settings`: every section with the shop's settings."""
    return page(request)


@action(needs=Permission.SETTINGS)
def save(request: Request) -> Response:
    """`POST /settings/{part}`: save a section: all of its fields or none."""
    name = request.path_params["part"]
    if name not in SECTIONS:
        raise Missing(t("settings.missing"))
    wanted, filled = read(name, request.state.form)
    if filled.wrong:
        return page(request, filled=filled)
    return _save_once(request, name, lambda shop: choose(shop, wanted | _start_of_notifications(shop, wanted)))


def _start_of_notifications(shop: Shop, wanted: Mapping[Path, Any]) -> dict[Path, Any]:
    """Notifications start now when they are first switched on: shoppers get none about earlier events."""
    if wanted.get(ENABLED) and not chosen_at(shop, ENABLED):
        return {SINCE: utcnow().isoformat()}
    return {}


@action(needs=None)
def show_backtest(request: Request) -> Response:
    """`POST /settings/backtest`: which alerts the values of the form would have opened. Saves nothing."""
    wanted, filled = read("alerts", request.state.form)
    return page(request, filled=filled, backtest=None if filled.wrong else _run_backtest(request.state.shop, wanted))


def _run_backtest(shop: Shop, wanted: Mapping[Path, Any]) -> Backtest | None:
    values = {path[-1]: value for path, value in wanted.items() if value is not None}
    return look_back(shop, chosen(AlertSettings, values), utcnow())


@action(needs=Permission.SETTINGS)
def save_stores(request: Request) -> Response:
    """`POST /settings/stores`: save the default store, and the map from markets, countries and languages to stores."""
    found = StoreMap.read(request.state.shop, request.state.form)
    if found.wrong:
        return page(request, stores=found)
    return _save_once(request, "stores", lambda shop: choose(shop, {STORE: found.default, ("stores",): found.as_map()}))


@action(needs=Permission.SETTINGS)
def save_secret(request: Request) -> Response:
    """`POST /settings/secret`: save the secret that Engage signs its webhooks with."""
    secret = request.state.form.get("secret", "").strip()

    def save_to_endpoint(shop: Shop) -> dict[Path, Any]:
        Endpoint.of(shop).sign_with(secret)
        return {}

    try:
        return _save_once(request, "secret", save_to_endpoint)
    except ValueError:
        return page(request, wrong={"secret": t("settings.bad.secret")})


def _save_once(request: Request, part: str, write: Callable[[Shop], dict[Path, Any]]) -> Response:
    """Save and audit a change once. The audit has the names of changed settings; it never has a secret."""
    shop, form = request.state.shop, request.state.form
    key = uuid5(click_of(request), repr((part, sorted(form.items()))))
    with db.atomic():
        before = write(shop)
        changed = sorted(".".join(path) for path in before)
        Audit.note(shop, Action.SETTINGS, who(request), click=key, details={"part": part, "changed": changed})
    return _redirect_to_section(shop, key, part)


def _redirect_to_section(shop: Shop, key: UUID, part: str) -> Response:
    found = Audit.by_click(shop, Action.SETTINGS, key)
    return RedirectResponse(f"/settings?saved={found.id}#{part}" if found else f"/settings#{part}", 303)


@action(needs=Permission.SETTINGS)
def add(request: Request) -> Response:
    """`POST /settings/addresses`: add recipients. Each gets a mail with a link that confirms its subscription."""
    shop, typed = request.state.shop, request.state.form.get("addresses", "")
    wanted = split(typed)
    if wrong := wrong_with(shop, wanted):
        return page(request, typed_addresses=typed, wrong={"addresses": wrong})
    return _change_recipients(request, "add", lambda: _add_recipients(shop, wanted))


def _add_recipients(shop: Shop, wanted: Sequence[str]) -> None:
    for each in wanted:
        if folded(each) != folded(shop.email) and Address.add(shop, each):
            telling.ask_to_confirm(shop, each)


@action(needs=Permission.SETTINGS)
def remove(request: Request) -> Response:
    """`POST /settings/addresses/remove`: remove a recipient."""
    row = _recipient(request)
    return _change_recipients(request, f"remove {row.address}", lambda: row.remove())


@action(needs=Permission.SETTINGS)
def ask_again(request: Request) -> Response:
    """`POST /settings/addresses/ask`: mail the confirmation link to a recipient again."""
    row = _recipient(request)
    return _change_recipients(
        request, f"ask {row.address}", lambda: telling.ask_to_confirm(request.state.shop, row.address)
    )


def _recipient(request: Request) -> Address:
    found = Address.find(request.state.shop, request.state.form.get("address", ""))
    if found is None:
        raise Missing(t("settings.bad.gone"))
    return found


def _change_recipients(request: Request, change: str, write: Callable[[], None]) -> Response:
    """Change recipients and audit it once. The audit does not have the addresses: they are personal data."""
    shop, key = request.state.shop, uuid5(click_of(request), change)
    try:
        with db.atomic():
            if Audit.note(shop, Action.SETTINGS, who(request), click=key, details={"part": "addresses"}):
                write()
    except telling.TooMany:
        raise Conflict(t("alerts.too_many")) from None
    return _redirect_to_section(shop, key, "addresses")


routes = [
    Route("/settings", index),
    Route("/settings/addresses", add, methods=["POST"]),
    Route("/settings/addresses/remove", remove, methods=["POST"]),
    Route("/settings/addresses/ask", ask_again, methods=["POST"]),
    Route("/settings/backtest", show_backtest, methods=["POST"]),
    Route("/settings/stores", save_stores, methods=["POST"]),
    Route("/settings/secret", save_secret, methods=["POST"]),
    Route("/settings/{part}", save, methods=["POST"]),
]
