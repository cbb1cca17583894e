"""The rule of a shop's domain at Shopify: `name.myshopify.com`."""

from __future__ import annotations

import re

SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")


def is_shop_domain(domain: str) -> bool:
    """Whether it is the domain of a shop, as Shopify writes it: in small letters, with nothing around it."""
    return SHOP_DOMAIN.fullmatch(domain) is not None
