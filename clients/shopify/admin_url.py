"""URL of the app's pages in Shopify's admin, the door by which merchants come in: in mails, redirects and new tabs."""

from __future__ import annotations

from config import config


def admin_app_url(shop_domain: str) -> str | None:
    """The URL of the app's start page in the shop's admin, without a slash at the end; None without a client id.

    A page's path and query follow it. Shopify's libraries for apps write the URL so: the store's handle, by which its
    domain begins, and the client id. Shopify: "Embedded app URL".
    """
    if not config.shopify_api_key:
        return None
    return config.shopify_admin_url.format(store=shop_domain.partition(".")[0], app=config.shopify_api_key)


def page_url(shop_domain: str, path: str) -> str:
    """The URL of a page for a reader without a session: in the shop's admin, else at the app's own origin."""
    return (admin_app_url(shop_domain) or config.app_url) + path
