"""Marketing consents between the two connected systems: each change is synced once, and the newest wins."""

from __future__ import annotations

import time
from dataclasses import replace

import orjson
import pytest

from models import Customer, State, Task, new_id
from reasons import Reason
from sandbox.engage.webhooks.svix import SvixFaults
from sandbox.shopify.customers import Consent
from sandbox.shopify.webhooks.delivery import WebhookFaults
from sync import consent_memory, entities
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.support.servers.connected_sandboxes import ADA, sandboxes
from tests.support.tasks.outcomes import sentence
from tests.support.web.webhook_requests import web

__all__ = ["sandboxes", "web"]

YES, NO = ("SUBSCRIBED", "UNSUBSCRIBED")


def next_second():
    """Shopify's instants are whole seconds: what should be newer must be in a later one."""
    time.sleep(1.05 - time.time() % 1)


def newest(name):
    return Task.select().where(Task.type == TYPES[name].number).order_by(Task.id.desc()).get()


def count_tasks(name):
    return Task.select().where(Task.type == TYPES[name].number).count()


def saved_memory(sandboxes, shopify_id):
    return consent_memory.memories_of(entities.get(Customer, sandboxes.shop, shopify_id))["acceptsEmail"]


def update_again(sandboxes, shopify_id):
    TYPES["UpdateCustomerMarketingPreferences"].enqueue(sandboxes.shop, key=str(new_id()), shopify_id=shopify_id)
    sandboxes.wait_until_idle()


def test_a_new_contact_gets_shopifys_consents_without_a_further_call(sandboxes):
    shopper = sandboxes.add_customer(accepts_email=True)

    assert sandboxes.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": False, "acceptsPostal": False}
    assert sandboxes.patch_bodies() == []


def test_a_subscription_in_shopify_reaches_engage_and_ends_there(sandboxes):
    shopper = sandboxes.add_customer()

    sandboxes.choose_in_shopify(shopper, accepts_email=True)
    sandboxes.wait_until_idle()

    assert sandboxes.preferences(shopper)["acceptsEmail"] is True
    assert [orjson.loads(body) for body in sandboxes.patch_bodies()] == [{"preferences": {"acceptsEmail": True}}]
    assert sandboxes.consent_writes() == 0
    assert newest("SyncCustomerMarketingPreferences").reason == Reason.PREFERENCES_OUTDATED
    assert saved_memory(sandboxes, shopper).engage is None  # the echo of our call is nobody's answer


def test_an_unsubscription_in_shopify_reaches_engage(sandboxes):
    shopper = sandboxes.add_customer(accepts_email=True, accepts_sms=True)
    next_second()

    sandboxes.choose_in_shopify(shopper, accepts_sms=False)
    sandboxes.wait_until_idle()

    assert sandboxes.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": False, "acceptsPostal": False}
    assert len(sandboxes.patch_bodies()) == 1


@pytest.mark.parametrize("name", ["acceptsEmail", "acceptsSms"])
def test_an_unsubscription_in_engage_reaches_shopify_and_ends_there(sandboxes, name):
    shopper = sandboxes.add_customer(accepts_email=True, accepts_sms=True)
    next_second()

    sandboxes.choose_in_engage(shopper, **{name: False})
    sandboxes.wait_until_idle()

    assert dict(zip(("acceptsEmail", "acceptsSms"), sandboxes.consent_states(shopper), strict=True)) == {
        "acceptsEmail": YES,
        "acceptsSms": YES,
        name: NO,
    }
    assert sandboxes.patch_bodies() == []
    assert sandboxes.consent_writes() == 1


def test_a_subscription_in_engage_reaches_shopify(sandboxes):
    shopper = sandboxes.add_customer()

    sandboxes.choose_in_engage(shopper, acceptsEmail=True)
    sandboxes.wait_until_idle()

    assert sandboxes.consent_states(shopper)[0] == YES
    assert (len(sandboxes.patch_bodies()), sandboxes.consent_writes()) == (0, 1)


