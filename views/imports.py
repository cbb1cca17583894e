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
from actors.imports import EVER, handle_bulk_import_create_request
from database import db
from models import Shop, utcnow
from models.bulk import OPEN, Import
from views import BadInput, Missing, render, view, wording
from views.forms import action
from views.progress import Progress
from views.text import t

SHOWN = 20
ACTIONS = {"pause": imports.pause, "resume": imports.resume, "cancel": imports.cancel}


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


@action
def create(request: Request) -> Response:
    """`POST /imports`: the merchant's click."""
    shop, form = request.state.shop, request.state.form
    try:
        importing = _begin(shop, *Wish.read(form).window(wording.zone_of(shop.timezone)))
    except BadInput as bad:
        return _page(request, Wish.read(form, str(bad)), bad.status)
    return RedirectResponse(f"/imports#import-{importing.id}", 303)


def _begin(shop: Shop, starts_at: datetime, ends_at: datetime) -> Import:
    try:
        with db.atomic():
            importing = Import.begin(shop, starts_at, ends_at)
            key, args = f"import:{importing.id}", {"import_id": importing.id}
            handle_bulk_import_create_request.enqueue(shop, key=key, args=args)
    except IntegrityError:
        raise BadInput(t("imports.bad.busy")) from None
    return importing


@action
def act(request: Request) -> Response:
    """`POST /imports/{id}/pause`, `resume`, `cancel`."""
    number, name = request.path_params["import_id"], request.path_params["action"]
    known = (Import.id == number) & (Import.shop == request.state.shop)
    importing = Import.get_or_none(known) if name in ACTIONS and number < 2**63 else None
    if importing is None or importing.state not in OPEN:
        raise Missing(t("imports.bad.gone"))
    ACTIONS[name](importing)
    return RedirectResponse(f"/imports#import-{importing.id}", 303)


routes = [
    Route("/imports", index),
    Route("/imports", create, methods=["POST"]),
    Route("/imports/{import_id:int}/{action}", act, methods=["POST"]),
]
