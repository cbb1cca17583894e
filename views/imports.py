"""The imports: begin one, see how far it has come, pause it, go on, cancel it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from peewee import IntegrityError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors import imports
from actors.imports import EVER
from database import db
from models import utcnow
from models.audit import Action, Audit
from models.bulk import OPEN, Import
from models.members import Permission
from views import BadInput, Missing, render, view, wording
from views.forms import action, click_of, who
from views.progress import Progress
from words import t

SHOWN = 20
ACTIONS = {
    "pause": (Action.IMPORT_PAUSE, imports.pause),
    "resume": (Action.IMPORT_RESUME, imports.resume),
    "cancel": (Action.IMPORT_CANCEL, imports.cancel),
}


@dataclass(frozen=True)
class Wish:
    """What the form holds: as it was given, whatever that was, so that nothing has to be said twice."""

    first: str
    last: str
    ready: bool = False
    problem: str | None = None

    @classmethod
    def usual(cls, zone: ZoneInfo) -> Wish:
        """The last year."""
        today = utcnow().astimezone(zone).date()
        return cls(str(today - timedelta(days=365)), str(today))

    @classmethod
    def read(cls, form: dict[str, str], problem: str | None = None) -> Wish:
        return cls(form.get("first", ""), form.get("last", ""), form.get("ready") == "yes", problem)

    def window(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From the beginning of the first day until the end of the last, in the shop's own time. Raises BadInput."""
        starts_at, ends_at = _midnight(self.first, zone), _midnight(self.last, zone, timedelta(days=1))
        if starts_at < EVER:
            raise BadInput(t("imports.bad.past"))
        if starts_at > utcnow():
            raise BadInput(t("imports.bad.future"))
        if ends_at <= starts_at:
            raise BadInput(t("imports.bad.range"))
        if not self.ready:
            raise BadInput(t("imports.bad.ready"))
        return starts_at, ends_at


def _midnight(day: str, zone: ZoneInfo, later: timedelta = timedelta()) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day.strip()) + later, time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(t("imports.bad.day")) from None


@view
def index(request: Request) -> Response:
    """`GET /imports`: the form and every import; the part that changes alone, when it is asked for again."""
    return _page(request, Wish.usual(wording.zone_of(request.state.shop.timezone)))


def _page(request: Request, wish: Wish, status: int = 200) -> Response:
    found = Import.of(request.state.shop, SHOWN + 1)
    shown = [Progress.of(importing) for importing in found[:SHOWN]]
    return render(
        request,
        "imports/index.html",
        partial="imports/_region.html",
        status=status,
        wish=wish,
        imports=shown,
        live=any(each.live for each in shown),
        open=any(each.importing.open for each in shown),
        more=len(found) > SHOWN,
    )


@action(needs=Permission.IMPORT)
def create(request: Request) -> Response:
    """`POST /imports`: the merchant's click."""
    form = request.state.form
    try:
        begun = _begin(request, *Wish.read(form).window(wording.zone_of(request.state.shop.timezone)))
    except BadInput as bad:
        return _page(request, Wish.read(form, str(bad)), bad.status)
    return RedirectResponse(f"/imports#import-{begun.id}" if begun else "/imports", 303)


def _begin(request: Request, starts_at: datetime, ends_at: datetime) -> Import | None:
    """The new import, or None at a second press of the same button."""
    shop, click = request.state.shop, click_of(request)
    try:
        with db.atomic():
            note = Audit.note(shop, Action.IMPORT, who(request), click=click)
            begun = imports.begin(shop, starts_at, ends_at) if note else None
            if note and begun:
                note.tell(import_id=begun.id)
    except IntegrityError:
        raise BadInput(t("imports.bad.busy")) from None
    return begun


@action(needs=Permission.IMPORT)
def act(request: Request) -> Response:
    """`POST /imports/{id}/pause`, `resume`, `cancel`."""
    number, name = request.path_params["import_id"], request.path_params["action"]
    known = (Import.id == number) & (Import.shop == request.state.shop)
    importing = Import.get_or_none(known) if name in ACTIONS and number < 2**63 else None
    if importing is None or importing.state not in OPEN:
        raise Missing(t("imports.bad.gone"))
    what, deed = ACTIONS[name]
    details = {"import_id": importing.id}
    with db.atomic():  # before the deed, which may end a hundred thousand tasks, in transactions of its own
        Audit.note(importing.shop, what, who(request), click=click_of(request), details=details)
    deed(importing)
    return RedirectResponse(f"/imports#import-{importing.id}", 303)


routes = [
    Route("/imports", index),
    Route("/imports", create, methods=["POST"]),
    Route("/imports/{import_id:int}/{action}", act, methods=["POST"]),
]
