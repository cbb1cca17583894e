"""The access scopes that the app declares: the required ones, and the optional ones that a merchant may grant."""

from __future__ import annotations

from datetime import timedelta

REQUIRED = (
    "read_customers",
    "write_customers",
    "read_customer_merge",
    "read_orders",
    "read_fulfillments",
    "read_locations",
    "read_markets",
    "read_products",
)
READ_ALL_ORDERS = "read_all_orders"
OPTIONAL = (READ_ALL_ORDERS,)
VISIBLE = timedelta(days=60)  # of a shop's orders, without READ_ALL_ORDERS (Admin API, `Order`)
