"""Client of Shopify's Admin API: one method per query or mutation."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from clients import Unanswered
from clients.shopify.bulk_result import BulkResult
from clients.shopify.consent import ConsentResult, consent_holder, consent_input, consent_result
from clients.shopify.graphql_client import GraphQLClient, with_read_scopes
from clients.shopify.markets import read_markets
from clients.shopify.pagination import read_fulfillment, read_order, read_refund
from clients.shopify.search import CREATED, STATE, UPDATED, between, search_instant, updated_since
from reasons import Reason

MAX_COUNTED_ORDERS = 10_000  # Shopify's own limit
PAGE_SIZE = 100  # customers or orders at once; 250 would cost more than 1,000 points by Shopify's older cost table

Json = dict[str, Any]


class SearchPage(NamedTuple):
    """One page of a search, oldest change first. `cursor` reads the next page; None: this was the last one."""

    nodes: list[Json]
    cursor: str | None


class ShopifyCount(NamedTuple):
    """A number as Shopify gives it; not `exact`: it is at least this."""

    number: int
    exact: bool

    @classmethod
    def of(cls, found: Json) -> ShopifyCount:
        return cls(int(found["count"]), found["precision"] == "EXACT")


class ShopifyClient(GraphQLClient):
    """Client of one shop. Answers have GraphQL's shape, decimals as Decimal, money as Shopify's own strings.

    Every method raises the errors of `clients`; a field that Shopify withholds is an error, never a null.
    """

    def shop(self) -> Json:
        """The shop's own settings: currency, time zone, domain, plan."""
        shop = self.query("shop", "shop")
        if shop is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="the shop")
        return shop

    def scopes(self) -> frozenset[str]:
        """The access scopes that are granted. One to write includes the one to read."""
        app = self.query("app_scopes", "currentAppInstallation")
        if app is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="the app's scopes")
        return with_read_scopes([str(each["handle"]) for each in app["accessScopes"]])

    def read_protected_data(self) -> None:
        """Ask for protected customer data of one customer and one order, and forget it. Raises Rejected if withheld."""
        self.query("protected_data", "customers")

    def markets(self) -> list[Json]:
        """The shop's markets, with all of their regions. Raises Rejected without the scope `read_markets`."""
        return read_markets(self)

    def customer(self, shopify_id: int) -> Json | None:
        """The customer with consents, default address and `gender` (its metafield), or None if it does not exist."""
        return self.query("customer_by_id", "customer", id=f"gid://shopify/Customer/{shopify_id}")

    def customer_exists(self, shopify_id: int) -> bool:
        """Whether the shop has a customer with this id. It asks for no personal data."""
        return self.query("customer_exists", "customer", id=f"gid://shopify/Customer/{shopify_id}") is not None

    def customers_updated_since(self, since: datetime, cursor: str | None = None) -> SearchPage:
        """A page of customers updated at `since` or later, each in the shape of `customer`."""
        return self._page("customers", since, cursor)

    def customers_in_state(self, state: str, cursor: str | None = None) -> SearchPage:
        """A page of the customers whose account is in this state: their ids, states and times of change."""
        search = f"{STATE}:'{state}'"
        found = self.query("customers_in_state", "customers", first=PAGE_SIZE, after=cursor, search=search)
        if found is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="what was searched for")
        return SearchPage(found["nodes"], found["pageInfo"]["endCursor"] if found["pageInfo"]["hasNextPage"] else None)

    def orders_count(self, start: datetime, end: datetime) -> int:
        """The number of orders created from `start` on and before `end`, at most MAX_COUNTED_ORDERS."""
        query = between(CREATED["orders"], start, end)
        found = self.query("orders_count", "ordersCount", query=query, limit=MAX_COUNTED_ORDERS)
        if found is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="what was asked for")
        return int(found["count"])

    def counts(self, start: datetime, end: datetime) -> tuple[ShopifyCount, ShopifyCount]:
        """How many customers there are, and how many orders created from `start` on and before `end`."""
        query = between(CREATED["orders"], start, end)
        customers = self.query("customers_count", "customersCount")
        orders = self.query("orders_count", "ordersCount", query=query, limit=None)
        if customers is None or orders is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="what was asked for")
        return ShopifyCount.of(customers), ShopifyCount.of(orders)

    def locations(self) -> list[Json]:
        """The shop's active locations, by name. Raises Rejected without the scope `read_locations`."""
        return self._all_pages("locations", "locations")

    def order(self, shopify_id: int) -> Json | None:
        """The order with all of its lines, however many, as of one moment; or None if it does not exist."""
        return read_order(self, f"gid://shopify/Order/{shopify_id}")

    def orders_updated_since(self, since: datetime, cursor: str | None = None) -> SearchPage:
        """A page of order headers (ids, times, states) updated at `since` or later."""
        return self._page("orders", since, cursor)

    def refund(self, shopify_id: int) -> Json | None:
        """The refund with all of its lines, and its order's header; or None if it does not exist."""
        return read_refund(self, f"gid://shopify/Refund/{shopify_id}")

    def fulfillment(self, shopify_id: int) -> Json | None:
        """The parcel with its lines, its tracking, and its order's header; or None if it does not exist."""
        return read_fulfillment(self, f"gid://shopify/Fulfillment/{shopify_id}")

    def update_email_consent(self, customer_id: int, state: str, at: datetime) -> ConsentResult:
        """Write that the customer chose SUBSCRIBED or UNSUBSCRIBED at this instant. Shopify keeps the newest choice."""
        root, consent = "customerEmailMarketingConsentUpdate", consent_input(state, at)
        data = {"customerId": f"gid://shopify/Customer/{customer_id}", "emailMarketingConsent": consent}
        customer = self.mutate("email_consent_update", root, input=data)["customer"]
        email = consent_holder(customer, "defaultEmailAddress", "e-mail address")
        stored = (email["marketingState"], email["marketingOptInLevel"], email["marketingUpdatedAt"])
        return consent_result(consent, *stored)

    def update_sms_consent(self, customer_id: int, state: str, at: datetime) -> ConsentResult:
        """Write the customer's choice about text messages, like `update_email_consent`."""
        root, consent = "customerSmsMarketingConsentUpdate", consent_input(state, at)
        data = {"customerId": f"gid://shopify/Customer/{customer_id}", "smsMarketingConsent": consent}
        customer = self.mutate("sms_consent_update", root, input=data)["customer"]
        phone = consent_holder(customer, "defaultPhoneNumber", "phone number")
        stored = phone["smsMarketingConsent"] or {"state": None, "optInLevel": None, "updatedAt": None}
        return consent_result(consent, stored["state"], stored["optInLevel"], stored["updatedAt"])

    def run_bulk_query(self, text: str) -> str:
        """Start a bulk query and return its operation's id.

        Raises Throttled while five are running. A repeated call, after an unknown outcome, starts two: a waste, but
        harmless.
        """
        operation: Json | None = self.mutate("bulk_run_query", "bulkOperationRunQuery", query=text)["bulkOperation"]
        if operation is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="the bulk operation")
        return str(operation["id"])

    def bulk_operation(self, operation_id: str) -> Json | None:
        """The operation's state and the URL of its result: one that is valid now, or None if the result is empty."""
        return self.query("bulk_operation", "bulkOperation", id=operation_id)

    def cancel_bulk(self, operation_id: str) -> None:
        """Cancel the operation. Raises Rejected if it has finished."""
        self.mutate("bulk_cancel", "bulkOperationCancel", id=operation_id)

    def bulk_result(self, url: str, offset: int = 0, *, etag: str | None = None) -> BulkResult:
        """Stream the lines of a bulk result from this byte on. `etag` is that of the reading to be resumed."""
        return BulkResult(url, offset, etag=etag, api_url=self._url, journal=self._journal)

    def _all_pages(self, document: str, root: str) -> list[Json]:
        nodes: list[Json] = []
        cursor, more = None, True
        while more:
            found = self.query(document, root, after=cursor)
            if found is None:
                raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="what was asked for")
            nodes += found["nodes"]
            cursor, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
        return nodes

    def _page(self, kind: str, since: datetime, cursor: str | None) -> SearchPage:
        search = updated_since(UPDATED, since)
        found = self.query(f"{kind}_updated_since", kind, first=PAGE_SIZE, after=cursor, search=search)
        if found is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="what was searched for")
        # By its documentation Shopify matches whole days for customers, so that older changes may be included.
        nodes = [each for each in found["nodes"] if each["updatedAt"] >= search_instant(since)]
        return SearchPage(nodes, found["pageInfo"]["endCursor"] if found["pageInfo"]["hasNextPage"] else None)
