"""Shopify's search strings. All are made here: Shopify answers a misspelt one with everything it has.

https://shopify.dev/docs/api/usage/search-syntax; which fields there are is said by each query's `query` argument.
"""

from __future__ import annotations

from datetime import UTC, datetime

UPDATED = "updated_at"
CREATED = {"customers": "customer_date", "orders": "created_at"}  # customers have no `created_at` to search by


def since(field: str, at: datetime) -> str:
    """This instant and later."""
    return f"{field}:>='{instant(at)}'"


def window(field: str, start: datetime, end: datetime) -> str:
    """From `start` on, up to but without `end`."""
    return f"{since(field, start)} {field}:<'{instant(end)}'"


def instant(at: datetime) -> str:
    """Shopify's own form, in whole seconds as its instants are: 2026-11-24T09:15:01Z."""
    if at.tzinfo is None:
        raise ValueError("An instant needs its time zone.")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
