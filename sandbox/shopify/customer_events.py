"""What becomes of customers: they come, change, consent, merge and go."""

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

    def add_customer(self, shop: str, person: CustomerDetails, *, number: int | None = None) -> int:
        """A new customer. The same number is the same customer of this shop, in every run. Fires customers/create."""
        store, at = self.records(shop), self._clock()
        shopify_id = self.customer_id(shop, number) if number is not None else self._next_id()
        store.customers[shopify_id] = CustomerRecord.new(shopify_id, person, at)
        self._fire_customer(store, shopify_id, "customers/create")
        return shopify_id

    def update_customer(self, shop: str, customer_id: int, **changes: object) -> None:
        """Change fields of the customer's Person. Fires customers/update.

        `accepts_email` and `accepts_sms` are the shopper's own choice, made now; their consents' topics fire too.
        """
        store, at = self.records(shop), self._clock()
        with store.lock:
            known = _known(store, customer_id)
            chosen = replace(known, person=replace(known.person, **changes), updated_at=at)  # type: ignore[arg-type]
            store.customers[customer_id] = _with_choices(chosen, changes, at)
        event_id = str(uuid.uuid4())
        self._fire_customer(store, customer_id, "customers/update", event_id)
        for kind in ("email", "sms"):
            if f"accepts_{kind}" in changes:
                self._fire_consent(store, customer_id, kind, event_id)

    def merge_customers(self, shop: str, kept_id: int, deleted_id: int) -> None:
        """Two customers become one, who has the other's orders and what only the other had.

        Fires customers/merge, customers/update and customers/delete.
        """
        store, at, event_id = self.records(shop), self._clock(), str(uuid.uuid4())
        with store.lock:
            kept, gone = _known(store, kept_id), _known(store, deleted_id)
            merged = replace(_filled_up(kept, gone), updated_at=at)
            store.customers[kept_id] = merged
            store.hand_over(deleted_id, merged)
            store.forget(deleted_id)
        told = gone.graphql()
        self.fire(shop, "customers/merge", event_payloads.merged(merged.graphql(), told), event_id=event_id)
        self._fire_customer(store, kept_id, "customers/update", event_id)
        self.fire(shop, "customers/delete", event_payloads.deleted(told), event_id=event_id)

    def delete_customer(self, shop: str, customer_id: int) -> None:
        """There is no such customer any more; the orders stay, and are nobody's. Fires customers/delete."""
        store = self.records(shop)
        told = _known(store, customer_id).graphql()
        store.forget(customer_id)
        self.fire(shop, "customers/delete", event_payloads.deleted(told))

    def customer(self, shop: str, customer_id: int) -> dict[str, Any] | None:
        """The customer in GraphQL's shape."""
        return self.records(shop).customer(customer_id)

    def customer_id(self, shop: str, number: int) -> int:
        """The id of a shop's customer with this number, known already or not."""
        return 7_000_000_000_000 + zlib.crc32(shop.encode()) * 1_000_000 + number

    def consent_changed(self, store: ShopRecords, changed: CustomerRecord, kind: str) -> None:
        """Keep what an app changed through the Admin API. Fires customers/update and the consent's topic."""
        event_id = str(uuid.uuid4())
        store.customers[changed.shopify_id] = replace(changed, updated_at=self._clock())
        self._fire_customer(store, changed.shopify_id, "customers/update", event_id)
        self._fire_consent(store, changed.shopify_id, kind, event_id)

    def _fire_consent(self, store: ShopRecords, customer_id: int, kind: str, event_id: str) -> None:
        told = _known(store, customer_id).graphql()
        if kind == "email" and told["defaultEmailAddress"]:
            body = event_payloads.email_consent(told, ZONE)
            self.fire(store.domain, "customers_email_marketing_consent/update", body, event_id=event_id)
        if kind == "sms" and told["defaultPhoneNumber"]:
            body = event_payloads.sms_consent(told, ZONE)
            self.fire(store.domain, "customers_marketing_consent/update", body, event_id=event_id)


def _known(store: ShopRecords, customer_id: int) -> CustomerRecord:
    known = store.person(customer_id)
    if known is None:
        raise KeyError(f"{store.domain} has no customer {customer_id}")
    return known


def _with_choices(customer: CustomerRecord, changes: dict[str, object], at: datetime) -> CustomerRecord:
    if "accepts_email" in changes:
        customer = replace(customer, email_consent=Consent.chosen(customer.person.accepts_email, at))
    if "accepts_sms" in changes:
        customer = replace(customer, sms_consent=Consent.chosen(customer.person.accepts_sms, at))
    return customer


def _filled_up(kept: CustomerRecord, gone: CustomerRecord) -> CustomerRecord:
    """The kept one with what it lacks. A consent goes with its address or number."""
    if not kept.person.email:
        kept = replace(kept, person=replace(kept.person, email=gone.person.email), email_consent=gone.email_consent)
    if not kept.person.phone:
        kept = replace(kept, person=replace(kept.person, phone=gone.person.phone), sms_consent=gone.sms_consent)
    return kept
