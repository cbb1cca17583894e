"""Make an order from a checkout, in both of its currencies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from sandbox.shopify.money import ZERO, MoneyBag, money_bag
from sandbox.shopify.orders.checkout import SHIPPING_TAX_RATE, Checkout, Discount, Item, Prices, Tender, prices_in
from sandbox.shopify.times import utc

GATEWAYS = {"shopify_payments": "Shopify Payments", "gift_card": "Gift card", "klarna": "Klarna", "manual": "Manual"}

NextId = Callable[[], int]


def placed(checkout: Checkout, number: int, next_id: NextId, at: datetime, *, paid: bool) -> dict[str, Any]:
    """A new order, paid in full or authorised only. The caller adds the customer."""
    return _Placing(checkout, next_id, at).order(number, "SALE" if paid else "AUTHORIZATION")


def new_line(item: Item, order: dict[str, Any], next_id: NextId, at: datetime) -> dict[str, Any]:
    """A new line for an existing order, at its exchange rate."""
    currencies = {"currency": order["currencyCode"], "presentment_currency": order["presentmentCurrencyCode"]}
    checkout = Checkout((item,), rate=Decimal(order["rate"]), taxes_included=order["taxesIncluded"], **currencies)
    return _Placing(checkout, next_id, at).lines()[0]


class _Placing:
    def __init__(self, checkout: Checkout, next_id: NextId, at: datetime) -> None:
        self._checkout = checkout
        self._next_id = next_id
        self._at = at
        shop = prices_in(checkout, checkout.currency, Decimal(1))
        self._both: tuple[Prices, Prices] = (shop, prices_in(checkout, checkout.presentment_currency, checkout.rate))

    def order(self, number: int, kind: str) -> dict[str, Any]:
        shopify_id = self._next_id()
        total = self._bag(lambda prices: prices.total)
        zero = self._bag(lambda prices: ZERO)
        received, outstanding = (total, zero) if kind == "SALE" else (zero, total)
        transactions, shipping_lines = self._transactions(kind), self._shipping()
        return {
            **self._header(shopify_id, number),
            "displayFinancialStatus": "PAID" if kind == "SALE" else "AUTHORIZED",
            "paymentGatewayNames": [each["gateway"] for each in transactions],
            "subtotalPriceSet": self._bag(lambda prices: prices.subtotal),
            "totalDiscountsSet": self._bag(lambda prices: sum(prices.discounts, ZERO)),
            "totalShippingPriceSet": self._bag(lambda prices: prices.shipping),
            "totalTaxSet": self._bag(lambda prices: prices.tax),
            "totalTipReceivedSet": self._bag(lambda prices: prices.tip),
            "originalTotalDutiesSet": self._bag(lambda prices: prices.duties) if self._checkout.duties else None,
            "totalCashRoundingAdjustment": {"paymentSet": zero, "refundSet": zero},
            "totalPriceSet": total,
            "originalTotalPriceSet": total,
            "currentTotalPriceSet": total,
            "currentSubtotalPriceSet": self._bag(lambda prices: prices.subtotal),
            "currentShippingPriceSet": self._bag(lambda prices: prices.shipping),
            "currentTotalTaxSet": self._bag(lambda prices: prices.tax),
            "totalReceivedSet": received,
            "totalOutstandingSet": outstanding,
            "totalRefundedSet": zero,
            "taxLines": self._tax_by_rate(),
            "lineItems": self.lines(),
            "shippingLines": shipping_lines,
            "shippingLine": self._shipping_summary(shipping_lines),
            "taxOnOrder": self._checkout.tax_on_order,  # not a field of Shopify's: for later totals
            "transactions": transactions,
        }

    def lines(self) -> list[dict[str, Any]]:
        return [self._line(index, item) for index, item in enumerate(self._checkout.items)]

    def _header(self, shopify_id: int, number: int) -> dict[str, Any]:
        at, discount = utc(self._at), self._checkout.discount
        return {
            "id": f"gid://shopify/Order/{shopify_id}",
            "legacyResourceId": str(shopify_id),
            "name": f"#{number}",
            "number": number,
            "confirmationNumber": f"{shopify_id:X}"[-9:],
            "test": False,
            "createdAt": at,
            "processedAt": at,
            "updatedAt": at,
            "cancelledAt": None,
            "cancelReason": None,
            "closedAt": None,
            "displayFulfillmentStatus": "UNFULFILLED",
            "sourceName": "web",
            "email": None,
            "phone": None,
            "customer": None,
            "customerLocale": "sv-SE",
            "statusPageUrl": f"https://shop.example.com/1/orders/{shopify_id:x}/authenticate?key={shopify_id * 31:x}",
            "customerAcceptsMarketing": False,
            "note": None,
            "tags": [],
            "currencyCode": self._checkout.currency,
            "presentmentCurrencyCode": self._checkout.presentment_currency,
            "rate": str(self._checkout.rate),  # not a field of Shopify's: for later lines and refunds
            "taxesIncluded": self._checkout.taxes_included,
            "dutiesIncluded": False,
            "discountCodes": [discount.code] if discount else [],
            "fulfillments": [],
            "refunds": [],
        }

    def _bag(self, amount: Callable[[Prices], Decimal]) -> MoneyBag:
        shop, presentment = self._both
        return money_bag(amount(shop), amount(presentment), self._checkout.currencies)

    def _line(self, index: int, item: Item) -> dict[str, Any]:
        tax = self._bag(lambda prices: prices.taxes[index])
        return {
            "id": f"gid://shopify/LineItem/{self._next_id()}",
            "name": item.name,
            "title": item.title,
            "variantTitle": item.variant_title,
            "sku": item.sku,
            "vendor": item.vendor,
            "variant": item.variant(),
            "product": item.product(),
            "image": item.image(),
            "quantity": item.quantity,
            "currentQuantity": item.quantity,
            "unfulfilledQuantity": item.quantity,
            "isGiftCard": item.gift_card,
            "requiresShipping": not item.gift_card,
            "taxable": bool(item.tax_rate),
            "originalUnitPriceSet": self._bag(lambda prices: prices.units[index]),
            "discountedTotalSet": self._bag(lambda prices: prices.lines[index]),
            "discountAllocations": self._allocations(index, self._checkout.discount),
            "taxLines": [_tax_line(item.tax_rate, tax)] if item.tax_rate and not self._checkout.tax_on_order else [],
        }

    def _allocations(self, index: int, discount: Discount | None) -> list[dict[str, Any]]:
        if not discount:
            return []
        application = {
            "__typename": "DiscountCodeApplication",
            "index": 0,
            "allocationMethod": "ACROSS",
            "targetSelection": "ALL",
            "targetType": "LINE_ITEM",
            "code": discount.code,
        }
        allocated = self._bag(lambda prices: prices.discounts[index])
        return [{"allocatedAmountSet": allocated, "discountApplication": application}]

    def _shipping(self) -> list[dict[str, Any]]:
        return [self._shipping_line(index) for index in range(len(self._checkout.shipments))]

    def _shipping_line(self, index: int) -> dict[str, Any]:
        tax = self._bag(lambda prices: prices.shipment_taxes[index])
        price = self._bag(lambda prices: prices.shipments[index])
        return {
            "id": f"gid://shopify/ShippingLine/{self._next_id()}",
            "title": "PostNord",
            "code": "PN",
            "isRemoved": False,
            "originalPriceSet": price,
            "discountedPriceSet": price,
            "taxLines": [] if self._checkout.tax_on_order else [_tax_line(SHIPPING_TAX_RATE, tax)],
        }

    def _shipping_summary(self, lines: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Shopify's `shippingLine`, "a summary of all shipping costs on the order"."""
        if len(lines) < 2:
            return next(iter(lines), None)
        price, tax = self._bag(lambda prices: prices.shipping), self._bag(lambda prices: prices.shipping_tax)
        taxes = [_tax_line(SHIPPING_TAX_RATE, tax)] if lines[0]["taxLines"] else []
        return lines[0] | {
            "title": "Shipping",
            "originalPriceSet": price,
            "discountedPriceSet": price,
            "taxLines": taxes,
        }

    def _tax_by_rate(self) -> list[dict[str, Any]]:
        rates = {item.tax_rate for item in self._checkout.items if item.tax_rate}
        rates |= {SHIPPING_TAX_RATE} if any(self._checkout.shipments) else set()
        return [_tax_line(rate, self._bag(partial(self._taxed, rate))) for rate in sorted(rates)]

    def _taxed(self, rate: Decimal, prices: Prices) -> Decimal:
        of_lines = zip(prices.taxes, self._checkout.items, strict=True)
        start = prices.shipping_tax if rate == SHIPPING_TAX_RATE else ZERO
        return sum((tax for tax, item in of_lines if item.tax_rate == rate), start)

    def _transactions(self, kind: str) -> list[dict[str, Any]]:
        tenders = enumerate(self._checkout.tenders)
        return [self._transaction(kind, index, tender) for index, tender in tenders if self._both[0].tenders[index]]

    def _transaction(self, kind: str, index: int, tender: Tender) -> dict[str, Any]:
        return {
            "id": f"gid://shopify/OrderTransaction/{self._next_id()}",
            "kind": kind,
            "status": "SUCCESS",
            "gateway": tender.gateway,
            "formattedGateway": GATEWAYS.get(tender.gateway, tender.gateway),
            "processedAt": utc(self._at),
            "test": False,
            "amountSet": self._bag(lambda prices: prices.tenders[index]),
        }


def _tax_line(rate: Decimal, tax: MoneyBag) -> dict[str, Any]:
    return {"title": "Moms", "rate": float(rate), "priceSet": tax}
