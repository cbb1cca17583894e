"""A worker that is killed between the redemption of a voucher and its record: it is redeemed once, and counted."""

from __future__ import annotations

import pytest

from models import State, Task, VoucherState
from sandbox.dev_servers import wait_for
from sandbox.engage.faults import Fault
from tests.end_to_end.test_order_to_receipt import newest
from tests.sync.test_imports_killed import GUARD, end_lease, working
from tests.sync.vouchers.test_redemption import (
    VOUCHER,
    buy_with,
    contact_id,
    enqueue_refund_webhooks,
    offer_calls,
    states,
    voucher,
)

__all__ = ["contact_id", "voucher"]

LATER = (429, {}, {"Retry-After": "3600"})

pytestmark = pytest.mark.slow


def kill_at(name, engage, is_done):
    """Let a process of its own make the call, and kill it before it has the response."""
    task = newest("SyncOrder")
    engage.script(f"POST .*/{name}$", [Fault.HANG])
    with working(task):
        wait_for(is_done, GUARD, f"The call {name}")
    end_lease(task)


def test_a_worker_killed_after_it_redeemed_redeems_once(shop, shopify, engage, drain, voucher):
    engage.script("POST .*/redeem$", [LATER])
    order_id = buy_with(shop, shopify, VOUCHER)
    drain()

    kill_at("redeem", engage, lambda: voucher.redemptions == 1)
    drain(waiting=True)

    assert (voucher.redemptions, states(order_id)) == (1, [VoucherState.REDEEMED])
    assert offer_calls(engage) == ["redeem"] * 3  # refused for now, killed, and answered "redeemed already"
    assert not Task.select().where(Task.state == State.ERROR).exists()


def test_a_worker_killed_after_it_gave_a_voucher_back_gives_it_back_once(shop, shopify, engage, drain, voucher):
    order_id = buy_with(shop, shopify, VOUCHER)
    drain(waiting=True)
    engage.script("POST .*/reactivate$", [LATER])
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id), order_id)
    drain()

    kill_at("reactivate", engage, lambda: voucher.reactivations == 1)
    drain(waiting=True)

    assert (voucher.reactivations, states(order_id)) == (1, [VoucherState.REACTIVATED])
