"""Data requests: customers who asked for their personal data, with the export for the merchant to pass on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
from peewee import SQL
from starlette.responses import Response
from starlette.routing import Route

from actors.settings import shop_webhook
from database import db
from encryption import Unreadable
from i18n.catalogue import t
from models import Action, DataRequest, Permission, Shop, State, Task, utcnow
from views.tasks.filters import TaskFilters
from views.web import audit_log, query_params
from views.web.errors import PageNotFound
from views.web.forms import current_user, require
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view

TOPIC = "customers/data_request"
TIME_TO_ANSWER = timedelta(days=30)  # Shopify: privacy law compliance
MAX_SHOWN = 200
ID_DIGITS_SHOWN = 4  # digits: enough to tell two customers apart, too few to identify one
LISTED = (DataRequest.task_id, DataRequest.number, DataRequest.customer_id, DataRequest.asked_at)  # not the answer

UNANSWERED = TaskFilters(states=(State.ERROR, State.PENDING), types=(shop_webhook.name,))


@dataclass(frozen=True)
class DataRequestEntry:
    """A data request on the page."""

    data_request: DataRequest

    @property
    def customer_label(self) -> str | None:
        """The end of the customer's id, or None where Shopify named them by their e-mail address alone."""
        shopify_id = self.data_request.customer_id
        return f"…{str(shopify_id)[-ID_DIGITS_SHOWN:]}" if shopify_id else None

    @property
    def due_at(self) -> datetime:
        return self.data_request.asked_at + TIME_TO_ANSWER

    @property
    def time_left(self) -> str:
        """How long the merchant still has to answer, in whole days."""
        days = (self.due_at - utcnow()).days
        return t("data_requests.left", count=days) if days >= 0 else t("data_requests.over")

    @property
    def url(self) -> str:
        return f"/data-requests/{self.data_request.task_id}/download"


@view
def index(request: Request) -> Response:
    """`GET /data-requests`: the shop's data requests, newest first, and how many have no export yet."""
    shop = request.state.shop
    found = DataRequest.select(*LISTED).where(DataRequest.shop == shop).order_by(DataRequest.asked_at.desc())
    entries = [DataRequestEntry(each) for each in found.limit(MAX_SHOWN + 1)]
    return render(
        request,
        "account/data_requests.html",
        entries=entries[:MAX_SHOWN],
        more=len(entries) > MAX_SHOWN,
        unanswered=_count_unanswered(shop),
        unanswered_url=UNANSWERED.url(),
    )


@view
def download(request: Request) -> Response:
    """`GET /data-requests/{id}/download`: the personal data export, as of the request, as JSON. It is audited."""
    require(request, Permission.EXPORT)
    data_request = _data_request(request)
    try:
        personal_data = data_request.export
    except Unreadable:
        raise PageNotFound(t("refusal.unreadable")) from None
    with db.atomic():
        audit_log.record(data_request.shop, Action.DOWNLOAD, current_user(request), task_id=data_request.task_id)
    content = {
        "shop": data_request.shop.domain,
        "request_id": data_request.number,
        "customer_id": data_request.customer_id,
        "asked_at": data_request.asked_at.astimezone(UTC),
        "held": personal_data,
    }
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(data_request)}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(orjson.dumps(content, option=orjson.OPT_INDENT_2), headers=headers, media_type="application/json")


def _file_name(data_request: DataRequest) -> str:
    """The file name, which must not show whose data are in the file."""
    asked_on = f"{data_request.asked_at.astimezone(UTC):%Y-%m-%d}"
    return f"data-request-{asked_on}-{data_request.number or data_request.task_id}.json"


def _data_request(request: Request) -> DataRequest:
    """The data request of the URL, if it is the signed-in shop's. Raises PageNotFound."""
    shop, task_id = request.state.shop, query_params.parse_uuid(request.path_params["task_id"])
    found = DataRequest.get_or_none((DataRequest.task_id == task_id) & (DataRequest.shop == shop))
    if found is None:
        raise PageNotFound(t("data_requests.missing"))
    found.shop = shop  # else peewee queries it again
    return found


def _count_unanswered(shop: Shop) -> int:
    """Data requests that were received and have no export yet: their time to answer is running, too."""
    is_data_request = (Task.type == shop_webhook.number) & (SQL("args ->> 'topic'") == TOPIC)
    return int(Task.select().where((Task.shop == shop) & (Task.state != State.SUCCESS) & is_data_request).count())


routes = [Route("/data-requests", index), Route("/data-requests/{task_id}/download", download)]
