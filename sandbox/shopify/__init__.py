"""A Shopify in memory: shops whose customers and orders answer GraphQL and fire webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.shopify import times
from sandbox.shopify.api.graphql import AdminApi
from sandbox.shopify.api.oauth import OAuth
from sandbox.shopify.api.resolvers import Resolvers
from sandbox.shopify.bulk.files import ResultFiles
from sandbox.shopify.bulk.history import ShopHistory
from sandbox.shopify.customer_events import CustomerEvents
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Discount, Item, Tender
from sandbox.shopify.orders.events import OrderEvents
from sandbox.shopify.records import MAX_ORDERS, ShopRecords
from sandbox.shopify.shop_events import ShopEvents
from sandbox.shopify.shops import NUMBERS_SINCE
from sandbox.shopify.webhooks.delivery import SCHEDULE, Delivery, WebhookFaults, WebhookSender

__all__ = [
    "NUMBERS_SINCE",
    "Checkout",
    "CustomerDetails",
    "Delivery",
    "Discount",
    "Item",
    "ShopHistory",
    "Shopify",
    "Tender",
    "WebhookFaults",
]

CLIENT_ID = "sandbox-client-id"
TOKEN = "shpat_sandbox"  # noqa: S105 - opens nothing but this sandbox


class Shopify(OrderEvents, CustomerEvents, ShopEvents):
    """The shops, their Admin API (`app`), and their webhooks, which are sent to one URL.

    Every method may be called from any thread. Ids are numbers, answers are in GraphQL's shape. `now` gives the
    second at which a change is made: as at Shopify, two changes in one second have the same `updatedAt`.
    `during` gives a context that is entered while the app runs. `admin.faults` are the faults of the Admin API,
    `webhook_sender.faults` those of webhooks, and `bulk` has the options of bulk operations.
    """

    def __init__(
        self,
        secret: str,
        webhook_url: str,
        *,
        token: str = TOKEN,
        points: float = 2000,
        restore_rate: float = 100,
        schedule: Sequence[float] = SCHEDULE,
        faults: WebhookFaults | None = None,
        workers: int = 4,
        max_orders: int = MAX_ORDERS,
        now: Callable[[], datetime] = times.now,
        during: Callable[[Shopify], AbstractContextManager[object]] = nullcontext,
        client_id: str = CLIENT_ID,
    ) -> None:
        super().__init__(WebhookSender(webhook_url, secret, schedule=schedule, workers=workers), now, max_orders)
        self.token = token
        self.webhook_sender.faults = faults or WebhookFaults()
        self.oauth = OAuth(client_id, secret, self.records, token)
        self.admin = AdminApi(self.records, self._resolvers, self.oauth.accepts, points, restore_rate)
        self._during = during
        routes = [
            Route("/{shop}/admin/api/{version}/graphql.json", self.admin.__call__, methods=["POST"]),
            Route("/{shop}/admin/oauth/access_token", self.oauth.__call__, methods=["POST"]),
            Route("/{shop}/bulk/{number:int}.jsonl", ResultFiles(self.bulk_of).__call__),
            Route("/{shop}/deliveries", self._deliveries),
        ]
        self.app = Starlette(routes=routes, lifespan=self._lifespan)

    def _resolvers(self, records: ShopRecords, base: str) -> Resolvers:
        return Resolvers(records, self.bulk_of(records.domain), base, self.consent_changed, self._now())

    async def _deliveries(self, request: Request) -> JSONResponse:
        shop = request.path_params["shop"]
        return JSONResponse([each.as_dict() for each in self.deliveries if each.shop == shop])

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        with self._during(self):
            yield
        self.close()
