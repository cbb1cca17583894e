"""Orders that change after their receipt: Engage's receipts sum up to Shopify's net sales, to the digit."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import orjson
import pytest

from models import Order, Refund, Task
from reasons import Reason
from sandbox.engage.faults import Fault
from sandbox.shopify.orders.checkout import Checkout, Discount, Item, Tender
from sync import entities, sent_receipts
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import ADA, buy, calls, index, newest, receipts
from tests.support.tasks.outcomes import sentence
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of, sums_at_engage, synced_order_id

__all__ = ["synced_order_id"]

COVER = Item("A sleeve", "SLV-1", Decimal("79.00"))


def sums(engage):
    return engage.tenant("demo").receipts_report()["sums"]


def net_sales(shopify, shop, order_id):
    order = shopify.order(shop.domain, order_id)
    return {order["currencyCode"]: Decimal(order["currentTotalPriceSet"]["shopMoney"]["amount"])}


def test_units_that_an_edit_removed_are_returned_in_a_correction(shop, shopify, engage, drain, synced_order_id):
    shopify.edit_order(shop.domain, synced_order_id, line_of(shopify, shop, synced_order_id), 1)
    enqueue_webhook(shop, "OrderWebhook", {"id": synced_order_id})

    drain(waiting=True)

    correction = receipts(engage)[-1]
    assert (correction["uniqueReceiptId"], correction["totalGrossPrice"]) == (f"{synced_order_id}-C1", -149)
    assert newest("SyncOrder").engage_id == f"{synced_order_id}-C1"
    assert sums_at_engage(engage, synced_order_id) == net_sales(shopify, shop, synced_order_id)


def test_an_article_that_an_edit_added_is_sold_in_a_correction(shop, shopify, engage, drain, synced_order_id):
    shopify.add_line(shop.domain, synced_order_id, COVER)
    shopify.pay(shop.domain, synced_order_id)
    enqueue_webhook(shop, "OrderWebhook", {"id": synced_order_id})

    drain(waiting=True)

    assert [(item["sku"], item["quantity"]) for item in receipts(engage)[-1]["items"]] == [("SLV-1", 1)]
    assert sums_at_engage(engage, synced_order_id) == {"SEK": 426}


def tenders(engage):
    """The payments of all receipts at Engage, summed."""
    sums = Counter()
    for payment in (payment for receipt in receipts(engage) for payment in receipt["paymentMethods"]):
        sums[payment["type"]] += payment["value"]
    return {name: value for name, value in sums.items() if value}


def test_what_an_edit_added_waits_for_its_payment(shop, shopify, engage, drain, synced_order_id):
    shopify.add_line(shop.domain, synced_order_id, COVER)
    enqueue_webhook(shop, "OrderWebhook", {"id": synced_order_id})
    drain(waiting=True)
    assert newest("SyncOrder").reason == Reason.ORDER_CHANGE_UNPAID
    assert (sums_at_engage(engage, synced_order_id), tenders(engage)) == ({"SEK": 347}, {"card": 347})

    shopify.pay(shop.domain, synced_order_id)
    enqueue_webhook(shop, "OrderWebhook", {"id": synced_order_id})
    drain(waiting=True)

    assert (sums_at_engage(engage, synced_order_id), tenders(engage)) == ({"SEK": 426}, {"card": 426})


def test_an_addition_is_told_at_once_where_receipts_do_not_wait(shop, shopify, engage, drain):
    shop.settings = {"receipt": {"trigger": "created"}}
    shop.save()
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    shopify.add_line(shop.domain, order_id, COVER)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)
    assert (sums_at_engage(engage, order_id), tenders(engage)) == ({"SEK": 426}, {"card": 347, "balance": 79})

    shopify.pay(shop.domain, order_id)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    assert (sums_at_engage(engage, order_id), tenders(engage)) == ({"SEK": 426}, {"card": 426})


BOOTS = Checkout(
    (Item("A boot", "BOOT", Decimal("48.00"), quantity=2),), discount=Discount("BOOTS20", Decimal("19.20"))
)


@pytest.mark.parametrize("when", ["before the receipt", "after the receipt", "after the edit's correction"])
def test_money_that_settles_an_edit_stands_in_the_payments(when, shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, BOOTS)
    if when != "before the receipt":
        drain(waiting=True)
    shopify.edit_order(shop.domain, order_id, line_of(shopify, shop, order_id), 1)
    if when == "after the edit's correction":
        enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
        drain(waiting=True)
    enqueue_refund_webhooks(shop, shopify.refund_overpayment(shop.domain, order_id), order_id)

    drain(waiting=True)

    assert sums_at_engage(engage, order_id) == {"SEK": Decimal("38.40")}
    assert tenders(engage) == {"card": Decimal("38.40")}
    items = [item for receipt in receipts(engage) for item in receipt["items"]]
    assert sum(item["quantity"] for item in items if item["sku"] == "BOOT") == 1


def test_corrections_are_numbered(shop, shopify, engage, drain, synced_order_id):
    for _ in range(2):
        shopify.add_line(shop.domain, synced_order_id, COVER)
        shopify.pay(shop.domain, synced_order_id)
        enqueue_webhook(shop, "OrderWebhook", {"id": synced_order_id})
        drain(waiting=True)

    ids = [receipt["uniqueReceiptId"] for receipt in receipts(engage)]
    assert ids == [str(synced_order_id), f"{synced_order_id}-C1", f"{synced_order_id}-C2"]


def test_an_exchange_is_a_refund_and_a_correction(shop, shopify, engage, drain, synced_order_id):
    enqueue_refund_webhooks(
        shop,
        shopify.exchange(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1}, COVER),
        synced_order_id,
    )

    drain(waiting=True)

    assert sorted(receipt["totalGrossPrice"] for receipt in receipts(engage)) == [-149, 79, 347]
    assert sums_at_engage(engage, synced_order_id) == net_sales(shopify, shop, synced_order_id)


@pytest.mark.parametrize("refund", [True, False], ids=["paid back", "not paid back"])
def test_a_cancelled_order_ends_at_shopifys_net_sales(refund, shop, shopify, engage, drain, synced_order_id):
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, synced_order_id, refund=refund), synced_order_id)

    drain(waiting=True)

    assert sums_at_engage(engage, synced_order_id) == net_sales(shopify, shop, synced_order_id)


def test_money_that_settles_an_edit_is_not_counted_twice(shop, shopify, engage, drain, synced_order_id):
    shopify.edit_order(shop.domain, synced_order_id, line_of(shopify, shop, synced_order_id), 1)
    refund_id = shopify.refund_overpayment(shop.domain, synced_order_id)
    enqueue_refund_webhooks(shop, refund_id, synced_order_id)

    drain(waiting=True)

    assert "settles an edit" in sentence(newest("SyncRefund").cause)
    assert sums_at_engage(engage, synced_order_id) == {"SEK": 198}


def test_a_change_that_moves_no_money_sends_nothing(shop, shopify, engage, drain, synced_order_id):
    shopify.update_order(shop.domain, synced_order_id, note="Leave it with the neighbour")
    enqueue_webhook(shop, "OrderWebhook", {"id": synced_order_id})

    drain(waiting=True)

    assert newest("SyncOrder").reason == Reason.RECEIPT_ALREADY_SENT
    assert len(calls(engage, "POST", "receipts")) == 1


def test_an_order_keeps_the_rules_of_its_purchase_receipt(shop, shopify, engage, drain, synced_order_id):
    shop.settings = {"receipt": {"freight_line": False}}
    shop.save()
    index(shop, "IndexOrder", synced_order_id)

    drain(waiting=True)

    assert newest("SyncOrder").reason == Reason.RECEIPT_ALREADY_SENT


def test_an_order_older_than_its_refund_is_not_corrected(shop, shopify, engage, drain, synced_order_id):
    before = entities.get(Order, shop, synced_order_id)
    enqueue_refund_webhooks(
        shop,
        shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1}),
        synced_order_id,
    )
    drain(waiting=True)
    Order.update(sealed_snapshot=before.sealed_snapshot, updated_at=before.updated_at).execute()

    index(shop, "SyncOrder", synced_order_id)
    drain(waiting=True)

    assert [receipt["totalGrossPrice"] for receipt in receipts(engage)] == [347, -149]


def test_a_refund_newer_than_its_order_indexes_the_order_again(shop, shopify, engage, drain, synced_order_id):
    enqueue_refund_webhooks(
        shop,
        shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1}),
        synced_order_id,
    )
    drain(waiting=True)
    entities.save(Refund, shop, Refund.get().snapshot | {"updatedAt": "2099-01-01T00:00:00Z"}, order_id=synced_order_id)

    sync = TYPES["SyncOrder"].enqueue(shop, key="ahead", shopify_id=synced_order_id)
    Task.update(due_at="2099-01-01").where(Task.id != sync.id).execute()
    run_task(TYPES["SyncOrder"], str(sync.id))

    assert "read anew" in sentence(Task.get_by_id(sync.id).cause)
    assert newest("IndexOrder").parent_id == sync.id


def test_a_receipt_with_an_unknown_outcome_is_repeated_unchanged(shop, shopify, engage, drain):
    """Engage ignores the second one, so a body with the edit in it would never be known there."""
    engage.script("POST .*/receipts$", [Fault.RESET])  # it has arrived
    _, order_id = buy(shop, shopify)
    drain(1)
    assert len(receipts(engage)) == 1

    shopify.edit_order(shop.domain, order_id, line_of(shopify, shop, order_id), 1)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    first, second, *_ = calls(engage, "POST", "receipts")
    assert orjson.loads(first.request) == orjson.loads(second.request)
    assert sums_at_engage(engage, order_id) == {"SEK": 198}
    assert [row.receipt_id for row in sent_receipts.of_order(entities.get(Order, shop, order_id))] == [
        str(order_id),
        f"{order_id}-C1",
    ]


SHOPS = {
    "SEK": ("12.95", "149.00", "0.00", "999.99", "33.33", "1.05"),
    "EUR": ("12.95", "9.80", "0.00", "1999.99", "33.33", "1.05"),
    "JPY": ("1200", "333", "1", "0", "98765"),
    "KWD": ("12.955", "0.001", "149.500", "33.333"),
}


def checkout(luck, currency):
    """Any basket, in this currency alone."""
    prices = SHOPS[currency]
    items = [
        Item(f"Record {place}", f"REC-{place}", Decimal(luck.choice(prices)), luck.randint(1, 4), tax_rate=rate(luck))
        for place in range(luck.randint(1, 4))
    ]
    off = min(Decimal(prices[0]), sum(item.price * item.quantity for item in items))  # Shopify gives no more
    return Checkout(
        tuple(items),
        shipping=luck.choice([None, Decimal(luck.choice(prices))]),
        discount=Discount("WELCOME", off) if off and luck.random() < 0.5 else None,
        tenders=luck.choice([(Tender(),), (Tender("gift_card", Decimal(1)), Tender("klarna"))]),
        currency=currency,
        presentment_currency=currency,
        taxes_included=luck.random() < 0.6,
    )


def rate(luck):
    return Decimal(luck.choice(["0.25", "0.06", "0"]))


class Life:
    """What may happen to one order, as its luck has it; every step sends webhooks, some of them late."""

    def __init__(self, shop, shopify, luck, order_id):
        self.shop, self.shopify, self.luck, self.order_id = shop, shopify, luck, order_id

    @property
    def domain(self):
        return self.shop.domain

    @property
    def order(self):
        return self.shopify.order(self.domain, self.order_id)

    def step(self):
        happened = self.luck.choice([self.returned, self.goodwill, self.shortened, self.enlarged, self.settled])()
        for webhook in self.luck.sample(happened, len(happened)):
            enqueue_webhook(self.shop, *webhook)

    def returned(self):
        units = {number(line): self.luck.randint(0, line["currentQuantity"]) for line in self.order["lineItems"]}
        shipping = self.order["shippingLines"] and self.luck.random() < 0.3 and self._freight_left()
        return self._refunded(self.shopify.refund(self.domain, self.order_id, units, shipping=shipping or Decimal(0)))

    def goodwill(self):
        return self._refunded(self.shopify.refund(self.domain, self.order_id, amount=Decimal(self.luck.randint(1, 9))))

    def shortened(self):
        line = self.luck.choice(self.order["lineItems"])
        left = self.luck.randint(0, line["currentQuantity"])
        self.shopify.edit_order(self.domain, self.order_id, number(line), left)
        return [self._updated]

    def enlarged(self):
        price = Decimal(self.luck.choice(SHOPS[self.order["currencyCode"]]))
        self.shopify.add_line(self.domain, self.order_id, Item("Sleeve", "SLV", price, tax_rate=rate(self.luck)))
        return [self._updated]

    def settled(self):
        owed = Decimal(self.order["totalOutstandingSet"]["shopMoney"]["amount"])
        if owed < 0:
            return self._refunded(self.shopify.refund_overpayment(self.domain, self.order_id))
        self.shopify.pay(self.domain, self.order_id)
        return [self._updated]

    def settle_what_is_owed(self):
        """Pay what is owed, since receipts wait for it; return whether anything was."""
        owed = Decimal(self.order["totalOutstandingSet"]["shopMoney"]["amount"]) > 0
        if owed:
            self.shopify.pay(self.domain, self.order_id)
        return owed

    def cancelled(self):
        back = self._refunded(self.shopify.cancel(self.domain, self.order_id))
        for webhook in back:
            enqueue_webhook(self.shop, *webhook)

    @property
    def _updated(self):
        return "OrderWebhook", {"id": self.order_id}

    def _refunded(self, refund_id):
        return [("RefundWebhook", {"id": refund_id, "order_id": self.order_id}), self._updated]

    def _freight_left(self):
        return Decimal(self.order["currentShippingPriceSet"]["shopMoney"]["amount"])


def number(line):
    return int(line["id"].rpartition("/")[2])


@pytest.mark.parametrize("currency", SHOPS)
@pytest.mark.parametrize("seed", range(4))
def test_engages_receipts_are_shopifys_net_sales_whatever_happens(currency, seed, shop, shopify, engage, drain):
    luck = random.Random(f"{currency} {seed}")
    customer_id = shopify.add_customer(shop.domain, ADA)
    lives = []
    for _ in range(3):
        order_id = shopify.add_order(shop.domain, checkout(luck, currency), customer_id=customer_id)
        enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
        lives.append(Life(shop, shopify, luck, order_id))

    for _ in range(4):
        for life in lives:
            life.step()
        if luck.random() < 0.7:
            drain(waiting=True)
    lives[0].cancelled()
    for life in lives:
        if life.settle_what_is_owed():
            enqueue_webhook(shop, "OrderWebhook", {"id": life.order_id})
    drain(waiting=True)

    with_receipt = [life.order_id for life in lives if entities.get(Order, shop, life.order_id).receipt_id]
    assert with_receipt  # some were never paid, or emptied before their purchase was sent
    assert {each: sums_at_engage(engage, each) for each in with_receipt} == {
        each: net_sales(shopify, shop, each) for each in with_receipt
    }
    assert sums(engage)["unbalanced"] == []
