"""Run the sandbox: a Shopify at /shopify, where customers place orders all the time, and an Engage at /engage."""

from __future__ import annotations

import base64
import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from sandbox.admin import AdminPage
from sandbox.demo_activity import DemoActivity, DemoShop, running_activity
from sandbox.engage.http.server import Engage
from sandbox.engage.tenant import Tenant
from sandbox.merchant import Merchant
from sandbox.order_changes import OrderReplayWithChanges
from sandbox.purchases import add_history, replaying_orders
from sandbox.shopify import Shopify

SHOP = "demo.myshopify.com"
TENANT = "demo"
ENGAGE_KEY = "sandbox-key"
ENGAGE_WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"between the sandbox's Engage and the app").decode()
SUBSCRIBED_EVENTS = ("contact.acceptsEmail.changed", "contact.acceptsSms.changed", "contact.acceptsPostal.changed")
HISTORY_CUSTOMERS, HISTORY_ORDERS = 120, 240  # enough for an import to be watched, and soon done
BULK_OPERATION_SECONDS = 4.0
# A plan that lets the app ask as often as SANDBOX_RATE may make it: 1,000 points a second, ten times the smallest's.
PLUS_PLAN = {"plan": {"publicDisplayName": "Shopify Plus", "partnerDevelopment": True, "shopifyPlus": True}}
PLUS_POINTS, PLUS_RATE = 20_000, 1_000


async def redirect_to_call_log(request: Request) -> Response:
    return RedirectResponse(f"/engage/{TENANT}/journal")


def main() -> None:
    webhooks = f"{os.environ['APP_URL']}/webhooks/shopify"
    shopify = Shopify(
        os.environ["SHOPIFY_API_SECRET"],
        webhooks,
        points=PLUS_POINTS,
        restore_rate=PLUS_RATE,
        client_id=os.environ["SHOPIFY_API_KEY"],
    )
    admin = AdminPage(shopify.oauth, os.environ["APP_URL"], shopify)
    engage = Engage(ENGAGE_KEY)
    routes = [
        Route("/", redirect_to_call_log),
        Mount("/shopify", shopify.app),
        Mount("/engage", engage.app),
        Mount("/admin", admin.app),
    ]
    try:
        activity = DemoActivity(_demo_shop(shopify, engage.tenant(TENANT)))
        with replaying_orders(shopify, SHOP, replay=OrderReplayWithChanges), running_activity(activity):
            uvicorn.run(Starlette(routes=routes), port=int(os.environ["SANDBOX_PORT"]), access_log=False)
    finally:
        engage.close()
        shopify.close()


def _demo_shop(shopify: Shopify, tenant: Tenant) -> DemoShop:
    """The demo shop with a history, and its tenant with stores and a subscription to changed preferences."""
    add_history(shopify, SHOP, HISTORY_CUSTOMERS, HISTORY_ORDERS)
    shopify.bulk.seconds = BULK_OPERATION_SECONDS
    shopify.records(SHOP).changed_settings |= PLUS_PLAN
    tenant.stores.create({"name": "The web shop", "externalId": "SE-WEB", "type": "ECOM", "countryCode": "SE"})
    tenant.stores.create({"name": "Lund", "externalId": "SE-LUND", "type": "RETAIL", "countryCode": "SE"})
    if url := os.environ.get("ENGAGE_WEBHOOK_URL"):
        tenant.webhooks.subscribe(url, ENGAGE_WEBHOOK_SECRET, kinds=SUBSCRIBED_EVENTS)
    link = os.environ.get("MERCHANT_LINK")
    return DemoShop(shopify, SHOP, tenant, merchant=Merchant(os.environ["APP_URL"], link) if link else None)


if __name__ == "__main__":
    main()
