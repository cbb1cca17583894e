"""Onboarding: connect Engage, choose the default store, import the history. Each step can be repeated later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors import settings as actors_settings
from clients import ApiError, NotSent, Refused
from clients.engage.client import EngageClient
from config import config
from database import db
from i18n.catalogue import t
from i18n.explanations import reason_text
from models import Action, AuditEntry, Permission, Shop
from sync import shop_connections
from sync import stores as sync_stores
from sync.imports.state import newest_imports
from views.imports.form import ImportForm
from views.settings.choices import STORE, choose
from views.web import audit_log
from views.web.forms import action, current_user, idempotency_key
from views.web.rendering import render
from views.web.request_state import Request, state_of
from views.web.view import view

TENANT = re.compile(r"(?:https?://)?([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.staging)?)(?:\.voyado\.com)?/?", re.I)
KEY = re.compile(r"[!-~]{1,200}")
TEST_CALL_SECONDS = 10.0
MAX_STORE_LENGTH = 100


@view
def home(request: Request) -> Response:
    """`GET /`: redirect to onboarding until Engage is connected, then to the task list."""
    shop: Shop = request.state.shop
    return RedirectResponse(_redirect_url("/tasks" if shop.engage_connected else "/welcome", request), 303)


def _redirect_url(path: str, request: Request) -> str:
    """Inside Shopify's admin, pass on Shopify's query parameters and the ID token, which is valid for a minute."""
    session = state_of(request).session
    passed_on = session.admin_params and {**session.admin_params, "id_token": session.id_token}
    return f"{path}?{urlencode(passed_on)}" if passed_on else path


@view
def index(request: Request) -> Response:
    """`GET /welcome`: the onboarding steps, and which of them are done."""
    return _page(request)


@action(needs=Permission.SETTINGS)
def connect_engage(request: Request) -> Response:
    """`POST /welcome/engage`: save the Engage tenant and its API key, after a test call with them."""
    form, shop = request.state.form, request.state.shop
    tenant, key = tenant_name(form.get("tenant", "")), form.get("key", "").strip()
    errors = _form_errors(tenant, key)
    stores = [] if errors or not tenant else _test_call(tenant, key, errors)
    if errors or not tenant:
        return _page(request, errors, form.get("tenant", ""))
    with db.atomic():
        if _record(request, "engage"):
            shop_connections.connect_engage(shop, tenant, key)
            sync_stores.save_stores(shop, stores)
            actors_settings.enqueue_store_sync(shop)
    return RedirectResponse("/welcome#store", 303)


def tenant_name(text: str) -> str | None:
    """The tenant's name in the typed text, which may be its whole URL."""
    found = TENANT.fullmatch(text.strip())
    return found[1].lower() if found else None


def _form_errors(tenant: str | None, key: str) -> dict[str, str]:
    errors = {} if tenant else {"tenant": t("onboarding.bad.tenant")}
    return errors if KEY.fullmatch(key) else {**errors, "key": t("onboarding.bad.key")}


def _test_call(tenant: str, key: str, errors: dict[str, str]) -> list[dict[str, object]]:
    """The tenant's stores if Engage accepts the key; else the error message is put into `errors` by field."""
    engage = EngageClient(config.engage_origin.format(tenant=tenant), key, deadline=TEST_CALL_SECONDS)
    try:
        engage.contact_count()
        return engage.stores()
    except NotSent:
        errors["tenant"] = t("onboarding.bad.nowhere", tenant=tenant)
    except Refused:
        errors["key"] = t("onboarding.bad.refused")
    except ApiError as error:
        errors["tenant"] = t("onboarding.bad.failed", why=reason_text(error.cause, revealed=True))
    return []


@action(needs=Permission.SETTINGS)
def choose_store(request: Request) -> Response:
    """`POST /welcome/store`: save the default store, of purchases that the store map does not cover."""
    shop, store = request.state.shop, request.state.form.get("store", "").strip()
    if not store or len(store) > MAX_STORE_LENGTH or not store.isprintable():
        return _page(request, {"store": t("settings.bad.store")})
    with db.atomic():
        if _record(request, "stores"):
            choose(shop, {STORE: store})
    return RedirectResponse("/welcome#import", 303)


def _record(request: Request, part: str) -> AuditEntry | None:
    """Audit a change of that part of the settings. None if the form was sent before."""
    user, key = current_user(request), idempotency_key(request)
    return audit_log.record(request.state.shop, Action.SETTINGS, user, idempotency_key=key, details={"part": part})


def _page(request: Request, errors: Mapping[str, str] | None = None, tenant: str | None = None) -> Response:
    shop: Shop = request.state.shop
    begun = newest_imports(shop, 1)
    return render(
        request,
        "account/onboarding.html",
        status=422 if errors else 200,
        errors=errors or {},
        tenant=shop.engage_tenant if tenant is None else tenant,
        stores=[store for store in sync_stores.stores_of(shop) if store.active],
        is_connected=shop.engage_connected,
        has_store=shop.engage_connected and bool(shop.store),
        has_import=bool(begun),
        has_open_import=any(each.open for each in begun),
        form=ImportForm.default(shop),
    )


routes = [
    Route("/", home),
    Route("/welcome", index),
    Route("/welcome/engage", connect_engage, methods=["POST"]),
    Route("/welcome/store", choose_store, methods=["POST"]),
]
