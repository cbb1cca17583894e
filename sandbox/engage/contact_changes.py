"""What happened to contacts and when, for those who ask instead of being told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.engage.http.messages import Refusal

CHANGE_TYPES = {"created": "Created", "updated": "Updated", "deleted": "Deleted"}
MAX_CHANGES = 250_000


class ContactChanges:
    """Oldest first. What is no creation and no deletion is an update."""

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, str, str]] = []

    def add(self, event: str, contact_id: str) -> None:
        """`event` is a webhook's name, as in contact.acceptsEmail.changed."""
        kind = CHANGE_TYPES.get(event.removeprefix("contact."), "Updated")
        self._entries.append((datetime.now(UTC), kind, contact_id))

    def changed_ids(self, query: Mapping[str, str]) -> list[str]:
        """The ids for a query as of GET contacts/changes, each once. Raises Refusal where it makes no sense."""
        kind = CHANGE_TYPES.get(query.get("changeType", "").lower())
        if kind is None:
            raise Refusal(400, "InvalidChangeType", "changeType must be Created, Updated or Deleted.")
        since, until = (_instant(query, name) for name in ("fromDate", "toDate"))
        found = {key: None for at, what, key in self._entries if what == kind and since <= at < until}
        if len(found) > MAX_CHANGES:
            raise Refusal(400, "TooManyChanges", "More than 250,000 contacts changed in this time.")
        return list(found)


def _instant(query: Mapping[str, str], name: str) -> datetime:
    try:
        given = datetime.fromisoformat(query[name])
    except (KeyError, ValueError):
        raise Refusal(400, "InvalidDate", f"{name} must be a date and time.") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
