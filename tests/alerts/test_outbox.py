"""The outbox: each mail reaches its one address once, whatever servers and workers do."""

from __future__ import annotations

import threading
from datetime import timedelta
from email.message import EmailMessage

import pytest

from alerts import incidents, jobs, outbox, recipients
from alerts.delivery import deliver
from alerts.smtp import SmtpServer
from database import EVERY, connected, db
from models import NOW, Mail, MailKind, MailState, Rule, utcnow
from tests.conftest import free_port
from tests.support.incidents import HOUR, NOON, the_incident
from tests.support.smtp_servers import mail_server

ANNA = "anna@example.com"


@pytest.fixture
def box():
    with mail_server() as server:
        yield server


@pytest.fixture
def incident(shop):
    evidence = {"elapsed": 10_800, "period": 180, "window": None, "first": False}
    incidents.start(shop, Rule.SILENCE, bad_since=NOON - 3 * HOUR, opened_at=NOON, evidence=evidence)
    return the_incident(shop)


def put(shop, kind=MailKind.TEST, address=ANNA, **fields):
    found = outbox.put(shop, kind, address, **fields)
    assert found
    return found


def unexplained(shop, incident):
    """Nobody looks why."""


def deliver_to(box, mail_id, explain=unexplained):
    deliver(mail_id, explain, SmtpServer.of(f"smtp://{box.address}"))


def fate(mail_id):
    return MailState(Mail.get_by_id(mail_id).state)


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part
    return str(part.get_content())


def test_a_mail_arrives_once_and_is_through(shop, box):
    mail_id = put(shop)

    for _ in range(3):
        deliver_to(box, mail_id)

    (found,) = box.received
    assert (found["To"], found["Subject"]) == (ANNA, "A test of the alerts of demo.myshopify.com")
    assert "This is a test" in text_of(found)
    assert "<p>This is a test" in text_of(found, "html")
    assert fate(mail_id) == MailState.SENT


