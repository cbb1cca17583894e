"""Marketing preferences between the two systems, wired to each other through the app: once each, the newest last."""

from __future__ import annotations

import time
from dataclasses import replace

import orjson
import pytest

from models import Customer, State, Task, new_id
from sandbox.engage.webhooks.svix import SvixFaults
from sandbox.shopify.customers import Consent
from sandbox.shopify.webhooks.delivery import WebhookFaults
from sync import consent_memory, entities
from taskqueue.runner import run
from taskqueue.types import TYPES
from tests.support.servers.connected_sandboxes import ADA, wired
from tests.support.web.webhook_requests import web

__all__ = ["web", "wired"]

YES, NO = ("SUBSCRIBED", "UNSUBSCRIBED")


def next_second():
    """Shopify's instants are whole seconds: what should be newer must be in a later one."""
    time.sleep(1.05 - time.time() % 1)


def newest(name):
    return Task.select().where(Task.type == TYPES[name].number).order_by(Task.id.desc()).get()


def ran(name):
    return Task.select().where(Task.type == TYPES[name].number).count()


def remembered(wired, shopify_id):
    return consent_memory.memories_of(entities.get(Customer, wired.shop, shopify_id))["acceptsEmail"]


def update_again(wired, shopify_id):
    TYPES["UpdateCustomerMarketingPreferences"].enqueue(wired.shop, key=str(new_id()), shopify_id=shopify_id)
    wired.rest()


def test_a_new_contact_has_shopifys_answers_without_a_further_call(wired):
    shopper = wired.shopper(accepts_email=True)

    assert wired.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": False, "acceptsPostal": False}
    assert wired.patches() == []


def test_a_yes_in_shopify_reaches_engage_and_ends_there(wired):
    shopper = wired.shopper()

    wired.choose(shopper, accepts_email=True)
    wired.rest()

    assert wired.preferences(shopper)["acceptsEmail"] is True
    assert [orjson.loads(body) for body in wired.patches()] == [{"preferences": {"acceptsEmail": True}}]
    assert wired.consent_writes() == 0
    assert newest("SyncCustomerMarketingPreferences").reason == "Shopify has this answer already, or a newer one."
    assert remembered(wired, shopper).engage is None  # the echo of our call is nobody's answer


def test_an_explicit_no_in_shopify_reaches_engage(wired):
    shopper = wired.shopper(accepts_email=True, accepts_sms=True)
    next_second()

    wired.choose(shopper, accepts_sms=False)
    wired.rest()

    assert wired.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": False, "acceptsPostal": False}
    assert len(wired.patches()) == 1


@pytest.mark.parametrize("name", ["acceptsEmail", "acceptsSms"])
def test_an_unsubscribe_in_engage_reaches_shopify_and_ends_there(wired, name):
    shopper = wired.shopper(accepts_email=True, accepts_sms=True)
    next_second()

    wired.click(shopper, **{name: False})
    wired.rest()

    assert dict(zip(("acceptsEmail", "acceptsSms"), wired.states(shopper), strict=True)) == {
        "acceptsEmail": YES,
        "acceptsSms": YES,
        name: NO,
    }
    assert wired.patches() == []
    assert wired.consent_writes() == 1


def test_a_yes_in_engage_reaches_shopify(wired):
    shopper = wired.shopper()

    wired.click(shopper, acceptsEmail=True)
    wired.rest()

    assert wired.states(shopper)[0] == YES
    assert (len(wired.patches()), wired.consent_writes()) == (0, 1)


def test_what_we_wrote_in_shopify_is_no_news_when_its_webhook_is_lost(wired):
    shopper = wired.shopper()
    wired.shopify.courier.close()

    wired.click(shopper, acceptsEmail=True)
    assert wired.webhooks.settled(10)
    wired._drain()
    before = ran("UpdateCustomerMarketingPreferences")
    TYPES["IndexCustomer"].enqueue(wired.shop, key=str(new_id()), shopify_id=shopper)
    wired._drain()

    assert wired.states(shopper)[0] == YES
    assert remembered(wired, shopper).shopify.value is True
    assert ran("UpdateCustomerMarketingPreferences") == before


def test_there_and_back_again_each_change_is_carried_once(wired):
    shopper = wired.shopper()
    for change in (
        lambda: wired.choose(shopper, accepts_email=True),
        lambda: wired.click(shopper, acceptsEmail=False),
        lambda: wired.choose(shopper, accepts_email=True),
        lambda: wired.click(shopper, acceptsEmail=False),
    ):
        next_second()
        change()
        wired.rest()

    assert (wired.states(shopper)[0], wired.preferences(shopper)["acceptsEmail"]) == (NO, False)
    assert (len(wired.patches()), wired.consent_writes()) == (2, 2)


