"""SMTP client: sends one mail to one recipient at a time."""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage

from addresses import parse_mail_server

TIMEOUT_SECONDS = 15.0  # for each response of the server
LOGGED_IN = 235
POLICY_STATUS = "5.7."  # RFC 3463: security or policy status
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class MailNotSent(Exception):
    """The mail was not sent and may be retried. `str()` has the reason, with the server's reply if there is one."""


class Bounced(Exception):
    """The server rejects mails to this address for good. `str()` has its reason."""


@dataclass(frozen=True)
class SmtpServer:
    """A mail server, from `SMTP_URL`."""

    host: str
    port: int
    secure: bool = False
    user: str = ""
    password: str = ""
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def of(cls, url: str) -> SmtpServer:
        """From `smtp://user:password@host:port` (STARTTLS if it is offered) or `smtps://` (TLS from the start)."""
        return cls(*parse_mail_server(url))

    def send(self, message: EmailMessage) -> None:
        """Send the message to the one address in `To`. Raises MailNotSent or Bounced.

        If the connection ends after the message was sent and before it was acknowledged, that is MailNotSent: the retry
        has the same Message-ID.
        """
        with self._session() as session:
            try:
                session.send_message(message)
            except smtplib.SMTPRecipientsRefused as error:
                ((code, reply),) = error.recipients.values()
                raise _refused(code, _text(reply)) from error
            except smtplib.SMTPNotSupportedError as error:
                raise Bounced(f"The mail server {self.host} takes no letters beyond ASCII before an @.") from error
            except smtplib.SMTPResponseException as error:
                raise MailNotSent(f"{error.smtp_code} {_text(error.smtp_error)}") from error

    def log_in(self) -> None:
        """Connect and log in as for a mail, and send none. Raises MailNotSent."""
        with self._session():
            pass

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        try:
            session = self._connected()
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent(f"The mail server {self.host} could not be reached: {error}") from error
        try:
            self._log_in(session)
            yield session
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent(f"The mail server {self.host} did not take the mail: {error}") from error
        finally:
            _quit(session)

    def _connected(self) -> smtplib.SMTP:
        if self.secure:
            return smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_seconds, context=ssl.create_default_context()
            )
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout_seconds)

    def _log_in(self, session: smtplib.SMTP) -> None:
        session.ehlo()
        if not self.secure and session.has_extn("starttls"):
            session.starttls(context=ssl.create_default_context())
            session.ehlo()
        elif not self.secure and self.user and self.host not in LOOPBACK:
            raise MailNotSent(f"The mail server {self.host} offers no encryption; the password was not sent.")
        if not self.user:
            return
        if (self.user + self.password).isascii():
            session.login(self.user, self.password)
        else:
            _log_in_with_utf8(session, self.user, self.password)


def _log_in_with_utf8(session: smtplib.SMTP, user: str, password: str) -> None:
    """SASL PLAIN, whose text is UTF-8 (RFC 4616). smtplib takes ASCII alone."""
    sent = b64encode(f"\0{user}\0{password}".encode()).decode()
    code, reply = session.docmd("AUTH", f"PLAIN {sent}")
    if code != LOGGED_IN:
        raise smtplib.SMTPAuthenticationError(code, reply)


def _refused(code: int, reply: str) -> MailNotSent | Bounced:
    """5xx is final, unless it is about a policy, which does not concern the address."""
    final = 500 <= code < 600 and not reply.startswith(POLICY_STATUS)
    return Bounced(f"{code} {reply}") if final else MailNotSent(f"{code} {reply}")


def _text(reply: bytes | str) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply


def _quit(session: smtplib.SMTP) -> None:
    try:
        session.quit()
    except (OSError, smtplib.SMTPException):
        session.close()
