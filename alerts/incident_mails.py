"""Mails of an incident and their recipients: first mail, reminders, recovery mail, and the digest of a flapping rule.

They are put into the outbox in the transaction of what they report.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from alerts import incidents, outbox, recipients
from alerts.declared import RULES, shop_rule
from alerts.rules.flapping import digest_number, flapping_since
from config import config
from models import Incident, MailKind, Shop, utcnow

FIRST_MAIL_DELAY = timedelta(minutes=2)  # an incident that has recovered by then gets no mail
FIRST_REMINDER, DAY, WEEK = timedelta(hours=4), timedelta(days=1), timedelta(days=7)
DAILY_REMINDERS = 7  # daily reminders, then one a week
FLAPPING_LOOKBACK = timedelta(days=14)  # for openings of a flapping rule
MAX_BUTTON_MAILS = 60  # mails an hour
REMINDER_LEEWAY = timedelta(hours=4)  # by which a daily reminder may be early, so that it is sent when the window opens


class TooManyMails(Exception):
    """The rate limit on mails that are sent by buttons is reached."""


def recipients_of(shop: Shop | None) -> list[str]:
    """The recipients' addresses: the shop's own, and the additional ones that are subscribed; each once.

    Without a shop, the operator's.
    """
    if shop is None:
        return [config.operator_email] if config.operator_email else []
    found = [shop.email, *(row.address for row in recipients.of_shop(shop) if row.receives_alerts)]
    return list({normalized_address(each): each for each in found if each}.values())


def normalized_address(address: str) -> str:
    """An e-mail address as it is compared: with the domain in lower case."""
    name, at, domain = address.strip().rpartition("@")
    return f"{name}{at}{domain.lower()}"


def queue_first_mail(shop: Shop, incident: Incident, now: datetime) -> None:
    """Put the first mail about an incident into the outbox; for a flapping rule, a daily digest instead."""
    since = flapping_since(incidents.opening_times(shop, incident.rule, now - FLAPPING_LOOKBACK), now)
    if since:
        _put(
            shop,
            incident,
            MailKind.UNSTABLE,
            recipients_of(shop),
            now,
            digest_number(since, now),
            about=incidents.opened_at(shop, since),
        )
        return
    covering = next((name for name in shop_rule(incident.rule).covered_by if incidents.open_by_rule(shop, name)), None)
    if covering:
        incidents.update(incident, suppressed_by=covering)
        return
    incidents.update(incident, remind_at=now + FIRST_REMINDER)
    _put(shop, incident, MailKind.FIRE, recipients_of(shop), now + FIRST_MAIL_DELAY)


def queue_operator_mail(incident: Incident, now: datetime) -> None:
    """Put the mail to the operator into the outbox: the app itself is stalled."""
    incidents.update(incident, remind_at=now + FIRST_REMINDER)
    _put(None, incident, MailKind.FIRE, recipients_of(None), now)


def queue_recovery_mail(shop: Shop | None, incident: Incident, now: datetime) -> None:
    """Put the recovery mail to all who got an earlier one into the outbox, and cancel unsent mails."""
    outbox.cancel(incident)
    if incident.closed_by != "off":
        _put(shop, incident, MailKind.RESOLVE, outbox.notified_addresses(incident), now)
    for other in incidents.open_of(shop) if shop else ():
        if shop and other.suppressed_by == incident.rule:  # no other incident's mail covers it any more
            incidents.update(other, suppressed_by=None)
            queue_first_mail(shop, other, now)


def queue_reminders(now: datetime | None = None) -> int:
    """Put the reminders that are due into the outbox. Returns the number of incidents."""
    now = now or utcnow()
    due = [each for each in incidents.due_reminders(now) if each.rule in RULES]  # another release may declare others
    for incident in due:
        _remind(incident, now)
    return len(due)


def _remind(incident: Incident, now: datetime) -> None:
    shop: Shop | None = incident.shop
    window = shop_rule(incident.rule).reminder_window(shop) if shop else None
    if window and not window.is_open(now):
        incidents.update(incident, remind_at=window.next_open(now))
        return
    number = incident.reminders + 1
    after = now + (DAY if number < DAILY_REMINDERS else WEEK)
    following = window.next_open(after - REMINDER_LEEWAY) if window and number < DAILY_REMINDERS else after
    incidents.update(incident, reminders=number, remind_at=following)
    if not incident.muted:
        _put(shop, incident, MailKind.REMIND, recipients_of(shop), now, number)


def queue_test_mail(shop: Shop) -> list[str]:
    """Put a test mail to each recipient into the outbox. Returns their addresses. Raises TooManyMails."""
    addresses = recipients_of(shop)
    for address in addresses:
        _by_button(shop, MailKind.TEST, address)
    return addresses


def queue_confirmation_mail(shop: Shop, address: str) -> None:
    """Put a confirmation mail for an additional address into the outbox. Raises TooManyMails."""
    _by_button(shop, MailKind.CONFIRM, address)


def _by_button(shop: Shop, kind: MailKind, address: str) -> None:
    """Mails that a button sends are rate limited, so that nobody can send many."""
    if outbox.requested_last_hour(shop) >= MAX_BUTTON_MAILS:
        raise TooManyMails
    outbox.put(shop, kind, address)


def _put(
    shop: Shop | None,
    incident: Incident,
    kind: MailKind,
    addresses: Iterable[str],
    due_at: datetime,
    number: int = 0,
    about: Incident | None = None,
) -> None:
    for address in addresses:
        outbox.put(shop, kind, address, incident=about or incident, number=number, due_at=due_at)
