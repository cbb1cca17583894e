"""Which calls to Engage may be made again with the very bytes that were sent, and whether a second one is harmless."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from clients import Effect

# A receipt's second one is ignored there, and a contact's update sets the same fields. Whatever makes something new,
# or what only its shopper may decide, is built anew from Shopify instead.
AGAIN = {
    ("POST", r"/api/v3/receipts"): Effect.REPEATABLE,
    ("PATCH", r"/api/v3/contacts/[0-9a-f-]{36}"): Effect.REPEATABLE,
    ("POST", r"/api/v[23]/orders"): Effect.ONCE,
}
API = re.compile(r"/api/v\d/")


def effect_of(method: str, path: str) -> Effect | None:
    """What a second call of this kind does, or None for one that may not be made."""
    for (theirs, pattern), effect in AGAIN.items():
        if theirs == method and re.fullmatch(pattern, path):
            return effect
    return None


def path_at(origin: str, url: str) -> str | None:
    """The path of a call to this tenant, or None for one that went to another. Ports come and go with a sandbox."""
    there, then = urlsplit(origin), urlsplit(url)
    found = API.search(then.path)
    if found is None or then.hostname != there.hostname or then.path[: found.start()] != there.path:
        return None
    return then.path[found.start() :] + (f"?{then.query}" if then.query else "")
