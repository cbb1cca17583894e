"""Keep when contacts were created, updated and deleted, for GET contacts/changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.engage.http.messages import Refusal

CHANGE_TYPES = {"created": "Created", "updated": "Updated", "deleted": "Deleted"}
MAX_CHANGES = 250_000


class ContactChanges:
    """Changes, oldest first. Every event but a creation and a deletion is an update."""

    def __init__(self) -> None:
        self._changes: list[tuple[datetime, str, str]] = []

    def add(self, event: str, contact_id: str) -> None:
        """`event` is a webhook's event type, such as contact.acceptsEmail.changed."""
        change_type = CHANGE_TYPES.get(event.removeprefix("contact."), "Updated")
        self._changes.append((datetime.now(UTC), change_type, contact_id))

    def changed_ids(self, query: Mapping[str, str]) -> list[str]:
        """The ids for a query as of GET contacts/changes, each once. Raises Refusal where it is not valid."""
        change_type = CHANGE_TYPES.get(query.get("changeType", "").lower())
        if change_type is None:
            raise Refusal(400, "InvalidChangeType", "changeType must be Created, Updated or Deleted.")
        since, until = (_instant(query, name) for name in ("fromDate", "toDate"))
        found = {key: None for at, change, key in self._changes if change == change_type and since <= at < until}
        if len(found) > MAX_CHANGES:
            raise Refusal(400, "TooManyChanges", "More than 250,000 contacts changed in this time.")
        return list(found)


def _instant(query: Mapping[str, str], name: str) -> datetime:
    try:
        given = datetime.fromisoformat(query[name])
    except (KeyError, ValueError):
        raise Refusal(400, "InvalidDate", f"{name} must be a date and time.") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
