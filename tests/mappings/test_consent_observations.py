"""Observations of marketing consent: what a read customer, an event and a comparison add to the memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mappings.consent.memory import ConsentDecision, ConsentMemory
from mappings.consent.observations import (
    after_comparison,
    after_engage_event,
    after_shopify_read,
    engage_preferences,
    shopify_states,
)

LINKED = datetime(2026, 3, 1, tzinfo=UTC)


def at(tick):
    return LINKED + tick * timedelta(minutes=10)


def after_write(known, value, tick):
    return known.after_engage_write(value, began_at=at(tick), done_at=at(tick))


def test_shopifys_customer_is_read_for_both_preferences():
    customer = {
        "defaultEmailAddress": {"marketingState": "SUBSCRIBED", "marketingUpdatedAt": "2026-03-02T00:00:00Z"},
        "defaultPhoneNumber": {"smsMarketingConsent": {"state": "UNSUBSCRIBED", "updatedAt": "2026-03-03T00:00:00Z"}},
    }

    memories = after_shopify_read(
        {"acceptsEmail": ConsentMemory(LINKED), "acceptsSms": ConsentMemory(LINKED)}, customer
    )

    assert memories["acceptsEmail"].newest == ConsentDecision(True, datetime(2026, 3, 2, tzinfo=UTC))
    assert memories["acceptsSms"].newest == ConsentDecision(False, datetime(2026, 3, 3, tzinfo=UTC))


@pytest.mark.parametrize("customer", [{}, {"defaultEmailAddress": None, "defaultPhoneNumber": None}])
def test_without_an_address_or_number_there_is_no_decision(customer):
    memories = {"acceptsEmail": ConsentMemory(LINKED), "acceptsSms": ConsentMemory(LINKED)}

    assert after_shopify_read(memories, customer) == memories
    assert shopify_states(customer) == {"acceptsEmail": None, "acceptsSms": None}


def test_an_event_is_a_decision_in_engage_at_its_arrival():
    assert after_engage_event(ConsentMemory(LINKED), False, at(1)).engage == ConsentDecision(False, at(1))


def test_a_late_echo_of_our_yes_does_not_overrule_an_unwritten_no():
    known = after_write(ConsentMemory(LINKED).after_shopify_state("SUBSCRIBED", at(1)), True, 2).after_shopify_state(
        "UNSUBSCRIBED", at(3)
    )

    assert after_engage_event(known, True, at(9)) == known


def test_a_no_from_engage_always_counts():
    known = after_write(ConsentMemory(LINKED).after_shopify_state("UNSUBSCRIBED", at(1)), False, 2).after_shopify_state(
        "SUBSCRIBED", at(3)
    )

    assert after_engage_event(known, False, at(9)).newest == ConsentDecision(False, at(9))


def test_a_seeming_echo_counts_if_engage_had_changed_meanwhile():
    known = after_write(ConsentMemory(LINKED).after_shopify_state("UNSUBSCRIBED", at(1)), False, 2)
    arrived_at = at(2) + timedelta(seconds=30)
    known = after_engage_event(known, True, arrived_at)

    assert after_engage_event(known, False, arrived_at + timedelta(seconds=30)).newest == ConsentDecision(
        False, arrived_at + timedelta(seconds=30)
    )


def test_a_decision_that_engage_has_counts_as_written():
    memories = {"acceptsEmail": ConsentMemory(LINKED).after_shopify_state("SUBSCRIBED", at(1))}

    known = after_comparison(memories, {"acceptsEmail": True}, at(2))["acceptsEmail"]

    assert known.newest_written == ConsentDecision(True, at(1))
    assert known.after_engage_event(True, at(2)) == known
    assert after_comparison({"acceptsEmail": known}, {"acceptsEmail": True}, at(3)) == {"acceptsEmail": known}


@pytest.mark.parametrize("current", [{}, {"acceptsEmail": False}])
def test_a_decision_that_engage_lacks_does_not_count_as_written(current):
    memories = {"acceptsEmail": ConsentMemory(LINKED).after_shopify_state("SUBSCRIBED", at(1))}

    assert after_comparison(memories, current, at(2)) == memories


def test_only_stated_preferences_of_a_contact_are_read():
    assert engage_preferences({"preferences": {"acceptsEmail": True, "acceptsSms": None}}) == {"acceptsEmail": True}
    assert engage_preferences({}) == {}
