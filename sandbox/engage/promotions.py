"""Assign, list and redeem a tenant's multichannel promotions (Engage: promotions, version 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sandbox.engage.http.messages import Refusal

CHANNELS = ("POS", "ECOM", "OTHER")

Json = dict[str, Any]


@dataclass
class Promotion:
    """A promotion as assigned to one contact: `id` is of this assignment, `promotion_id` of the promotion itself.

    `code`: the shop system's discount code, which Engage calls an external promotion code.
    """

    contact_id: str
    code: str
    channels: tuple[str, ...] = ("ECOM",)
    expires_at: datetime | None = None
    promotion_id: str = field(default_factory=lambda: str(uuid4()))
    id: str = field(default_factory=lambda: str(uuid4()))
    redeemed_at: datetime | None = None
    redemptions: int = 0

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)

    def body(self) -> Json:
        """The promotion by the names of the documentation's example."""
        channel = {"valueType": "EXTERNALOFFER", "value": self.code, "localValues": None, "instruction": None}
        return {
            "id": self.id,
            "promotionId": self.promotion_id,
            "externalId": None,
            "type": "Multichannel",
            "name": f"Offer {self.code}",
            "expiresOn": self.expires_at.isoformat() if self.expires_at else None,
            "heading": None,
            "description": None,
            "redeemed": self.redeemed_at is not None,
            "redeemedOn": self.redeemed_at.isoformat() if self.redeemed_at else None,
            "imageUrl": None,
            "link": None,
            "redemptionChannels": [{"type": name} | channel for name in self.channels],
        }


@dataclass
class Promotions:
    """A tenant's assigned promotions. `contact_id` gives a known contact's id, or raises Refusal."""

    contact_id: Callable[[str], str]
    by_id: dict[str, Promotion] = field(default_factory=dict)

    def assign(
        self,
        contact_id: str,
        code: str,
        *,
        channels: tuple[str, ...] = ("ECOM",),
        expires_at: datetime | None = None,
    ) -> Promotion:
        """Assign a promotion with this external code to a contact."""
        assigned = Promotion(self.contact_id(contact_id), code, channels, expires_at)
        self.by_id[assigned.id] = assigned
        return assigned

    def of_contact(self, contact_id: str, channel: str | None) -> list[Json]:
        """A contact's promotions, redeemed ones too, of one channel or of all. Raises Refusal."""
        contact_id = self.contact_id(contact_id)
        if channel is not None and channel not in CHANNELS:
            raise Refusal(400, "NotAValidRedemptionChannel", "The channel must be POS, ECOM or OTHER.")
        theirs = [each for each in self.by_id.values() if each.contact_id == contact_id and not each.expired]
        return [each.body() for each in theirs if channel is None or channel in each.channels]

    def redeem(self, assignment_id: str, channel: object) -> Json:
        """Redeem an assigned promotion. Raises Refusal."""
        promotion = self._find(assignment_id)
        if channel not in CHANNELS:
            raise Refusal(400, "NotAValidRedemptionChannel", "redemptionChannel must be POS, ECOM or OTHER.")
        if channel not in promotion.channels:
            raise Refusal(409, "PromotionNotValidForRedemptionChannel", "The promotion is not for this channel.")
        if promotion.redeemed_at:
            raise Refusal(409, "PromotionAlreadyRedeemed", "The promotion is redeemed already.")
        if promotion.expired:
            raise Refusal(409, "PromotionExpired", "The promotion has expired.")
        promotion.redeemed_at, promotion.redemptions = datetime.now(UTC), promotion.redemptions + 1
        return promotion.body()

    def _find(self, assignment_id: str) -> Promotion:
        try:
            found = self.by_id.get(str(UUID(assignment_id)))
        except ValueError:
            raise Refusal(400, "InvalidPromotionIdNoData", "The id must be a GUID.") from None
        if found is None:
            raise Refusal(404, "PromotionNotFound", "No assigned promotion has this id: promotionId is not it.")
        return found
