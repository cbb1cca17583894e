"""Open the app as Shopify's admin does: with ID tokens, and without cookies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from models import Shop
from sandbox.shopify import Shopify
from sandbox.shopify.api.oauth import StaffMember

DOMAIN = "fresh.myshopify.com"
OLGA, BO = StaffMember(), StaffMember("700000000002", "Bo", "Dahl", owner=False)


class AdminFrame:
    """A frame in the admin of one shop, for one of its staff."""

    def __init__(self, client: TestClient, shopify: Shopify, shop: str, staff: StaffMember) -> None:
        self.client, self.shopify, self.shop, self.staff = client, shopify, shop, staff

    def token(self, **how: float) -> str:
        return self.shopify.oauth.id_token(self.shop, self.staff, **how)

    def get(self, path: str, **how: Any) -> Any:
        """A request of the page, as App Bridge sends it."""
        return self.client.get(path, headers={"Authorization": f"Bearer {self.token()}"}, **how)

    def open(self, path: str, **query: str) -> Any:
        """Open a page with the token in its URL."""
        params = {"embedded": "1", "shop": self.shop, "host": "aG9zdA", "id_token": self.token(), **query}
        return self.client.get(path, params=params, headers={"Sec-Fetch-Dest": "iframe"})

    def post(self, path: str, data: dict[str, str], **how: Any) -> Any:
        return self.client.post(path, data=data, headers={"Authorization": f"Bearer {self.token()}"}, **how)


@contextmanager
def admin_frame(shopify: Shopify, shop: str = DOMAIN, staff: StaffMember = OLGA) -> Iterator[AdminFrame]:
    from app import app

    with TestClient(app, follow_redirects=False) as client:
        yield AdminFrame(client, shopify, shop, staff)


def installed_shop() -> Shop:
    found = Shop.get(Shop.domain == DOMAIN)
    assert isinstance(found, Shop)
    return found
