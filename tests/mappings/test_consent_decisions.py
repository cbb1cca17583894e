"""Consent decisions to sync: each rule first, then any mix of changes, late, repeated and out of order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.consent.decisions import ConsentWrite, consents_to_write, preferences_to_write
from mappings.consent.memory import CLOCK_SKEW, MAX_WRITES, ConsentDecision, ConsentMemory

LINKED = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(minutes=10)


def at(tick):
    return LINKED + tick * TICK


def memory(*, shopify=None, engage=None):
    known = ConsentMemory(LINKED)
    if shopify:
        known = known.after_shopify_state(*shopify)
    return known.after_engage_event(*engage) if engage else known


def to_engage(known, current, state=None):
    state = state or (known.shopify and {True: "SUBSCRIBED", False: "UNSUBSCRIBED"}[known.shopify.value])
    return preferences_to_write({"acceptsEmail": known}, {"acceptsEmail": current}, {"acceptsEmail": state})


def to_shopify(known, state, now=None):
    return consents_to_write({"acceptsEmail": known}, {"acceptsEmail": state}, now=now or at(1000))


def write(state, when):
    return ConsentWrite("acceptsEmail", state, when)


def test_a_yes_in_shopify_is_written_to_engage():
    assert to_engage(memory(shopify=("SUBSCRIBED", at(-5))), False) == {"acceptsEmail": True}


def test_a_preference_that_engage_has_is_not_written():
    assert to_engage(memory(shopify=("SUBSCRIBED", at(1))), True) == {}


@pytest.mark.parametrize(
    "state", [None, "", "NOT_SUBSCRIBED", "NEVER_SUBSCRIBED", "PENDING", "INVALID", "REDACTED", "NEW"]
)
def test_a_state_without_a_decision_never_opts_out(state):
    assert to_engage(memory(shopify=(state, at(1))), True) == {}


def test_a_no_without_a_time_never_opts_out():
    assert to_engage(memory(shopify=("UNSUBSCRIBED", None)), True) == {}


def test_a_no_from_before_the_link_never_opts_out():
    assert to_engage(memory(shopify=("UNSUBSCRIBED", LINKED)), True) == {}


def test_a_no_after_a_known_yes_opts_out_however_old():
    known = memory(shopify=("SUBSCRIBED", at(-5)))

    known = known.after_shopify_state("UNSUBSCRIBED", at(-1))

    assert to_engage(known, True) == {"acceptsEmail": False}


@pytest.mark.parametrize("state", [None, "NOT_SUBSCRIBED", "INVALID", "REDACTED"])
def test_a_yes_that_shopify_no_longer_has_is_not_written(state):
    known = memory(shopify=("SUBSCRIBED", at(1)))

    assert preferences_to_write({"acceptsEmail": known}, {"acceptsEmail": False}, {"acceptsEmail": state}) == {}


def test_an_explicit_no_opts_out():
    assert to_engage(memory(shopify=("UNSUBSCRIBED", at(1))), True) == {"acceptsEmail": False}


def test_a_no_older_than_engages_yes_does_not_opt_out():
    assert to_engage(memory(shopify=("UNSUBSCRIBED", at(1)), engage=(True, at(2))), True) == {}


def test_a_decision_in_engage_is_written_to_shopify_with_its_time():
    no, yes = memory(engage=(False, at(2))), memory(engage=(True, at(2)))

    assert to_shopify(no, "SUBSCRIBED") == [write("UNSUBSCRIBED", at(2))]
    assert to_shopify(yes, "NOT_SUBSCRIBED") == [write("SUBSCRIBED", at(2))]


def test_an_older_decision_in_engage_is_not_written_to_shopify():
    assert to_shopify(memory(engage=(False, at(2)), shopify=("SUBSCRIBED", at(3))), "SUBSCRIBED") == []


@pytest.mark.parametrize("state", [None, "INVALID", "REDACTED"])
def test_nothing_is_written_where_shopify_has_no_address(state):
    assert to_shopify(memory(engage=(True, at(2))), state) == []


@pytest.mark.parametrize("state", ["UNSUBSCRIBED", "NOT_SUBSCRIBED", "NEVER_SUBSCRIBED", "PENDING"])
def test_a_no_is_not_written_where_shopify_has_no_yes(state):
    assert to_shopify(memory(engage=(False, at(2))), state) == []


def test_shopifys_own_decision_is_not_written_back():
    assert to_shopify(memory(shopify=("UNSUBSCRIBED", at(2))), "SUBSCRIBED") == []


def test_a_time_in_the_future_becomes_now():
    assert to_shopify(memory(engage=(True, at(9))), "PENDING", now=at(8)) == [write("SUBSCRIBED", at(8))]


def test_each_preference_is_decided_independently():
    memories = {
        "acceptsEmail": memory(shopify=("SUBSCRIBED", at(1))),
        "acceptsSms": memory(shopify=("UNSUBSCRIBED", at(1))),
    }

    states = {"acceptsEmail": "SUBSCRIBED", "acceptsSms": "UNSUBSCRIBED"}
    assert preferences_to_write(memories, {"acceptsEmail": False, "acceptsSms": True}, states) == {
        "acceptsEmail": True,
        "acceptsSms": False,
    }


def test_of_two_decisions_at_one_instant_the_no_counts():
    assert memory(shopify=("SUBSCRIBED", at(1)), engage=(False, at(1))).newest == ConsentDecision(False, at(1))


def after_write(known, value, tick):
    return known.after_engage_write(value, began_at=at(tick), done_at=at(tick))


def test_an_echo_is_no_decision():
    known = after_write(memory(shopify=("SUBSCRIBED", at(1))), True, 2)

    assert known.after_engage_event(True, at(2) + CLOCK_SKEW) == known
    assert known.after_engage_event(False, at(2)).engage == ConsentDecision(False, at(2))
    assert known.after_engage_event(True, at(3)).engage == ConsentDecision(True, at(3))


def test_an_echo_after_a_later_write_is_no_decision():
    known = after_write(memory(shopify=("SUBSCRIBED", at(1))), True, 4)
    known = after_write(known.after_shopify_state("UNSUBSCRIBED", at(3)), False, 5)

    assert known.after_engage_event(True, at(4)) == known


def test_an_older_decision_that_arrives_late_is_ignored():
    known = memory(shopify=("SUBSCRIBED", at(4)), engage=(True, at(3)))

    assert known.after_engage_event(False, at(2)) == known
    assert known.after_shopify_state("UNSUBSCRIBED", at(1)) == known


def test_a_decision_is_written_once():
    known = after_write(memory(shopify=("SUBSCRIBED", at(1))), True, 2)

    assert to_engage(known, False) == {}
    assert to_engage(known.after_shopify_state("SUBSCRIBED", at(3)), False) == {"acceptsEmail": True}


def test_the_memory_keeps_a_limited_number_of_writes():
    known = memory(shopify=("SUBSCRIBED", at(1)))
    for tick in range(MAX_WRITES + 5):
        known = after_write(known, True, tick)

    assert len(known.written) == MAX_WRITES


def test_the_memory_is_stored_as_json():
    known = after_write(memory(shopify=("SUBSCRIBED", at(1)), engage=(False, at(2))), False, 3)

    assert ConsentMemory.from_json(json.loads(json.dumps(known.to_json()))) == known
    assert ConsentMemory.from_json(json.loads(json.dumps(ConsentMemory(LINKED).to_json()))) == ConsentMemory(LINKED)


@dataclass
class World:
    """Both systems and the events between them; time passes with each step."""

    shopify: tuple[str, datetime]
    engage: bool
    memory: ConsentMemory = field(default_factory=lambda: ConsentMemory(LINKED))
    tick: int = 0
    # Engage's events; None stands for a webhook of Shopify's, which only causes a read.
    in_transit: list[tuple[bool, datetime] | None] = field(default_factory=list)
    newest: bool | None = None
    writes: int = 0

    def next_instant(self):
        self.tick += 1
        return at(self.tick)

    def customer_decides_in_shopify(self, value):
        self.newest, self.shopify = value, ("SUBSCRIBED" if value else "UNSUBSCRIBED", self.next_instant())
        self.in_transit.append(None)

    def customer_decides_in_engage(self, value):
        instant = self.next_instant()
        if value != self.engage:
            self.newest, self.engage = value, value
            self.in_transit.append((value, instant))

    def deliver(self, index, *, repeated):
        event = self.in_transit[index] if repeated else self.in_transit.pop(index)
        if event:
            self.memory = self.memory.after_engage_event(*event)
        self.memory = self.memory.after_shopify_state(*self.shopify)
        self.write_shopify()
        self.write_engage()

    def write_shopify(self):
        instant = self.next_instant()
        for consent in consents_to_write({"acceptsEmail": self.memory}, {"acceptsEmail": self.shopify[0]}, now=instant):
            self.writes += 1
            if consent.consent_updated_at >= self.shopify[1]:  # as Shopify does: an older one changes nothing
                self.shopify = consent.state, consent.consent_updated_at
                self.in_transit.append(None)

    def write_engage(self):
        states = {"acceptsEmail": self.shopify[0]}
        wanted = preferences_to_write({"acceptsEmail": self.memory}, {"acceptsEmail": self.engage}, states)
        for value in wanted.values():
            instant = self.next_instant()
            self.writes += 1
            self.engage = value
            self.in_transit.append((value, instant))
            self.memory = self.memory.after_engage_write(value, began_at=instant, done_at=instant)


def change(world, data):
    change_in = data.draw(st.sampled_from([World.customer_decides_in_shopify, World.customer_decides_in_engage]))
    change_in(world, data.draw(st.booleans()))


def deliver_one(world, data, *, repeated):
    world.deliver(data.draw(st.integers(0, len(world.in_transit) - 1)), repeated=repeated)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.booleans())
def test_both_systems_converge_on_the_newest_decision(data, engage):
    world, changes = World(("NOT_SUBSCRIBED", LINKED), engage), data.draw(st.integers(1, 8))
    for _ in range(changes):
        change(world, data)
        for repeated in data.draw(st.lists(st.booleans(), max_size=4)):
            if world.in_transit:
                deliver_one(world, data, repeated=repeated)

    deliveries = 0
    while world.in_transit:
        deliver_one(world, data, repeated=False)
        deliveries += 1
        assert deliveries < 100, "the two systems never come to rest"

    if world.newest is not None:
        assert (world.shopify[0] == "SUBSCRIBED", world.engage) == (world.newest, world.newest)
    assert world.writes <= 4 * changes
