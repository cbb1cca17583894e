"""The first three steps: connect Engage, choose the store, bring the past. Each can be taken again later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors import settings
from clients import ApiError, NotSent, Refused
from clients.engage import Engage
from config import config
from database import db
from models import Shop
from models.audit import Action, Audit
from models.bulk import Import
from models.members import Permission
from models.settings import STORE, choose
from models.stores import Store
from views import render, view, wording
from views.forms import action, click_of, who
from views.imports import Wish
from views.request_state import state_of
from words import t

TENANT = re.compile(r"(?:https?://)?([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.staging)?)(?:\.voyado\.com)?/?", re.I)
KEY = re.compile(r"[!-~]{1,200}")
CHECK_SECONDS = 10.0
LONGEST = 100


@view
def home(request: Request) -> Response:
    """`GET /`: the first steps until Engage is connected, then the task overview."""
    shop: Shop = request.state.shop
    return RedirectResponse(_address("/tasks" if shop.joined else "/welcome", request), 303)


def _address(path: str, request: Request) -> str:
    """In Shopify's admin the next page needs what this one came with: the token lives for a minute."""
    session = state_of(request).session
    kept = session.admin_params and {**session.admin_params, "id_token": session.id_token}
    return f"{path}?{urlencode(kept)}" if kept else path


@view
def index(request: Request) -> Response:
    """`GET /welcome`: how far the shop has come, and the next step."""
    return _page(request)


@action(needs=Permission.SETTINGS)
def connect(request: Request) -> Response:
    """`POST /welcome/engage`: the tenant and its key, tried before they are kept."""
    form, shop = request.state.form, request.state.shop
    tenant, key = tenant_in(form.get("tenant", "")), form.get("key", "").strip()
    wrong = _unfit(tenant, key)
    stores = [] if wrong or not tenant else _tried(tenant, key, wrong)
    if wrong or not tenant:
        return _page(request, wrong, form.get("tenant", ""))
    with db.atomic():
        if Audit.note(shop, Action.SETTINGS, who(request), click=click_of(request), details={"part": "engage"}):
            shop.join(tenant, key)
            Store.keep(shop, stores)
            settings.joined(shop)
    return RedirectResponse("/welcome#store", 303)


def tenant_in(text: str) -> str | None:
    """The tenant's name in what was typed, which may be its whole address."""
    found = TENANT.fullmatch(text.strip())
    return found[1].lower() if found else None


def _unfit(tenant: str | None, key: str) -> dict[str, str]:
    wrong = {} if tenant else {"tenant": t("welcome.bad.tenant")}
    return wrong if KEY.fullmatch(key) else {**wrong, "key": t("welcome.bad.key")}


def _tried(tenant: str, key: str, wrong: dict[str, str]) -> list[dict[str, object]]:
    """The tenant's stores, if Engage takes the key; else what is wrong, beside its field."""
    engage = Engage(config.engage_origin.format(tenant=tenant), key, deadline=CHECK_SECONDS)
    try:
        engage.count()
        return engage.stores()
    except NotSent:
        wrong["tenant"] = t("welcome.bad.nowhere", tenant=tenant)
    except Refused:
        wrong["key"] = t("welcome.bad.refused")
    except ApiError as error:
        wrong["tenant"] = t("welcome.bad.failed", why=wording.said(str(error)))
    return []


@action(needs=Permission.SETTINGS)
def choose_store(request: Request) -> Response:
    """`POST /welcome/store`: the store of whatever belongs to no other."""
    shop, store = request.state.shop, request.state.form.get("store", "").strip()
    if not store or len(store) > LONGEST or not store.isprintable():
        return _page(request, {"store": t("settings.bad.store")})
    with db.atomic():
        if Audit.note(shop, Action.SETTINGS, who(request), click=click_of(request), details={"part": "stores"}):
            choose(shop, {STORE: store})
    return RedirectResponse("/welcome#import", 303)


def _page(request: Request, wrong: Mapping[str, str] | None = None, tenant: str | None = None) -> Response:
    shop: Shop = request.state.shop
    begun = Import.of(shop, 1)
    return render(
        request,
        "welcome/index.html",
        status=422 if wrong else 200,
        wrong=wrong or {},
        tenant=shop.engage_tenant if tenant is None else tenant,
        stores=[store for store in Store.of(shop) if store.active],
        joined=shop.joined,
        stored=shop.joined and bool(shop.store),
        imported=bool(begun),
        open=any(each.open for each in begun),
        wish=Wish.usual(wording.zone_of(shop.timezone)),
    )


routes = [
    Route("/", home),
    Route("/welcome", index),
    Route("/welcome/engage", connect, methods=["POST"]),
    Route("/welcome/store", choose_store, methods=["POST"]),
]