def test_our_own_write_to_shopify_is_no_change_when_its_webhook_is_lost(sandboxes):
    shopper = sandboxes.add_customer()
    sandboxes.shopify.webhook_sender.close()

    sandboxes.choose_in_engage(shopper, acceptsEmail=True)
    assert sandboxes.webhooks.wait_until_idle(10)
    sandboxes._drain()
    before = count_tasks("UpdateCustomerMarketingPreferences")
    TYPES["IndexCustomer"].enqueue(sandboxes.shop, key=str(new_id()), shopify_id=shopper)
    sandboxes._drain()

    assert sandboxes.consent_states(shopper)[0] == YES
    assert saved_memory(sandboxes, shopper).shopify.value is True
    assert count_tasks("UpdateCustomerMarketingPreferences") == before


def test_alternating_changes_are_each_synced_once(sandboxes):
    shopper = sandboxes.add_customer()
    for change in (
        lambda: sandboxes.choose_in_shopify(shopper, accepts_email=True),
        lambda: sandboxes.choose_in_engage(shopper, acceptsEmail=False),
        lambda: sandboxes.choose_in_shopify(shopper, accepts_email=True),
        lambda: sandboxes.choose_in_engage(shopper, acceptsEmail=False),
    ):
        next_second()
        change()
        sandboxes.wait_until_idle()

    assert (sandboxes.consent_states(shopper)[0], sandboxes.preferences(shopper)["acceptsEmail"]) == (NO, False)
    assert (len(sandboxes.patch_bodies()), sandboxes.consent_writes()) == (2, 2)


@pytest.mark.parametrize("last", ["shopify", "engage"])
def test_the_same_change_in_both_systems_at_once_is_not_synced(sandboxes, last):
    shopper = sandboxes.add_customer(accepts_email=True)
    next_second()
    sandboxes.choose_in_engage(shopper, acceptsEmail=False)
    sandboxes.wait_until_idle()
    changes = {
        "engage": lambda: sandboxes.choose_in_engage(shopper, acceptsEmail=True),
        "shopify": lambda: sandboxes.choose_in_shopify(shopper, accepts_email=True),
    }

    for name in sorted(changes, key=lambda name: name == last):
        next_second()
        changes[name]()
    sandboxes.wait_until_idle()

    assert (sandboxes.consent_states(shopper)[0], sandboxes.preferences(shopper)["acceptsEmail"]) == (YES, True)


@pytest.mark.parametrize("last", ["yes in Shopify", "no in Engage"])
def test_of_two_opposite_changes_the_newer_one_wins(sandboxes, last):
    shopper = sandboxes.add_customer()
    sandboxes.choose_in_shopify(shopper, accepts_email=True)
    sandboxes.wait_until_idle()
    next_second()
    changes = {
        "no in Engage": lambda: sandboxes.choose_in_engage(shopper, acceptsEmail=False),
        "yes in Shopify": lambda: sandboxes.choose_in_shopify(shopper, accepts_email=True),
    }

    for name in sorted(changes, key=lambda name: name == last):
        changes[name]()
        next_second()
    sandboxes.wait_until_idle()

    expected = last == "yes in Shopify"
    assert (sandboxes.consent_states(shopper)[0], sandboxes.preferences(shopper)["acceptsEmail"]) == (
        YES if expected else NO,
        expected,
    )


