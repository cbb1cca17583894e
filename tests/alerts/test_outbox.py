"""Outbox and delivery: each mail reaches its address once, whatever mail servers and workers do."""

from __future__ import annotations

import threading
from datetime import timedelta
from email.message import EmailMessage

import pytest

from alerts import incidents, jobs, outbox, recipients
from alerts.delivery import deliver
from alerts.smtp import SmtpServer
from database import EVERY, connected, db
from models import NOW, Mail, MailKind, MailState, utcnow
from tests.conftest import free_port
from tests.support.incidents import HOUR, NOON, open_incident
from tests.support.servers.processes import printed
from tests.support.servers.smtp_servers import mail_server

ANNA = "anna@example.com"


@pytest.fixture
def mailbox():
    with mail_server() as server:
        yield server


@pytest.fixture
def incident(shop):
    evidence = {"elapsed": 10_800, "period": 180, "window": None, "first": False}
    incidents.start(shop, "order_silence", bad_since=NOON - 3 * HOUR, opened_at=NOON, evidence=evidence)
    return open_incident(shop)


def put(shop, kind=MailKind.TEST, address=ANNA, **fields):
    found = outbox.put(shop, kind, address, **fields)
    assert found
    return found


def no_diagnosis(shop, incident):
    """No diagnosis is made."""


def deliver_to(mailbox, mail_id, diagnose=no_diagnosis):
    deliver(mail_id, diagnose, SmtpServer.of(f"smtp://{mailbox.address}"))


def mail_state(mail_id):
    return MailState(Mail.get_by_id(mail_id).state)


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part
    return str(part.get_content())


def test_a_mail_is_delivered_once(shop, mailbox):
    mail_id = put(shop)

    for _ in range(3):
        deliver_to(mailbox, mail_id)

    (found,) = mailbox.received
    assert (found["To"], found["Subject"]) == (ANNA, "A test of the alerts of demo.myshopify.com")
    assert "This is a test" in text_of(found)
    assert "<p>This is a test" in text_of(found, "html")
    assert mail_state(mail_id) == MailState.SENT


