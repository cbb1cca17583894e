"""Random histories of orders with vouchers: each is redeemed once for the order that stands, whatever calls fail."""

from __future__ import annotations

import random

import pytest

from models import State, Task
from sandbox.engage.faults import Fault
from taskqueue.types import NUMBERS
from tests.end_to_end.test_order_to_receipt import index, receipts
from tests.sync.test_refunds import enqueue_refund_webhooks, line_of
from tests.sync.vouchers.test_redemption import buy_with, contact_id

__all__ = ["contact_id"]

ORDERS, STEPS = 4, 8
SCRIPTED = 6  # answers of each call, after which it fails no more: every failure triples the wait
OUTCOMES = (Fault.NONE, Fault.NONE, Fault.RESET, Fault.RESET_BEFORE, Fault.UNAVAILABLE, Fault.FAILED)


class History:
    """The changes of one order that paid with a voucher of its own. `undone`: nothing of it stands."""

    def __init__(self, shop, shopify, chance, number, offer):
        self.shop, self.shopify, self.chance, self.offer = shop, shopify, chance, offer
        self.number, self.undone, self.order_id = number, False, None

    def begin(self):
        self.order_id = buy_with(self.shop, self.shopify, self.chance.choice((self.number, self.number.lower())))

    def step(self):
        if self.order_id is None:
            self.begin()
        else:
            self.chance.choice((self.sync, self.sync, self.edit, self.refund_part, self.refund_rest, self.cancel))()

    def sync(self):
        index(self.shop, self.chance.choice(("IndexOrder", "SyncOrder")), self.order_id)

    def edit(self):
        self.shopify.update_order(self.shop.domain, self.order_id, note=str(self.chance.random()))
        index(self.shop, "IndexOrder", self.order_id)

    def refund_part(self):
        if self.units_left() == 2:
            self.refunded(1)

    def refund_rest(self):
        if left := self.units_left():
            self.refunded(left)
            self.undone = True

    def cancel(self):
        if self.units_left() == 2:
            refund_id = self.shopify.cancel(self.shop.domain, self.order_id)
            enqueue_refund_webhooks(self.shop, refund_id, self.order_id)
            self.undone = True

    def units_left(self):
        if self.undone:
            return 0
        return self.shopify.order(self.shop.domain, self.order_id)["lineItems"][0]["currentQuantity"]

    def refunded(self, units):
        line = line_of(self.shopify, self.shop, self.order_id)
        refund_id = self.shopify.refund(self.shop.domain, self.order_id, {line: units})
        enqueue_refund_webhooks(self.shop, refund_id, self.order_id)

    def is_settled(self):
        """Whether the voucher is redeemed if its order stands, and available if it does not; and never twice."""
        wanted = 0 if self.undone or self.order_id is None else 1
        balance = self.offer.redemptions - self.offer.reactivations
        return (balance, self.offer.redemptions <= 1, self.offer.available) == (wanted, True, not wanted)


@pytest.mark.parametrize("seed", range(5))
def test_each_voucher_is_redeemed_once_for_the_order_that_stands(seed, shop, shopify, engage, drain, contact_id):
    chance, vouchers = random.Random(seed), engage.tenant("demo").vouchers
    numbers = [f"REWARD-{number}" for number in range(ORDERS)]
    histories = [History(shop, shopify, chance, each, vouchers.give(contact_id, each)) for each in numbers]
    for call in ("POST .*/redeem$", "POST .*/reactivate$", "GET .*/reward-vouchers$"):
        engage.script(call, chance.choices(OUTCOMES, k=SCRIPTED))

    for _ in range(STEPS):
        for history in chance.sample(histories, ORDERS):
            history.step()
            drain(chance.choice((0, 0.02, 5)))
    drain(60, waiting=True)

    assert [history.number for history in histories if not history.is_settled()] == []
    unsolved = Task.select().where(Task.state != State.SUCCESS, Task.closed_by.is_null())
    assert [(NUMBERS[task.type].name, task.cause) for task in unsolved] == []
    assert {receipt["uniqueReceiptId"] for receipt in receipts(engage)} >= {str(each.order_id) for each in histories}
