"""The imports: begin one, see how far it has come, pause it, go on, cancel it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar
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
from models import utcnow
from models.bulk import Import, Kind, Part, Stage, Step
from views import BadInput, Missing, Refusal, render, view, wording

SHOWN = 20
MOST_ERRORS = 1000  # counted for the page; beyond it says "more than"
LARGEST_FORM = 4096


class Words:
    """What the page says."""

    title = "Imports"
    begin = "Begin an import"
    about = "All customers come first, then the orders of the days you choose, purchases and returns."
    finds = "Customers that Engage has already stay as they are; the others are created."
    warning = "Automations will fire."
    warning_note = (
        "Engage treats what is imported as new: automations for new contacts, purchases and returns would reach your "
        "customers now. Switch them off in Engage before you begin, and on again when the import is done."
    )
    off = "I have switched them off, or want them to fire"
    first, last = "First day of the orders", "Last day of the orders"
    go = "Import"
    none = "Nothing has been imported yet."
    busy = "An import is under way already. Wait for its end, or cancel it."
    foreign = "This form was sent from another site, so nothing was done."
    not_ready = "Say first that automations may fire or are switched off."
    bad_day = "Give both days as YYYY-MM-DD."
    bad_order = "The last day must not be before the first, nor the first in the future."
    gone = "There is no such import in this shop, or it has ended."
    orders_of = "Orders from {} to {}"
    part, state, rows, known, bad = "Part", "State", "Read", "In Engage already", "Unreadable"
    left, errors, rate, remaining = "Left to send", "Errors", "Rate", "Time left"
    errors_shown = "See the errors"
    bad_lines = "Unreadable lines"
    line = "Line {}: {}"
    of = "{} of {}"
    per_second = "{:.1f} a second"
    more_than = "more than {:,}"
    stopped = "Stopped: {}"
    kinds: ClassVar = {Kind.CUSTOMERS: "Customers", Kind.ORDERS: "Orders"}
    stages: ClassVar = {
        Stage.RUNNING: "Running",
        Stage.PAUSED: "Paused",
        Stage.CANCELLED: "Cancelled",
        Stage.DONE: "Done",
    }
    steps: ClassVar = {
        Step.ASK: "Waiting",
        Step.AWAIT: "Shopify is collecting",
        Step.READ: "Reading",
        Step.JOIN: "Putting together",
        Step.FOLLOW: "Read, being sent",
        Step.OVER: "Done",
    }
    actions: ClassVar = {"pause": "Pause", "resume": "Go on", "cancel": "Cancel"}


class Foreign(Refusal):
    """A form that another site made the browser send."""

    status = 403


@dataclass(frozen=True)
class Progress:
    """One import as the page shows it."""

    importing: Import
    parts: list[Part]
    left: int
    errors: int
    stopped: str | None

    @classmethod
    def of(cls, importing: Import) -> Progress:
        parts = importing.parts
        stopped = next((reason for part in parts if (reason := part.stopped) is not None), None)
        return cls(importing, parts, importing.left(), importing.errors(MOST_ERRORS), stopped)

    @property
    def live(self) -> bool:
        """Whether there is anything to wait for."""
        return self.importing.state == Stage.RUNNING and self.stopped is None

    @property
    def state(self) -> str:
        return Words.stages[Stage(self.importing.state)]

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day, as the merchant chose them."""
        zone = wording.zone_of(self.importing.shop.timezone)
        last = self.importing.ends_at - timedelta(microseconds=1)
        return self.importing.starts_at.astimezone(zone).date(), last.astimezone(zone).date()

    @property
    def actions(self) -> list[str]:
        if not self.importing.open:
            return []
        may_resume = self.importing.state == Stage.PAUSED or self.stopped is not None
        return ["resume" if may_resume else "pause", "cancel"]

    @property
    def per_second(self) -> float | None:
        """Tasks that have come through in a second, since the first part began."""
        begun = [part.begun_at for part in self.parts if part.begun_at]
        through = sum(part.sent for part in self.parts) - self.left
        if not self.live or not begun or through <= 0:
            return None
        return through / max((utcnow() - min(begun)).total_seconds(), 1)

    @property
    def remaining_ms(self) -> float | None:
        """Until what is known of the import is through, at this rate."""
        if not (rate := self.per_second):
            return None
        unread = sum(max((part.expected or 0) - part.found, 0) for part in self.parts)
        return (self.left + unread) / rate * 1000

    @property
    def errors_said(self) -> str:
        return Words.more_than.format(MOST_ERRORS) if self.errors >= MOST_ERRORS else f"{self.errors:,}"


