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
def box():
    with mail_server() as server:
        yield server


def test_a_mail_arrives_as_it_was_written(box):
    SmtpServer.of(f"smtp://{box.address}").send(mail())

    (found,) = box.received
    assert (found["Subject"], found["Message-ID"]) == ("Inga ordrar på två timmar", "<one@example.com>")
    assert found.get_content().strip() == "Nothing has come since 12:00."
    assert box.recipients == ["anna@example.com"]


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """A server's certificate that this machine trusts."""
    trusted, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    return context


def test_a_server_that_asks_for_a_password_gets_it_over_an_encrypted_line(tls):
    with mail_server(tls=tls, login=("app@x", "p@ss/word")) as box:
        SmtpServer.of(f"smtp://app%40x:p%40ss%2Fword@{box.address}").send(mail())

        assert len(box.received) == 1


def test_a_wrong_password_is_for_later_and_says_what_the_server_said(tls):
    with mail_server(tls=tls, login=("app", "right")) as box, pytest.raises(MailNotSent, match="535"):
        SmtpServer.of(f"smtp://app:wrong@{box.address}").send(mail())


def test_a_line_may_be_encrypted_from_the_start(tls):
    with mail_server(tls=tls, secure=True) as box:
        SmtpServer.of(f"smtps://{box.address}").send(mail())

        assert len(box.received) == 1


def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path):
    _, context = certificate(tmp_path)

    with mail_server(tls=context) as box, pytest.raises(MailNotSent, match="CERTIFICATE_VERIFY_FAILED"):
        SmtpServer.of(f"smtp://{box.address}").send(mail())

    assert not box.received


def test_an_address_that_there_is_not_bounces(box):
    box.refused["anna@example.com"] = "550 5.1.1 No such user"

    with pytest.raises(Bounced, match=r"550 5\.1\.1 No such user"):
        SmtpServer.of(f"smtp://{box.address}").send(mail())


@pytest.mark.parametrize("answer", ["450 4.2.1 Mailbox busy", "550 5.7.1 You are on a block list"])
def test_a_busy_mailbox_and_a_policy_say_nothing_about_the_address(box, answer):
    box.refused["anna@example.com"] = answer

    with pytest.raises(MailNotSent, match=answer[:9]):
        SmtpServer.of(f"smtp://{box.address}").send(mail())


@pytest.mark.parametrize("answer", ["451 4.3.0 Try later", "554 5.6.0 Not such a mail"])
def test_a_mail_that_the_server_does_not_take_is_for_later(box, answer):
    box.answers.append(answer)

    with pytest.raises(MailNotSent, match=answer[:3]):
        SmtpServer.of(f"smtp://{box.address}").send(mail())


def test_a_server_that_is_away_is_for_later():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    with pytest.raises(MailNotSent, match="could not be reached"):
        SmtpServer.of(f"smtp://127.0.0.1:{port}").send(mail())


def test_a_server_that_is_silent_is_not_waited_for_long():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        with pytest.raises(MailNotSent, match="timed out"):
            SmtpServer("127.0.0.1", port, seconds=0.2).send(mail())


def test_a_server_that_hangs_up_in_the_middle_is_for_later():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet_and_leave() -> None:
            with listening.accept()[0] as session:
                session.sendall(b"220 hello\r\n")
                session.recv(100)

        threading.Thread(target=greet_and_leave, daemon=True).start()

        with pytest.raises(MailNotSent):
            SmtpServer.of(f"smtp://127.0.0.1:{listening.getsockname()[1]}").send(mail())


def test_a_password_goes_over_no_open_line_to_another_machine():
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
def test_an_address_names_the_server(url, expected):
    assert SmtpServer.of(url) == expected
