"""Resolve the Admin API's queries and mutations for one shop."""

from __future__ import annotations

import base64
import heapq
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from graphql import GraphQLError

from sandbox.shopify.api.consents import UserError, consent_error, newer_consent
from sandbox.shopify.api.search import SearchQuery
from sandbox.shopify.bulk.operations import BulkOperation, BulkOperations
from sandbox.shopify.customers import CustomerRecord
from sandbox.shopify.records import Header, ShopRecords
from sandbox.shopify.times import utc

NO_CUSTOMER = "Customer not found"
NO_LOCATIONS = "Access denied for locations field. Required access: `read_locations` access scope."
NO_MARKETS = "Access denied for markets field. Required access: `read_markets` for queries."
NOT_APPROVED = (
    "This app is not approved to access the {} object. "
    "See https://shopify.dev/docs/apps/launch/protected-customer-data for more details."
)
NO_PHONE = "A phone number is required to set the SMS consent state."

Json = dict[str, Any]
ConsentChanged = Callable[[ShopRecords, CustomerRecord, str], None]


class Resolvers:
    """The resolvers of one request. `warnings` are about search terms that Shopify does not know."""

    def __init__(
        self,
        records: ShopRecords,
        bulk: BulkOperations,
        base: str,
        consent_changed: ConsentChanged,
        now: datetime,
    ) -> None:
        self.warnings: list[Json] = []
        self._orders_since = records.visible_since(now)
        self._records = records
        self._bulk = bulk
        self._base = base
        self._consent_changed = consent_changed

    def fields(self) -> Json:
        """The fields of QueryRoot and Mutation, by name."""
        records = self._records
        return {
            "shop": records.settings(),
            "currentAppInstallation": {"accessScopes": [{"handle": each} for each in records.granted_scopes]},
            "order": lambda **given: self._visible(records.order(_number(given["id"], "Order"))),
            "orders": lambda **given: self._page("orders", self._order_headers, records.order, given),
            "ordersCount": lambda **given: self._count("orders", self._order_headers, given),
            "customersCount": lambda **given: self._count("customers", records.customer_headers, given),
            "locations": self._locations,
            "customer": lambda **given: records.customer(_number(given["id"], "Customer")),
            "customers": lambda **given: self._page("customers", records.customer_headers, records.customer, given),
            "refund": lambda **given: self._of_visible_order(records.refund(_number(given["id"], "Refund"))),
            "fulfillment": lambda **given: self._of_visible_order(
                records.fulfillment(_number(given["id"], "Fulfillment"))
            ),
            "markets": self._markets,
            "bulkOperation": lambda **given: self._operation(given["id"]),
            "bulkOperations": self._operations,
            "bulkOperationRunQuery": lambda query, **_: self._bulk_payload(*self._bulk.run(query)),
            "bulkOperationCancel": lambda **given: self._bulk_payload(*self._bulk.cancel(given["id"])),
            "customerEmailMarketingConsentUpdate": lambda **given: self._email_consent(given["input"]),
            "customerSmsMarketingConsentUpdate": lambda **given: self._sms_consent(given["input"]),
        }

    def _visible(self, order: Json | None) -> Json | None:
        """The order, unless it is older than the app may read."""
        if order is None or self._orders_since is None:
            return order
        return order if datetime.fromisoformat(order["createdAt"]) >= self._orders_since else None

    def _of_visible_order(self, part: Json | None) -> Json | None:
        return part if part and self._visible(part["order"]) else None

    def _order_headers(self, earliest: datetime | None) -> Iterable[Header]:
        since = self._orders_since
        return (each for each in self._records.order_headers(earliest) if since is None or each[1] >= since)

    def _page(
        self,
        kind: str,
        headers: Callable[[datetime | None], Iterable[Header]],
        read: Callable[[int], Json | None],
        given: Json,
    ) -> Json:
        """A page in order of `updatedAt`, whatever the sort key: the app uses no other."""
        if self._records.withholds_protected_data:
            raise GraphQLError(NOT_APPROVED.format(kind.title()[:-1]), extensions={"code": "ACCESS_DENIED"})
        search, first = self._search(kind, given.get("query")), given["first"]
        keys = (
            (utc(updated_at), shopify_id)
            for shopify_id, created_at, updated_at in headers(search.since("updated_at"))
            if search.matches(_searchable(shopify_id, created_at, updated_at) | _state(search, read, shopify_id))
        )
        start = _read_cursor(given.get("after"))
        found = heapq.nsmallest(first + 1, (each for each in keys if each > start))
        nodes = [entity for _, shopify_id in found[:first] if (entity := read(shopify_id))]
        cursor = _cursor(found[:first][-1]) if found else None
        return {"nodes": nodes, "pageInfo": {"hasNextPage": len(found) > first, "endCursor": cursor}}

    def _count(self, kind: str, headers: Callable[[datetime | None], Iterable[Header]], given: Json) -> Json:
        search, limit = self._search(kind, given.get("query")), given["limit"] or sys.maxsize
        found = sum(search.matches(_searchable(*each)) for each in headers(search.since("updated_at")))
        return {"count": min(found, limit), "precision": "EXACT" if found <= limit else "AT_LEAST"}

    def _markets(self, first: int, after: str | None = None, **_: Any) -> Json:
        """The markets in order of their ids. All are of regions."""
        if self._records.markets is None:
            raise GraphQLError(NO_MARKETS, extensions={"code": "ACCESS_DENIED", "requiredAccess": "`read_markets`"})
        start = int(after or 0)
        nodes = [each.graphql(number) for number, each in enumerate(self._records.markets, 1)]
        end = min(start + first, len(nodes))
        return {"nodes": nodes[start:end], "pageInfo": {"hasNextPage": end < len(nodes), "endCursor": str(end)}}

    def _locations(self, first: int, after: str | None = None, **_: Any) -> Json:
        """The active locations by name."""
        if "read_locations" not in self._records.granted_scopes:
            raise GraphQLError(NO_LOCATIONS, extensions={"code": "ACCESS_DENIED", "requiredAccess": "`read_locations`"})
        start = int(after or 0)
        active = [each for each in self._records.locations.values() if each.active]
        nodes = [each.graphql() for each in sorted(active, key=lambda each: each.name)]
        end = min(start + first, len(nodes))
        return {"nodes": nodes[start:end], "pageInfo": {"hasNextPage": end < len(nodes), "endCursor": str(end)}}

    def _search(self, kind: str, text: str | None) -> SearchQuery:
        search = SearchQuery(kind, text)
        self.warnings += [search.warning] if search.warning else []
        return search

    def _operation(self, gid: str) -> Json | None:
        operation = self._bulk.operation(gid)
        return self._bulk.graphql(operation, self._base) if operation else None

    def _operations(self, first: int, query: str | None = None, **_: Any) -> Json:
        found = self._bulk.operations(self._search("bulkOperations", query))
        return {"nodes": [self._bulk.graphql(each, self._base) for each in reversed(found)][:first]}

    def _bulk_payload(self, operation: BulkOperation | None, error: Json | None) -> Json:
        found = self._bulk.graphql(operation, self._base) if operation else None
        return {"bulkOperation": found, "userErrors": [error] if error else []}

    def _email_consent(self, given: Json) -> Json:
        wanted = given["emailMarketingConsent"]
        customer = self._records.customer_record(_number(given["customerId"], "Customer"))
        error = consent_error(wanted, "emailMarketingConsent")
        if customer is None:
            return _refused(UserError(NO_CUSTOMER, "INVALID", ("input", "customerId")))
        if error:
            return _refused(error)
        if customer.details.email:
            self._save(customer, "email", email_consent=newer_consent(customer.email_consent, wanted))
        return {"customer": self._records.customer(customer.shopify_id), "userErrors": []}

    def _sms_consent(self, given: Json) -> Json:
        wanted = given["smsMarketingConsent"]
        customer = self._records.customer_record(_number(given["customerId"], "Customer"))
        error = consent_error(wanted, "smsMarketingConsent")
        if customer is None:
            return _refused(UserError(NO_CUSTOMER, None))
        if error or not customer.details.phone:
            return _refused(error or UserError(NO_PHONE, "INVALID", ("input", "customerId")))
        self._save(customer, "sms", sms_consent=newer_consent(customer.sms_consent, wanted))
        return {"customer": self._records.customer(customer.shopify_id), "userErrors": []}

    def _save(self, customer: CustomerRecord, kind: str, **consent: Any) -> None:
        changed = CustomerRecord(**{**vars(customer), **consent})
        if changed != customer:
            self._consent_changed(self._records, changed, kind)


def _refused(error: UserError) -> Json:
    return {"customer": None, "userErrors": [error.as_dict()]}


def _searchable(shopify_id: int, created_at: datetime, updated_at: datetime) -> Json:
    return {"id": shopify_id, "created_at": created_at, "customer_date": created_at, "updated_at": updated_at}


def _state(search: SearchQuery, read: Callable[[int], Json | None], shopify_id: int) -> Json:
    """The state of a customer's account, where it is searched for."""
    if not any(term.field == "state" for term in search.terms):
        return {}
    return {"state": str((read(shopify_id) or {}).get("state")).lower()}


def _cursor(key: tuple[str, int]) -> str:
    return base64.urlsafe_b64encode(f"{key[0]} {key[1]}".encode()).decode()


def _read_cursor(cursor: str | None) -> tuple[str, int]:
    if not cursor:
        return ("", 0)
    try:
        at, _, shopify_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        return at, int(shopify_id)
    except ValueError:
        raise GraphQLError("Invalid cursor for current pagination sort.") from None


def _number(gid: str, kind: str) -> int:
    prefix, _, number = gid.rpartition("/")
    return int(number) if prefix == f"gid://shopify/{kind}" and number.isdecimal() else 0
