"""Look up at Engage which of an order's discount codes are the contact's reward vouchers and promotions."""

from __future__ import annotations

from datetime import datetime

from clients import ApiError
from clients.engage.client import EngageClient
from mappings.receipt.purchase import ReceiptRules
from mappings.vouchers import Offer, UsedCode, is_undone, offer_for, promotions, reward_vouchers, used_codes
from models import Order
from sync.api_clients import engage_client
from taskqueue.run import Run


def look_up_codes(run: Run, order: Order, contact_id: str, rules: ReceiptRules) -> list[UsedCode]:
    """The codes to redeem for the order whose receipt is about to be sent; [] if there are none, or it is switched off.

    A look-up that fails does not hold up the receipt: the codes are looked up once more afterwards.
    """
    codes = used_codes(order.snapshot) if rules.redeem_codes else []
    if not codes or is_undone(order.snapshot) or _is_older_than_app(order):
        return []
    try:
        return find_codes(engage_client(run), contact_id, codes)
    except ApiError:
        return [UsedCode(code, checked=False) for code in codes]


def find_codes(engage: EngageClient, contact_id: str, codes: list[str]) -> list[UsedCode]:
    """What each code is at Engage. Promotions are read only if a code is no reward voucher."""
    offers: list[Offer] = list(reward_vouchers(engage.reward_vouchers(contact_id)))
    if any(offer_for(code, offers) is None for code in codes):
        offers += promotions(engage.promotions(contact_id))
    return [UsedCode(code, offer_for(code, offers)) for code in codes]


def _is_older_than_app(order: Order) -> bool:
    """Whether the order was placed before the shop had the app. Its code may belong to a newer promotion by now."""
    connected_at: datetime = order.shop.connected_at
    return datetime.fromisoformat(order.snapshot["createdAt"]) < connected_at.replace(microsecond=0)
