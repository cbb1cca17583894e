"""What Shopify is told of the app: `shopify.app.toml`, from what the code needs. Shopify: "app configuration"."""

from __future__ import annotations

from collections.abc import Iterable

from actors.registry import topics
from config import config

# What the documents in clients/graphql ask for, and webhooks that no document asks for; docs/scopes.md says which.
SCOPES = (
    "read_customer_merge",
    "read_customers",
    "read_fulfillments",
    "read_locations",
    "read_markets",
    "read_orders",
    "write_customers",
)
COMPLIANCE = ("customers/data_request", "customers/redact", "shop/redact")  # Shopify takes these in the file alone

FILE = """\
# Made by `python manage.py shopify-app`; released by `shopify app deploy`.
name = "Voyado Engage"
client_id = "{client_id}"
application_url = "{url}/"
embedded = true

[access_scopes]
scopes = "{scopes}"

[auth]
redirect_urls = ["{url}/"]

[webhooks]
api_version = "{version}"

[[webhooks.subscriptions]]
topics = [
{topics}
]
uri = "/webhooks/shopify"

[[webhooks.subscriptions]]
compliance_topics = [
{compliance}
]
uri = "/webhooks/shopify"
"""


def described() -> str:
    """The file for this deployment: its address, its client id, and every topic that a task type hears of."""
    return FILE.format(
        client_id=config.shopify_api_key,
        url=config.app_url,
        scopes=",".join(SCOPES),
        version=config.shopify_api_version,
        topics=_listed(sorted(set(topics()) - set(COMPLIANCE))),
        compliance=_listed(COMPLIANCE),
    )


def _listed(names: Iterable[str]) -> str:
    return "\n".join(f'  "{name}",' for name in names)
