"""alerts.outbox."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from peewee import JOIN

from models import NOW, Incident, Mail, MailKind, MailState, Shop, utcnow

RETRY_WAITS = [
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
]


def put(shop: Shop | None, kind: MailKind, address: str, **fields: Any) -> UUID | None:
    """Into the outbox, in the caller's transaction. None: this address was told this before."""
    row = Mail(shop=shop, kind=kind, address=address, **fields)
    return row.id if Mail.insert(**row.__data__).on_conflict_ignore().execute() else None


def due(most: int, late: timedelta = timedelta(0)) -> list[UUID]:
    """Mails whose time came so long ago, and that no worker has."""
    free = Mail.leased_until.is_null() | (Mail.leased_until < NOW)
    found = Mail.select(Mail.id).where(Mail.state == MailState.DUE, Mail.due_at <= NOW - late, free)
    return [row.id for row in found.order_by(Mail.due_at).limit(most)]


def claim(mail_id: UUID, lease: timedelta) -> Mail | None:
    """The mail, for this worker alone until the lease ends. None: another has it, or it is through."""
    free = Mail.leased_until.is_null() | (Mail.leased_until < NOW)
    mine = (Mail.id == mail_id) & (Mail.state == MailState.DUE) & (Mail.due_at <= NOW) & free
    taken = Mail.update(leased_until=NOW + lease, tries=Mail.tries + 1).where(mine).execute()
    return Mail.select(Mail, Shop).join(Shop, JOIN.LEFT_OUTER).where(Mail.id == mail_id).get() if taken else None


def end(mail: Mail, state: MailState, error: str | None = None) -> None:
    """It is through."""
    _update(mail, state=state, error=error, leased_until=None, ended_at=utcnow())


def retry_later(mail: Mail, error: str) -> None:
    """Try again after a while, six times in all; then give up."""
    if mail.tries > len(RETRY_WAITS):
        end(mail, MailState.GIVEN_UP, error)
    else:
        _update(mail, due_at=utcnow() + RETRY_WAITS[mail.tries - 1], error=error, leased_until=None)


def set_content(mail: Mail, subject: str, text: str, html: str) -> None:
    """Its words, which stay."""
    _update(mail, subject=subject, text=text, html=html)


def _update(mail: Mail, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(mail, name, value)
    Mail.update(**fields).where(Mail.id == mail.id).execute()


def notified_addresses(incident: Incident) -> list[str]:
    """The addresses to which it was told that the incident began."""
    sent = (Mail.incident == incident) & (Mail.kind == MailKind.FIRE) & Mail.state.in_([MailState.SENT, MailState.KEPT])
    return [row.address for row in Mail.select(Mail.address).where(sent).order_by(Mail.id)]


def newest(shop: Shop, limit: int) -> list[Mail]:
    """The shop's newest mails."""
    return list(Mail.select().where(Mail.shop == shop).order_by(Mail.id.desc()).limit(limit))


def by_incident(shop: Shop, incidents: Iterable[Incident]) -> dict[UUID, list[Mail]]:
    """The mails about each of these incidents, oldest first."""
    found: dict[UUID, list[Mail]] = {each.id: [] for each in incidents}
    mine = (Mail.shop == shop) & Mail.incident.in_(list(found))
    for row in Mail.select().where(mine).order_by(Mail.id) if found else []:
        found[row.incident_id].append(row)
    return found


def find_mail(shop: Shop, mail_id: UUID) -> Mail | None:
    return Mail.get_or_none((Mail.id == mail_id) & (Mail.shop == shop))


def requested_last_hour(shop: Shop) -> int:
    """How many mails somebody has had sent by a button within the last hour."""
    by_button = Mail.kind.in_([MailKind.TEST, MailKind.CONFIRM])
    return Mail.select().where(Mail.shop == shop, by_button, Mail.created_at > NOW - timedelta(hours=1)).count()


def cancel(incident: Incident) -> int:
    """Take back what is not sent yet about an incident. Returns how many mails that were."""
    waiting = (Mail.incident == incident) & (Mail.state == MailState.DUE) & (Mail.tries == 0)
    return int(Mail.update(state=MailState.CANCELLED, ended_at=NOW).where(waiting).execute())
