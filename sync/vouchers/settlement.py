"""Redeem an order's vouchers and promotions at Engage, and reactivate them when it is cancelled or refunded whole.

It follows the receipt, in a sync of its own, so that it never holds one up. What is due is in the database, and what is
about to be sent as well: after a lost response Engage says that the voucher is redeemed already, which is then ours.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from clients import AlreadyExists, ApiError, NotFound, Rejected
from clients.engage.client import EngageClient
from mappings.vouchers import OfferKind, is_undone
from models import Order, VoucherState, VoucherUse
from reasons import Cause, Reason
from sync import sent_receipts
from sync.api_clients import engage_client
from sync.vouchers import uses
from sync.vouchers.lookup import find_codes
from taskqueue import claims
from taskqueue.outcomes import Skip
from taskqueue.run import Run

# Engage's error codes: "redeem a voucher", "redeem a promotion", "reactivate a voucher".
ALREADY_REDEEMED = ("RewardVoucherAlreadyRedeemed", "PromotionAlreadyRedeemed")
ALREADY_ACTIVE = "RewardVoucherAlreadyActivated"
EXPIRED = ("RewardVoucherExpired", "PromotionExpired")
LIMIT_EXCEEDED = "ReactivationLimitExceeded"
INVALID_ID = ("InvalidRewardVoucherId", "InvalidPromotionIdNoData")
CODES = (*ALREADY_REDEEMED, ALREADY_ACTIVE, *EXPIRED, LIMIT_EXCEEDED, *INVALID_ID)


class CodeStep(Enum):
    """What is to be done about a code."""

    REDEEM = auto()
    REACTIVATE = auto()
    KEEP = auto()  # it stays redeemed: Engage has no call that gives it back
    DROP = auto()  # the order was undone before it was redeemed


def next_step(use: VoucherUse, undone: bool) -> CodeStep | None:
    """What is to be done about the code, or None. `undone`: the order was cancelled or refunded whole."""
    is_due = use.state in (VoucherState.UNCHECKED, VoucherState.DUE)
    if not undone:
        return CodeStep.REDEEM if is_due else None
    if is_due and use.sent_at is None:
        return CodeStep.DROP
    if is_due or use.state == VoucherState.REDEEMED:
        return CodeStep.REACTIVATE if use.kind == OfferKind.REWARD_VOUCHER else CodeStep.KEEP
    return None


def are_codes_due(order: Order) -> bool:
    """Whether something is to be done about one of the order's codes."""
    return bool(_due(order))


def _due(order: Order) -> list[tuple[VoucherUse, CodeStep]]:
    """The order's codes about which something is to be done, with what that is."""
    used = uses.of_order(order)
    undone = bool(used) and is_undone(order.snapshot)  # few orders have codes, and a snapshot has to be decrypted
    return [(use, step) for use in used if (step := next_step(use, undone))]


def settle_codes(run: Run, order: Order) -> bool:
    """Do what is due about the order's codes, and end the task. Returns whether there was anything to do.

    Raises Skip with the reason why a code was not redeemed or given back, and the errors of calls that may be retried,
    after all codes were tried.
    """
    due = _due(order)
    if not due:
        return False
    engage = engage_client(run)
    _check(engage, order, [use for use, step in due if step is CodeStep.REDEEM and use.state == VoucherState.UNCHECKED])
    errors = [error for use, step in due if (error := _carry_out(engage, use, step))]
    if errors:
        raise errors[0]
    return _finish(run, order, [use for use, _ in due])


def _check(engage: EngageClient, order: Order, unchecked: list[VoucherUse]) -> None:
    """Look up codes that could not be looked up before the receipt."""
    if unchecked and (purchase := sent_receipts.purchase_receipt_of(order)):
        contact_id = str(purchase.open(order.shop)["contact"]["matchKey"])
        found = find_codes(engage, contact_id, [use.plain_code for use in unchecked])
        for use, code in zip(unchecked, found, strict=True):
            uses.set_checked(use, code)


def _carry_out(engage: EngageClient, use: VoucherUse, step: CodeStep) -> ApiError | None:
    """Do one step. Returns the error of a call that may be retried."""
    try:
        match step:
            case CodeStep.REDEEM if use.state == VoucherState.DUE:  # else it turned out not to be Engage's
                _redeem(engage, use)
            case CodeStep.REACTIVATE:
                _reactivate(engage, use)
            case CodeStep.KEEP:
                uses.set_state(use, VoucherState.STAYS_REDEEMED, Reason.PROMOTION_NOT_REACTIVATED)
            case CodeStep.DROP:
                uses.set_state(use, VoucherState.NOT_NEEDED)
    except ApiError as error:
        return error
    return None


def _redeem(engage: EngageClient, use: VoucherUse) -> None:
    sent_before = use.sent_at is not None
    uses.mark_sent(use)
    try:
        _redemption(engage, use)(str(use.engage_id))
    except ApiError as error:
        if not (sent_before or error.unknown):
            uses.mark_not_sent(use)
        if not isinstance(error, Rejected):
            raise
        if _code(error) in ALREADY_REDEEMED and sent_before and not uses.is_redeemed_for_another_order(use):
            uses.set_state(use, VoucherState.REDEEMED)
        else:
            uses.set_state(use, VoucherState.REFUSED, _refusal(error, expired=Reason.VOUCHER_EXPIRED))
    else:
        uses.set_state(use, VoucherState.REDEEMED)


def _redemption(engage: EngageClient, use: VoucherUse) -> Callable[[str], None]:
    if use.kind == OfferKind.REWARD_VOUCHER:
        return engage.redeem_reward_voucher
    return engage.redeem_promotion


def _reactivate(engage: EngageClient, use: VoucherUse) -> None:
    try:
        engage.reactivate_reward_voucher(str(use.engage_id))
    except Rejected as error:
        if _code(error) != ALREADY_ACTIVE:
            refusal = _refusal(error, expired=Reason.VOUCHER_EXPIRED_SINCE)
            uses.set_state(use, VoucherState.STAYS_REDEEMED, refusal)
            return
    uses.set_state(use, VoucherState.REACTIVATED)


def _refusal(error: Rejected, *, expired: Reason) -> Reason:
    """Why Engage refuses for good. Raises the error again where a person can do something about it."""
    match _code(error):
        case code if code in ALREADY_REDEEMED:
            return Reason.VOUCHER_REDEEMED_BEFORE
        case code if code in EXPIRED:
            return expired
        case code if code == LIMIT_EXCEEDED:
            return Reason.VOUCHER_REACTIVATION_LIMIT
        case code if code in INVALID_ID or isinstance(error, NotFound):
            return Reason.VOUCHER_NOT_FOUND
    if isinstance(error, AlreadyExists):
        return Reason.VOUCHER_REFUSED
    raise error


def _code(error: Rejected) -> str | None:
    """Engage's error code, wherever in the body it stands: the form of its errors is not published."""
    received = error.call.received if error.call else b""
    return next((code for code in CODES if code == error.code or code.encode() in received), None)


def _finish(run: Run, order: Order, settled: list[VoucherUse]) -> bool:
    """End the task with what became of the codes. Returns False if none of them is Engage's."""
    if refused := next((use.reason for use in settled if use.reason), None):
        raise Skip(Cause(refused))
    states = {use.state for use in settled}
    if VoucherState.REDEEMED in states:
        run.note = Cause(Reason.VOUCHERS_REDEEMED)
    elif VoucherState.REACTIVATED in states:
        run.note = Cause(Reason.VOUCHERS_REACTIVATED)
    else:
        return False
    with claims.effects(run, engage_id=order.receipt_id):
        pass
    return True