def test_changes_of_different_preferences_in_both_systems_are_both_synced(sandboxes):
    shopper = sandboxes.add_customer(accepts_sms=True)
    next_second()

    sandboxes.choose_in_shopify(shopper, accepts_email=True)
    sandboxes.choose_in_engage(shopper, acceptsSms=False)
    sandboxes.wait_until_idle()

    assert sandboxes.consent_states(shopper) == (YES, NO)
    assert sandboxes.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": False, "acceptsPostal": False}
    assert (len(sandboxes.patch_bodies()), sandboxes.consent_writes()) == (1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_repeated_late_and_reordered_webhooks_end_with_the_newest_consent(sandboxes, seed):
    shopper = sandboxes.add_customer()
    sandboxes.webhooks.faults = SvixFaults(duplicates=0.5, late=0.5, late_seconds=1.0)
    sandboxes.shopify.webhook_sender.faults = WebhookFaults(duplicates=0.5, reordered=0.5)
    sandboxes.webhooks._random.seed(seed)

    sandboxes.choose_in_shopify(shopper, accepts_email=True)
    next_second()
    sandboxes.choose_in_engage(shopper, acceptsEmail=True)
    sandboxes.wait_until_idle()
    next_second()
    sandboxes.choose_in_engage(shopper, acceptsEmail=False)
    sandboxes.wait_until_idle()

    assert (sandboxes.consent_states(shopper)[0], sandboxes.preferences(shopper)["acceptsEmail"]) == (NO, False)
    assert len(sandboxes.patch_bodies()) + sandboxes.consent_writes() <= 3


def test_a_webhook_that_shopify_resends_changes_nothing(sandboxes):
    shopper = sandboxes.add_customer()
    sandboxes.choose_in_engage(shopper, acceptsEmail=True)
    sandboxes.wait_until_idle()
    next_second()
    sandboxes.choose_in_shopify(shopper, accepts_email=False)
    sandboxes.wait_until_idle()

    sandboxes.webhooks.redeliver(sandboxes.webhooks.messages()[0].svix_id)
    sandboxes.wait_until_idle()

    assert (sandboxes.consent_states(shopper)[0], sandboxes.preferences(shopper)["acceptsEmail"]) == (NO, False)


def test_without_both_ways_only_subscriptions_in_shopify_are_synced(sandboxes):
    sandboxes.shop.settings = {}
    sandboxes.shop.save()
    shopper = sandboxes.add_customer(accepts_sms=True)
    next_second()

    sandboxes.choose_in_shopify(shopper, accepts_email=True, accepts_sms=False)
    sandboxes.wait_until_idle()

    assert sandboxes.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": True, "acceptsPostal": False}
    assert newest("SyncCustomerMarketingPreferences").reason == Reason.PREFERENCES_SYNC_OFF


def test_without_both_ways_an_unsubscription_in_engage_stays(sandboxes):
    sandboxes.shop.settings = {}
    sandboxes.shop.save()
    shopper = sandboxes.add_customer(accepts_email=True)
    next_second()
    sandboxes.choose_in_engage(shopper, acceptsEmail=False)
    sandboxes.wait_until_idle()

    sandboxes.choose_in_shopify(shopper, accepts_sms=True)
    sandboxes.wait_until_idle()

    assert sandboxes.consent_states(shopper)[0] == YES
    assert sandboxes.preferences(shopper) == {"acceptsEmail": False, "acceptsSms": True, "acceptsPostal": False}


def test_an_existing_contact_is_subscribed_but_never_unsubscribed(sandboxes):
    contact = {"email": "ada@example.com", "preferences": {"acceptsSms": True}}
    sandboxes.engage.tenant("demo").contacts.create(contact)

    shopper = sandboxes.add_customer(accepts_email=True)

    assert sandboxes.preferences(shopper) == {"acceptsEmail": True, "acceptsSms": True, "acceptsPostal": False}


def test_a_consent_whose_webhook_was_lost_is_found_by_the_next_poll(sandboxes):
    shopper = sandboxes.add_customer()
    sandboxes.shopify.webhook_sender.close()
    sandboxes.choose_in_shopify(shopper, accepts_email=True)

    TYPES["IndexCustomer"].enqueue(sandboxes.shop, key=str(new_id()), shopify_id=shopper)
    sandboxes._drain()

    assert sandboxes.preferences(shopper)["acceptsEmail"] is True


def test_consents_of_several_customers_that_one_poll_finds_are_all_synced(sandboxes):
    shoppers = [sandboxes.add_customer(email=f"{name}@example.com", phone=None) for name in ("ada", "beda")]
    sandboxes.shopify.webhook_sender.close()
    for shopper in shoppers:
        sandboxes.choose_in_shopify(shopper, accepts_email=True)

    poll = TYPES["IndexShopCustomers"].enqueue(sandboxes.shop, key="slot")
    for shopper in shoppers:
        TYPES["IndexCustomer"].enqueue(sandboxes.shop, key=f"poll:{shopper}", shopify_id=shopper, parent=poll)
    sandboxes._drain()

    assert [sandboxes.preferences(shopper)["acceptsEmail"] for shopper in shoppers] == [True, True]


def test_an_unsubscription_while_the_contact_is_created_is_synced(sandboxes):
    sandboxes.shopify.webhook_sender.close()
    shopper = sandboxes.shopify.add_customer(sandboxes.shop.domain, replace(ADA, accepts_email=True))
    index = TYPES["IndexCustomer"].enqueue(sandboxes.shop, key="before", shopify_id=shopper)
    run_task(TYPES["IndexCustomer"], str(index.id))
    next_second()
    sandboxes.choose_in_shopify(shopper, accepts_email=False)
    sandboxes._drain()  # makes the contact by what was read before
    assert sandboxes.preferences(shopper)["acceptsEmail"] is True

    TYPES["IndexCustomer"].enqueue(sandboxes.shop, key="after", shopify_id=shopper)
    sandboxes._drain()

    assert sandboxes.preferences(shopper)["acceptsEmail"] is False


def test_an_old_unsubscription_in_shopify_does_not_unsubscribe_in_engage(sandboxes):
    sandboxes.shopify.webhook_sender.close()
    shopper = sandboxes.shopify.add_customer(sandboxes.shop.domain, ADA)
    sandboxes.choose_in_shopify(shopper, accepts_email=False)
    sandboxes.engage.tenant("demo").contacts.create({"email": ADA.email, "preferences": {"acceptsEmail": True}})

    TYPES["IndexCustomer"].enqueue(sandboxes.shop, key="first", shopify_id=shopper)
    sandboxes._drain()
    TYPES["UpdateCustomerMarketingPreferences"].enqueue(sandboxes.shop, key="again", shopify_id=shopper)
    sandboxes._drain()

    assert sandboxes.preferences(shopper)["acceptsEmail"] is True


def test_a_subscription_withdrawn_before_its_sync_is_not_sent(sandboxes):
    shopper = sandboxes.add_customer()
    sandboxes.shopify.webhook_sender.close()
    sandboxes.choose_in_shopify(shopper, accepts_email=True)
    sandboxes.engage.script("PATCH", [503])
    TYPES["IndexCustomer"].enqueue(sandboxes.shop, key="yes", shopify_id=shopper)
    sandboxes._drain()
    people = sandboxes.shopify.records(sandboxes.shop.domain).customers
    people[shopper] = replace(people[shopper], email_consent=Consent("INVALID"))

    sandboxes._drain(waiting=True)

    assert newest("UpdateCustomerMarketingPreferences").reason == Reason.PREFERENCES_ALREADY_SENT
    assert sandboxes.preferences(shopper)["acceptsEmail"] is False


def test_a_consent_that_engage_has_is_not_read_again(sandboxes):
    shopper = sandboxes.add_customer(accepts_email=True)
    before = len(sandboxes.engage.calls)

    update_again(sandboxes, shopper)

    assert newest("UpdateCustomerMarketingPreferences").reason == Reason.PREFERENCES_ALREADY_SENT
    assert len(sandboxes.engage.calls) == before


def test_our_write_with_an_unknown_outcome_is_not_taken_for_engages_change(sandboxes):
    shopper = sandboxes.add_customer()
    sandboxes.choose_in_shopify(shopper, accepts_email=True)
    from sandbox.engage.faults import Fault

    sandboxes.engage.script("PATCH", [Fault.RESET])
    sandboxes.wait_until_idle()
    next_second()
    sandboxes.choose_in_shopify(shopper, accepts_email=False)
    sandboxes.wait_until_idle()

    assert (sandboxes.consent_states(shopper)[0], sandboxes.preferences(shopper)["acceptsEmail"]) == (NO, False)


def test_consents_of_a_customer_without_a_contact_wait_for_the_first_sync(sandboxes):
    entities.save(Customer, sandboxes.shop, sandboxes.shopify.customer(sandboxes.shop.domain, sandboxes.add_customer()))
    Customer.update(contact_id=None).execute()
    shopper = Customer.get().shopify_id

    update_again(sandboxes, shopper)

    assert "not a contact yet" in sentence(newest("UpdateCustomerMarketingPreferences").cause)


def test_the_tasks_name_the_customer_and_the_contact(sandboxes):
    shopper = sandboxes.add_customer()
    sandboxes.choose_in_engage(shopper, acceptsEmail=True)
    sandboxes.wait_until_idle()

    task = newest("SyncCustomerMarketingPreferences")

    assert (task.state, task.shopify_id, task.engage_id) == (State.SUCCESS, shopper, sandboxes.contact_id(shopper))
