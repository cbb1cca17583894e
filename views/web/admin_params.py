"""Names of the query parameters of Shopify's admin and its App Bridge, and of those that must stand there once."""

from __future__ import annotations

BOUNCE_PATH = "/auth/session-token"
RELOAD = "shopify-reload"  # where App Bridge goes with a new ID token
LINK_PARAMS = ("embedded", "host", "locale", "shop")  # of Shopify's parameters, those that links to other pages carry
# Those that Shopify's own libraries remove; appLoadId comes with a click on the app's name in the admin.
ADMIN_PARAMS = {*LINK_PARAMS, "appLoadId", "hmac", "id_token", "protocol", "session", "timestamp"}
# What decides something. Of several values one reader takes the first and another the last, so there may be one.
SINGLE_PARAMS = {*ADMIN_PARAMS, RELOAD, "lang", "token"}
