"""What a notification counts up: an order as it is, one parcel of it, or what a refund brought back."""

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
    """The order as it is, or the part of it that a parcel holds, and how that is paid."""
    units = _units(kind, order)
    items, delivered = articles(order, units, ledger), freight(order, ledger, FREIGHT_SKU)
    gross = total_gross(items + delivered)
    whole = Announced(items, delivered, _beyond(kind, order, gross, ledger))
    payments = payments_of(order, whole.total, ZERO, ledger)
    inside = _inside(parcel, units)
    if inside is None:
        return whole, payments
    part = Announced(articles(order, inside, ledger), [])
    return part, _shared(payments, part.total, ledger)


def _units(kind: str, order: Json) -> dict[str, int]:
    """What the order holds now; of a cancelled one, or one that all came back of, what it held."""
    left = {line["id"]: units_left(line) for line in nodes(order["lineItems"])}
    if kind != "cancelled" and any(left.values()):
        return left
    sold = units_sold(order)
    return sold if any(sold.values()) else {line["id"]: line["quantity"] for line in nodes(order["lineItems"])}


def _inside(parcel: Json | None, units: dict[str, int]) -> dict[str, int] | None:
    """The units in a parcel by line, or None when they are not told or are the whole order."""
    lines = (parcel or {}).get("fulfillmentLineItems") or {}
    if (lines.get("pageInfo") or {}).get("hasNextPage"):
        return None
    sent = {line["lineItem"]["id"]: line["quantity"] for line in nodes(lines)}
    inside = {line: sent.get(line, 0) for line in units}
    return None if inside == units or not any(inside.values()) else inside


def _beyond(kind: str, order: Json, gross: Decimal, ledger: Ledger) -> Decimal:
    """Tips, duties and rounding. After a refund or a cancellation the current total no longer tells them."""
    if kind == "cancelled" or order.get("refunds"):
        return ZERO
    return ledger.rounded(ledger.amount(order["currentTotalPriceSet"])) - gross


def refunded(refund: Json, order: Json, ledger: Ledger) -> Announced:
    """What came back with a refund."""
    returned = Returned.of(refund, order, ledger, FREIGHT_SKU)
    given = remainder(min(returned.beyond, ZERO), BEYOND_NAME)
    kept = max(returned.beyond, ZERO)
    if returned.goods or given:
        return Announced(returned.goods + given, returned.freight, kept)
    # Engage wants an item, and freight is all that came back.
    nothing = Line(FREIGHT_SKU, FREIGHT_SKU, BEYOND_NAME, units=1, gross=ZERO, kind=RETURN)
    return Announced(returned.freight or [nothing], [], kept)


def _shared(payments: list[Json], total: Decimal, ledger: Ledger) -> list[Json]:
    shares = ledger.split(total, [max(payment["value"], ZERO) for payment in payments])
    return [payment | {"value": share} for payment, share in zip(payments, shares, strict=True)]
