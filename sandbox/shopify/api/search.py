"""Read and evaluate Shopify's search syntax, as far as the sandbox supports it, with its handling of unknown fields.

The names are those of the `query` arguments in Shopify's own schema. An unknown one is ignored, so that everything is
found, with a warning on request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLError

FIELDS = {
    "customers": {
        *("default", "accepts_marketing", "country", "customer_date", "email", "first_name", "id"),
        *("last_abandoned_order_date", "last_name", "order_date", "orders_count", "phone", "state", "tag", "tag_not"),
        *("total_spent", "updated_at"),
    },
    "orders": {
        *("default", "cart_token", "channel", "channel_id", "chargeback_status", "checkout_token"),
        *("confirmation_number", "created_at", "credit_card_last4", "current_total_price", "customer_id"),
        *("delivery_method", "discount_code", "email", "financial_status", "fraud_protection_level"),
        *("fulfillment_location_id", "fulfillment_status", "gateway", "id", "location_id", "name"),
        *("payment_id", "payment_provider_id", "po_number", "processed_at", "reference_location_id", "return_status"),
        *("risk_level", "sales_channel", "sku", "source_identifier", "source_name", "status"),
        *("subtotal_line_items_quantity", "tag", "tag_not", "test", "total_weight", "updated_at"),
    },
    "bulkOperations": {"created_at", "id", "operation_type", "status"},
}
TERM = re.compile(r"\s*(?:(\w+):)?(>=|<=|>|<)?\s*('[^']*'|\"[^\"]*\"|[^\s:'\"]\S*)")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
    "": lambda one, other: one == other,
}
TIMES = {"created_at", "customer_date", "updated_at"}


@dataclass(frozen=True)
class SearchTerm:
    """One condition. The value is without its quotes."""

    field: str
    operator: str
    value: str


class SearchQuery:
    """The conditions of one search string over one kind of entity, and Shopify's warning about it."""

    def __init__(self, kind: str, text: str | None) -> None:
        self.kind = kind
        self.text = text or ""
        found = list(_terms(self.text))
        self.terms = [each for each in found if each.field in FIELDS[kind]]
        self._unknown = [each.field for each in found if each.field not in FIELDS[kind]]

    def matches(self, header: dict[str, Any]) -> bool:
        """Whether an entity with these values is found. Unknown conditions are ignored."""
        return all(self._holds(term, header) for term in self.terms)

    def since(self, field: str) -> datetime | None:
        """The earliest instant that this field may have, if the search says so."""
        bounds = [_time(term.value) for term in self.terms if term.field == field and ">" in term.operator]
        return max(bounds, default=None)

    @property
    def warning(self) -> dict[str, Any] | None:
        """What `extensions.search` says of it, or None."""
        if not self._unknown:
            return None
        problem = {"message": "Invalid search field for this query.", "code": "invalid_field"}
        warnings = [{"field": each, **problem} for each in self._unknown]
        return {"path": [self.kind], "query": self.text, "warnings": warnings}

    def _holds(self, term: SearchTerm, header: dict[str, Any]) -> bool:
        if term.field not in header:
            raise GraphQLError(f"The sandbox cannot search {self.kind} by {term.field}.")
        have, wanted = header[term.field], self._wanted(term)
        return OPERATORS[term.operator](have, wanted)

    def _wanted(self, term: SearchTerm) -> Any:
        if term.field not in TIMES:
            return int(term.value) if term.field == "id" else term.value.lower()
        at = _time(term.value)
        if self.kind == "customers" and term.field == "updated_at":
            return at.replace(hour=0, minute=0, second=0)  # documented as "matching a whole day"
        return at


def _terms(text: str) -> Iterator[SearchTerm]:
    for field, operator, value in TERM.findall(text):
        if field or value != "AND":
            yield from _term(field or "default", operator, value)


def _term(field: str, operator: str, value: str) -> Iterator[SearchTerm]:
    if value[0] in "'\"":
        yield SearchTerm(field, operator, value[1:-1])
        return
    # Without quotes a colon ends the value, and the part before it is taken for a field: 2026-11-24T09:00 has one.
    head, *rest = value.split(":")
    if not rest:
        yield SearchTerm(field, operator, head)
        return
    yield from (SearchTerm(each, "", "") for each in value.split(":")[1:])


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
