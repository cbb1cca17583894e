"""The webhook events of a contact that changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Contact = dict[str, Any]
Event = tuple[str, dict[str, Any]]


def change_events(before: Contact, after: Contact) -> Iterator[Event]:
    """One event for each difference. Their payloads beyond the id are assumed."""
    own = {"contactId": after["id"]}
    if before["attributes"] != after["attributes"]:
        yield "contact.updated", own
    for name, value in after["preferences"].items():
        if before["preferences"][name] != value:
            yield f"contact.{name}.changed", own | {name: value}
    known = {consent["id"]: consent["value"] for consent in before["consents"]}
    for consent in after["consents"]:
        if known.get(consent["id"]) != consent["value"]:
            yield "contact.consent.changed", own | {"consentId": consent["id"], "value": consent["value"]}