@pytest.mark.parametrize("last", ["shopify", "engage"])
def test_the_same_change_on_both_sides_at_once_ends_there(wired, last):
    shopper = wired.shopper(accepts_email=True)
    next_second()
    wired.click(shopper, acceptsEmail=False)
    wired.rest()
    changes = {
        "engage": lambda: wired.click(shopper, acceptsEmail=True),
        "shopify": lambda: wired.choose(shopper, accepts_email=True),
    }

    for name in sorted(changes, key=lambda name: name == last):
        next_second()
        changes[name]()
    wired.rest()

    assert (wired.states(shopper)[0], wired.preferences(shopper)["acceptsEmail"]) == (YES, True)


@pytest.mark.parametrize("last", ["yes in Shopify", "no in Engage"])
def test_of_two_opposite_changes_the_newer_one_wins(wired, last):
    shopper = wired.shopper()
    wired.choose(shopper, accepts_email=True)
    wired.rest()
    next_second()
    changes = {
        "no in Engage": lambda: wired.click(shopper, acceptsEmail=False),
        "yes in Shopify": lambda: wired.choose(shopper, accepts_email=True),
    }

    for name in sorted(changes, key=lambda name: name == last):
        changes[name]()
        next_second()
    wired.rest()

    expected = last == "yes in Shopify"
    assert (wired.states(shopper)[0], wired.preferences(shopper)["acceptsEmail"]) == (YES if expected else NO, expected)


