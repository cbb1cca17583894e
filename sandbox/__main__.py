"""The sandbox as a process: a Shopify at /shopify, where people shop all day, and an Engage at /engage."""

from __future__ import annotations

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from sandbox.engage import Engage
from sandbox.purchases import replaying
from sandbox.shopify import Shopify

SHOP = "demo.myshopify.com"
TENANT = "demo"
ENGAGE_KEY = "sandbox-key"


async def journal(request: Request) -> Response:
    return RedirectResponse(f"/engage/{TENANT}/journal")


def main() -> None:
    shopify = Shopify(os.environ["SHOPIFY_API_SECRET"], f"{os.environ['APP_URL']}/webhooks/shopify")
    engage = Engage(ENGAGE_KEY)
    routes = [Route("/", journal), Mount("/shopify", shopify.app), Mount("/engage", engage.app)]
    try:
        with replaying(shopify, SHOP):
            uvicorn.run(Starlette(routes=routes), port=int(os.environ["SANDBOX_PORT"]), access_log=False)
    finally:
        shopify.close()


if __name__ == "__main__":
    main()