@view
def index(request: Request) -> Response:
    """`GET /imports`: the form and every import; the part that changes alone, when it is asked for again."""
    shown = [Progress.of(importing) for importing in Import.of(request.state.shop, SHOWN)]
    today = utcnow().astimezone(wording.zone_of(request.state.shop.timezone)).date()
    return render(
        request,
        "imports/index.html",
        partial="imports/_list.html",
        imports=shown,
        live=any(each.live for each in shown),
        open=any(each.importing.open for each in shown),
        words=Words,
        first=today - timedelta(days=365),
        last=today,
    )


async def create(request: Request) -> Response:
    """`POST /imports`: the merchant's click."""
    request.state.form = await _form(request)
    return await _create(request)


@view
def _create(request: Request) -> Response:
    _refuse_foreign(request)
    shop, form = request.state.shop, request.state.form
    starts_at, ends_at = _window(form, wording.zone_of(shop.timezone))
    if form.get("ready") != "yes":
        raise BadInput(Words.not_ready)
    try:
        with db.atomic():
            importing = Import.begin(shop, starts_at, ends_at)
            key, args = f"import:{importing.id}", {"import_id": importing.id}
            handle_bulk_import_create_request.enqueue(shop, key=key, args=args)
    except IntegrityError:
        raise BadInput(Words.busy) from None
    return RedirectResponse("/imports", 303)


@view
def act(request: Request) -> Response:
    """`POST /imports/{id}/pause`, `resume`, `cancel`."""
    _refuse_foreign(request)
    number, action = request.path_params["import_id"], request.path_params["action"]
    known = (Import.id == number) & (Import.shop == request.state.shop)
    importing = Import.get_or_none(known) if action in Words.actions and number < 2**63 else None
    if importing is None or not importing.open:
        raise Missing(Words.gone)
    {"pause": imports.pause, "resume": imports.resume, "cancel": imports.cancel}[action](importing)
    return RedirectResponse("/imports", 303)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; of anything larger, none."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return {}
    return {name: values[-1] for name, values in parse_qs(body.decode(errors="replace"), max_num_fields=20).items()}


def _refuse_foreign(request: Request) -> None:
    """Every browser says where a form was sent from; our cookie alone does not. Raises Foreign."""
    origin = urlsplit(request.headers.get("origin", ""))
    ours = {request.headers.get("host", ""), urlsplit(config.app_url).netloc}
    if not origin.netloc or origin.netloc not in ours:
        raise Foreign(Words.foreign)


def _window(form: dict[str, str], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From the beginning of the first day until the end of the last, in the shop's own time. Raises BadInput."""
    try:
        first, last = (date.fromisoformat(form.get(name, "")) for name in ("first", "last"))
        starts_at = datetime.combine(first, time(), zone).astimezone(UTC)
        ends_at = datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(Words.bad_day) from None
    if ends_at <= starts_at or starts_at > utcnow() or starts_at < EVER:
        raise BadInput(Words.bad_order)
    return starts_at, ends_at


routes = [
    Route("/imports", index),
    Route("/imports", create, methods=["POST"]),
    Route("/imports/{import_id:int}/{action}", act, methods=["POST"]),
]
