"""Recipients of alert mails: the shop's own address, and additional ones that confirmed their subscription."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import getaddresses

from alerts.telling import folded
from models import Shop
from models.mails import ADDRESSES, Address
from views.wording import local
from words import t

LONGEST = 254  # RFC 5321
ONE = re.compile(r"[^@\s,;<>\"()\[\]\\]+@[^@\s,;<>\"()\[\]\\]+\.[^@\s,;<>\"()\[\]\\.]+")


@dataclass(frozen=True)
class Recipient:
    """A recipient with the state of its subscription. The shop's own address has no row, and cannot be removed."""

    shop: Shop
    address: str
    row: Address | None = None

    @property
    def style(self) -> str:
        if self.row is None or self.row.told:
            return "success"
        return "error" if self.row.bounced_at else "pending"

    @property
    def state(self) -> str:
        if self.row is None:
            return t("settings.address.own")
        if self.row.unsubscribed_at:
            return t("settings.address.left", since=local(self.row.unsubscribed_at, self.shop.zone))
        if self.row.bounced_at:
            return t("settings.address.bounced", words=self.row.bounce or "")
        if self.row.confirmed_at:
            return t("settings.address.told")
        return t("settings.address.waiting", since=local(self.row.added_at, self.shop.zone))

    @property
    def waits(self) -> bool:
        """Whether its subscription is not active, so that another confirmation mail makes sense."""
        return self.row is not None and not self.row.told


def recipients(shop: Shop) -> list[Recipient]:
    return [Recipient(shop, shop.email), *(Recipient(shop, row.address, row) for row in Address.all_of(shop))]


def split(text: str) -> list[str]:
    """The typed addresses, separated by commas, semicolons, spaces or line breaks; each once."""
    return list({folded(each): folded(each) for each in re.split(r"[\s,;]+", text) if each}.values())


def wrong_with(shop: Shop, wanted: Sequence[str]) -> str:
    """The error message for recipients that cannot be added, or ""."""
    for each in wanted:
        if len(each) > LONGEST or not ONE.fullmatch(each) or [found for _, found in getaddresses([each])] != [each]:
            return t("settings.bad.address", address=each[:LONGEST])
    if not wanted:
        return t("settings.bad.no_address")
    there = {row.address for row in Address.all_of(shop)}
    return t("settings.bad.many_addresses", most=str(ADDRESSES)) if len(there | set(wanted)) > ADDRESSES else ""
