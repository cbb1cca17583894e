"""What Shopify says, put as Engage wants to hear it: pure functions from one's shapes to the other's, no I/O."""

from dataclasses import fields
from typing import Any, ClassVar, Protocol, TypeVar

Json = dict[str, Any]


class Declared(Protocol):
    """What every dataclass has."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Rules = TypeVar("Rules", bound=Declared)


def nodes(connection: Json | None) -> list[Json]:
    """The members of a GraphQL connection, none when Shopify left it out or may not show it."""
    return (connection or {}).get("nodes") or []


def chosen(kind: type[Rules], settings: Json) -> Rules:
    """Rules as a shop has set them, the rest by default. Names that are none of theirs are an older release's."""
    return kind(**{rule.name: settings[rule.name] for rule in fields(kind) if rule.name in settings})


def number(thing: Json | None) -> str:
    """The numeric id of a Shopify object as text, "" when there is no such object."""
    thing = thing or {}
    return str(thing.get("legacyResourceId") or (thing.get("id") or "").rpartition("/")[2])
