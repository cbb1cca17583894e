"""A contact's receipts as Engage returns them, in pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sandbox.engage.http.messages import Refusal
from sandbox.engage.receipt_sums import signed_sum
from sandbox.engage.receipts import Receipt
from sandbox.engage.stores import Stores

GROUP_CURRENCY = "SEK"
PAGE_SIZE = 100


def transaction_page(receipts: list[Receipt], stores: Stores, query: Mapping[str, str]) -> dict[str, Any]:
    """The page of `offset` and `count`, newest sale first. Raises Refusal where those are not valid."""
    offset, count = page_bounds(query)
    newest_first = sorted(receipts, key=_sold_at, reverse=True)
    items = [transaction(receipt, stores) for receipt in newest_first[offset : offset + count]]
    return {"items": items, "totalCount": len(receipts), "offset": offset, "count": count}


def page_bounds(query: Mapping[str, str]) -> tuple[int, int]:
    """The query's `offset` and `count`. Raises Refusal where those are not valid."""
    try:
        offset, count = int(query.get("offset") or 0), int(query.get("count") or PAGE_SIZE)
    except ValueError:
        offset = count = -1
    if offset < 0 or count < 0:
        raise Refusal(400, "InvalidSearchQuery", "offset and count must be numbers from 0.")
    return offset, count


def transaction(receipt: Receipt, stores: Stores) -> dict[str, Any]:
    """A receipt by Engage's published names. Net is assumed to mean without tax."""
    items, store = receipt["items"], _store(receipt, stores)
    net = receipt["totalGrossPrice"] - signed_sum(items, "taxAmount")
    return {
        "id": str(uuid5(NAMESPACE_OID, receipt["uniqueReceiptId"])),
        "externalId": receipt["uniqueReceiptId"],
        "transactionNumber": receipt["receiptNumber"],
        "createdDate": receipt["createdDate"],
        "storeName": store.get("name"),
        "storeType": store.get("type"),
        "numberOfItems": sum(item["quantity"] for item in items),
        "netPriceSum": net * receipt.get("exchangeRateToGroupCurrency", 1),
        "localNetPriceSum": net,
        "localCurrency": receipt["currency"],
        "groupCurrency": GROUP_CURRENCY,
        "lineItems": items,
    }


def _store(receipt: Receipt, stores: Stores) -> dict[str, Any]:
    external_id = receipt["storeExternalId"]
    return stores.get(external_id) if external_id in stores else {}


def _sold_at(receipt: Receipt) -> datetime:
    return datetime.fromisoformat(receipt["createdDate"])
