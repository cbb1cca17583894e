"""Estimate of the time an import takes, by Shopify's counts and the pace of the calls to Engage.

Contacts are created one by one: of `POST /contacts/bulk` Voyado publishes neither the answer nor errors per contact.
"""

from __future__ import annotations

from datetime import timedelta

from clients.engage.rate_limiter import CALLS_PER_SECOND
from clients.shopify.client import ShopifyCount
from i18n import numbers
from i18n.catalogue import t
from i18n.formats import format_duration

CALLS_PER_CUSTOMER = 3  # look-ups by id, e-mail and phone (as far as there are such), and the creation
CALLS_PER_ORDER = 1  # its receipt
MINUTE = timedelta(minutes=1)


def import_duration(customers: int, orders: int) -> timedelta:
    """How long the calls to Engage take at the pace that it accepts, in whole minutes; at least one."""
    seconds = (customers * CALLS_PER_CUSTOMER + orders * CALLS_PER_ORDER) / CALLS_PER_SECOND
    return max(round(timedelta(seconds=seconds) / MINUTE), 1) * MINUTE


def estimate_sentence(customers: ShopifyCount, orders: ShopifyCount) -> str:
    """What an import of so many would be, and how long it would take."""
    duration = format_duration(import_duration(customers.number, orders.number) / timedelta(milliseconds=1))
    key = "exact" if customers.exact and orders.exact else "at_least"
    return t(
        f"imports.estimate.{key}",
        customers=numbers.format_number(customers.number),
        orders=numbers.format_number(orders.number),
        duration=duration,
        rate=numbers.format_number(CALLS_PER_SECOND),
    )
