"""Search strings for Shopify's queries. All are made here: Shopify answers a misspelt one with everything it has.

https://shopify.dev/docs/api/usage/search-syntax; each query's `query` argument documents its fields.
"""

from __future__ import annotations

from datetime import UTC, datetime

UPDATED = "updated_at"
STATE = "state"  # of a customer's account
CREATED = {"customers": "customer_date", "orders": "created_at"}  # customers have no `created_at` to search by


def updated_since(field: str, at: datetime) -> str:
    """The search string for this instant and later."""
    return f"{field}:>='{search_instant(at)}'"


def between(field: str, start: datetime, end: datetime) -> str:
    """The search string for the time from `start` on, up to but without `end`."""
    return f"{updated_since(field, start)} {field}:<'{search_instant(end)}'"


def search_instant(at: datetime) -> str:
    """An instant in Shopify's format, in whole seconds: 2026-11-24T09:15:01Z."""
    if at.tzinfo is None:
        raise ValueError("An instant needs its time zone.")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
