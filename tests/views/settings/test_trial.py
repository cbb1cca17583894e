"""A test of an order mail from the settings page: one mail, to a contact that is there, and never a new contact."""

from __future__ import annotations

import threading

import psycopg
import pytest

from config import config
from mappings.notification.body import ORDER_STATUS
from models import Action, AuditEntry, Shop, Task
from sandbox.engage.faults import Fault
from tests.support.web.forms import fields, press
from tests.support.web.pages import ParsedPage
from tests.views.settings.test_page import MAILS, save

TRY = "/settings/notifications/try#try"
OWN = "Me@bücher.example"
IN_ASCII = "Me@xn--bcher-kva.example"


# Of other sessions of this database; the app's own role may not see them.
OPEN_TRANSACTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
)


@pytest.fixture
def tenant(engage):
    found = engage.tenant("demo")
    found.orders.rules = ("taxes", "total", "payments")
    found.orders.statuses = tuple(ORDER_STATUS.values())
    return found


@pytest.fixture
def own_contact(tenant):
    return tenant.contacts.create({"email": IN_ASCII, "contactType": "Member"})["id"]


def try_mail(client, kind="confirmed", email=OWN):
    return press(client, "/settings", TRY, kind=kind, email=email)


def text_of(response):
    return ParsedPage(response.text).text


def entries():
    return list(AuditEntry.select().where(AuditEntry.action == Action.NOTIFICATION_TEST))


@pytest.mark.parametrize("kind", ORDER_STATUS)
def test_a_test_of_each_kind_reaches_the_contact_with_the_address(kind, client, shop, tenant, own_contact):
    page = text_of(try_mail(client, kind))

    (mail,) = tenant.orders.mails
    assert (mail["contactId"], mail["orderNumber"], mail["orderStatus"]) == (own_contact, "TEST", ORDER_STATUS[kind])
    assert (mail["contact"]["matchKeyType"], len(mail["order"]["items"])) == ("contactId", 1)
    assert "Engage has accepted the test" in page
    assert f"Sent with the status word {ORDER_STATUS[kind]}" in page
    assert "Engage's answer: 202." in page
    assert len(tenant.contacts) == 1


def test_a_test_is_in_the_history_without_the_address(client, shop, tenant, own_contact):
    try_mail(client)

    (entry,) = entries()
    assert entry.details == {"kind": "confirmed", "outcome": "accepted", "status": 202}
    assert "Sent a test of an order mail" in client.get("/audit").text
    assert Task.select().count() == 0


def test_no_contact_is_made_for_a_test(client, shop, tenant):
    page = text_of(try_mail(client, email="nobody@example.com"))

    assert "Engage has no contact with this address" in page
    assert (len(tenant.contacts), tenant.orders.mails) == (0, [])
    assert entries()[0].details["outcome"] == "no_contact"


def test_a_word_that_the_tenant_lacks_is_shown_with_engages_answer(client, shop, tenant, own_contact):
    save(client, "notifications", **MAILS, notifications_order_status_confirmed="Bestätigt")

    page = text_of(try_mail(client))

    assert "Engage has refused the test" in page
    assert "Sent with the status word Bestätigt" in page
    assert "422 UnknownOrderStatus" in page
    assert tenant.orders.mails == []


def test_a_kind_without_a_word_is_not_sent(client, shop, tenant, own_contact):
    save(client, "notifications", **MAILS, notifications_order_status_confirmed="")

    page = text_of(try_mail(client))

    assert "The test was not sent." in page
    assert "no status word for this kind of mail" in page
    assert tenant.orders.mails == []


def test_a_test_whose_answer_is_lost_may_have_arrived(client, shop, engage, tenant, own_contact):
    engage.script("POST .*/orders$", [Fault.RESET])

    assert "its mail may be on its way" in text_of(try_mail(client))
    assert len(tenant.orders.mails) == 1


def test_a_refused_key_is_shown(client, shop, engage, tenant, own_contact):
    engage.script("GET .*/contacts/id", [401])

    page = text_of(try_mail(client))

    assert "The test was not sent." in page
    assert "401" in page
    assert tenant.orders.mails == []


def test_a_shop_without_engage_is_told_so(client, shop, tenant):
    Shop.update(engage_tenant="").where(Shop.id == shop.id).execute()

    assert "The test was not sent." in text_of(try_mail(client))


@pytest.mark.parametrize(
    ("kind", "email", "message"),
    [
        ("confirmed", "", "Type an e-mail address."),
        ("confirmed", "no address", "no address is not an e-mail address."),
        ("confirmed", "a@b", "a@b is not an e-mail address."),
        ("confirmed", "a@example.com, b@example.com", "is not an e-mail address."),
        ("welcome", OWN, "Choose one of these."),
        ("", OWN, "Choose one of these."),
    ],
)
def test_an_invalid_form_sends_nothing(kind, email, message, client, shop, tenant):
    response = try_mail(client, kind, email)

    assert response.status_code == 422
    assert message in text_of(response)
    assert (tenant.orders.mails, entries()) == ([], [])


def test_a_second_press_of_the_button_sends_no_second_mail(client, shop, tenant, own_contact):
    form = fields(client, "/settings", TRY) | {"kind": "confirmed", "email": OWN}

    pages = [text_of(client.post(TRY, data=form)) for _ in range(2)]

    assert all("Engage has accepted the test" in page for page in pages)
    assert (len(tenant.orders.mails), len(entries())) == (1, 1)


def test_a_shop_sends_ten_tests_in_ten_minutes(client, shop, tenant, own_contact):
    answers = [try_mail(client).status_code for _ in range(11)]

    assert answers == [200] * 10 + [429]
    assert len(tenant.orders.mails) == 10


def test_no_transaction_is_open_while_engage_is_called(client, shop, engage, tenant, own_contact):
    engage.faults.latency_seconds = 1
    engage.script("POST .*/orders$", [Fault.LATE])
    sending = threading.Thread(target=try_mail, args=(client,))
    sending.start()
    open_transactions = []
    with psycopg.connect(config.database_url, autocommit=True) as observer:
        while sending.is_alive():
            open_transactions.append(observer.execute(OPEN_TRANSACTIONS).fetchone()[0])
            sending.join(0.05)

    assert len(tenant.orders.mails) == 1
    assert (max(open_transactions), len(open_transactions) > 10) == (0, True)