def test_a_change_on_each_side_of_another_preference_crosses(wired):
    shopper = wired.shopper(accepts_sms=True)
    next_second()

    wired.choose(shopper, accepts_email=True)
    wired.click(shopper, acceptsSms=False)
    wired.rest()

    assert wired.states(shopper) == (YES, NO)
    assert wired.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": False, "acceptsPostal": False}
    assert (len(wired.patches()), wired.consent_writes()) == (1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_doubled_late_and_reordered_webhooks_end_with_the_newest_answer(wired, seed):
    shopper = wired.shopper()
    wired.webhooks.luck = SvixFaults(duplicates=0.5, late=0.5, late_seconds=1.0)
    wired.shopify.courier.faults = WebhookFaults(duplicates=0.5, reordered=0.5)
    wired.webhooks._random.seed(seed)

    wired.choose(shopper, accepts_email=True)
    next_second()
    wired.click(shopper, acceptsEmail=True)
    wired.rest()
    next_second()
    wired.click(shopper, acceptsEmail=False)
    wired.rest()

    assert (wired.states(shopper)[0], wired.preferences(shopper)["acceptsEmail"]) == (NO, False)
    assert len(wired.patches()) + wired.consent_writes() <= 3


def test_the_button_that_sends_a_webhook_again_changes_nothing(wired):
    shopper = wired.shopper()
    wired.click(shopper, acceptsEmail=True)
    wired.rest()
    next_second()
    wired.choose(shopper, accepts_email=False)
    wired.rest()

    wired.webhooks.redeliver(wired.webhooks.messages()[0].svix_id)
    wired.rest()

    assert (wired.states(shopper)[0], wired.preferences(shopper)["acceptsEmail"]) == (NO, False)


def test_without_both_ways_only_a_yes_of_shopifys_travels(wired):
    wired.shop.settings = {}
    wired.shop.save()
    shopper = wired.shopper(accepts_sms=True)
    next_second()

    wired.choose(shopper, accepts_email=True, accepts_sms=False)
    wired.rest()

    assert wired.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": True, "acceptsPostal": False}
    assert newest("SyncCustomerMarketingPreferences").reason.startswith("What changes in Engage is not brought")


def test_without_both_ways_an_unsubscribe_in_engage_stays_and_is_not_raised_again(wired):
    wired.shop.settings = {}
    wired.shop.save()
    shopper = wired.shopper(accepts_email=True)
    next_second()
    wired.click(shopper, acceptsEmail=False)
    wired.rest()

    wired.choose(shopper, accepts_sms=True)
    wired.rest()

    assert wired.states(shopper)[0] == YES
    assert wired.preferences(shopper) == {"acceptsEmail": False, "acceptsSms": True, "acceptsPostal": False}


def test_a_contact_that_engage_has_already_is_raised_and_never_lowered(wired):
    contact = {"email": "ada@example.com", "preferences": {"acceptsSms": True}}
    wired.engage.tenant("demo").contacts.create(contact)

    shopper = wired.shopper(accepts_email=True)

    assert wired.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": True, "acceptsPostal": False}


def test_a_consent_whose_webhook_was_lost_is_found_by_the_next_look(wired):
    shopper = wired.shopper()
    wired.shopify.courier.close()
    wired.choose(shopper, accepts_email=True)

    TYPES["IndexCustomer"].enqueue(wired.shop, key=str(new_id()), shopify_id=shopper)
    wired._drain()

    assert wired.preferences(shopper)["acceptsEmail"] is True


def test_each_of_several_whose_consent_one_poll_finds_is_brought_along(wired):
    shoppers = [wired.shopper(email=f"{name}@example.com", phone=None) for name in ("ada", "beda")]
    wired.shopify.courier.close()
    for shopper in shoppers:
        wired.choose(shopper, accepts_email=True)

    poll = TYPES["IndexShopCustomers"].enqueue(wired.shop, key="slot")
    for shopper in shoppers:
        TYPES["IndexCustomer"].enqueue(wired.shop, key=f"poll:{shopper}", shopify_id=shopper, parent=poll)
    wired._drain()

    assert [wired.preferences(shopper)["acceptsEmail"] for shopper in shoppers] == [True, True]


def test_a_no_that_is_given_while_the_contact_is_being_made_is_brought_along(wired):
    wired.shopify.courier.close()
    shopper = wired.shopify.add_customer(wired.shop.domain, replace(ADA, accepts_email=True))
    index = TYPES["IndexCustomer"].enqueue(wired.shop, key="before", shopify_id=shopper)
    run(TYPES["IndexCustomer"], str(index.id))
    next_second()
    wired.choose(shopper, accepts_email=False)
    wired._drain()  # makes the contact by what was read before
    assert wired.preferences(shopper)["acceptsEmail"] is True

    TYPES["IndexCustomer"].enqueue(wired.shop, key="after", shopify_id=shopper)
    wired._drain()

    assert wired.preferences(shopper)["acceptsEmail"] is False


def test_an_old_no_in_shopify_does_not_lower_what_engage_has(wired):
    wired.shopify.courier.close()
    shopper = wired.shopify.add_customer(wired.shop.domain, ADA)
    wired.choose(shopper, accepts_email=False)
    wired.engage.tenant("demo").contacts.create({"email": ADA.email, "preferences": {"acceptsEmail": True}})

    TYPES["IndexCustomer"].enqueue(wired.shop, key="first", shopify_id=shopper)
    wired._drain()
    TYPES["UpdateCustomerMarketingPreferences"].enqueue(wired.shop, key="again", shopify_id=shopper)
    wired._drain()

    assert wired.preferences(shopper)["acceptsEmail"] is True


def test_a_yes_that_shopify_has_dropped_before_it_was_brought_is_nobodys(wired):
    shopper = wired.shopper()
    wired.shopify.courier.close()
    wired.choose(shopper, accepts_email=True)
    wired.engage.script("PATCH", [503])
    TYPES["IndexCustomer"].enqueue(wired.shop, key="yes", shopify_id=shopper)
    wired._drain()
    people = wired.shopify.store(wired.shop.domain).customers
    people[shopper] = replace(people[shopper], email_consent=Consent("INVALID"))

    wired._drain(waiting=True)

    assert newest("UpdateCustomerMarketingPreferences").reason == "Engage has been told of every answer already."
    assert wired.preferences(shopper)["acceptsEmail"] is False


def test_an_answer_that_engage_has_is_not_read_again(wired):
    shopper = wired.shopper(accepts_email=True)
    before = len(wired.engage.journal)

    update_again(wired, shopper)

    assert newest("UpdateCustomerMarketingPreferences").reason == "Engage has been told of every answer already."
    assert len(wired.engage.journal) == before


def test_a_call_whose_outcome_was_never_learned_is_not_heard_as_engages_answer(wired):
    shopper = wired.shopper()
    wired.choose(shopper, accepts_email=True)
    from sandbox.engage.faults import Fault

    wired.engage.script("PATCH", [Fault.RESET])
    wired.rest()
    next_second()
    wired.choose(shopper, accepts_email=False)
    wired.rest()

    assert (wired.states(shopper)[0], wired.preferences(shopper)["acceptsEmail"]) == (NO, False)


def test_somebody_who_is_no_contact_yet_is_left_to_their_first_sync(wired):
    entities.save(Customer, wired.shop, wired.shopify.customer(wired.shop.domain, wired.shopper()))
    Customer.update(contact_id=None).execute()
    shopper = Customer.get().shopify_id

    update_again(wired, shopper)

    assert "not a contact yet" in newest("UpdateCustomerMarketingPreferences").reason


def test_the_tasks_name_the_customer_and_the_contact(wired):
    shopper = wired.shopper()
    wired.click(shopper, acceptsEmail=True)
    wired.rest()

    task = newest("SyncCustomerMarketingPreferences")

    assert (task.state, task.shopify_id, task.engage_id) == (State.SUCCESS, shopper, wired.contact_id(shopper))
