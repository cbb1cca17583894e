"""Render the settings page, with the saved settings or with a form that was just submitted."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from models import Action, AuditEntry
from sync import webhook_endpoints
from views.settings.backtest import Backtest
from views.settings.form import SECTIONS, SectionForm, saved_section
from views.settings.recipients import recipients
from views.settings.store_map import StoreMap
from views.web import audit_log, query_params
from views.web.rendering import render
from views.web.request_state import Request


def render_page(
    request: Request,
    *,
    filled: SectionForm | None = None,
    stores: StoreMap | None = None,
    typed_addresses: str = "",
    wrong: Mapping[str, str] | None = None,
    backtest: Backtest | None = None,
) -> Response:
    """Render the page; a submitted section keeps its typed values and gets its error messages."""
    shop = request.state.shop
    parts = {name: saved_section(shop, name) for name in SECTIONS}
    if filled:
        parts[filled.name] = filled
    bad = bool((filled and filled.wrong) or (stores and stores.wrong) or wrong)
    return render(
        request,
        "settings/index.html",
        partial="settings/_backtest.html",
        status=422 if bad else 200,
        parts=parts,
        stores=stores or StoreMap.of(shop),
        recipients=recipients(shop),
        typed_addresses=typed_addresses,
        wrong=wrong or {},
        backtest=backtest,
        looked=filled is not None and filled.name == "alerts",
        bad=bad,
        endpoint=webhook_endpoints.get_or_create(shop),
        saved=_saved(request),
    )


def _saved(request: Request) -> AuditEntry | None:
    """The audit entry of what was just saved, for the message on the page."""
    audit_id = query_params.parse_uuid(request.query_params.get("saved", ""))
    return audit_log.find(request.state.shop, audit_id, Action.SETTINGS) if audit_id else None
