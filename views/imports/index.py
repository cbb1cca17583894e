"""The imports page: begin an import, show its progress, pause, resume and cancel it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from peewee import IntegrityError
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors import imports as actors_imports
from actors.imports import BEFORE_SHOPIFY
from database import db
from i18n.catalogue import t
from models import OPEN_IMPORTS, Action, BulkImport, Permission, utcnow
from sync.imports.state import newest_imports
from views.imports.progress import ImportProgress
from views.web import audit_log, formatting
from views.web.errors import BadInput, PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view

MAX_SHOWN = 20
ACTIONS = {
    "pause": (Action.IMPORT_PAUSE, actors_imports.pause_import),
    "resume": (Action.IMPORT_RESUME, actors_imports.resume_import),
    "cancel": (Action.IMPORT_CANCEL, actors_imports.cancel_import),
}


@dataclass(frozen=True)
class ImportForm:
    """The import form, with its values as they were typed, so that an error does not lose them."""

    first_day: str
    last_day: str
    confirmed: bool = False
    problem: str | None = None

    @classmethod
    def default(cls, zone: ZoneInfo) -> ImportForm:
        """The form's initial values: the last year."""
        today = utcnow().astimezone(zone).date()
        return cls(str(today - timedelta(days=365)), str(today))

    @classmethod
    def read(cls, form: dict[str, str], problem: str | None = None) -> ImportForm:
        return cls(form.get("first", ""), form.get("last", ""), form.get("ready") == "yes", problem)

    def window(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From the start of the first day to the end of the last, in the shop's time zone. Raises BadInput."""
        starts_at, ends_at = _midnight(self.first_day, zone), _midnight(self.last_day, zone, timedelta(days=1))
        if starts_at < BEFORE_SHOPIFY:
            raise BadInput(t("imports.bad.past"))
        if starts_at > utcnow():
            raise BadInput(t("imports.bad.future"))
        if ends_at <= starts_at:
            raise BadInput(t("imports.bad.range"))
        if not self.confirmed:
            raise BadInput(t("imports.bad.ready"))
        return starts_at, ends_at


def _midnight(day: str, zone: ZoneInfo, later: timedelta = timedelta()) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day.strip()) + later, time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(t("imports.bad.day")) from None


@view
def index(request: Request) -> Response:
    """`GET /imports`: the form and the newest imports with their progress; for htmx only the part that changes."""
    return _page(request, ImportForm.default(formatting.time_zone(request.state.shop.timezone)))


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
    form = request.state.form
    try:
        begun = _begin(request, *ImportForm.read(form).window(formatting.time_zone(request.state.shop.timezone)))
    except BadInput as bad:
        return _page(request, ImportForm.read(form, str(bad)), bad.status)
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
    Route("/imports/{import_id:int}/{action}", change_state, methods=["POST"]),
]
