"""Shop domain at Shopify: the form of `name.myshopify.com`."""

from __future__ import annotations

import re

SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")


def is_shop_domain(domain: str) -> bool:
    """Whether this is a shop's domain as Shopify writes it: in lower case, with nothing before or after it."""
    return SHOP_DOMAIN.fullmatch(domain) is not None
