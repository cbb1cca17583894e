"""Outbox of alert mails: recipients, first mails, reminders and recovery mails, in the transaction of their cause."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from alerts.flapping import digest, unstable_since
from alerts.settings import AlertSettings
from config import config
from models import Shop, utcnow
from models.incidents import Incident, Rule
from models.mails import Address, Kind, Mail

HOLD = timedelta(minutes=2)  # an incident that has recovered by then gets no mail
FIRST_REMINDER, DAY, WEEK = timedelta(hours=4), timedelta(days=1), timedelta(days=7)
DAILY = 7  # daily reminders, then one a week
LOOK_BACK = timedelta(days=14)  # for openings of a flapping rule
# Rules whose open incident's mail covers another rule: errors explain silence, and both silence rules report the same.
TOLD_BY: dict[str, tuple[Rule, ...]] = {Rule.SILENCE: (Rule.ERRORS,), Rule.RHYTHM: (Rule.ERRORS, Rule.SILENCE)}
BY_BUTTON = 60  # mails an hour
EARLY = timedelta(hours=4)  # by which a daily reminder may be early, so that it is sent when the window opens


class TooMany(Exception):
    """The rate limit on mails that are sent by buttons is reached."""


def addresses(shop: Shop | None) -> list[str]:
    """The recipients: the shop's own address, and the additional ones that are confirmed and subscribed; each once.

    Without a shop, the operator's.
    """
    if shop is None:
        return [config.operator_email] if config.operator_email else []
    found = [shop.email, *(row.address for row in Address.all_of(shop) if row.told)]
    return list({folded(each): each for each in found if each}.values())


def folded(address: str) -> str:
    """An e-mail address as it is compared: with the domain in lower case."""
    name, at, domain = address.strip().rpartition("@")
    return f"{name}{at}{domain.lower()}"


def opened(shop: Shop, incident: Incident, now: datetime) -> None:
    """Put the first mail about an incident into the outbox; for a flapping rule, a daily digest instead."""
    since = unstable_since(Incident.openings(shop, incident.rule, now - LOOK_BACK), now)
    if since:
        _put(shop, incident, Kind.UNSTABLE, addresses(shop), now, digest(since, now), about=Incident.at(shop, since))
        return
    if covering := next((rule for rule in TOLD_BY.get(incident.rule, ()) if Incident.of(shop, rule)), None):
        incident.change(held_by=covering)
        return
    incident.change(remind_at=now + FIRST_REMINDER)
    _put(shop, incident, Kind.FIRE, addresses(shop), now + HOLD)


def noticed(incident: Incident, now: datetime) -> None:
    """Put the mail to the operator into the outbox: the app itself is stalled."""
    incident.change(remind_at=now + FIRST_REMINDER)
    _put(None, incident, Kind.FIRE, addresses(None), now)


def closed(shop: Shop | None, incident: Incident, now: datetime) -> None:
    """Put the recovery mail to all who got an earlier one into the outbox, and cancel unsent mails."""
    Mail.cancel(incident)
    if incident.closed_by != "off":
        _put(shop, incident, Kind.RESOLVE, Mail.told(incident), now)
    for held in Incident.open_of(shop) if shop else ():
        if shop and held.held_by == incident.rule:  # no other incident's mail covers it any more
            held.change(held_by=None)
            opened(shop, held, now)


def remind(now: datetime | None = None) -> int:
    """Put the reminders that are due into the outbox. Returns the number of incidents."""
    now = now or utcnow()
    due = list(Incident.to_remind(now))
    for incident in due:
        _remind(incident, now)
    return len(due)


def _remind(incident: Incident, now: datetime) -> None:
    shop: Shop | None = incident.shop
    window = AlertSettings.of(shop).silence(shop).window if shop and incident.rule == Rule.SILENCE else None
    if window and not window.holds(now):
        incident.change(remind_at=window.opens(now))
        return
    number = incident.reminders + 1
    after = now + (DAY if number < DAILY else WEEK)
    following = window.opens(after - EARLY) if window and number < DAILY else after
    incident.change(reminders=number, remind_at=following)
    if not incident.quiet:
        _put(shop, incident, Kind.REMIND, addresses(shop), now, number)


def put_test(shop: Shop) -> list[str]:
    """Put a test mail to each recipient into the outbox. Returns their addresses. Raises TooMany."""
    recipients = addresses(shop)
    for address in recipients:
        _by_button(shop, Kind.TEST, address)
    return recipients


def ask_to_confirm(shop: Shop, address: str) -> None:
    """Put a confirmation mail for an additional address into the outbox. Raises TooMany."""
    _by_button(shop, Kind.CONFIRM, address)


def _by_button(shop: Shop, kind: Kind, address: str) -> None:
    """Mails that a button sends are rate limited, so that nobody can send many."""
    if Mail.asked_for(shop) >= BY_BUTTON:
        raise TooMany
    Mail.put(shop, kind, address)


def _put(
    shop: Shop | None,
    incident: Incident,
    kind: Kind,
    recipients: Iterable[str],
    due_at: datetime,
    number: int = 0,
    about: Incident | None = None,
) -> None:
    for address in recipients:
        Mail.put(shop, kind, address, incident=about or incident, number=number, due_at=due_at)
