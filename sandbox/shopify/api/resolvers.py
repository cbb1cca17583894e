"""What the Admin API's queries and mutations find and do in one shop."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from graphql import GraphQLError

from sandbox.shopify.api.consents import UserError, consent_error, newer_consent
from sandbox.shopify.api.search import SearchQuery
from sandbox.shopify.bulk.operations import BulkOperations
from sandbox.shopify.customers import CustomerRecord
from sandbox.shopify.records import Header, ShopRecords
from sandbox.shopify.times import utc

NO_CUSTOMER = "Customer not found"
NO_MARKETS = "Access denied for markets field. Required access: `read_markets` for queries."
NO_PHONE = "A phone number is required to set the SMS consent state."

Json = dict[str, Any]
ConsentChanged = Callable[[ShopRecords, CustomerRecord, str], None]


class Resolvers:
    """One request's view of a shop. `warnings` are the search terms that Shopify did not understand."""

    def __init__(self, store: ShopRecords, bulk: BulkOperations, base: str, consent_changed: ConsentChanged) -> None:
        self.warnings: list[Json] = []
        self._store = store
        self._bulk = bulk
        self._base = base
        self._consent_changed = consent_changed

    def fields(self) -> Json:
        """The fields of QueryRoot and Mutation, by name."""
        store = self._store
        return {
            "shop": store.settings(),
            "order": lambda **asked: store.order(_number(asked["id"], "Order")),
            "orders": lambda **asked: self._page("orders", store.order_headers, store.order, asked),
            "ordersCount": lambda **asked: self._count("orders", store.order_headers, asked),
            "customer": lambda **asked: store.customer(_number(asked["id"], "Customer")),
            "customers": lambda **asked: self._page("customers", store.customer_headers, store.customer, asked),
            "refund": lambda **asked: store.refund(_number(asked["id"], "Refund")),
            "fulfillment": lambda **asked: store.fulfillment(_number(asked["id"], "Fulfillment")),
            "markets": self._markets,
            "bulkOperation": lambda **asked: self._operation(asked["id"]),
            "bulkOperations": self._operations,
            "bulkOperationRunQuery": lambda query, **_: self._answered(*self._bulk.run(query)),
            "bulkOperationCancel": lambda **asked: self._answered(*self._bulk.cancel(asked["id"])),
            "customerEmailMarketingConsentUpdate": lambda **asked: self._email_consent(asked["input"]),
            "customerSmsMarketingConsentUpdate": lambda **asked: self._sms_consent(asked["input"]),
        }

    def _page(
        self,
        kind: str,
        headers: Callable[[datetime | None], Iterable[Header]],
        read: Callable[[int], Json | None],
        asked: Json,
    ) -> Json:
        """A page in order of `updatedAt`, whatever the sort key: ours is the only one that the app uses."""
        search, first = self._search(kind, asked.get("query")), asked["first"]
        keys = (
            (utc(updated_at), shopify_id)
            for shopify_id, created_at, updated_at in headers(search.since("updated_at"))
            if search.matches(_searchable(shopify_id, created_at, updated_at))
        )
        start = _read_cursor(asked.get("after"))
        found = heapq.nsmallest(first + 1, (each for each in keys if each > start))
        nodes = [thing for _, shopify_id in found[:first] if (thing := read(shopify_id))]
        cursor = _cursor(found[:first][-1]) if found else None
        return {"nodes": nodes, "pageInfo": {"hasNextPage": len(found) > first, "endCursor": cursor}}

    def _count(self, kind: str, headers: Callable[[datetime | None], Iterable[Header]], asked: Json) -> Json:
        search, most = self._search(kind, asked.get("query")), asked["limit"]
        found = sum(search.matches(_searchable(*each)) for each in headers(search.since("updated_at")))
        return {"count": min(found, most), "precision": "EXACT" if found <= most else "AT_LEAST"}

    def _markets(self, first: int, after: str | None = None, **_: Any) -> Json:
        """In order of their ids. All are of regions."""
        if self._store.markets is None:
            raise GraphQLError(NO_MARKETS, extensions={"code": "ACCESS_DENIED", "requiredAccess": "`read_markets`"})
        start = int(after or 0)
        nodes = [each.graphql(number) for number, each in enumerate(self._store.markets, 1)]
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

    def _answered(self, operation: Any, complaint: Json | None) -> Json:
        told = self._bulk.graphql(operation, self._base) if operation else None
        return {"bulkOperation": told, "userErrors": [complaint] if complaint else []}

    def _email_consent(self, given: Json) -> Json:
        wanted = given["emailMarketingConsent"]
        person = self._store.person(_number(given["customerId"], "Customer"))
        complaint = consent_error(wanted, "emailMarketingConsent")
        if person is None:
            return _refused(UserError(NO_CUSTOMER, "INVALID", ("input", "customerId")))
        if complaint:
            return _refused(complaint)
        if person.person.email:
            self._keep(person, "email", email_consent=newer_consent(person.email_consent, wanted))
        return {"customer": self._store.customer(person.shopify_id), "userErrors": []}

    def _sms_consent(self, given: Json) -> Json:
        wanted = given["smsMarketingConsent"]
        person = self._store.person(_number(given["customerId"], "Customer"))
        complaint = consent_error(wanted, "smsMarketingConsent")
        if person is None:
            return _refused(UserError(NO_CUSTOMER, None))
        if complaint or not person.person.phone:
            return _refused(complaint or UserError(NO_PHONE, "INVALID", ("input", "customerId")))
        self._keep(person, "sms", sms_consent=newer_consent(person.sms_consent, wanted))
        return {"customer": self._store.customer(person.shopify_id), "userErrors": []}

    def _keep(self, person: CustomerRecord, kind: str, **consent: Any) -> None:
        changed = CustomerRecord(**{**vars(person), **consent})
        if changed != person:
            self._consent_changed(self._store, changed, kind)


def _refused(error: UserError) -> Json:
    return {"customer": None, "userErrors": [error.as_dict()]}


def _searchable(shopify_id: int, created_at: datetime, updated_at: datetime) -> Json:
    return {"id": shopify_id, "created_at": created_at, "customer_date": created_at, "updated_at": updated_at}


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
