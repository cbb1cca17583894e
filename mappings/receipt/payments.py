"""Payments of a receipt, by tender: they always sum to the receipt's total."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal

from mappings import Json, nodes
from mappings.money import ZERO, Ledger

# Shopify's gateways by the payment types that Engage predefines (card, cash, swish). Others keep their own names.
TENDERS = {"shopify_payments": "card", "cash": "cash", "swish": "swish", "gift_card": "giftcard"}
BALANCE = "balance"
BALANCE_NAME = "Not explained by a payment in Shopify"

# Payments to the shop; those of a refund belong to the refund's own receipt.
_SIGNS = {"SALE": 1, "CAPTURE": 1, "CHANGE": -1}
_PENDING = {"PENDING", "AWAITING_RESPONSE"}


def order_payments(
    order: Json, total: Decimal, freight: Decimal, ledger: Ledger, settled: Iterable[Json] = ()
) -> list[Json]:
    """One entry per tender and, if they do not sum to the order's price, one for the balance.

    `freight` is the amount that the receipt leaves out: it is taken off every tender in proportion. `total` is the
    receipt's total without it. `settled` are the refunds that gave back what an edit took off the order.
    """
    paid = _by_gateway(order.get("transactions") or [], _SIGNS, ledger)
    for refund in settled:
        for gateway, value in _paid_back(refund, ledger).items():
            paid[gateway] = paid.get(gateway, ZERO) - value
    return _by_tender({gateway: value for gateway, value in paid.items() if value}, total, freight, ledger)


def refund_payments(refund: Json, total: Decimal, freight: Decimal, ledger: Ledger) -> list[Json]:
    """Payments of a refund, also pending ones: `total` and `freight` are negative, as on the receipt."""
    payments = _by_tender(_paid_back(refund, ledger), -total, -freight, ledger)
    return [payment | {"value": -payment["value"]} for payment in payments]


def refunded_amount(refund: Json, ledger: Ledger) -> Decimal:
    """The amount that a refund pays back, including pending payments."""
    return sum(_paid_back(refund, ledger).values(), ZERO)


def amount_owed(order: Json) -> Decimal:
    """What the customer still owes, in the currency of the sale; cash rounding is not owed.

    Zero for an order that Shopify calls paid, and for a snapshot without the amount.
    """
    if order["displayFinancialStatus"] == "PAID":
        return ZERO
    ledger = Ledger.of(order, "presentment")
    rounding = ledger.amount((order.get("totalCashRoundingAdjustment") or {}).get("paymentSet"))
    return max(ledger.amount(order.get("totalOutstandingSet")) - abs(rounding), ZERO)


def refund_is_pending(refund: Json) -> bool:
    """Whether a payment of the refund is pending."""
    return any(each["status"] in _PENDING for each in nodes(refund.get("transactions")))


def _paid_back(refund: Json, ledger: Ledger) -> dict[str, Decimal]:
    return _by_gateway(nodes(refund.get("transactions")), {"REFUND": 1}, ledger, {"SUCCESS", *_PENDING})


def _by_tender(paid: dict[str, Decimal], total: Decimal, freight: Decimal, ledger: Ledger) -> list[Json]:
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
