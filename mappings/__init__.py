"""What Shopify says, put as Engage wants to hear it: pure functions from one's shapes to the other's, no I/O."""

from typing import Any

Json = dict[str, Any]


def nodes(connection: Json | None) -> list[Json]:
    """The members of a GraphQL connection, none when Shopify left it out or may not show it."""
    return (connection or {}).get("nodes") or []


def number(thing: Json | None) -> str:
    """The numeric id of a Shopify object as text, "" when there is no such object."""
    thing = thing or {}
    return str(thing.get("legacyResourceId") or (thing.get("id") or "").rpartition("/")[2])
