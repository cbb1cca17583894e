"""One tenant of the sandbox: its contacts, stores, receipts and integration log."""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime
from typing import Any

from sandbox.engage.answers import Refusal
from sandbox.engage.contacts import Contacts
from sandbox.engage.faults import Faults
from sandbox.engage.receipts import MATCH_KEY_TYPES, Receipt, Receipts

LONGEST_LOG = 10_000


class Tenant:
    """`lock` is held through each call, so that other threads may look at it too."""

    def __init__(self, faults: Faults, batch_seconds: float) -> None:
        self.lock = threading.RLock()
        self.faults = faults
        self.contacts = Contacts()
        self.stores: dict[str, dict[str, Any]] = {}
        self.receipts = Receipts(self._apply, batch_seconds)
        self.log: deque[dict[str, str]] = deque(maxlen=LONGEST_LOG)

    def settle(self) -> None:
        """Let the batch run now, over everything that waits."""
        with self.lock:
            self.receipts.settle(everything=True)

    def receipts_report(self) -> dict[str, Any]:
        """What became of each receipt, oldest first."""
        with self.lock:
            self.receipts.settle()
            groups: dict[str, list[Receipt]] = {
                "applied": list(self.receipts.applied.values()),
                "queued": [receipt for _, receipt in self.receipts.queued],
                "duplicates": list(self.receipts.duplicates),
                "dropped": list(self.receipts.dropped),
            }
        return {"counts": {name: len(group) for name, group in groups.items()}, **groups}

    def store(self, external_id: str) -> dict[str, Any]:
        """Raises Refusal with StoreNotFound."""
        if found := self.stores.get(external_id):
            return found
        raise Refusal(404, "StoreNotFound", "No store has this external id.")

    def create_store(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Raises Refusal where name or external id is missing, or the id taken."""
        if missing := [name for name in ("name", "externalId") if not fields.get(name)]:
            raise Refusal(400, "ValidationError", f"{missing[0]} is required.")
        if fields["externalId"] in self.stores:
            raise Refusal(409, "StoreExists", "A store with this external id exists.")
        return self.stores.setdefault(str(fields["externalId"]), {"active": True, "type": "ECOM", **fields})

    def _apply(self, receipt: Receipt) -> str | None:
        contact_id = self._contact_of(receipt["contact"])
        if contact_id is None:
            self._note("Contact is missing", receipt)
            return "Contact is missing"
        store = receipt["storeExternalId"]
        if store not in self.stores:
            self.create_store({"name": store, "externalId": store})
            self._note(f"Store {store} was created", receipt)
        attributes = self.contacts.get(contact_id)["attributes"]
        attributes["createdInStore"] = attributes["createdInStore"] or store
        return None

    def _contact_of(self, key: dict[str, Any]) -> str | None:
        field, value = MATCH_KEY_TYPES[key["matchKeyType"].lower()], key["matchKey"]
        try:
            if field == "contactId":
                return str(self.contacts.get(value)["id"])
            handle = self.contacts.type_named(key.get("contactType") or "Member")
        except Refusal:
            return None
        found = self.contacts.matching(field, value, handle)
        return found[0] if found else None

    def _note(self, message: str, receipt: Receipt) -> None:
        at = datetime.now(UTC).isoformat()
        self.log.append(
            {"at": at, "area": "Receipts", "message": message, "uniqueReceiptId": receipt["uniqueReceiptId"]}
        )
