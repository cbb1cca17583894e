"""Items, fees and totals of an order notification, by the rules of Engage's v2 orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mappings import Json, nodes
from mappings.money import ZERO, Ledger
from mappings.receipt.lines import RETURN, ReceiptLine, tax_details, total_gross


@dataclass(frozen=True)
class NotificationItems:
    """The items and fees of a notification. Fees have the sign of the total: negative when they are refunded."""

    items: list[ReceiptLine]
    freight: list[ReceiptLine]
    handling: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return total_gross(self.items + self.freight) + self.handling

    def body(self, ledger: Ledger, order: Json) -> Json:
        """Items, fees and sums that pass all of Engage's checks, also those that a tenant may switch on.

        The tax of fees is part of totalTax, as in Engage's sample. Engage subtracts a returned item from the total, and
        its v2 orders have no adjustments: an amount that belongs to no article is the handling fee.
        """
        sold = {line["id"]: line for line in nodes(order["lineItems"])}
        items = [_item(line, sold.get(line.line_id, {}), ledger) for line in self.items]
        fee = _freight_fee(self.freight, ledger)
        taxes = [-item["taxAmount"] if item["quantity"] < 0 else item["taxAmount"] for item in items if _taxed(item)]
        body: Json = {"totalGrossPrice": self.total, "totalTax": sum(taxes, fee.get("tax", ZERO)), "items": items}
        if details := tax_details(self.items + self.freight):
            body["taxDetails"] = [{name: each[name] for name in each if each[name] != ""} for each in details]
        if self.freight:
            body["freightFee"] = fee
        if self.handling:
            body["handlingFee"] = {"value": self.handling, "tax": ZERO, "taxPercent": ZERO}
        return body


def consistent_tax(gross: Decimal, tax: Decimal, percent: Decimal, ledger: Ledger) -> tuple[Decimal, Decimal] | None:
    """The tax and a rate that is consistent with it, or None if no rate is.

    Engage rejects tax that is not gross - gross / (1 + rate), and Shopify rounds at other steps. The tax is what the
    customer paid, so it stays; the rate is recalculated from it if the real one does not give it.
    """
    if tax == gross:
        return None
    if ledger.rounded(gross - gross / (1 + percent / 100)) == tax:
        return tax, percent
    return tax, round(100 * tax / (gross - tax), 6)


def _item(line: ReceiptLine, sold: Json, ledger: Ledger) -> Json:
    """The item for a line; `sold` is the order's line that it is about, or empty."""
    body = line.body()
    original = _original_price(line, sold, ledger)
    item: Json = {
        "type": body["type"],
        "sku": line.sku,
        "description": line.name,
        "quantity": body["quantity"],
        "grossPaidPrice": line.gross,
        "grossPaidPricePerUnit": ledger.rounded(line.gross / line.units),
        "originalPrice": original,
        "originalPricePerUnit": ledger.rounded(original / line.units),
    }
    if found := consistent_tax(line.gross, line.tax, body["taxPercent"], ledger):
        # Engage rejects a return with a tax of zero: it must be above zero, or left out.
        item |= {} if line.kind == RETURN and not line.tax else {"taxAmount": found[0], "taxPercent": found[1]}
    return item | _discounts(line, original - line.gross, ledger) | _links(sold)


def _taxed(item: Json) -> bool:
    return "taxAmount" in item


def _original_price(line: ReceiptLine, sold: Json, ledger: Ledger) -> Decimal:
    """What all units of the line would have cost without any discount, with tax.

    Shopify states it without tax where an order's prices are: then it has the tax in proportion to the price paid.
    """
    paid = line.gross if ledger.tax_included else line.net
    original = ledger.rounded(ledger.amount(sold.get("originalUnitPriceSet")) * line.units)
    if original <= paid:  # converted to the shop's currency separately, or the line is not about an article
        return line.gross
    return ledger.rounded(original * line.gross / paid) if paid else original


def _discounts(line: ReceiptLine, total: Decimal, ledger: Ledger) -> Json:
    """The line's discount in all, and each. Engage requires a negative value of each (orders, "order validations").

    It documents no sign for the total: positive, as a public connector sends it (Hantera). A return has the total only.
    """
    if not total:
        return {"discounted": False}
    shares = ledger.split(total if line.discounts else ZERO, [each.value for each in line.discounts])
    discounts = [
        {"value": -share, "type": each.kind, "description": each.description}
        for each, share in zip(line.discounts, shares, strict=True)
        if share
    ]
    return {"totalDiscount": total, "discounted": True} | ({"discounts": discounts} if discounts else {})


def _links(sold: Json) -> Json:
    """The addresses of the article's image and of its page, which only a product in the online store has."""
    links = {
        "imageUrl": (sold.get("image") or {}).get("url"),
        "targetUrl": (sold.get("product") or {}).get("onlineStoreUrl"),
    }
    return {name: url for name, url in links.items() if url}


def _freight_fee(freight: Iterable[ReceiptLine], ledger: Ledger) -> Json:
    lines = list(freight)
    value, tax = total_gross(lines), sum((line.signed(line.tax) for line in lines), ZERO)
    percent = sum((each.percent for each in lines[0].taxes), ZERO) if lines else ZERO
    found = consistent_tax(value, tax, percent, ledger)
    return {"value": value} | ({"tax": found[0], "taxPercent": found[1]} if found else {})
