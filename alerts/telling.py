"""Who is told what of an incident, and when: rows of the outbox, written in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from alerts.flapping import digest, unstable_since
from alerts.settings import AlertSettings
from config import config
from models import Shop, utcnow
from models.incidents import Incident, Rule
from models.mails import Address, Kind, Mail

HOLD = timedelta(minutes=2)  # what is over by then was not worth a mail
FIRST_REMINDER, DAY, WEEK = timedelta(hours=4), timedelta(days=1), timedelta(days=7)
DAILY = 7  # reminders, then one a week
LOOK_BACK = timedelta(days=14)  # for openings of an unstable rule
# One mail tells of both: what fails explains what is silent, and silence is silence by whatever rule.
TOLD_BY: dict[str, tuple[Rule, ...]] = {Rule.SILENCE: (Rule.ERRORS,), Rule.RHYTHM: (Rule.ERRORS, Rule.SILENCE)}
BY_BUTTON = 60  # mails an hour
EARLY = timedelta(hours=4)  # than a day later, so that a daily reminder may come when the window opens


class TooMany(Exception):
    """So many mails have been sent by buttons that the next must wait."""


def addresses(shop: Shop | None) -> list[str]:
    """The shop's own, always, and the additional ones that have confirmed and not left; each once.

    Of what is nobody's shop, the operator's.
    """
    if shop is None:
        return [config.operator_email] if config.operator_email else []
    found = [shop.email, *(row.address for row in Address.all_of(shop) if row.told)]
    return list({folded(each): each for each in found if each}.values())


def folded(address: str) -> str:
    """An address as it is compared: domains are the same in capitals."""
    name, at, domain = address.strip().rpartition("@")
    return f"{name}{at}{domain.lower()}"


def opened(shop: Shop, incident: Incident, now: datetime) -> None:
    """Tell that it has begun; or, of a rule that opens again and again, once a day that it does."""
    since = unstable_since(Incident.openings(shop, incident.rule, now - LOOK_BACK), now)
    if since:
        _put(shop, incident, Kind.UNSTABLE, addresses(shop), now, digest(since, now), about=Incident.at(shop, since))
        return
    if told := next((rule for rule in TOLD_BY.get(incident.rule, ()) if Incident.of(shop, rule)), None):
        incident.change(held_by=told)
        return
    incident.change(remind_at=now + FIRST_REMINDER)
    _put(shop, incident, Kind.FIRE, addresses(shop), now + HOLD)


def noticed(incident: Incident, now: datetime) -> None:
    """Tell the operator that the app itself stands still."""
    incident.change(remind_at=now + FIRST_REMINDER)
    _put(None, incident, Kind.FIRE, addresses(None), now)


def closed(shop: Shop | None, incident: Incident, now: datetime) -> None:
    """Tell those who were told. What nobody was sent yet is taken back."""
    Mail.cancel(incident)
    if incident.closed_by != "off":
        _put(shop, incident, Kind.RESOLVE, Mail.told(incident), now)
    for held in Incident.open_of(shop) if shop else ():
        if shop and held.held_by == incident.rule:  # it is told by nothing any more
            held.change(held_by=None)
            opened(shop, held, now)


def remind(now: datetime | None = None) -> int:
    """Put the reminders that are due into the outbox. Returns how many incidents that were."""
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
    """A mail to everybody who would be told. Returns their addresses. Raises TooMany."""
    told = addresses(shop)
    for address in told:
        _by_button(shop, Kind.TEST, address)
    return told


def ask_to_confirm(shop: Shop, address: str) -> None:
    """A mail with the link by which an additional address confirms. Raises TooMany."""
    _by_button(shop, Kind.CONFIRM, address)


def _by_button(shop: Shop, kind: Kind, address: str) -> None:
    """What can be sent by pressing a button must not become a way to send many."""
    if Mail.asked_for(shop) >= BY_BUTTON:
        raise TooMany
    Mail.put(shop, kind, address)


def _put(
    shop: Shop | None,
    incident: Incident,
    kind: Kind,
    told: Iterable[str],
    due_at: datetime,
    number: int = 0,
    about: Incident | None = None,
) -> None:
    for address in told:
        Mail.put(shop, kind, address, incident=about or incident, number=number, due_at=due_at)
