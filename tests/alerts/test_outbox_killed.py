"""Workers that are killed while they send: no mail is lost, and only what was on its way is sent twice."""

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
    """The outbox, a mail server that thinks for a while before it says yes, and the app's processes."""
    with running_servers() as own, mail_server() as box:
        environment = {**own.environment, "SMTP_URL": f"smtp://{box.address}", "MAIL_FROM": "app@example.com"}
        processes = AppProcesses(own.folder, environment, free_port())
        with own.as_own_database(), connected(EVERY):
            empty_tables()
            shop = connect_shop("demo.myshopify.com")
            for number in range(MAILS):
                outbox.put(shop, MailKind.TEST, f"to-{number}@example.com")
            try:
                yield processes, box
            finally:
                processes.close()


def fates():
    return [MailState(row.state) for row in Mail.select().order_by(Mail.id)]


def test_a_worker_killed_between_sending_and_writing_it_down_loses_nothing(stage):
    processes, box = stage
    box.slow_seconds = 30
    processes.start_all("worker", "scheduler")
    wait_for(lambda: len(box.received) >= 4, GUARD, "The first mails")  # taken by the server, and its yes has not come

    processes.kill("worker")
    box.slow_seconds = 0
    Mail.update(leased_until=NOW - timedelta(seconds=1)).where(Mail.leased_until.is_null(False)).execute()
    processes.start("worker")
    wait_for(lambda: set(fates()) == {MailState.SENT}, GUARD, "All mails")

    everybody = {f"to-{number}@example.com" for number in range(MAILS)}
    assert set(box.recipients) == everybody
    numbers = {message["To"]: message["Message-ID"] for message in box.received}
    assert {(message["To"], message["Message-ID"]) for message in box.received} == set(numbers.items())
    assert len(box.received) <= MAILS + 4  # those that were on their way came twice, with their one number


def test_what_was_sent_stays_sent_over_kills(stage):
    processes, box = stage
    processes.start_all("worker", "scheduler")
    wait_for(lambda: set(fates()) == {MailState.SENT}, GUARD, "All mails")

    for _ in range(2):
        processes.kill("worker")
        processes.start("worker")
    time.sleep(6)  # the clock rings for what is due each five seconds

    assert sorted(box.recipients) == [f"to-{number}@example.com" for number in range(MAILS)]
