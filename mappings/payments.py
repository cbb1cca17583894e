"""How an order was paid, by tender, always summing to what its receipt says."""

from __future__ import annotations

from decimal import Decimal

from mappings import Json
from mappings.money import ZERO, Ledger

# Shopify's gateways in the words Engage predefines (card, cash, swish). Any other gateway keeps its own name.
TENDERS = {"shopify_payments": "card", "cash": "cash", "swish": "swish", "gift_card": "giftcard"}
BALANCE = "balance"
BALANCE_NAME = "Not explained by a payment in Shopify"

_SIGNS = {"SALE": 1, "CAPTURE": 1, "CHANGE": -1}


def payments_of(order: Json, total: Decimal, freight: Decimal, ledger: Ledger) -> list[Json]:
    """One entry per tender and, where they leave a rest of the order's price, one that balances it.

    `freight` is what the receipt leaves out of the price: every tender carries its share. `total` is what remains.
    """
    paid = _by_gateway(order, ledger)
    if (rest := total + freight - sum(paid.values(), ZERO)) or not paid:
        paid[BALANCE] = rest
    shares = ledger.split(freight, [max(value, ZERO) for value in paid.values()])
    return [_payment(gateway, value - share) for (gateway, value), share in zip(paid.items(), shares, strict=True)]


def _by_gateway(order: Json, ledger: Ledger) -> dict[str, Decimal]:
    """Money that moved towards the shop; a refund's belongs to the refund's own receipt."""
    paid: dict[str, Decimal] = {}
    for transaction in order.get("transactions") or []:
        sign = _SIGNS.get(transaction["kind"])
        if sign and transaction["status"] == "SUCCESS" and not transaction.get("test"):
            gateway = transaction.get("gateway") or "unknown"
            amount = ledger.rounded(ledger.amount(transaction["amountSet"]))
            paid[gateway] = paid.get(gateway, ZERO) + sign * amount
    return {gateway: value for gateway, value in paid.items() if value}


def _payment(gateway: str, value: Decimal) -> Json:
    description = BALANCE_NAME if gateway == BALANCE else gateway
    return {"type": TENDERS.get(gateway, gateway), "description": description, "value": value}
