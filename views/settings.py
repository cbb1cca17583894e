"""The settings: when to be warned and who, and how orders, customers and mails are carried over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from starlette.requests import Request
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
from views.sections import SECTIONS, read
from views.settings_page import page
from views.shop_map import StoreMap
from words import t

SINCE: Path = ("notifications", "since")
ENABLED: Path = ("notifications", "enabled")


@view
def index(request: Request) -> Response:
    """`GET /settings`: every part with what the shop has chosen."""
    return page(request)


@action(needs=Permission.SETTINGS)
def save(request: Request) -> Response:
    """`POST /settings/{part}`: all of its fields or none."""
    name = request.path_params["part"]
    if name not in SECTIONS:
        raise Missing(t("settings.missing"))
    wanted, filled = read(name, request.state.form)
    if filled.wrong:
        return page(request, filled=filled)
    return _kept(request, name, lambda shop: choose(shop, wanted | _when_switched_on(shop, wanted)))


def _when_switched_on(shop: Shop, wanted: Mapping[Path, Any]) -> dict[Path, Any]:
    """What happened before shoppers were first to be written to is not told them again."""
    if wanted.get(ENABLED) and not chosen_at(shop, ENABLED):
        return {SINCE: utcnow().isoformat()}
    return {}


@action(needs=None)
def show_backtest(request: Request) -> Response:
    """`POST /settings/backtest`: what the values of the form would have done. Keeps nothing."""
    wanted, filled = read("alerts", request.state.form)
    return page(request, filled=filled, backtest=None if filled.wrong else _look_back(request.state.shop, wanted))


def _look_back(shop: Shop, wanted: Mapping[Path, Any]) -> Backtest | None:
    values = {path[-1]: value for path, value in wanted.items() if value is not None}
    return look_back(shop, chosen(AlertSettings, values), utcnow())


@action(needs=Permission.SETTINGS)
def save_stores(request: Request) -> Response:
    """`POST /settings/stores`: the default, and the map from markets and places to stores."""
    found = StoreMap.read(request.state.shop, request.state.form)
    if found.wrong:
        return page(request, stores=found)
    return _kept(request, "stores", lambda shop: choose(shop, {STORE: found.default, ("stores",): found.as_map()}))


@action(needs=Permission.SETTINGS)
def save_secret(request: Request) -> Response:
    """`POST /settings/secret`: by what Engage signs its webhooks."""
    secret = request.state.form.get("secret", "").strip()

    def deed(shop: Shop) -> dict[Path, Any]:
        Endpoint.of(shop).sign_with(secret)
        return {}

    try:
        return _kept(request, "secret", deed)
    except ValueError:
        return page(request, wrong={"secret": t("settings.bad.secret")})


def _kept(request: Request, part: str, deed: Callable[[Shop], dict[Path, Any]]) -> Response:
    """Keeping the same again changes nothing. Who changed what is written down once; what a secret was is not."""
    shop, form = request.state.shop, request.state.form
    click = uuid5(click_of(request), repr((part, sorted(form.items()))))
    with db.atomic():
        before = deed(shop)
        changed = sorted(".".join(path) for path in before)
        Audit.note(shop, Action.SETTINGS, who(request), click=click, details={"part": part, "changed": changed})
    return _told(shop, click, part)


def _told(shop: Shop, click: UUID, part: str) -> Response:
    found = Audit.by_click(shop, Action.SETTINGS, click)
    return RedirectResponse(f"/settings?saved={found.id}#{part}" if found else f"/settings#{part}", 303)


@action(needs=Permission.SETTINGS)
def add(request: Request) -> Response:
    """`POST /settings/addresses`: each gets a mail with a link, and is told of alerts once it has used it."""
    shop, typed = request.state.shop, request.state.form.get("addresses", "")
    wanted = split(typed)
    if wrong := wrong_with(shop, wanted):
        return page(request, typed_addresses=typed, wrong={"addresses": wrong})
    return _once(request, "add", lambda: _add(shop, wanted))


def _add(shop: Shop, wanted: Sequence[str]) -> None:
    for each in wanted:
        if folded(each) != folded(shop.email) and Address.add(shop, each):
            telling.ask_to_confirm(shop, each)


@action(needs=Permission.SETTINGS)
def remove(request: Request) -> Response:
    """`POST /settings/addresses/remove`."""
    row = _row(request)
    return _once(request, f"remove {row.address}", lambda: row.remove())


@action(needs=Permission.SETTINGS)
def ask_again(request: Request) -> Response:
    """`POST /settings/addresses/ask`: another mail with the link, for whoever has lost it."""
    row = _row(request)
    return _once(request, f"ask {row.address}", lambda: telling.ask_to_confirm(request.state.shop, row.address))


def _row(request: Request) -> Address:
    found = Address.find(request.state.shop, request.state.form.get("address", ""))
    if found is None:
        raise Missing(t("settings.bad.gone"))
    return found


def _once(request: Request, what: str, deed: Callable[[], None]) -> Response:
    """The audit tells that addresses changed, not which: they are people's."""
    shop, click = request.state.shop, uuid5(click_of(request), what)
    try:
        with db.atomic():
            if Audit.note(shop, Action.SETTINGS, who(request), click=click, details={"part": "addresses"}):
                deed()
    except telling.TooMany:
        raise Conflict(t("alerts.too_many")) from None
    return _told(shop, click, "addresses")


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
