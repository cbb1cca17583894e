"""Exchange rate of a receipt to the group currency of the Engage tenant, from the order's own two currencies.

Engage: "Group currency". `exchangeRateToGroupCurrency` is a multiplier: an amount of the receipt times the rate is the
amount in the group currency. Without it Engage converts by a table of the tenant's, which does not follow the market.
Shopify states every amount of an order in the shop's currency and in the customer's, at the rate of the sale.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal

from mappings import Json, nodes
from mappings.money import Ledger
from reasons import Cause, Reason, cause

ROUNDING = Context(prec=8)
SALE_RATE = "saleExchangeRate"  # the rate of the order's first receipt, once there is one: see `with_sale_rate`


def exchange_rate(order: Json, currency: str, group_currency: str) -> Decimal | None:
    """What one unit of the receipt's currency is in the group currency; None if that is not known.

    It is that of the sale in all receipts of an order, so that a return is worth what its sale was.
    """
    if SALE_RATE in order:
        rate: Decimal | None = order[SALE_RATE]
        return rate
    if not group_currency or currency == group_currency:
        return Decimal(1) if group_currency else None
    ledgers = {ledger.currency: ledger for ledger in (Ledger.of(order, "shop"), Ledger.of(order, "presentment"))}
    group, own = ledgers.get(group_currency), ledgers[currency]
    return _rate(order, own, group) if group else None


def with_sale_rate(order: Json, sale: Json) -> Json:
    """The order with the rate of its first receipt, by which all others are made, if that has any."""
    rate = sale.get("exchangeRateToGroupCurrency")
    return order | {SALE_RATE: None if rate is None else Decimal(str(rate))}


def exchange_rate_note(order: Json, group_currency: str) -> Cause | None:
    """Note that the receipt has no rate, as neither currency of the order is the group currency."""
    currencies = sorted({order["currencyCode"], order["presentmentCurrencyCode"]})
    if not group_currency or group_currency in currencies:
        return None
    return cause(Reason.EXCHANGE_RATE_UNKNOWN, group=group_currency, currencies=", ".join(currencies))


def _rate(order: Json, own: Ledger, group: Ledger) -> Decimal | None:
    """By the largest amount of the order, since Shopify rounds amounts; None if every amount is zero."""
    amounts = ((own.amount(bag), group.amount(bag)) for bag in _bags(order))
    amount, in_group = max(amounts, key=min)
    return ROUNDING.divide(in_group, amount) if amount and in_group else None


def _bags(order: Json) -> Iterator[Json]:
    yield order["totalPriceSet"]
    yield from (line["originalUnitPriceSet"] for line in nodes(order["lineItems"]))
    yield from (line["originalPriceSet"] for line in nodes(order.get("shippingLines")))
