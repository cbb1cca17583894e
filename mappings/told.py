"""Contents of a notification: the whole order, one parcel of it, or what came back with a refund."""

from __future__ import annotations

from decimal import Decimal

from mappings import Json, nodes
from mappings.announced import Announced
from mappings.lines import RETURN, Line, remainder, total_gross
from mappings.money import ZERO, Ledger
from mappings.payments import payments_of
from mappings.refund import BEYOND_NAME
from mappings.returned import Returned
from mappings.sold import articles, freight, units_left, units_sold

FREIGHT_SKU = "FREIGHT"


def ordered(kind: str, order: Json, parcel: Json | None, ledger: Ledger) -> tuple[Announced, list[Json]]:
    """The present order, or the part of it in a parcel, with its payments."""
    units = _units(kind, order)
    items, shipping = articles(order, units, ledger), freight(order, ledger, FREIGHT_SKU)
    gross = total_gross(items + shipping)
    everything = Announced(items, shipping, _beyond(kind, order, gross, ledger))
    payments = payments_of(order, everything.total, ZERO, ledger)
    in_parcel = _units_in(parcel, units)
    if in_parcel is None:
        return everything, payments
    partial = Announced(articles(order, in_parcel, ledger), [])
    return partial, _split_payments(payments, partial.total, ledger)


def _units(kind: str, order: Json) -> dict[str, int]:
    """The units that remain in the order; for one that was cancelled or wholly returned, the units sold."""
    left = {line["id"]: units_left(line) for line in nodes(order["lineItems"])}
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


def _beyond(kind: str, order: Json, gross: Decimal, ledger: Ledger) -> Decimal:
    """Tips, duties and rounding. After a refund or a cancellation they cannot be found from the current total."""
    if kind == "cancelled" or order.get("refunds"):
        return ZERO
    return ledger.rounded(ledger.amount(order["currentTotalPriceSet"])) - gross


def refunded(refund: Json, order: Json, ledger: Ledger) -> Announced:
    """What came back with a refund."""
    returned = Returned.of(refund, order, ledger, FREIGHT_SKU)
    goodwill = remainder(min(returned.beyond, ZERO), BEYOND_NAME)
    fee = max(returned.beyond, ZERO)
    if returned.goods or goodwill:
        return Announced(returned.goods + goodwill, returned.freight, fee)
    # Engage requires an item, and only freight came back.
    nothing = Line(FREIGHT_SKU, FREIGHT_SKU, BEYOND_NAME, units=1, gross=ZERO, kind=RETURN)
    return Announced(returned.freight or [nothing], [], fee)


def _split_payments(payments: list[Json], total: Decimal, ledger: Ledger) -> list[Json]:
    shares = ledger.split(total, [max(payment["value"], ZERO) for payment in payments])
    return [payment | {"value": share} for payment, share in zip(payments, shares, strict=True)]
