"""Mappings from Shopify's data to Engage's requests: pure functions, without I/O."""

from dataclasses import fields
from typing import Any, ClassVar, Protocol, TypeVar

Json = dict[str, Any]


class Dataclass(Protocol):
    """A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Rules = TypeVar("Rules", bound=Dataclass)


def nodes(connection: Json | None) -> list[Json]:
    """The nodes of a GraphQL connection, or [] if Shopify left it out or may not show it."""
    return (connection or {}).get("nodes") or []


def rules_from(kind: type[Rules], settings: Json) -> Rules:
    """Rules from a shop's settings, with defaults for the rest. Unknown names, from older releases, are ignored."""
    return kind(**{rule.name: settings[rule.name] for rule in fields(kind) if rule.name in settings})


def numeric_id(thing: Json | None) -> str:
    """The numeric id of a Shopify object as text, or "" if there is no object."""
    thing = thing or {}
    return str(thing.get("legacyResourceId") or (thing.get("id") or "").rpartition("/")[2])
