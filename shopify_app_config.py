"""Generate `shopify.app.toml`: access scopes and webhook topics, from the code. Shopify: "app configuration"."""

from __future__ import annotations

from collections.abc import Iterable

from clients.shopify.scopes import READ_ALL_ORDERS
from config import config
from taskqueue.types import types_by_topic

# Access scopes of the documents in clients/graphql, and of webhooks without a document; docs/scopes.md says which.
SCOPES = (
    "read_customer_merge",
    "read_customers",
    "read_fulfillments",
    "read_locations",
    "read_markets",
    "read_orders",
    "read_products",
    "write_customers",
)
# Asked for on the imports page, when older orders are wanted. Shopify approves read_all_orders per app, on request.
OPTIONAL_SCOPES = (READ_ALL_ORDERS,)
# Privacy law compliance (GDPR): Shopify takes these topics from the file alone.
COMPLIANCE_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")

FILE = """\
# Made by `python manage.py shopify-app`; released by `shopify app deploy`.
name = "Voyado Engage"
client_id = "{client_id}"
application_url = "{url}/"
embedded = true

[access_scopes]
scopes = "{scopes}"
optional_scopes = [{optional}]

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


def generate() -> str:
    """Generate the file for this deployment: its URL, its client id, and every webhook topic of the task types."""
    return FILE.format(
        client_id=config.shopify_api_key,
        url=config.app_url,
        scopes=",".join(SCOPES),
        optional=", ".join(f'"{scope}"' for scope in OPTIONAL_SCOPES),
        version=config.shopify_api_version,
        topics=_toml_lines(sorted(set(types_by_topic()) - set(COMPLIANCE_TOPICS))),
        compliance=_toml_lines(COMPLIANCE_TOPICS),
    )


def _toml_lines(names: Iterable[str]) -> str:
    return "\n".join(f'  "{name}",' for name in names)
