"""Fields that the documents select and no code names: personal data among them is not fetched."""

from __future__ import annotations

import re
from pathlib import Path

from clients.shopify.graphql_client import DOCUMENTS as FOLDER

ROOT = Path(__file__).parents[2]
ROOMS = ("actors", "alerts", "checks", "clients", "mappings", "privacy", "sync", "views")
DOCUMENTS = ("customer_by_id", "order_by_id", "refund_by_id", "fulfillment_by_id", "bulk/customers", "bulk/orders")
SYNTAX = {"query", "fragment", "on", "nodes", "edges", "node"}
# Selected all the same; none of them is about a person.
UNNAMED = {
    "collectedFrom": "of a consent, kept with the snapshot",
    "metafield": "it has another name in the answer",
    "province": "part of the address",
    **dict.fromkeys(
        [
            *("amountRoundingSet", "discountedTotalSet", "refundSet", "subtotalPriceSet", "totalDiscountsSet"),
            *("totalShippingPriceSet", "originalTotalAdditionalFeesSet", "originalTotalDutiesSet"),
        ],
        "amounts, by which a receipt is checked by hand",
    ),
    **dict.fromkeys(
        ["formattedGateway", "paymentGatewayNames", "index", "targetType"], "payment's and discount's names"
    ),
    **dict.fromkeys(["displayStatus", "totalQuantity", "restockType"], "states, shown with the snapshot"),
}


def selected(name: str) -> set[str]:
    """The names of the fields that a document selects."""
    text = re.sub(r"#.*|\([^)]*\)|\.\.\. on \w+|\.\.\.\w+", "", (FOLDER / f"{name}.graphql").read_text())
    return set(re.findall(r"\b([a-z]\w+)\b(?!:)", text)) - SYNTAX


def unnamed(names: set[str]) -> set[str]:
    """Those that no code has as a text."""
    code = "\n".join(path.read_text() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    texts = set(re.findall(r"[\"'.](\w+)[\"'\].]", code)) | set(re.findall(r"\"(\w+)\"", code))
    return names - texts


def test_no_document_fetches_a_field_that_nothing_uses():
    found = {field for name in DOCUMENTS for field in unnamed(selected(name))}

    assert found - set(UNNAMED) == set()


def test_a_field_that_nothing_uses_is_detected():
    assert unnamed({"id", "shoeSize"}) == {"shoeSize"}
