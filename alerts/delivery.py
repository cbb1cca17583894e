"""Delivery of mails from the outbox: claim one, write its body, send it, record the outcome.

If a worker dies after the server accepted a mail and before that is recorded, the mail is sent again when the lease has
ended: delivery is at least once, with the same Message-ID. Nothing else is sent twice, and nothing is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, parseaddr
from hashlib import sha256
from uuid import UUID

from addresses import ascii_domain
from alerts import outbox, recipients
from alerts.mail import fill_token, mail_body, unsubscribe_url
from alerts.smtp import Bounced, MailNotSent, SmtpServer
from config import config
from models import Incident, Mail, MailKind, MailState, Shop
from shutdown import SHUTDOWN

LEASE = timedelta(minutes=3)  # the diagnosis takes ten seconds at most, each of the server's responses fifteen

log = logging.getLogger("alerts")


def deliver(mail_id: UUID, diagnose: Callable[[Shop, Incident], None], server: SmtpServer | None) -> None:
    """Send one mail, if it is due and not claimed by another worker. `diagnose` is called before a first mail.

    Without a server the mail is kept, to be read on the page.
    """
    with SHUTDOWN.postponed():
        if mail := outbox.claim(mail_id, LEASE):
            _deliver(mail, diagnose, server)


def _deliver(mail: Mail, diagnose: Callable[[Shop, Incident], None], server: SmtpServer | None) -> None:
    shop: Shop | None = mail.shop
    if mail.text is None:
        _write(mail, shop, diagnose)
    if server is None:
        outbox.end(mail, MailState.KEPT)
        return
    try:
        server.send(email_message(mail, shop))
    except Bounced as error:
        outbox.end(mail, MailState.BOUNCED, str(error))
        if shop:
            recipients.mark_bounced(shop, mail.address, str(error))
    except MailNotSent as error:
        log.warning("Mail %s was not sent: %s", mail.id, error)
        outbox.retry_later(mail, str(error))
    else:
        outbox.end(mail, MailState.SENT)


def _write(mail: Mail, shop: Shop | None, diagnose: Callable[[Shop, Incident], None]) -> None:
    incident = Incident.get_or_none(Incident.id == mail.incident_id) if mail.incident_id else None
    if shop and incident and mail.kind == MailKind.FIRE and incident.diagnosis is None:
        _try_to_diagnose(shop, incident, diagnose)
    body = mail_body(mail, shop, incident)
    outbox.set_content(mail, body.subject, body.text, body.html)


def _try_to_diagnose(shop: Shop, incident: Incident, diagnose: Callable[[Shop, Incident], None]) -> None:
    """The mail is sent even if the diagnosis fails."""
    try:
        diagnose(shop, incident)
    except Exception:
        log.exception("The diagnosis of incident %s failed.", incident.id)


def email_message(mail: Mail, shop: Shop | None) -> EmailMessage:
    """The message as sent: to one recipient, in its thread, with List-Unsubscribe if it may. Raises Bounced."""
    message = EmailMessage()
    message["From"], message["To"] = config.mail_from, _single(mail.address)
    message["Subject"], message["Date"] = mail.subject, format_datetime(mail.created_at)
    message["Message-ID"] = _message_id(mail, mail.kind, mail.number)
    if mail.incident_id and mail.kind in (MailKind.REMIND, MailKind.RESOLVE):
        message["In-Reply-To"] = message["References"] = _message_id(mail, MailKind.FIRE, 0)
    message["Auto-Submitted"] = "auto-generated"
    if shop and (url := unsubscribe_url(shop, mail.address)):
        url = fill_token(url, shop, mail.address)
        message["List-Unsubscribe"], message["List-Unsubscribe-Post"] = f"<{url}>", "List-Unsubscribe=One-Click"
    text, html = (fill_token(body or "", shop, mail.address) if shop else body for body in (mail.text, mail.html))
    message.set_content(text or "")
    message.add_alternative(html or "", subtype="html")
    return message


def _single(address: str) -> str:
    """The address with its domain in ASCII, if it is a single one without line breaks. Raises Bounced."""
    if [found for _, found in getaddresses([address])] != [address] or not address.isprintable():
        raise Bounced(f"{address!r} is not one address.")
    try:
        return ascii_domain(address)
    except ValueError:
        raise Bounced(f"{address!r} has no valid domain.") from None


def _message_id(mail: Mail, kind: str, number: int) -> str:
    """The same at each attempt, and derived from the incident, so that later mails can refer to the first one."""
    recipient = sha256(mail.address.encode()).hexdigest()[:12]
    host = parseaddr(config.mail_from)[1].rpartition("@")[2]
    return f"<{mail.incident_id or mail.id}.{kind}.{number}.{recipient}@{host}>"
