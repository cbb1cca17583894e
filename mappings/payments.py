"""How an order was paid, by tender, always summing to what its receipt says."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from mappings import Json, nodes
from mappings.money import ZERO, Ledger

# Shopify's gateways in the words Engage predefines (card, cash, swish). Any other gateway keeps its own name.
TENDERS = {"shopify_payments": "card", "cash": "cash", "swish": "swish", "gift_card": "giftcard"}
BALANCE = "balance"
BALANCE_NAME = "Not explained by a payment in Shopify"

# Money that moved towards the shop; a refund's belongs to the refund's own receipt.
_SIGNS = {"SALE": 1, "CAPTURE": 1, "CHANGE": -1}
_ON_ITS_WAY = {"PENDING", "AWAITING_RESPONSE"}


def payments_of(order: Json, total: Decimal, freight: Decimal, ledger: Ledger) -> list[Json]:
    """One entry per tender and, where they leave a rest of the order's price, one that balances it.

    `freight` is what the receipt leaves out of the price: every tender carries its share. `total` is what remains.
    """
    return _tendered(_by_gateway(order.get("transactions") or [], _SIGNS, ledger), total, freight, ledger)


def repayments_of(refund: Json, total: Decimal, freight: Decimal, ledger: Ledger) -> list[Json]:
    """The same for money that went back, or is on its way: `total` and `freight` as the receipt has them, negative."""
    tendered = _tendered(_paid_back(refund, ledger), -total, -freight, ledger)
    return [payment | {"value": -payment["value"]} for payment in tendered]


def money_back(refund: Json, ledger: Ledger) -> Decimal:
    """What a refund pays back, also while the bank is still at it."""
    return sum(_paid_back(refund, ledger).values(), ZERO)


def is_pending(refund: Json) -> bool:
    """Whether money of the refund is still on its way."""
    return any(each["status"] in _ON_ITS_WAY for each in nodes(refund.get("transactions")))


def _paid_back(refund: Json, ledger: Ledger) -> dict[str, Decimal]:
    return _by_gateway(nodes(refund.get("transactions")), {"REFUND": 1}, ledger, {"SUCCESS", *_ON_ITS_WAY})


def _tendered(paid: dict[str, Decimal], total: Decimal, freight: Decimal, ledger: Ledger) -> list[Json]:
    if (rest := total + freight - sum(paid.values(), ZERO)) or not paid:
        paid[BALANCE] = rest
    shares = ledger.split(freight, [max(value, ZERO) for value in paid.values()])
    return [_payment(gateway, value - share) for (gateway, value), share in zip(paid.items(), shares, strict=True)]


def _by_gateway(
    transactions: list[Json], signs: dict[str, int], ledger: Ledger, statuses: Collection[str] = ("SUCCESS",)
) -> dict[str, Decimal]:
    paid: dict[str, Decimal] = {}
    for transaction in transactions:
        sign = signs.get(transaction["kind"])
        if sign and transaction["status"] in statuses and not transaction.get("test"):
            gateway = transaction.get("gateway") or "unknown"
            amount = ledger.rounded(ledger.amount(transaction["amountSet"]))
            paid[gateway] = paid.get(gateway, ZERO) + sign * amount
    return {gateway: value for gateway, value in paid.items() if value}


def _payment(gateway: str, value: Decimal) -> Json:
    description = BALANCE_NAME if gateway == BALANCE else gateway
    return {"type": TENDERS.get(gateway, gateway), "description": description, "value": value}