def test_concurrent_workers_send_a_mail_once(shop, mailbox):
    mail_id = put(shop)

    def worker():
        with connected(EVERY):
            deliver_to(mailbox, mail_id)
            db.close()

    threads = [threading.Thread(target=worker) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(mailbox.received) == 1


def test_a_mail_that_is_not_due_yet_is_not_sent(shop, mailbox):
    mail_id = put(shop, due_at=utcnow() + HOUR)

    deliver_to(mailbox, mail_id)

    assert (mailbox.received, mail_state(mail_id)) == ([], MailState.DUE)


def test_a_bounced_recipient_is_marked_and_gets_no_more_mails(shop, mailbox):
    recipients.add(shop, ANNA)
    mailbox.rejected[ANNA] = "550 5.1.1 No such mailbox"
    mail_id = put(shop)

    deliver_to(mailbox, mail_id)

    assert mail_state(mail_id) == MailState.BOUNCED
    (row,) = recipients.of_shop(shop)
    assert (row.receives_alerts, row.bounce) == (False, "550 5.1.1 No such mailbox")


def skip_wait(mail_id):
    """Make a mail due now. Returns how long it would have waited for its next try."""
    row = Mail.get_by_id(mail_id)
    wait = row.due_at - utcnow()
    Mail.update(due_at=NOW).where(Mail.id == mail_id).execute()
    return wait


@pytest.mark.parametrize(
    "reply", ["451 Try again", "452 Full", "421 Going down", "550 5.7.1 Policy", "554 5.7.26 DMARC"]
)
def test_a_temporary_rejection_is_retried_and_delivered_once(shop, mailbox, reply):
    mailbox.replies = [reply] * 2
    mail_id = put(shop)

    waits = []
    for _ in range(2):
        deliver_to(mailbox, mail_id)
        waits.append(skip_wait(mail_id))
    deliver_to(mailbox, mail_id)

    assert [round(wait / timedelta(minutes=1)) for wait in waits] == [1, 5]
    assert (len(mailbox.received), mail_state(mail_id)) == (1, MailState.SENT)


def test_after_six_tries_a_mail_is_given_up_and_its_text_kept(shop, mailbox):
    mailbox.replies = ["451 Try again"] * 6
    mail_id = put(shop)

    waits = []
    while mail_state(mail_id) == MailState.DUE:
        deliver_to(mailbox, mail_id)
        waits.append(round(skip_wait(mail_id) / timedelta(minutes=1)))

    row = Mail.get_by_id(mail_id)
    assert (row.state, row.tries, row.error) == (MailState.GIVEN_UP, 6, "451 Try again")
    assert waits[:5] == [1, 5, 30, 120, 360]
    assert "This is a test" in row.text


def test_an_unavailable_server_uses_up_a_try(shop):
    mail_id = put(shop)

    deliver(mail_id, no_diagnosis, SmtpServer("127.0.0.1", free_port()))

    assert mail_state(mail_id) == MailState.DUE
    assert "could not be reached" in Mail.get_by_id(mail_id).error


def test_a_mail_sent_again_after_a_timeout_has_the_same_message_id(shop, mailbox):
    mailbox.delay_seconds = 1.0
    mail_id = put(shop)
    deliver(mail_id, no_diagnosis, SmtpServer(*_host_and_port(mailbox), timeout_seconds=0.3))

    mailbox.delay_seconds = 0.0
    skip_wait(mail_id)
    deliver_to(mailbox, mail_id)

    first, second = mailbox.received  # the first acknowledgement came too late: delivery is at least once
    assert first["Message-ID"] == second["Message-ID"]
    assert text_of(first) == text_of(second)


def _host_and_port(mailbox):
    host, port = mailbox.address.split(":")
    return host, int(port)


def test_the_mail_of_a_dead_worker_is_sent_after_its_lease(shop, mailbox):
    mail_id = put(shop)
    assert outbox.claim(mail_id, timedelta(minutes=3))

    deliver_to(mailbox, mail_id)
    assert mailbox.received == []
    Mail.update(leased_until=NOW - timedelta(seconds=1)).execute()
    deliver_to(mailbox, mail_id)

    assert len(mailbox.received) == 1


def test_without_a_server_mails_are_kept(shop):
    mail_id = put(shop)

    deliver(mail_id, no_diagnosis, None)

    row = Mail.get_by_id(mail_id)
    assert (row.state, row.subject) == (MailState.KEPT, "A test of the alerts of demo.myshopify.com")


# Threads and unsubscribing


def test_the_mails_of_an_incident_are_one_thread(shop, incident, mailbox):
    for kind, number in ((MailKind.FIRE, 0), (MailKind.REMIND, 1), (MailKind.REMIND, 2), (MailKind.RESOLVE, 0)):
        if kind == MailKind.RESOLVE:
            incidents.close(incident, NOON + HOUR, "recovered")
        deliver_to(mailbox, put(shop, kind, incident=incident, number=number))

    fire, *replies = mailbox.received
    assert {reply["In-Reply-To"] for reply in replies} == {fire["Message-ID"]}
    assert len({message["Message-ID"] for message in mailbox.received}) == 4


def test_only_an_additional_recipient_can_unsubscribe_with_one_click(shop, mailbox):
    recipients.add(shop, ANNA)
    deliver_to(mailbox, put(shop))
    deliver_to(mailbox, put(shop, address=shop.email))

    additional, own = mailbox.received
    assert additional["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = additional["List-Unsubscribe"].strip("<>")
    assert link.startswith("http://testserver/alerts/unsubscribe/")
    assert link in text_of(additional)
    assert own["List-Unsubscribe"] is None


@pytest.mark.parametrize("name", ["Evil\r\nBcc: all@example.com", "Evil\nSubject: other", "<b>Bold</b> & co"])
def test_a_shops_name_cannot_add_headers_or_markup(shop, mailbox, name):
    shop.name = name
    shop.save()

    deliver_to(mailbox, put(shop))

    (found,) = mailbox.received
    assert (found["Bcc"], len(found.get_all("Subject"))) == (None, 1)
    assert mailbox.recipients == [ANNA]
    assert "<b>" not in text_of(found, "html")


@pytest.mark.parametrize("address", ["a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com"])
def test_several_addresses_in_one_reach_no_other_recipient(shop, mailbox, address):
    mail_id = put(shop, address=address)

    deliver_to(mailbox, mail_id)

    assert "b@example.com" not in mailbox.recipients
    assert mail_state(mail_id) != MailState.SENT


# Diagnosis


def test_an_international_domain_is_sent_in_ascii(shop):
    mail_id = put(shop, address="anna@bücher.example")

    with mail_server(smtputf8=False) as mailbox:
        deliver_to(mailbox, mail_id)

    assert mailbox.recipients == ["anna@xn--bcher-kva.example"]
    assert mail_state(mail_id) == MailState.SENT


SEND_ONE = """
import sys; from uuid import UUID; import actors; from actors.mail import send_mail; send_mail.fn(sys.argv[1])
"""


@pytest.mark.parametrize("name", ["Firma, AB", "Firma; AB", "Företaget, AB", '"Firma, AB"', "Firma (SE): AB"])
def test_a_senders_name_never_becomes_its_address(shop, mailbox, name):
    mail_id = put(shop)

    printed("-c", SEND_ONE, str(mail_id), SMTP_URL=f"smtp://{mailbox.address}", MAIL_FROM=f"{name} <a@bücher.example>")

    (found,) = mailbox.received
    assert found["From"].addresses[0].display_name == name.strip('"')
    assert mailbox.senders == ["a@xn--bcher-kva.example"]


def test_an_incident_is_diagnosed_once_before_its_first_mail(shop, incident, mailbox):
    diagnosed = []
    first, second = (put(shop, MailKind.FIRE, address, incident=incident) for address in (ANNA, shop.email))

    def diagnose(shop, incident):
        diagnosed.append(incident.id)
        incidents.update(incident, diagnosis={"cause": "no_orders"})

    deliver_to(mailbox, first, diagnose)
    deliver_to(mailbox, second, diagnose)

    assert diagnosed == [incident.id]
    assert [mail["Subject"] for mail in mailbox.received] == ["No orders in demo.myshopify.com for 3 h"] * 2


def test_a_diagnosis_that_fails_delays_no_mail(shop, incident, mailbox):
    def diagnose(shop, incident):
        raise RuntimeError("The diagnosis is broken.")

    deliver_to(mailbox, put(shop, MailKind.FIRE, incident=incident), diagnose)

    assert "could not be asked" in text_of(mailbox.received[0])


# The scheduler sends what no worker claims


def test_a_mail_that_no_worker_claims_is_sent_by_the_scheduler(shop):
    mail_id = put(shop, due_at=utcnow() - timedelta(minutes=1))
    jobs.deliver_mails()
    assert mail_state(mail_id) == MailState.DUE

    Mail.update(due_at=utcnow() - timedelta(minutes=3)).execute()
    jobs.deliver_mails()

    assert mail_state(mail_id) == MailState.KEPT
