"""The imports: begin one, see how far it has come, pause it, go on, cancel it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from peewee import IntegrityError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors import imports
from actors.imports import EVER, handle_bulk_import_create_request
from config import config
from database import db
from models import Shop, utcnow
from models.bulk import Import, Stage
from views import BadInput, Missing, Refusal, render, view, wording
from views.progress import Progress
from views.text import t

SHOWN = 20
LARGEST_FORM = 4096
ACTIONS = {"pause": imports.pause, "resume": imports.resume, "cancel": imports.cancel}


class Foreign(Refusal):
    """A form that another site made the browser send."""

    status = 403


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


async def create(request: Request) -> Response:
    """`POST /imports`: the merchant's click."""
    request.state.form = await _form(request)
    return await _create(request)


@view
def _create(request: Request) -> Response:
    _refuse_foreign(request)
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


@view
def act(request: Request) -> Response:
    """`POST /imports/{id}/pause`, `resume`, `cancel`."""
    _refuse_foreign(request)
    number, action = request.path_params["import_id"], request.path_params["action"]
    known = (Import.id == number) & (Import.shop == request.state.shop)
    importing = Import.get_or_none(known) if action in ACTIONS and number < 2**63 else None
    if importing is None or importing.state not in (Stage.RUNNING, Stage.PAUSED):
        raise Missing(t("imports.bad.gone"))
    ACTIONS[action](importing)
    return RedirectResponse(f"/imports#import-{importing.id}", 303)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; of anything larger, none."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return {}
    return {name: values[-1] for name, values in _fields(body.decode(errors="replace")).items()}


def _fields(body: str) -> dict[str, list[str]]:
    try:
        return parse_qs(body, max_num_fields=20)
    except ValueError:
        return {}


def _refuse_foreign(request: Request) -> None:
    """Every browser says where a form was sent from; our cookie alone does not. Raises Foreign."""
    origin = urlsplit(request.headers.get("origin", ""))
    ours = {request.headers.get("host", ""), urlsplit(config.app_url).netloc}
    if not origin.netloc or origin.netloc not in ours:
        raise Foreign(t("imports.bad.foreign"))


routes = [
    Route("/imports", index),
    Route("/imports", create, methods=["POST"]),
    Route("/imports/{import_id:int}/{action}", act, methods=["POST"]),
]
