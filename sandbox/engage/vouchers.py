"""Give, list, redeem and reactivate a tenant's reward vouchers (Engage: points and vouchers, version 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sandbox.engage.http.messages import Refusal
from sandbox.engage.transactions import page_bounds

VALID_FOR = timedelta(days=90)
VALUE = Decimal(100)  # in the currency of the group
MAX_REACTIVATIONS = 3  # the default of a tenant's configuration

Json = dict[str, Any]


@dataclass
class RewardVoucher:
    """A voucher of one contact. `redemptions` counts how often it became redeemed."""

    contact_id: str
    number: str
    expires_at: datetime
    value: Decimal = VALUE
    id: str = field(default_factory=lambda: str(uuid4()))
    redeemed_at: datetime | None = None
    redemptions: int = 0
    reactivations: int = 0

    @property
    def expired(self) -> bool:
        return self.expires_at <= datetime.now(UTC)

    @property
    def available(self) -> bool:
        return self.redeemed_at is None and not self.expired

    def body(self) -> Json:
        """The voucher by the names of the documentation's example."""
        return {
            "id": self.id,
            "voucherNumber": self.number,
            "name": f"Bonus payment {self.expires_at - VALID_FOR:%Y-%m-%d %H:%M}",
            "redeemedOn": self.redeemed_at.isoformat() if self.redeemed_at else None,
            "redeemed": self.redeemed_at is not None,
            "expiresOn": self.expires_at.isoformat(),
            "value": {"currency": "SEK", "amount": self.value},
            "localValues": [],
            "points": int(self.value) * 25,
        }


@dataclass
class RewardVouchers:
    """A tenant's reward vouchers. `contact_id` gives a known contact's id, or raises Refusal."""

    contact_id: Callable[[str], str]
    max_reactivations: int = MAX_REACTIVATIONS
    by_id: dict[str, RewardVoucher] = field(default_factory=dict)

    def give(self, contact_id: str, number: str, *, expires_at: datetime | None = None) -> RewardVoucher:
        """Give a contact a voucher, as a payout of reward points does."""
        voucher = RewardVoucher(self.contact_id(contact_id), number, expires_at or datetime.now(UTC) + VALID_FOR)
        self.by_id[voucher.id] = voucher
        return voucher

    def page(self, query: Mapping[str, str], which: Callable[[RewardVoucher], bool]) -> Json:
        """A page of a contact's vouchers, oldest first. Raises Refusal where the query is not valid."""
        contact_id = self.contact_id(_guid(query.get("contactId", ""), "InvalidContactId"))
        offset, count = page_bounds(query)
        found = [each for each in self.by_id.values() if each.contact_id == contact_id and which(each)]
        items = [each.body() for each in found[offset : offset + count]]
        return {"count": len(items), "offset": offset, "items": items, "totalCount": len(found)}

    def redeem(self, voucher_id: str) -> Json:
        """Raises Refusal when it does not exist, is redeemed or has expired."""
        voucher = self._find(voucher_id)
        if voucher.redeemed_at:
            raise Refusal(409, "RewardVoucherAlreadyRedeemed", "The reward voucher is redeemed already.")
        _refuse_expired(voucher)
        voucher.redeemed_at, voucher.redemptions = datetime.now(UTC), voucher.redemptions + 1
        return voucher.body()

    def reactivate(self, voucher_id: str) -> Json:
        """Raises Refusal when it does not exist, is available, has expired or was reactivated too often."""
        voucher = self._find(voucher_id)
        if voucher.redeemed_at is None:
            raise Refusal(409, "RewardVoucherAlreadyActivated", "The reward voucher is available already.")
        _refuse_expired(voucher)
        if voucher.reactivations >= self.max_reactivations:
            raise Refusal(409, "ReactivationLimitExceeded", "The reward voucher was reactivated too often.")
        voucher.redeemed_at, voucher.reactivations = None, voucher.reactivations + 1
        return voucher.body()

    def _find(self, voucher_id: str) -> RewardVoucher:
        found = self.by_id.get(_guid(voucher_id, "InvalidRewardVoucherId"))
        if found is None:
            raise Refusal(404, "RewardVoucherNotFound", "No reward voucher has this id.")
        return found


def _refuse_expired(voucher: RewardVoucher) -> None:
    if voucher.expired:
        raise Refusal(409, "RewardVoucherExpired", "The reward voucher has expired.")


def _guid(text: str, code: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise Refusal(400, code, "The id must be a GUID.") from None
