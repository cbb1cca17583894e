"""Receipts that Engage has accepted: save them to the byte, and find those of an order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import database
from database import db
from models import Order, Receipt, ReceiptKind, Shop


def save(
    order: Order,
    kind: ReceiptKind,
    receipt_id: str,
    body: bytes,
    rules: dict[str, Any],
    articles: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Save what was sent. A receipt has one body for ever: Engage ignores a second one with its id.

    `articles`: the SKU, article number and group of the order's lines by their ids.
    """
    sealed = order.shop.vault.seal(body, "receipt", "body", receipt_id)
    made_by = json.dumps(rules), None if articles is None else json.dumps(articles)
    db.execute_sql(
        """INSERT INTO receipt (shop_id, order_id, kind, receipt_id, body, rules, articles, sent_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, now()) ON CONFLICT DO NOTHING""",
        (order.shop_id, order.shopify_id, kind, receipt_id, sealed, *made_by),
    )


def of_order(order: Order) -> list[Receipt]:
    """All receipts of the order, oldest first: its purchase, refunds and corrections."""
    return database.select_rows(Receipt, "shop_id = %s AND order_id = %s ORDER BY id", order.shop_id, order.shopify_id)


def purchase_receipt_of(order: Order) -> Receipt | None:
    """The order's first receipt, which is its purchase; None before it is sent."""
    found = database.select_rows(
        Receipt, "shop_id = %s AND order_id = %s ORDER BY id LIMIT 1", order.shop_id, order.shopify_id
    )
    return next(iter(found), None)


def sold_to(order: Order) -> str | None:
    """Id of the contact that the order's purchase was sent for; None before it is sent."""
    purchase = purchase_receipt_of(order)
    return str(purchase.open(order.shop)["contact"]["matchKey"]) if purchase else None


def is_sent(shop: Shop, receipt_id: str) -> bool:
    """Whether Engage has accepted a receipt with this id (`uniqueReceiptId`)."""
    return bool(database.select_rows(Receipt, "shop_id = %s AND receipt_id = %s", shop.id, receipt_id))
