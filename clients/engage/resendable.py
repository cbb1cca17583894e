"""Resendable calls to Engage: which ones may be resent with the same bytes, and whether that is idempotent."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from clients import Effect

# Engage ignores a second receipt with the same id, and an update sets a contact's fields to the same values. Calls that
# create something, and preferences, which are the customer's own decision, are retried from Shopify's data instead.
RESENDABLE = {
    ("POST", r"/api/v3/receipts"): Effect.REPEATABLE,
    ("PATCH", r"/api/v3/contacts/[0-9a-f-]{36}"): Effect.REPEATABLE,
    ("POST", r"/api/v2/orders"): Effect.ONCE,
}
API = re.compile(r"/api/v\d/")


def resend_effect(method: str, path: str) -> Effect | None:
    """The effect of resending such a call, or None for one that may not be resent."""
    for (resendable, pattern), effect in RESENDABLE.items():
        if resendable == method and re.fullmatch(pattern, path):
            return effect
    return None


def path_in_tenant(origin: str, url: str) -> str | None:
    """The path of a call to this tenant, or None for one to another tenant. A sandbox's port may differ each time."""
    tenant, called = urlsplit(origin), urlsplit(url)
    found = API.search(called.path)
    if found is None or called.hostname != tenant.hostname or called.path[: found.start()] != tenant.path:
        return None
    return called.path[found.start() :] + (f"?{called.query}" if called.query else "")
