"""Change, uninstall and install a shop, and send privacy requests, with Shopify's webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sandbox.shopify import times
from sandbox.shopify.bulk.history import ShopHistory
from sandbox.shopify.locations import SandboxLocation
from sandbox.shopify.markets import SandboxMarket
from sandbox.shopify.scopes import OPTIONAL
from sandbox.shopify.shops import Shops
from sandbox.shopify.webhooks import event_payloads

REQUEST_ID = 9999


class ShopEvents(Shops):
    """Every method fires the webhook that Shopify would."""

    def set_history(self, shop: str, history: ShopHistory) -> None:
        """Give the shop a history. Nothing fires."""
        self.records(shop).history = history

    def update_shop(self, shop: str, **fields: object) -> None:
        """Change the shop's settings, in GraphQL's names: name, email, currencyCode ... Fires shop/update."""
        records = self.records(shop)
        records.changed_settings |= fields | {"updatedAt": times.utc(self._now())}
        self.fire(shop, "shop/update", event_payloads.shop(records.settings()))

    def set_markets(self, shop: str, *markets: SandboxMarket) -> None:
        """Let the shop sell in these markets only. Fires markets/update for each."""
        self.records(shop).markets = markets
        for number, market in enumerate(markets, 1):
            self.fire(shop, "markets/update", event_payloads.market(market.graphql(number)))

    def delete_product(self, shop: str, article_id: int) -> None:
        """Delete a product with its variants, or one variant. Fires what the app is not subscribed to: nothing here."""
        self.records(shop).deleted_articles.add(article_id)

    def add_location(self, shop: str, name: str) -> int:
        """Add a location. Fires locations/create."""
        return self._save_location(shop, SandboxLocation(self._next_id(), name), "locations/create")

    def rename_location(self, shop: str, location_id: int, name: str) -> None:
        """Rename a location. Fires locations/update."""
        known = self.records(shop).locations[location_id]
        self._save_location(shop, replace(known, name=name), "locations/update")

    def activate_location(self, shop: str, location_id: int, *, active: bool = True) -> None:
        """Activate or deactivate a location. Fires locations/activate or /deactivate, and locations/update."""
        known = self.records(shop).locations[location_id]
        topic = "locations/activate" if active else "locations/deactivate"
        self._save_location(shop, replace(known, active=active), topic, "locations/update")

    def delete_location(self, shop: str, location_id: int) -> None:
        """Delete a location. Fires locations/delete."""
        del self.records(shop).locations[location_id]
        self.fire(shop, "locations/delete", {"id": location_id})

    def _save_location(self, shop: str, location: SandboxLocation, *topics: str) -> int:
        self.records(shop).locations[location.shopify_id] = location
        for topic in topics:
            self.fire(shop, topic, location.webhook())
        return location.shopify_id

    def grant(self, shop: str, *scopes: str) -> None:
        """Grant optional scopes, as a merchant does when the app asks. Fires app/scopes_update."""
        self._set_optional(shop, {*self.records(shop).optional_scopes, *(set(scopes) & set(OPTIONAL))})

    def revoke(self, shop: str, *scopes: str) -> None:
        """Revoke optional scopes in the admin. Fires app/scopes_update."""
        self._set_optional(shop, set(self.records(shop).optional_scopes) - set(scopes))

    def _set_optional(self, shop: str, scopes: set[str]) -> None:
        records = self.records(shop)
        previous, records.optional_scopes = records.granted_scopes, tuple(sorted(scopes))
        payload = event_payloads.scopes_updated(previous, records.granted_scopes, records.settings(), self._now())
        if previous != records.granted_scopes:
            self.fire(shop, "app/scopes_update", payload)

    def uninstall(self, shop: str) -> None:
        """Uninstall the app: its token is invalid from now on. Fires app/uninstalled."""
        records = self.records(shop)
        records.installed = False
        self.fire(shop, "app/uninstalled", event_payloads.shop(records.settings()))

    def install(self, shop: str) -> None:
        """Install the app again, with the same token. Nothing fires."""
        self.records(shop).installed = True

    def request_data(self, shop: str, customer_id: int, order_ids: Sequence[int] = ()) -> None:
        """A customer requests their personal data. Fires customers/data_request."""
        request = {"orders_requested": list(order_ids), "data_request": {"id": REQUEST_ID}}
        self.fire(shop, "customers/data_request", self._customer_payload(shop, customer_id) | request)

    def redact_customer(self, shop: str, customer_id: int, order_ids: Sequence[int] = ()) -> None:
        """A customer requests erasure. Fires customers/redact."""
        request = {"orders_to_redact": list(order_ids)}
        self.fire(shop, "customers/redact", self._customer_payload(shop, customer_id) | request)

    def redact_shop(self, shop: str) -> None:
        """Shopify requests the shop's erasure, two days after it uninstalled the app. Fires shop/redact."""
        self.fire(shop, "shop/redact", event_payloads.privacy_shop(self.records(shop).settings()))

    def _customer_payload(self, shop: str, customer_id: int) -> dict[str, object]:
        records = self.records(shop)
        known = records.customer(customer_id)
        if known is None:
            raise KeyError(f"{shop} has no customer {customer_id}")
        return event_payloads.privacy_customer(records.settings(), known)
