"""One tenant of the sandbox: its contacts, stores, receipts and integration log."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sandbox.engage.checks import MATCH_KEY_TYPES
from sandbox.engage.contact_changes import ContactChanges
from sandbox.engage.contacts import Contacts
from sandbox.engage.faults import Faults
from sandbox.engage.http.messages import Refusal, dump
from sandbox.engage.orders import OrderNotifications
from sandbox.engage.promotions import Promotions
from sandbox.engage.receipt_sums import sums_of
from sandbox.engage.receipts import Receipt, Receipts
from sandbox.engage.stores import Stores
from sandbox.engage.vouchers import RewardVouchers
from sandbox.engage.webhooks.encryption import encrypt
from sandbox.engage.webhooks.svix import SHORT_SCHEDULE, Svix

MAX_LOG_LINES = 10_000


class Tenant:
    """`lock` is held through each call, so that other threads may look at it too.

    Webhooks are encrypted while `encryption_key` has a key, of 32 letters and digits.
    """

    def __init__(
        self, name: str, faults: Faults, batch_seconds: float, schedule: Sequence[float] = SHORT_SCHEDULE
    ) -> None:
        self.name = name
        self.lock = threading.RLock()
        self.faults = faults
        self.webhooks = Svix(schedule)
        self.encryption_key: str | None = None
        self.contact_changes = ContactChanges()
        self.contacts = Contacts(self._notify)
        self.stores = Stores()
        self.receipts = Receipts(self._apply, batch_seconds)
        self.orders = OrderNotifications()
        self.vouchers = RewardVouchers(self._known_contact_id)
        self.promotions = Promotions(self._known_contact_id)
        self.log: deque[dict[str, str]] = deque(maxlen=MAX_LOG_LINES)

    def apply_batch(self) -> None:
        """Apply all queued receipts now."""
        with self.lock:
            self.receipts.apply_due(everything=True)

    def receipts_report(self) -> dict[str, Any]:
        """Applied, queued, duplicate and dropped receipts, oldest first, with counts and sums."""
        with self.lock:
            self.receipts.apply_due()
            groups: dict[str, list[Receipt]] = {
                "applied": list(self.receipts.applied.values()),
                "queued": [receipt for _, receipt in self.receipts.queued],
                "duplicates": list(self.receipts.duplicates),
                "dropped": list(self.receipts.dropped),
            }
            sums = sums_of(self.receipts.by_contact)
        return {"counts": {name: len(group) for name, group in groups.items()}, "sums": sums, **groups}

    def notify(self, order: dict[str, Any]) -> None:
        """Make the mail of an order notification. Raises Refusal where it is not valid."""
        mail = self.orders.accept(order)
        mail["contactId"] = self._contact_of(order["contact"], None)
        if mail["contactId"] is None:
            self._log_line("Orders", "Contact is missing", orderNumber=order["orderNumber"])

    def _known_contact_id(self, contact_id: str) -> str:
        """The id as the contact has it. Raises Refusal."""
        return str(self.contacts.get(contact_id)["id"])

    def _notify(self, event: str, payload: dict[str, Any]) -> None:
        self.contact_changes.add(event, payload["contactId"])
        envelope = {"eventType": event, "id": str(uuid4()), "isEncrypted": bool(self.encryption_key)}
        sent = encrypt(dump(payload), self.encryption_key) if self.encryption_key else payload
        self.webhooks.send_event(event, dump(envelope | {"payload": sent, "tenant": self.name}))

    def _apply(self, receipt: Receipt) -> str | None:
        key, store = receipt["contact"], receipt["storeExternalId"]
        contact_id = self._contact_of(key, key.get("contactType") or "Member")
        if contact_id is None:
            self._log_line("Receipts", "Contact is missing", uniqueReceiptId=receipt["uniqueReceiptId"])
            return None
        if store not in self.stores:
            self.stores.create({"name": store, "externalId": store})
            self._log_line("Receipts", f"Store {store} was created", uniqueReceiptId=receipt["uniqueReceiptId"])
        attributes = self.contacts.get(contact_id)["attributes"]
        attributes["createdInStore"] = attributes["createdInStore"] or store
        return contact_id

    def _contact_of(self, key: dict[str, Any], contact_type: str | None) -> str | None:
        """The contact with this match key, of this type or of any; the id needs no type."""
        field, value = MATCH_KEY_TYPES[key["matchKeyType"].lower()], key["matchKey"]
        try:
            if field == "contactId":
                return str(self.contacts.get(value)["id"])
            found = self.contacts.matching(field, value, contact_type and self.contacts.known_type(contact_type))
        except Refusal:
            return None
        return found[0] if found else None

    def _log_line(self, area: str, message: str, **names: str) -> None:
        self.log.append({"at": datetime.now(UTC).isoformat(), "area": area, "message": message, **names})
