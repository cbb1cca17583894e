"""What becomes of a shop itself, and what the law asks of an app that knew its customers."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.shopify import times
from sandbox.shopify.bulk.history import ShopHistory
from sandbox.shopify.markets import SandboxMarket
from sandbox.shopify.shops import Shops
from sandbox.shopify.webhooks import event_payloads

REQUEST_ID = 9999


class ShopEvents(Shops):
    """Every method fires the webhook that Shopify would."""

    def set_history(self, shop: str, history: ShopHistory) -> None:
        """Give the shop a past. Nothing fires."""
        self.records(shop).history = history

    def update_shop(self, shop: str, **fields: object) -> None:
        """Change the shop's settings, in GraphQL's names: name, email, currencyCode ... Fires shop/update."""
        store = self.records(shop)
        store.changed_settings |= fields | {"updatedAt": times.utc(self._clock())}
        self.fire(shop, "shop/update", event_payloads.shop(store.settings()))

    def set_markets(self, shop: str, *markets: SandboxMarket) -> None:
        """Sell in these markets and no others. Fires markets/update for each."""
        self.records(shop).markets = markets
        for number, market in enumerate(markets, 1):
            self.fire(shop, "markets/update", event_payloads.market(market.graphql(number)))

    def uninstall(self, shop: str) -> None:
        """Remove the app: its token is dead from now on. Fires app/uninstalled."""
        store = self.records(shop)
        store.installed = False
        self.fire(shop, "app/uninstalled", event_payloads.shop(store.settings()))

    def install(self, shop: str) -> None:
        """Install the app again, with the same token. Nothing fires."""
        self.records(shop).installed = True

    def request_data(self, shop: str, customer_id: int, order_ids: Sequence[int] = ()) -> None:
        """Somebody wants to know what is known of them. Fires customers/data_request."""
        asked = {"orders_requested": list(order_ids), "data_request": {"id": REQUEST_ID}}
        self.fire(shop, "customers/data_request", self._person(shop, customer_id) | asked)

    def redact_customer(self, shop: str, customer_id: int, order_ids: Sequence[int] = ()) -> None:
        """Somebody wants to be forgotten. Fires customers/redact."""
        asked = {"orders_to_redact": list(order_ids)}
        self.fire(shop, "customers/redact", self._person(shop, customer_id) | asked)

    def redact_shop(self, shop: str) -> None:
        """The shop wants to be forgotten, two days after it removed the app. Fires shop/redact."""
        self.fire(shop, "shop/redact", event_payloads.privacy_shop(self.records(shop).settings()))

    def _person(self, shop: str, customer_id: int) -> dict[str, object]:
        store = self.records(shop)
        known = store.customer(customer_id)
        if known is None:
            raise KeyError(f"{shop} has no customer {customer_id}")
        return event_payloads.privacy_customer(store.settings(), known)
