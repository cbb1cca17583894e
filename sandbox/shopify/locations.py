"""The locations of a shop: where it keeps its stock, and its shops with a till."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class SandboxLocation:
    """A location by its id."""

    shopify_id: int
    name: str
    active: bool = True

    def graphql(self) -> Json:
        """The location in the shape of the Admin API."""
        gid = f"gid://shopify/Location/{self.shopify_id}"
        return {"id": gid, "legacyResourceId": str(self.shopify_id), "name": self.name, "isActive": self.active}

    def webhook(self) -> Json:
        """The body of the webhooks about it. Shopify's has its address, too."""
        return {
            "id": self.shopify_id,
            "name": self.name,
            "active": self.active,
            "admin_graphql_api_id": f"gid://shopify/Location/{self.shopify_id}",
        }
