"""Contents of a notification: the whole order, one parcel of it, or what came back with a refund."""

from __future__ import annotations

from decimal import Decimal

from mappings import Json, nodes
from mappings.money import ZERO, Ledger
from mappings.notification.items import NotificationItems
from mappings.receipt.lines import RETURN, ReceiptLine, remainder_line, total_gross
from mappings.receipt.payments import order_payments
from mappings.receipt.refund import GOODWILL_NAME
from mappings.receipt.returned_lines import ReturnedLines
from mappings.receipt.sold_lines import freight_lines, lines_for_units, units_remaining, units_sold

FREIGHT_SKU = "FREIGHT"


def order_contents(kind: str, order: Json, parcel: Json | None, ledger: Ledger) -> tuple[NotificationItems, list[Json]]:
    """The present order, or the part of it in a parcel, with its payments."""
    units = _units(kind, order)
    items, shipping = lines_for_units(order, units, ledger), freight_lines(order, ledger, FREIGHT_SKU)
    gross = total_gross(items + shipping)
    everything = NotificationItems(items, shipping, _amount_without_article(kind, order, gross, ledger))
    payments = order_payments(order, everything.total, ZERO, ledger)
    in_parcel = _units_in(parcel, units)
    if in_parcel is None:
        return everything, payments
    partial = NotificationItems(lines_for_units(order, in_parcel, ledger), [])
    return partial, _split_payments(payments, partial.total, ledger)


def refund_contents(refund: Json, order: Json, ledger: Ledger) -> NotificationItems:
    """What came back with a refund."""
    returned = ReturnedLines.of(refund, order, ledger, FREIGHT_SKU)
    goodwill = remainder_line(min(returned.without_article, ZERO), GOODWILL_NAME)
    fee = max(returned.without_article, ZERO)
    if returned.goods or goodwill:
        return NotificationItems(returned.goods + goodwill, returned.freight, fee)
    # Engage requires an item, and only freight came back.
    nothing = ReceiptLine(FREIGHT_SKU, FREIGHT_SKU, GOODWILL_NAME, units=1, gross=ZERO, kind=RETURN)
    return NotificationItems(returned.freight or [nothing], [], fee)


def _units(kind: str, order: Json) -> dict[str, int]:
    """The units that remain in the order; for one that was cancelled or wholly returned, the units sold."""
    left = {line["id"]: units_remaining(line) for line in nodes(order["lineItems"])}
    if kind != "cancelled" and any(left.values()):
        return left
    sold = units_sold(order)
    return sold if any(sold.values()) else {line["id"]: line["quantity"] for line in nodes(order["lineItems"])}


def _units_in(parcel: Json | None, units: dict[str, int]) -> dict[str, int] | None:
    """The units in a parcel by line, or None if they are unknown or are the whole order."""
    lines = (parcel or {}).get("fulfillmentLineItems") or {}
    if (lines.get("pageInfo") or {}).get("hasNextPage"):
        return None
    sent = {line["lineItem"]["id"]: line["quantity"] for line in nodes(lines)}
    found = {line: sent.get(line, 0) for line in units}
    return None if found == units or not any(found.values()) else found


def _amount_without_article(kind: str, order: Json, gross: Decimal, ledger: Ledger) -> Decimal:
    """Tips, duties and rounding. After a refund or a cancellation they cannot be found from the current total."""
    if kind == "cancelled" or order.get("refunds"):
        return ZERO
    return ledger.rounded(ledger.amount(order["currentTotalPriceSet"])) - gross


def _split_payments(payments: list[Json], total: Decimal, ledger: Ledger) -> list[Json]:
    shares = ledger.split(total, [max(payment["value"], ZERO) for payment in payments])
    return [payment | {"value": share} for payment, share in zip(payments, shares, strict=True)]
