"""Workers that are killed while they send: no mail is lost, and only those being sent are sent twice."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from alerts import outbox
from database import EVERY, connected
from models import NOW, Mail, MailKind, MailState
from sandbox.dev_servers import wait_for
from tests.conftest import connect_shop, free_port
from tests.support.empty_tables import empty_tables
from tests.support.servers.app_processes import AppProcesses, running_servers
from tests.support.servers.smtp_servers import mail_server

MAILS = 6
GUARD = 90  # seconds, for what takes a few unless the machine is busy

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(migrated):
    """A filled outbox, a mail server, and the app's processes."""
    with running_servers() as own, mail_server() as mailbox:
        environment = {**own.environment, "SMTP_URL": f"smtp://{mailbox.address}", "MAIL_FROM": "app@example.com"}
        processes = AppProcesses(own.folder, environment, free_port())
        with own.as_own_database(), connected(EVERY):
            empty_tables()
            shop = connect_shop("demo.myshopify.com")
            for number in range(MAILS):
                outbox.put(shop, MailKind.TEST, f"to-{number}@example.com")
            try:
                yield processes, mailbox
            finally:
                processes.close()


def mail_states():
    return [MailState(row.state) for row in Mail.select().order_by(Mail.id)]


def test_a_worker_killed_between_sending_and_recording_loses_no_mail(stage):
    processes, mailbox = stage
    mailbox.delay_seconds = 30
    processes.start_all("worker", "scheduler")
    wait_for(
        lambda: len(mailbox.received) >= 4, GUARD, "The first mails"
    )  # accepted by the server, and not acknowledged yet

    processes.kill("worker")
    mailbox.delay_seconds = 0
    Mail.update(leased_until=NOW - timedelta(seconds=1)).where(Mail.leased_until.is_null(False)).execute()
    processes.start("worker")
    wait_for(lambda: set(mail_states()) == {MailState.SENT}, GUARD, "All mails")

    addresses = {f"to-{number}@example.com" for number in range(MAILS)}
    assert set(mailbox.recipients) == addresses
    message_ids = {message["To"]: message["Message-ID"] for message in mailbox.received}
    assert {(message["To"], message["Message-ID"]) for message in mailbox.received} == set(message_ids.items())
    assert len(mailbox.received) <= MAILS + 4  # those being sent came twice, with the same Message-ID


def test_sent_mails_are_not_sent_again_after_kills(stage):
    processes, mailbox = stage
    processes.start_all("worker", "scheduler")
    wait_for(lambda: set(mail_states()) == {MailState.SENT}, GUARD, "All mails")

    for _ in range(2):
        processes.kill("worker")
        processes.start("worker")
    time.sleep(6)  # the scheduler publishes due mails every five seconds

    assert sorted(mailbox.recipients) == [f"to-{number}@example.com" for number in range(MAILS)]
