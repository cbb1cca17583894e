"""Render the settings page, with the saved settings or with a form that was just submitted."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from models import Action, AuditEntry
from sync import webhook_endpoints
from sync.scopes.granted import withholds_products
from views.settings.backtest import Backtest
from views.settings.form import SectionForm, saved_section, sections
from views.settings.recipients import recipients_of
from views.settings.store_map import StoreMap
from views.settings.trial_form import TrialForm
from views.web import audit_log, query_params
from views.web.rendering import render
from views.web.request_state import Request


def render_page(
    request: Request,
    *,
    section: SectionForm | None = None,
    store_map: StoreMap | None = None,
    typed_addresses: str = "",
    errors: Mapping[str, str] | None = None,
    backtest: Backtest | None = None,
    trial: TrialForm | None = None,
) -> Response:
    """Render the page; a submitted section keeps its typed values and gets its error messages."""
    shop = request.state.shop
    forms = {name: saved_section(shop, name) for name in sections()}
    if section:
        forms[section.name] = section
    has_errors = bool((section and section.errors) or (store_map and store_map.errors) or errors)
    return render(
        request,
        "settings/index.html",
        partial="settings/_backtest.html",
        status=422 if has_errors else 200,
        sections=forms,
        store_map=store_map or StoreMap.of(shop),
        recipients=recipients_of(shop),
        typed_addresses=typed_addresses,
        errors=errors or {},
        backtest=backtest,
        trial=trial or TrialForm(),
        backtest_was_run=section is not None and section.name == "alerts",
        has_errors=has_errors,
        endpoint=webhook_endpoints.get_or_create(shop),
        saved=_saved(request),
        products_withheld=withholds_products(shop),
    )


def _saved(request: Request) -> AuditEntry | None:
    """The audit entry of what was just saved, for the message on the page."""
    audit_id = query_params.parse_uuid(request.query_params.get("saved", ""))
    return audit_log.find(request.state.shop, audit_id, Action.SETTINGS) if audit_id else None
