"""Discount codes that orders used, and what became of them at Engage: save them, find them, set their state."""

from __future__ import annotations

import database
from mappings.vouchers import OfferKind, UsedCode
from models import NOW, Order, VoucherState, VoucherUse
from reasons import Reason


def of_order(order: Order) -> list[VoucherUse]:
    """The codes of the order that were looked up at Engage, or are to be."""
    found = database.select_rows(
        VoucherUse, "shop_id = %s AND order_id = %s ORDER BY number", order.shop_id, order.shopify_id
    )
    for use in found:
        use.shop = order.shop  # else peewee queries it
    return found


def save(order: Order, codes: list[UsedCode]) -> bool:
    """Save the order's codes in the transaction of its receipt. Returns whether Engage is still to be called."""
    states = [_first_state(each) for each in codes]
    for number, (code, state) in enumerate(zip(codes, states, strict=True)):
        use = VoucherUse(shop=order.shop, order_id=order.shopify_id, number=number)
        kind, engage_id = _columns(code)
        VoucherUse.insert(
            shop=order.shop,
            order_id=order.shopify_id,
            number=number,
            code=use.seal(code.code),
            kind=kind,
            engage_id=engage_id,
            state=state,
        ).on_conflict_ignore().execute()
    return any(state in (VoucherState.UNCHECKED, VoucherState.DUE) for state in states)


def _first_state(code: UsedCode) -> VoucherState:
    if not code.checked:
        return VoucherState.UNCHECKED
    return VoucherState.DUE if code.offer else VoucherState.NOT_ENGAGES


def _columns(code: UsedCode) -> tuple[OfferKind | None, str | None]:
    return (code.offer.kind, code.offer.engage_id) if code.offer else (None, None)


def set_checked(use: VoucherUse, code: UsedCode) -> None:
    """Save what a code that was not looked up before is at Engage."""
    use.kind, use.engage_id = _columns(code)
    _update(use, _first_state(code), kind=use.kind, engage_id=use.engage_id)


def mark_sent(use: VoucherUse) -> None:
    """Save that the redemption is about to be sent: after a lost response Engage calls it redeemed already."""
    VoucherUse.update(sent_at=NOW).where(VoucherUse.id == use.id).execute()


def mark_not_sent(use: VoucherUse) -> None:
    """Save that no redemption has arrived: it was not sent, or Engage refused it."""
    VoucherUse.update(sent_at=None).where(VoucherUse.id == use.id).execute()


def set_state(use: VoucherUse, state: VoucherState, reason: Reason | None = None) -> None:
    """Save what became of the code, and why where it is not what the order asks for."""
    use.reason = reason
    _update(use, state, reason=reason)


def _update(use: VoucherUse, state: VoucherState, **columns: object) -> None:
    """Change the state, unless another worker has: a use is changed from the state that it was read in."""
    as_read = (VoucherUse.id == use.id) & (VoucherUse.state == use.state)
    VoucherUse.update(state=state, changed_at=NOW, **columns).where(as_read).execute()
    use.state = state


def is_redeemed_for_another_order(use: VoucherUse) -> bool:
    """Whether another order of the shop has redeemed the same voucher or promotion, and not given it back."""
    return bool(
        database.select_rows(
            VoucherUse,
            "shop_id = %s AND engage_id = %s AND order_id <> %s AND state = %s LIMIT 1",
            use.shop_id,
            use.engage_id,
            use.order_id,
            VoucherState.REDEEMED,
        )
    )
