"""Render the settings page, with the saved settings or with a form that was just submitted."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from models.audit import Action, Audit
from models.endpoints import Endpoint
from views import parameters, render
from views.backtest import Backtest
from views.recipients import recipients
from views.request_state import Request
from views.sections import SECTIONS, Filled, kept
from views.shop_map import StoreMap


def page(
    request: Request,
    *,
    filled: Filled | None = None,
    stores: StoreMap | None = None,
    typed_addresses: str = "",
    wrong: Mapping[str, str] | None = None,
    backtest: Backtest | None = None,
) -> Response:
    """Render the page; a submitted section keeps its typed values and gets its error messages."""
    shop = request.state.shop
    parts = {name: kept(shop, name) for name in SECTIONS}
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
        endpoint=Endpoint.of(shop),
        saved=_saved(request),
    )


def _saved(request: Request) -> Audit | None:
    """The audit entry of what was just saved, for the message on the page."""
    audit_id = parameters.uuid(request.query_params.get("saved", ""))
    return Audit.find(request.state.shop, audit_id, Action.SETTINGS) if audit_id else None
