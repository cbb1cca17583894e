"""Mail over SMTP, against real servers on loopback."""

from __future__ import annotations

import socket
import threading
from email.message import EmailMessage

import pytest

from alerts.smtp import Bounced, MailNotSent, SmtpServer
from tests.support.servers.smtp_servers import certificate, mail_server


def mail(to: str = "anna@example.com") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "app@example.com", to, "Inga ordrar på två timmar"
    message["Message-ID"] = "<one@example.com>"
    message.set_content("Nothing has come since 12:00.")
    return message


@pytest.fixture
def mailbox():
    with mail_server() as server:
        yield server


def test_a_mail_arrives_unchanged(mailbox):
    SmtpServer.of(f"smtp://{mailbox.address}").send(mail())

    (found,) = mailbox.received
    assert (found["Subject"], found["Message-ID"]) == ("Inga ordrar på två timmar", "<one@example.com>")
    assert found.get_content().strip() == "Nothing has come since 12:00."
    assert mailbox.recipients == ["anna@example.com"]


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """A server certificate that this machine trusts."""
    trusted, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    return context


def test_a_password_is_sent_over_an_encrypted_connection(tls):
    with mail_server(tls=tls, login=("app@x", "p@ss/word")) as mailbox:
        SmtpServer.of(f"smtp://app%40x:p%40ss%2Fword@{mailbox.address}").send(mail())

        assert len(mailbox.received) == 1


@pytest.mark.parametrize(
    ("written", "user", "password"),
    [
        ("app@example.com:p@ss:word", "app@example.com", "p@ss:word"),
        ("app:p%2Fs%23s%3Fw%25r%20d", "app", "p/s#s?w%r d"),
        ("j%C3%B6rg:l%C3%B6sen", "jörg", "lösen"),
        ("jörg:lösen", "jörg", "lösen"),
    ],
)
def test_the_server_gets_exactly_the_user_and_password_that_were_meant(tls, written, user, password):
    with mail_server(tls=tls, login=(user, password)) as mailbox:
        SmtpServer.of(f"smtp://{written}@{mailbox.address}").send(mail())

        assert len(mailbox.received) == 1


def test_a_wrong_password_beyond_ascii_may_be_retried(tls):
    with mail_server(tls=tls, login=("app", "rätt")) as mailbox, pytest.raises(MailNotSent, match="535"):
        SmtpServer.of(f"smtp://app:lösen@{mailbox.address}").send(mail())


def test_letters_beyond_ascii_before_the_at_sign_bounce_where_the_server_takes_none():
    with mail_server(smtputf8=False) as mailbox, pytest.raises(Bounced, match="beyond ASCII"):
        SmtpServer.of(f"smtp://{mailbox.address}").send(mail("jörg@example.com"))

    assert not mailbox.received


def test_a_wrong_password_may_be_retried_and_has_the_servers_reply(tls):
    with mail_server(tls=tls, login=("app", "right")) as mailbox, pytest.raises(MailNotSent, match="535"):
        SmtpServer.of(f"smtp://app:wrong@{mailbox.address}").send(mail())


def test_a_connection_may_be_encrypted_from_the_start(tls):
    with mail_server(tls=tls, secure=True) as mailbox:
        SmtpServer.of(f"smtps://{mailbox.address}").send(mail())

        assert len(mailbox.received) == 1


def test_a_server_with_an_untrusted_certificate_gets_no_mail(tmp_path):
    _, context = certificate(tmp_path)

    with mail_server(tls=context) as mailbox, pytest.raises(MailNotSent, match="CERTIFICATE_VERIFY_FAILED"):
        SmtpServer.of(f"smtp://{mailbox.address}").send(mail())

    assert not mailbox.received


def test_a_mail_to_an_unknown_mailbox_bounces(mailbox):
    mailbox.rejected["anna@example.com"] = "550 5.1.1 No such user"

    with pytest.raises(Bounced, match=r"550 5\.1\.1 No such user"):
        SmtpServer.of(f"smtp://{mailbox.address}").send(mail())


@pytest.mark.parametrize("reply", ["450 4.2.1 Mailbox busy", "550 5.7.1 You are on a block list"])
def test_a_busy_mailbox_or_a_policy_rejection_is_no_bounce(mailbox, reply):
    mailbox.rejected["anna@example.com"] = reply

    with pytest.raises(MailNotSent, match=reply[:9]):
        SmtpServer.of(f"smtp://{mailbox.address}").send(mail())


@pytest.mark.parametrize("reply", ["451 4.3.0 Try later", "554 5.6.0 Not such a mail"])
def test_a_mail_that_the_server_rejects_may_be_retried(mailbox, reply):
    mailbox.replies.append(reply)

    with pytest.raises(MailNotSent, match=reply[:3]):
        SmtpServer.of(f"smtp://{mailbox.address}").send(mail())


def test_a_mail_to_an_unavailable_server_may_be_retried():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    with pytest.raises(MailNotSent, match="could not be reached"):
        SmtpServer.of(f"smtp://127.0.0.1:{port}").send(mail())


def test_a_server_that_does_not_answer_times_out():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        with pytest.raises(MailNotSent, match="timed out"):
            SmtpServer("127.0.0.1", port, timeout_seconds=0.2).send(mail())


def test_a_mail_whose_connection_is_closed_midway_may_be_retried():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet_and_leave() -> None:
            with listening.accept()[0] as session:
                session.sendall(b"220 hello\r\n")
                session.recv(100)

        threading.Thread(target=greet_and_leave, daemon=True).start()

        with pytest.raises(MailNotSent):
            SmtpServer.of(f"smtp://127.0.0.1:{listening.getsockname()[1]}").send(mail())


def test_no_password_is_sent_unencrypted_to_another_machine():
    class Session:
        def ehlo(self) -> None: ...
        def has_extn(self, name: str) -> bool:
            return False

    with pytest.raises(MailNotSent, match="no encryption"):
        SmtpServer("mail.example.com", 25, user="app", password="secret")._log_in(Session())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587)),
        ("smtps://u:p@mail.example.com", SmtpServer("mail.example.com", 465, True, "u", "p")),
        ("smtp://mail.example.com:25", SmtpServer("mail.example.com", 25)),
    ],
)
def test_a_url_names_the_server(url, expected):
    assert SmtpServer.of(url) == expected
