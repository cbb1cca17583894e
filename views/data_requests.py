"""What customers asked to be told: each request with its answer, for the merchant to pass on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
from peewee import SQL
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.registry import TYPES
from database import db
from models import Shop, State, Task, utcnow
from models.audit import Action, Audit
from models.members import Permission
from models.privacy import DataRequest
from vault import Unreadable
from views import Missing, parameters, render, view
from views.forms import require, who
from views.listing import TaskFilters
from words import t

TOPIC = "customers/data_request"
PATIENCE = timedelta(days=30)  # Shopify: privacy law compliance
SHOWN = 200
SEEN_OF_ID = 4  # digits; enough to tell two customers apart, too few to find one by
LISTED = (DataRequest.task_id, DataRequest.number, DataRequest.customer_id, DataRequest.asked_at)  # not the answer

UNANSWERED = TaskFilters(states=(State.ERROR, State.PENDING), types=("ShopWebhook",))


@dataclass(frozen=True)
class Entry:
    """A request as the page shows it."""

    request: DataRequest

    @property
    def who(self) -> str | None:
        """The end of the customer's id, or None where Shopify named them by their address alone."""
        shopify_id = self.request.customer_id
        return f"…{str(shopify_id)[-SEEN_OF_ID:]}" if shopify_id else None

    @property
    def due_at(self) -> datetime:
        return self.request.asked_at + PATIENCE

    @property
    def left(self) -> str:
        """How long the merchant still has, in whole days."""
        days = (self.due_at - utcnow()).days
        return t("data_requests.left", count=days) if days >= 0 else t("data_requests.over")

    @property
    def url(self) -> str:
        return f"/data-requests/{self.request.task_id}/download"


@view
def index(request: Request) -> Response:
    """`GET /data-requests`: the shop's requests, newest first, and how many are not answered yet."""
    shop = request.state.shop
    found = DataRequest.select(*LISTED).where(DataRequest.shop == shop).order_by(DataRequest.asked_at.desc())
    entries = [Entry(each) for each in found.limit(SHOWN + 1)]
    return render(
        request,
        "data_requests/index.html",
        entries=entries[:SHOWN],
        more=len(entries) > SHOWN,
        unanswered=_unanswered(shop),
        unanswered_url=UNANSWERED.url(),
    )


@view
def download(request: Request) -> Response:
    """`GET /data-requests/{id}/download`: all that was held of the customer when they asked, as JSON. It is audited."""
    require(request, Permission.EXPORT)
    asked = _request(request)
    try:
        held = asked.answer
    except Unreadable:
        raise Missing(t("refusal.unreadable")) from None
    with db.atomic():
        Audit.note(asked.shop, Action.DOWNLOAD, who(request), task_id=asked.task_id)
    told = {
        "shop": asked.shop.domain,
        "request_id": asked.number,
        "customer_id": asked.customer_id,
        "asked_at": asked.asked_at.astimezone(UTC),
        "held": held,
    }
    headers = {
        "Content-Disposition": f'attachment; filename="{_name(asked)}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(orjson.dumps(told, option=orjson.OPT_INDENT_2), headers=headers, media_type="application/json")


def _name(asked: DataRequest) -> str:
    """A file's name tells nobody whose data are in it."""
    return f"data-request-{asked.asked_at.astimezone(UTC):%Y-%m-%d}-{asked.number or asked.task_id}.json"


def _request(request: Request) -> DataRequest:
    """The request of the address, if it is the signed-in shop's. Raises Missing."""
    shop, number = request.state.shop, parameters.uuid(request.path_params["task_id"])
    found = DataRequest.get_or_none((DataRequest.task_id == number) & (DataRequest.shop == shop))
    if found is None:
        raise Missing(t("data_requests.missing"))
    found.shop = shop  # else peewee asks for it again
    return found


def _unanswered(shop: Shop) -> int:
    """Requests that have come and have no answer yet: the clock runs for them as well."""
    asked = (Task.type == TYPES["ShopWebhook"].number) & (SQL("args ->> 'topic'") == TOPIC)
    return int(Task.select().where((Task.shop == shop) & (Task.state != State.SUCCESS) & asked).count())


routes = [Route("/data-requests", index), Route("/data-requests/{task_id}/download", download)]