def test_workers_that_are_rung_for_the_same_mail_send_it_once(shop, box):
    mail_id = put(shop)

    def worker():
        with connected(EVERY):
            deliver_to(box, mail_id)
            db.close()

    threads = [threading.Thread(target=worker) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(box.received) == 1


def test_a_mail_whose_time_has_not_come_waits(shop, box):
    mail_id = put(shop, due_at=utcnow() + HOUR)

    deliver_to(box, mail_id)

    assert (box.received, fate(mail_id)) == ([], MailState.DUE)


def test_a_refused_address_is_marked_and_told_no_more(shop, box):
    recipients.add(shop, ANNA)
    box.refused[ANNA] = "550 5.1.1 No such mailbox"
    mail_id = put(shop)

    deliver_to(box, mail_id)

    assert fate(mail_id) == MailState.BOUNCED
    (row,) = recipients.of_shop(shop)
    assert (row.receives_alerts, row.bounce) == (False, "550 5.1.1 No such mailbox")


def later(mail_id):
    """How long until the mail is tried again; then it is time."""
    row = Mail.get_by_id(mail_id)
    wait = row.due_at - utcnow()
    Mail.update(due_at=NOW).where(Mail.id == mail_id).execute()
    return wait


@pytest.mark.parametrize(
    "answer", ["451 Try again", "452 Full", "421 Going down", "550 5.7.1 Policy", "554 5.7.26 DMARC"]
)
def test_what_may_pass_is_tried_again_and_arrives_once(shop, box, answer):
    box.answers = [answer] * 2
    mail_id = put(shop)

    waits = []
    for _ in range(2):
        deliver_to(box, mail_id)
        waits.append(later(mail_id))
    deliver_to(box, mail_id)

    assert [round(wait / timedelta(minutes=1)) for wait in waits] == [1, 5]
    assert (len(box.received), fate(mail_id)) == (1, MailState.SENT)


def test_after_six_tries_it_is_given_up_and_its_words_are_kept(shop, box):
    box.answers = ["451 Try again"] * 6
    mail_id = put(shop)

    waits = []
    while fate(mail_id) == MailState.DUE:
        deliver_to(box, mail_id)
        waits.append(round(later(mail_id) / timedelta(minutes=1)))

    row = Mail.get_by_id(mail_id)
    assert (row.state, row.tries, row.error) == (MailState.GIVEN_UP, 6, "451 Try again")
    assert waits[:5] == [1, 5, 30, 120, 360]
    assert "This is a test" in row.text


def test_a_server_that_is_away_costs_a_try(shop):
    mail_id = put(shop)

    deliver(mail_id, unexplained, SmtpServer("127.0.0.1", free_port()))

    assert fate(mail_id) == MailState.DUE
    assert "could not be reached" in Mail.get_by_id(mail_id).error


def test_a_slow_answer_is_no_second_mail(shop, box):
    box.slow_seconds = 1.0
    mail_id = put(shop)
    deliver(mail_id, unexplained, SmtpServer(*_place(box), seconds=0.3))

    box.slow_seconds = 0.0
    later(mail_id)
    deliver_to(box, mail_id)

    first, second = box.received  # the first one's yes came too late: at least once
    assert first["Message-ID"] == second["Message-ID"]
    assert text_of(first) == text_of(second)


def _place(box):
    host, port = box.address.split(":")
    return host, int(port)


def test_a_worker_that_dies_with_a_mail_gives_it_back_after_its_lease(shop, box):
    mail_id = put(shop)
    assert outbox.claim(mail_id, timedelta(minutes=3))

    deliver_to(box, mail_id)
    assert box.received == []
    Mail.update(leased_until=NOW - timedelta(seconds=1)).execute()
    deliver_to(box, mail_id)

    assert len(box.received) == 1


def test_without_a_server_mails_are_kept(shop):
    mail_id = put(shop)

    deliver(mail_id, unexplained, None)

    row = Mail.get_by_id(mail_id)
    assert (row.state, row.subject) == (MailState.KEPT, "A test of the alerts of demo.myshopify.com")


# Threads, and a way to leave


def test_the_mails_of_an_incident_are_one_thread(shop, incident, box):
    for kind, number in ((MailKind.FIRE, 0), (MailKind.REMIND, 1), (MailKind.REMIND, 2), (MailKind.RESOLVE, 0)):
        if kind == MailKind.RESOLVE:
            incidents.close(incident, NOON + HOUR, "recovered")
        deliver_to(box, put(shop, kind, incident=incident, number=number))

    fire, *replies = box.received
    assert {reply["In-Reply-To"] for reply in replies} == {fire["Message-ID"]}
    assert len({message["Message-ID"] for message in box.received}) == 4


def test_an_additional_address_may_leave_with_one_click_and_the_shops_own_may_not(shop, box):
    recipients.add(shop, ANNA)
    deliver_to(box, put(shop))
    deliver_to(box, put(shop, address=shop.email))

    hers, own = box.received
    assert hers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = hers["List-Unsubscribe"].strip("<>")
    assert link.startswith("http://testserver/alerts/unsubscribe/")
    assert link in text_of(hers)
    assert own["List-Unsubscribe"] is None


@pytest.mark.parametrize("name", ["Evil\r\nBcc: all@example.com", "Evil\nSubject: other", "<b>Bold</b> & co"])
def test_a_shops_name_is_text_and_nothing_else(shop, box, name):
    shop.name = name
    shop.save()

    deliver_to(box, put(shop))

    (found,) = box.received
    assert (found["Bcc"], len(found.get_all("Subject"))) == (None, 1)
    assert box.recipients == [ANNA]
    assert "<b>" not in text_of(found, "html")


@pytest.mark.parametrize("address", ["a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com"])
def test_an_address_that_is_more_than_one_reaches_nobody_else(shop, box, address):
    mail_id = put(shop, address=address)

    deliver_to(box, mail_id)

    assert "b@example.com" not in box.recipients
    assert fate(mail_id) != MailState.SENT


# Why


def test_it_is_found_out_why_before_the_first_mail_and_only_then(shop, incident, box):
    asked = []
    first, second = (put(shop, MailKind.FIRE, address, incident=incident) for address in (ANNA, shop.email))

    def explain(shop, incident):
        asked.append(incident.id)
        incidents.update(incident, diagnosis={"cause": "no_orders"})

    deliver_to(box, first, explain)
    deliver_to(box, second, explain)

    assert asked == [incident.id]
    assert [mail["Subject"] for mail in box.received] == ["No orders in demo.myshopify.com for 3 h"] * 2


def test_a_look_that_fails_holds_no_mail_up(shop, incident, box):
    def explain(shop, incident):
        raise RuntimeError("The look itself is broken.")

    deliver_to(box, put(shop, MailKind.FIRE, incident=incident), explain)

    assert "could not be asked" in text_of(box.received[0])


# The clock sends what no worker takes


def test_what_no_worker_takes_is_sent_by_the_clock(shop):
    mail_id = put(shop, due_at=utcnow() - timedelta(minutes=1))
    jobs.deliver_mails()
    assert fate(mail_id) == MailState.DUE

    Mail.update(due_at=utcnow() - timedelta(minutes=3)).execute()
    jobs.deliver_mails()

    assert fate(mail_id) == MailState.KEPT
