"""The outbox of alert mails: put mails in, claim those that are due, record the outcome of each.

A mail is a row, written in the transaction of what it reports: none is lost, and none is sent without a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from peewee import JOIN, Expression

from models import NOW, Incident, Mail, MailKind, MailState, Shop, utcnow

RETRY_WAITS = [
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
]


def put(shop: Shop | None, kind: MailKind, address: str, **fields: Any) -> UUID | None:
    """Put a mail into the outbox, in the caller's transaction. None: the address was sent the same mail before."""
    row = Mail(shop=shop, kind=kind, address=address, **fields)
    return row.id if Mail.insert(**row.__data__).on_conflict_ignore().execute() else None


def due(limit: int, late: timedelta = timedelta(0)) -> list[UUID]:
    """Up to `limit` mails that are not claimed and have been due for `late` or longer, the oldest first."""
    found = Mail.select(Mail.id).where(Mail.state == MailState.DUE, Mail.due_at <= NOW - late, _free())
    return [row.id for row in found.order_by(Mail.due_at).limit(limit)]


def claim(mail_id: UUID, lease: timedelta) -> Mail | None:
    """Claim a due mail for this worker until the lease ends. None: another has claimed it, or it has ended."""
    claimable = (Mail.id == mail_id) & (Mail.state == MailState.DUE) & (Mail.due_at <= NOW) & _free()
    claimed = Mail.update(leased_until=NOW + lease, tries=Mail.tries + 1).where(claimable).execute()
    return Mail.select(Mail, Shop).join(Shop, JOIN.LEFT_OUTER).where(Mail.id == mail_id).get() if claimed else None


def end(mail: Mail, state: MailState, error: str | None = None) -> None:
    """Record the final state of a mail and release it."""
    _update(mail, state=state, error=error, leased_until=None, ended_at=utcnow())


def retry_later(mail: Mail, error: str) -> None:
    """Schedule the next try, with growing waits. After six tries in all, give the mail up."""
    if mail.tries > len(RETRY_WAITS):
        end(mail, MailState.GIVEN_UP, error)
    else:
        _update(mail, due_at=utcnow() + RETRY_WAITS[mail.tries - 1], error=error, leased_until=None)


def set_content(mail: Mail, subject: str, text: str, html: str) -> None:
    """Store the content of a mail: every try sends the same."""
    _update(mail, subject=subject, text=text, html=html)


def notified_addresses(incident: Incident) -> list[str]:
    """The addresses that got the first mail about an incident."""
    sent = (Mail.incident == incident) & (Mail.kind == MailKind.FIRE) & Mail.state.in_([MailState.SENT, MailState.KEPT])
    return [row.address for row in Mail.select(Mail.address).where(sent).order_by(Mail.id)]


def newest(shop: Shop, limit: int) -> list[Mail]:
    """The shop's newest mails."""
    return list(Mail.select().where(Mail.shop == shop).order_by(Mail.id.desc()).limit(limit))


def by_incident(shop: Shop, incidents: Iterable[Incident]) -> dict[UUID, list[Mail]]:
    """The mails about each of these incidents, oldest first."""
    found: dict[UUID, list[Mail]] = {each.id: [] for each in incidents}
    about_them = (Mail.shop == shop) & Mail.incident.in_(list(found))
    for row in Mail.select().where(about_them).order_by(Mail.id) if found else []:
        found[row.incident_id].append(row)
    return found


def find_mail(shop: Shop, mail_id: UUID) -> Mail | None:
    """Find a mail of the shop by its id."""
    return Mail.get_or_none((Mail.id == mail_id) & (Mail.shop == shop))


def requested_last_hour(shop: Shop) -> int:
    """The number of mails that were requested by a button within the last hour."""
    by_button = Mail.kind.in_([MailKind.TEST, MailKind.CONFIRM])
    return Mail.select().where(Mail.shop == shop, by_button, Mail.created_at > NOW - timedelta(hours=1)).count()


def cancel(incident: Incident) -> int:
    """Cancel the mails about an incident that no worker has tried to send yet. Returns their number."""
    unsent = (Mail.incident == incident) & (Mail.state == MailState.DUE) & (Mail.tries == 0)
    return int(Mail.update(state=MailState.CANCELLED, ended_at=NOW).where(unsent).execute())


def _free() -> Expression:
    return Mail.leased_until.is_null() | (Mail.leased_until < NOW)


def _update(mail: Mail, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(mail, name, value)
    Mail.update(**fields).where(Mail.id == mail.id).execute()
