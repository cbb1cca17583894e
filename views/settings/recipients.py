"""Recipients of alert mails: the shop's own address, and additional ones that have confirmed their subscription."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from alerts import recipients
from alerts.recipients import MAX_RECIPIENTS
from i18n.catalogue import t
from models import AlertRecipient, Shop
from views.web.formatting import format_local

MAX_LENGTH = 254  # RFC 5321


@dataclass(frozen=True)
class Recipient:
    """An address and the state of its subscription. The shop's own has no row, and cannot be removed."""

    shop: Shop
    address: str
    row: AlertRecipient | None = None

    @property
    def style(self) -> str:
        if self.row is None or self.row.receives_alerts:
            return "success"
        return "error" if self.row.bounced_at else "pending"

    @property
    def state_label(self) -> str:
        if self.row is None:
            return t("settings.address.own")
        if self.row.unsubscribed_at:
            return t("settings.address.left", since=format_local(self.row.unsubscribed_at, self.shop.zone))
        if self.row.bounced_at:
            return t("settings.address.bounced", words=self.row.bounce or "")
        if self.row.confirmed_at:
            return t("settings.address.told")
        return t("settings.address.waiting", since=format_local(self.row.added_at, self.shop.zone))

    @property
    def needs_confirmation(self) -> bool:
        """Whether another mail with the confirmation link is of use."""
        return self.row is not None and not self.row.receives_alerts


def recipients_of(shop: Shop) -> list[Recipient]:
    return [
        Recipient(shop, shop.email),
        *(Recipient(shop, row.address, row) for row in recipients.of_shop(shop)),
    ]


def split_addresses(text: str) -> list[str]:
    """The addresses in a form's field, separated by commas, semicolons, spaces or lines; each once."""
    return list(dict.fromkeys(ascii_address(each) or each for each in re.split(r"[\s,;]+", text) if each))


def validation_error(shop: Shop, addresses: Sequence[str]) -> str:
    """Why these cannot be added, as a sentence, or nothing."""
    for each in addresses:
        if ascii_address(each) is None:
            return t("settings.bad.address", address=each[:MAX_LENGTH])
    if not addresses:
        return t("settings.bad.no_address")
    present = {row.address for row in recipients.of_shop(shop)}
    too_many = len(present | set(addresses)) > MAX_RECIPIENTS
    return t("settings.bad.many_addresses", most=str(MAX_RECIPIENTS)) if too_many else ""


def ascii_address(address: str) -> str | None:
    """The address with its domain in ASCII, which every mail server takes; or None if it is no e-mail address."""
    if len(address) > MAX_LENGTH:  # the library would read all of it first
        return None
    try:
        domain = validate_email(address, check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return None
    return f"{address.rpartition('@')[0]}@{domain}"
