"""The imports page: begin an import, show its progress, pause, resume and cancel it."""

from __future__ import annotations

from datetime import datetime

from peewee import IntegrityError
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors import imports as actors_imports
from clients import ApiError
from database import db
from i18n.catalogue import t
from i18n.explanations import reason_text
from models import OPEN_IMPORTS, Action, BulkImport, Permission
from sync.api_clients import shopify_client_without_task
from sync.imports.state import newest_imports
from sync.scopes.changes import read_scopes
from sync.scopes.granted import reads_all_orders
from views.imports.estimate import estimate_sentence
from views.imports.form import ImportForm
from views.imports.progress import ImportProgress
from views.web import audit_log
from views.web.errors import BadInput, PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view

MAX_SHOWN = 20
LOOKUP_SECONDS = 8.0  # the page waits so long for Shopify
ACTIONS = {
    "pause": (Action.IMPORT_PAUSE, actors_imports.pause_import),
    "resume": (Action.IMPORT_RESUME, actors_imports.resume_import),
    "cancel": (Action.IMPORT_CANCEL, actors_imports.cancel_import),
}


@view
def index(request: Request) -> Response:
    """`GET /imports`: the form and the newest imports with their progress; for htmx only the part that changes."""
    return _page(request, ImportForm.default(request.state.shop))


def _page(request: Request, form: ImportForm, status: int = 200) -> Response:
    found = newest_imports(request.state.shop, MAX_SHOWN + 1)
    shown = [ImportProgress.of(bulk_import) for bulk_import in found[:MAX_SHOWN]]
    return render(
        request,
        "imports/index.html",
        partial="imports/_imports.html",
        status=status,
        form=form,
        imports=shown,
        is_running=any(each.is_running for each in shown),
        has_open_import=any(each.bulk_import.open for each in shown),
        more=len(found) > MAX_SHOWN,
    )


@action(needs=Permission.IMPORT)
def create(request: Request) -> Response:
    """`POST /imports`: begin an import."""
    shop, form = request.state.shop, request.state.form
    try:
        begun = _begin(request, *ImportForm.read(shop, form).confirmed_window())
    except BadInput as bad:
        return _page(request, ImportForm.read(shop, form, str(bad)), bad.status)
    return RedirectResponse(f"/imports#import-{begun.id}" if begun else "/imports", 303)


def _begin(request: Request, starts_at: datetime, ends_at: datetime) -> BulkImport | None:
    """The new import, or None when the same form was submitted before."""
    shop, key = request.state.shop, idempotency_key(request)
    try:
        with db.atomic():
            entry = audit_log.record(shop, Action.IMPORT, current_user(request), idempotency_key=key)
            begun = actors_imports.begin_import(shop, starts_at, ends_at) if entry else None
            if entry and begun:
                audit_log.set_details(entry, import_id=begun.id)
    except IntegrityError:
        raise BadInput(t("imports.bad.busy")) from None
    return begun


@action(needs=Permission.IMPORT)
def estimate(request: Request) -> Response:
    """`POST /imports/estimate`: the form again, with how long its import would take. Begins nothing."""
    shop, form = request.state.shop, request.state.form
    try:
        window = ImportForm.read(shop, form).window()
        counts = shopify_client_without_task(shop, LOOKUP_SECONDS).counts(*window)
    except BadInput as bad:
        return _page(request, ImportForm.read(shop, form, str(bad)), bad.status)
    except ApiError as error:
        unknown = t("imports.estimate.unknown", reason=reason_text(error.cause))
        return _page(request, ImportForm.read(shop, form).estimating(unknown))
    return _page(request, ImportForm.read(shop, form).estimating(estimate_sentence(*counts)))


@action(needs=Permission.IMPORT)
def look_up_access(request: Request) -> Response:
    """`POST /imports/access`: look up what the shop has granted, after the button has asked for `read_all_orders`."""
    shop = request.state.shop
    try:
        read_scopes(shop, shopify_client_without_task(shop, LOOKUP_SECONDS))
    except ApiError as error:
        notice = t("imports.limit.unknown", reason=reason_text(error.cause))
        return _page(request, ImportForm.default(shop).noting(notice))
    if reads_all_orders(shop):
        return RedirectResponse("/imports", 303)
    return _page(request, ImportForm.default(shop).noting(t("imports.limit.declined")))


@action(needs=Permission.IMPORT)
def change_state(request: Request) -> Response:
    """`POST /imports/{id}/pause`, `resume` or `cancel`."""
    import_id, name = request.path_params["import_id"], request.path_params["action"]
    of_shop = (BulkImport.id == import_id) & (BulkImport.shop == request.state.shop)
    bulk_import = BulkImport.get_or_none(of_shop) if name in ACTIONS and import_id < 2**63 else None
    if bulk_import is None or bulk_import.state not in OPEN_IMPORTS:
        raise PageNotFound(t("imports.bad.gone"))
    audited_as, change = ACTIONS[name]
    details = {"import_id": bulk_import.id}
    with db.atomic():  # before the action, which may end a hundred thousand tasks, in transactions of its own
        audit_log.record(
            bulk_import.shop,
            audited_as,
            current_user(request),
            idempotency_key=idempotency_key(request),
            details=details,
        )
    change(bulk_import)
    return RedirectResponse(f"/imports#import-{bulk_import.id}", 303)


routes = [
    Route("/imports", index),
    Route("/imports", create, methods=["POST"]),
    Route("/imports/estimate", estimate, methods=["POST"]),
    Route("/imports/access", look_up_access, methods=["POST"]),
    Route("/imports/{import_id:int}/{action}", change_state, methods=["POST"]),
]
