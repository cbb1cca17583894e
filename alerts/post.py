"""The outbox's other end: one mail is claimed, written, sent, and written down.

A worker that dies between the server's yes and our note sends it once more when its lease has ended: at least once, and
with the same Message-ID. Nothing else is sent twice, and nothing is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, parseaddr
from hashlib import sha256
from uuid import UUID

from alerts.letters import letter_of, unsubscribe_url, with_token
from alerts.smtp import Bounced, NotSent, Smtp
from config import config
from models import Shop
from models.incidents import Incident
from models.mails import Address, Fate, Kind, Mail

LEASE = timedelta(minutes=3)  # the look takes ten seconds at most, the server's answers fifteen each

log = logging.getLogger("alerts")


def deliver(mail_id: UUID, explain: Callable[[Shop, Incident], None], server: Smtp | None) -> None:
    """Send one mail, if it is due and nobody else has it. `explain` finds out why, before an alert's first mail.

    Without a server it is kept, to be read on the page.
    """
    mail = Mail.claim(mail_id, LEASE)
    if mail is None:
        return
    shop: Shop | None = mail.shop
    if mail.text is None:
        _write(mail, shop, explain)
    if server is None:
        mail.end(Fate.KEPT)
        return
    try:
        server.send(message_of(mail, shop))
    except Bounced as error:
        mail.end(Fate.BOUNCED, str(error))
        if shop:
            Address.bounced(shop, mail.address, str(error))
    except NotSent as error:
        log.warning("Mail %s was not sent: %s", mail.id, error)
        mail.later(str(error))
    else:
        mail.end(Fate.SENT)


def _write(mail: Mail, shop: Shop | None, explain: Callable[[Shop, Incident], None]) -> None:
    incident = Incident.get_or_none(Incident.id == mail.incident_id) if mail.incident_id else None
    if shop and incident and mail.kind == Kind.FIRE and incident.cause is None:
        _look(shop, incident, explain)
    letter = letter_of(mail, shop, incident)
    mail.write(letter.subject, letter.text, letter.html)


def _look(shop: Shop, incident: Incident, explain: Callable[[Shop, Incident], None]) -> None:
    """A mail goes out whatever becomes of the look."""
    try:
        explain(shop, incident)
    except Exception:
        log.exception("Why incident %s began could not be found out.", incident.id)


def message_of(mail: Mail, shop: Shop | None) -> EmailMessage:
    """As it goes out: to one address, in its thread, with a way to leave where there is one. Raises Bounced."""
    message = EmailMessage()
    message["From"], message["To"] = config.mail_from, _one(mail.address)
    message["Subject"], message["Date"] = mail.subject, format_datetime(mail.created_at)
    message["Message-ID"] = _number(mail, mail.kind, mail.number)
    if mail.incident_id and mail.kind in (Kind.REMIND, Kind.RESOLVE):
        message["In-Reply-To"] = message["References"] = _number(mail, Kind.FIRE, 0)
    message["Auto-Submitted"] = "auto-generated"
    if shop and (leave := unsubscribe_url(shop, mail.address)):
        leave = with_token(leave, shop, mail.address)
        message["List-Unsubscribe"], message["List-Unsubscribe-Post"] = f"<{leave}>", "List-Unsubscribe=One-Click"
    text, html = (with_token(words or "", shop, mail.address) if shop else words for words in (mail.text, mail.html))
    message.set_content(text or "")
    message.add_alternative(html or "", subtype="html")
    return message


def _one(address: str) -> str:
    """What is more than one address, or has a line break, is none. Raises Bounced."""
    if [found for _, found in getaddresses([address])] != [address] or not address.isprintable():
        raise Bounced(f"{address!r} is not one address.")
    return address


def _number(mail: Mail, kind: str, number: int) -> str:
    """The same for the same mail at each try, and derived from its incident: so a reply finds what it replies to."""
    whom = sha256(mail.address.encode()).hexdigest()[:12]
    host = parseaddr(config.mail_from)[1].rpartition("@")[2]
    return f"<{mail.incident_id or mail.id}.{kind}.{number}.{whom}@{host}>"
