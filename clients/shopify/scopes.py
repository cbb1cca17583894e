"""Access scopes of Shopify that may be missing, and what an app sees without them."""

from __future__ import annotations

from datetime import timedelta

READ_ALL_ORDERS = "read_all_orders"
READ_PRODUCTS = "read_products"
# Admin API, `Order`: "Only the last 60 days' worth of orders from a store are accessible [...] by default."
VISIBLE = timedelta(days=60)
