"""Add, update, merge and delete customers, and change their consents, with Shopify's webhooks."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.shopify.customers import Consent, CustomerDetails, CustomerRecord
from sandbox.shopify.records import ShopRecords
from sandbox.shopify.shops import ZONE, Shops
from sandbox.shopify.webhooks import event_payloads


class CustomerEvents(Shops):
    """Every method fires the webhooks that Shopify would."""

    def add_customer(self, shop: str, details: CustomerDetails, *, number: int | None = None) -> int:
        """Add a customer. The same number gives this shop's same customer id in every run. Fires customers/create."""
        records, at = self.records(shop), self._now()
        shopify_id = self.customer_id(shop, number) if number is not None else self._next_id()
        records.customers[shopify_id] = CustomerRecord.new(shopify_id, details, at)
        self._fire_customer(records, shopify_id, "customers/create")
        return shopify_id

    def enable_silently(self, shop: str, customer_id: int) -> None:
        """Enable the customer's account as a first sign-in did until October 2026: nothing fires or is dated."""
        records = self.records(shop)
        known = records.customers[customer_id]
        records.customers[customer_id] = replace(known, details=replace(known.details, account=True))

    def update_customer(self, shop: str, customer_id: int, **changes: object) -> None:
        """Change fields of the customer's details. Fires customers/update.

        `accepts_email` and `accepts_sms` are the customer's own choice, made now; they fire the consents' topics, too.
        """
        records, at = self.records(shop), self._now()
        with records.lock:
            known = _known(records, customer_id)
            chosen = replace(known, details=replace(known.details, **changes), updated_at=at)  # type: ignore[arg-type]
            records.customers[customer_id] = _with_choices(chosen, changes, at)
        event_id = str(uuid.uuid4())
        self._fire_customer(records, customer_id, "customers/update", event_id)
        for kind in ("email", "sms"):
            if f"accepts_{kind}" in changes:
                self._fire_consent(records, customer_id, kind, event_id)

    def merge_customers(self, shop: str, kept_id: int, deleted_id: int) -> None:
        """Merge two customers: the kept one gets the other's orders, and the details that it lacks.

        Fires customers/merge, customers/update and customers/delete.
        """
        records, at, event_id = self.records(shop), self._now(), str(uuid.uuid4())
        with records.lock:
            kept, deleted = _known(records, kept_id), _known(records, deleted_id)
            merged = replace(_with_missing_details(kept, deleted), updated_at=at)
            records.customers[kept_id] = merged
            records.move_orders(deleted_id, merged)
            records.delete_customer(deleted_id)
        deleted_fields = deleted.graphql()
        self.fire(shop, "customers/merge", event_payloads.merged(merged.graphql(), deleted_fields), event_id=event_id)
        self._fire_customer(records, kept_id, "customers/update", event_id)
        self.fire(shop, "customers/delete", event_payloads.deleted(deleted_fields), event_id=event_id)

    def delete_customer(self, shop: str, customer_id: int) -> None:
        """Delete a customer; the orders stay, without a customer. Fires customers/delete."""
        records = self.records(shop)
        fields = _known(records, customer_id).graphql()
        records.delete_customer(customer_id)
        self.fire(shop, "customers/delete", event_payloads.deleted(fields))

    def customer(self, shop: str, customer_id: int) -> dict[str, Any] | None:
        """The customer in GraphQL's shape."""
        return self.records(shop).customer(customer_id)

    def customer_id(self, shop: str, number: int) -> int:
        """The id of a shop's customer with this number, whether or not it was added."""
        return 7_000_000_000_000 + zlib.crc32(shop.encode()) * 1_000_000 + number

    def consent_changed(self, records: ShopRecords, changed: CustomerRecord, kind: str) -> None:
        """Save what an app changed through the Admin API. Fires customers/update and the consent's topic."""
        event_id = str(uuid.uuid4())
        records.customers[changed.shopify_id] = replace(changed, updated_at=self._now())
        self._fire_customer(records, changed.shopify_id, "customers/update", event_id)
        self._fire_consent(records, changed.shopify_id, kind, event_id)

    def _fire_consent(self, records: ShopRecords, customer_id: int, kind: str, event_id: str) -> None:
        fields = _known(records, customer_id).graphql()
        if kind == "email" and fields["defaultEmailAddress"]:
            body = event_payloads.email_consent(fields, ZONE)
            self.fire(records.domain, "customers_email_marketing_consent/update", body, event_id=event_id)
        if kind == "sms" and fields["defaultPhoneNumber"]:
            body = event_payloads.sms_consent(fields, ZONE)
            self.fire(records.domain, "customers_marketing_consent/update", body, event_id=event_id)


def _known(records: ShopRecords, customer_id: int) -> CustomerRecord:
    known = records.customer_record(customer_id)
    if known is None:
        raise KeyError(f"{records.domain} has no customer {customer_id}")
    return known


def _with_choices(customer: CustomerRecord, changes: dict[str, object], at: datetime) -> CustomerRecord:
    if "accepts_email" in changes:
        customer = replace(customer, email_consent=Consent.chosen(customer.details.accepts_email, at))
    if "accepts_sms" in changes:
        customer = replace(customer, sms_consent=Consent.chosen(customer.details.accepts_sms, at))
    return customer


def _with_missing_details(kept: CustomerRecord, deleted: CustomerRecord) -> CustomerRecord:
    """The kept customer with the details that it lacks. A consent goes with its address or number."""
    if not kept.details.email:
        kept = replace(
            kept, details=replace(kept.details, email=deleted.details.email), email_consent=deleted.email_consent
        )
    if not kept.details.phone:
        kept = replace(
            kept, details=replace(kept.details, phone=deleted.details.phone), sms_consent=deleted.sms_consent
        )
    return kept
