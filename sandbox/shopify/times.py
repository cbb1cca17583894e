"""Format instants as Shopify does: whole seconds, in UTC for GraphQL and in the shop's time zone for webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """This second. Two changes within it carry the same time, as at Shopify."""
    return datetime.now(UTC).replace(microsecond=0)


def utc(instant: datetime) -> str:
    """GraphQL's form: 2026-11-24T09:15:01Z."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def local(text: str | None, zone: str) -> str | None:
    """GraphQL's form turned into a webhook's: 2026-11-24T10:15:01+01:00."""
    return datetime.fromisoformat(text).astimezone(ZoneInfo(zone)).isoformat() if text else None
