"""Owners of a contact: which of the shop's customers it is or was of, by our records and by Shopify."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property

from clients.shopify.client import ShopifyClient
from mappings import Json
from mappings.contact_owner import ExternalId, Ownership, has_other_name, match_of, ownership
from models import Customer
from reasons import Reason
from sync import contact_links, deleted_customers, entities

EXTERNAL_ID = "externalId"
LONGEST_ID = 18  # digits of an id at Shopify that our columns hold


def own_ids(customer: Customer) -> set[str]:
    """The external ids that are the customer's: their own, and those of customers who were merged into them."""
    merged = deleted_customers.customers_merged_into(customer.shop, customer.shopify_id)
    return {str(each) for each in (customer.shopify_id, *merged)}


def is_shared(customer: Customer) -> bool:
    """Whether the customer's contact has another external id, by what is known of it."""
    external_id = str((customer.last_sent or {}).get(EXTERNAL_ID) or "")
    return bool(external_id) and external_id not in own_ids(customer)


class ContactOwners:
    """Decides whose a contact is, for one customer with these wanted fields and the tenant's key.

    `live` are the other customers who were found to have a contact. `shopify` is asked only about an external id that
    could be a customer's and is in none of our records: a tenant may be fed by several shops and systems.
    """

    def __init__(self, customer: Customer, wanted: Json, key: str, shopify: Callable[[], ShopifyClient]) -> None:
        self.customer, self.wanted, self.key, self.shopify = customer, wanted, key, shopify
        self.live: set[int] = set()

    def ownership(self, contact: Json) -> Ownership:
        """Whose contact this is."""
        external_id = self.external_id(contact)
        if external_id is ExternalId.OWN:
            return Ownership.OWN
        matched = match_of(contact, self.wanted, self.key)
        return ownership(external_id, self.another_customer(contact) is not None, matched)

    def external_id(self, contact: Json) -> ExternalId:
        """Whose its external id is."""
        found = str(contact.get(EXTERNAL_ID) or "")
        return (ExternalId.OWN if found in self._own_ids else ExternalId.OTHER) if found else ExternalId.EMPTY

    def another_customer(self, contact: Json) -> int | None:
        """The other customer whose contact it is, or was until they were deleted; None if it is this one's or free."""
        return next(filter(lambda other: self._is_in_the_way(other, contact), self._others(contact)), None)

    def is_linked_to_another(self, contact_id: str) -> bool:
        """Whether it is, by our records, the contact of another customer whom Shopify still has."""
        others = self._survivors(contact_links.customers_of_contact(self.customer.shop, contact_id))
        return any(map(self._is_known_live, others))

    @cached_property
    def _own_ids(self) -> set[str]:
        return own_ids(self.customer)

    def _others(self, contact: Json) -> Iterator[int]:
        """Ids of the others: of its external id, if that can be a customer's, and of those who are linked to it."""
        external_id = str(contact.get(EXTERNAL_ID) or "")
        named = [int(external_id)] if external_id.isdecimal() and len(external_id) <= LONGEST_ID else []
        return self._survivors([*named, *contact_links.customers_of_contact(self.customer.shop, contact["id"])])

    def _survivors(self, shopify_ids: list[int]) -> Iterator[int]:
        for each in shopify_ids:
            survivor = deleted_customers.surviving_customer(self.customer.shop, each)
            if str(survivor) not in self._own_ids:
                yield survivor

    def _is_in_the_way(self, other: int, contact: Json) -> bool:
        shop = self.customer.shop
        if self._is_known_live(other):
            self.live.add(other)
            return True
        deleted_at = deleted_customers.deleted_at(shop, other)
        if deleted_at is None and self.shopify().customer_exists(other):
            self.live.add(other)
            return True
        return deleted_at is not None and not self._is_created_again(deleted_at, contact)

    def _is_known_live(self, shopify_id: int) -> bool:
        row = entities.find(Customer, self.customer.shop, shopify_id)
        return row is not None and row.skipped != Reason.CUSTOMER_DELETED

    def _is_created_again(self, deleted_at: datetime, contact: Json) -> bool:
        """Whether this customer is likely to be the deleted one, created again.

        Not if a customer who was there before has only got the address of the deleted one, unless by the same name.
        """
        created_at = datetime.fromisoformat(self.customer.snapshot["createdAt"])
        return created_at > deleted_at or not has_other_name(contact, self.wanted)
