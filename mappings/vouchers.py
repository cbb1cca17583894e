"""Discount codes of an order that are Engage's: its reward vouchers and promotions, compared by code (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from mappings import Json, nodes
from mappings.receipt.sold_lines import units_remaining

ECOM = "ECOM"  # Engage's redemption channel of an online shop
_EXTERNAL_CODE = "EXTERNALOFFER"  # the type of a promotion's value that is the shop system's own code


class OfferKind(IntEnum):
    """What a code is at Engage. The numbers stand in the database."""

    REWARD_VOUCHER = 1
    PROMOTION = 2


@dataclass(frozen=True)
class Offer:
    """A reward voucher or an assigned promotion of one contact. `engage_id` is unique to that contact."""

    kind: OfferKind
    engage_id: str
    code: str
    redeemed: bool


@dataclass(frozen=True)
class UsedCode:
    """A discount code of an order. `offer`: Engage's; None: it is not Engage's, or was not looked up (`checked`)."""

    code: str
    offer: Offer | None = None
    checked: bool = True


def used_codes(order: Json) -> list[str]:
    """The order's discount codes, each once. Freight's stand in `discountCodes` only, and lines name their own."""
    named = [
        (allocation.get("discountApplication") or {}).get("code")
        for line in nodes(order.get("lineItems"))
        for allocation in line.get("discountAllocations") or []
    ]
    codes = {normal_code(code): code for code in (*named, *(order.get("discountCodes") or [])) if code}
    return list(codes.values())


def normal_code(code: str) -> str:
    """The form in which codes are compared. Shopify: CartDiscountCode, "discount codes are case-insensitive"."""
    return code.strip().casefold()


def reward_vouchers(answer: Iterable[Json]) -> Iterator[Offer]:
    """A contact's reward vouchers, by their number. Engage: "get vouchers for contact"; version 2 has `checkNumber`."""
    for voucher in answer:
        if (number := voucher.get("voucherNumber") or voucher.get("checkNumber")) and voucher.get("id"):
            yield Offer(OfferKind.REWARD_VOUCHER, str(voucher["id"]), str(number), bool(voucher.get("redeemed")))


def promotions(answer: Iterable[Json]) -> Iterator[Offer]:
    """A contact's online promotions, by the shop's code. Engage: "get promotions for contact", "redeem a promotion".

    The code is the value of a channel; `id` is of the contact's own promotion, `promotionId` of the one for all.
    """
    for promotion in answer:
        for channel in promotion.get("redemptionChannels") or []:
            if channel.get("type") == ECOM and channel.get("valueType") == _EXTERNAL_CODE and promotion.get("id"):
                code, redeemed = str(channel.get("value") or ""), bool(promotion.get("redeemed"))
                yield Offer(OfferKind.PROMOTION, str(promotion["id"]), code, redeemed)


def offer_for(code: str, offers: Iterable[Offer]) -> Offer | None:
    """The offer with this code, one that is not redeemed before others: a promotion may be assigned once more."""
    found = [each for each in offers if normal_code(each.code) == normal_code(code)]
    return min(found, key=lambda each: each.redeemed, default=None)


def used_bonus_checks(codes: Iterable[UsedCode]) -> Json:
    """The receipt's field with the reward vouchers that it was paid with; empty without any.

    Engage: receipts, "one row per used reward voucher", by its number. `usedPromotions` is left out: its `promotionId`
    and `couponId` are published as names only, not what they are the ids of.
    """
    offers = [each.offer for each in codes if each.offer and not each.offer.redeemed]
    numbers = [offer.code for offer in offers if offer.kind is OfferKind.REWARD_VOUCHER]
    return {"usedBonusChecks": [{"checkNumber": number} for number in numbers]} if numbers else {}


def is_undone(order: Json) -> bool:
    """Whether nothing of the purchase stands: it was cancelled, its money went back whole, or all articles did."""
    if order.get("cancelledAt") or order["displayFinancialStatus"] == "REFUNDED":
        return True
    return not any(units_remaining(line) for line in nodes(order["lineItems"]))
