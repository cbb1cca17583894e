"""Property test with random histories of customers whose keys move, are shared, merge and go (Hypothesis)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models import Customer, Shop, State, Task
from sandbox.shopify import TOKEN
from sandbox.shopify.customers import CustomerDetails
from sync import entities, shop_connections
from tests.conftest import ENGAGE_KEY
from tests.end_to_end.test_order_to_receipt import RECORD
from tests.support.tasks.webhook_tasks import receive_webhook

EMAILS = ("a@example.com", "b@example.com", "c@example.com", "d@example.com")
PHONES = (None, "+46700000001", "+46700000002", "+4684001234")  # the last one is refused
KEYS = {"email": "email", "phone": "mobilePhone"}
NUMBERS = count(1)
PEOPLE = 3
TILL = "till-"  # how another system's external ids begin

person = st.integers(0, PEOPLE - 1)
events = st.one_of(
    st.tuples(st.just("add"), st.sampled_from((None, *EMAILS)), st.sampled_from(PHONES)),
    st.tuples(st.just("email"), person, st.sampled_from((None, *EMAILS))),
    st.tuples(st.just("phone"), person, st.sampled_from(PHONES)),
    st.tuples(st.just("move_email"), person, person),
    st.tuples(st.just("move_email"), person, person),
    st.tuples(st.just("move_email"), person, person),
    st.tuples(st.just("move_phone"), person, person),
    st.tuples(st.just("merge"), person, person),
    st.tuples(st.just("delete"), person, st.none()),
    st.tuples(st.just("create_again"), person, st.none()),
    st.tuples(st.just("buy"), person, st.none()),
    st.tuples(st.just("refund"), st.integers(0, 20), st.none()),
    st.tuples(st.just("till"), st.sampled_from(EMAILS), st.sampled_from(PHONES[:-1])),
    st.tuples(st.just("other_system"), st.sampled_from(EMAILS), st.sampled_from(PHONES[:-1])),
    st.tuples(st.just("webhook"), st.integers(0, 20), st.none()),
    st.tuples(st.just("webhook"), st.integers(0, 20), st.none()),
)
RECEIVED = ("webhook", 0, None)  # the oldest


@dataclass
class History:
    """One shop with an Engage tenant of its own. Webhooks are late until they are received."""

    shop: Shop
    shopify: Any
    tenant: Any
    drain: Callable[..., None]
    people: list[int] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    merged: set[int] = field(default_factory=set)
    details: dict[int, CustomerDetails] = field(default_factory=dict)
    same: dict[int, int] = field(default_factory=dict)
    bought: dict[str, int] = field(default_factory=dict)
    tills: dict[str, dict[str, Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    webhooks: list[Any] = field(default_factory=list)
    seen: int = 0

    def play(self, event: tuple[str, Any, Any]) -> None:
        """Let one thing happen, if it can."""
        name, one, other = event
        getattr(self, f"_{name}")(one, other)
        sent = [each for each in self.shopify.deliveries if each.shop == self.shop.domain]
        self.webhooks += sent[self.seen :]
        self.seen = len(sent)
        self.check_owners()

    def finish(self, shuffled: Callable[[list[Any]], None]) -> None:
        """Receive all webhooks that are late, in any order."""
        shuffled(self.webhooks)
        while self.webhooks:
            self._webhook(0, None)
            self.check_owners()
        self.drain(10, waiting=True)

    def live(self, number: int) -> int | None:
        """The customer of this number; None if there is none any more."""
        known = self.people[number] if number < len(self.people) else None
        return None if known in self.gone else known

    def person(self, customer_id: int) -> int:
        """The person whose customers these are: all who were merged, and who were created again."""
        while customer_id in self.same:
            customer_id = self.same[customer_id]
        return customer_id

    def contacts(self) -> dict[str, dict[str, Any]]:
        """The fields of each contact at Engage."""
        return {each["id"]: each["attributes"] for each in self.tenant.contacts.all()}

    def check_owners(self) -> None:
        """A contact's external id never becomes another's, but that of one whom its customer was merged into."""
        for contact_id, found in self.contacts().items():
            owner, before = found.get("externalId") or "", self.owners.get(contact_id) or ""
            assert owner == before or not before or self.person(int(before)) == self.person(int(owner))
            self.owners[contact_id] = owner

    def _add(self, email: str | None, phone: str | None) -> None:
        if len(self.people) < PEOPLE:
            name = f"Name {len(self.people)}"
            added = self.shopify.add_customer(self.shop.domain, CustomerDetails(name, "Ek", email, phone))
            self.people.append(added)
            self.names[added] = name

    def _email(self, number: int, email: str | None) -> None:
        self._change(number, email=email)

    def _phone(self, number: int, phone: str | None) -> None:
        self._change(number, phone=phone)

    def _move_email(self, giver: int, receiver: int) -> None:
        self._move(giver, receiver, "email", EMAILS)

    def _move_phone(self, giver: int, receiver: int) -> None:
        self._move(giver, receiver, "phone", PHONES[1:-1])

    def _move(self, giver: int, receiver: int, name: str, choices: tuple[Any, ...]) -> None:
        """The one gets the other's key, who gets one that nobody has."""
        records = self.shopify.records(self.shop.domain).customers
        used = {getattr(each.details, name) for each in records.values()}
        free = [each for each in choices if each not in used]
        if giver != receiver and free and (customer_id := self.live(giver)) and self.live(receiver):
            old = getattr(records[customer_id].details, name)
            self._change(giver, **{name: free[0]})
            self._change(receiver, **{name: old})

    def _change(self, number: int, **changes: str | None) -> None:
        if customer_id := self.live(number):
            self.shopify.update_customer(self.shop.domain, customer_id, **changes)

    def _merge(self, kept: int, deleted: int) -> None:
        survivor, merged = self.live(kept), self.live(deleted)
        if survivor and merged and survivor != merged:
            self.shopify.merge_customers(self.shop.domain, survivor, merged)
            self._be_same(merged, survivor)
            self.gone.add(merged)
            self.merged.add(merged)

    def _delete(self, number: int, _: None) -> None:
        if customer_id := self.live(number):
            self.details[customer_id] = self._records()[customer_id].details
            self.shopify.delete_customer(self.shop.domain, customer_id)
            self.gone.add(customer_id)

    def _create_again(self, number: int, _: None) -> None:
        """Create one who was deleted, by the same name and keys, if nobody has these meanwhile."""
        deleted = self.people[number] if number < len(self.people) else None
        details = self.details.get(deleted) if deleted in self.gone - self.merged else None
        if details and not any(self._is_used(each, getattr(details, each)) for each in KEYS):
            self.people[number] = self.shopify.add_customer(self.shop.domain, details)
            self.names[self.people[number]] = self.names[deleted]
            self._be_same(deleted, self.people[number])

    def _is_used(self, name: str, value: str | None) -> bool:
        return value is not None and any(getattr(each.details, name) == value for each in self._records().values())

    def _records(self) -> Any:
        return self.shopify.records(self.shop.domain).customers

    def _be_same(self, one: int, other: int) -> None:
        if self.person(one) != self.person(other):
            self.same[self.person(one)] = self.person(other)

    def _buy(self, number: int, _: None) -> None:
        if customer_id := self.live(number):
            order_id = self.shopify.add_order(self.shop.domain, RECORD, customer_id=customer_id)
            self.bought[str(order_id)] = customer_id

    def _refund(self, number: int, _: None) -> None:
        """Refund one of the orders."""
        if self.bought:
            order_id = list(self.bought)[number % len(self.bought)]
            line = self.shopify.order(self.shop.domain, int(order_id))["lineItems"][0]
            self.shopify.refund(self.shop.domain, int(order_id), {int(line["id"].rpartition("/")[2]): 1})

    def _till(self, email: str, phone: str | None, **others: str) -> None:
        if not any(each.get("email") == email for each in self.contacts().values()):
            fields = {"email": email, "firstName": "Till"} | ({"mobilePhone": phone} if phone else {}) | others
            self.tills[self.tenant.contacts.create(fields)["id"]] = fields

    def _other_system(self, email: str, phone: str | None) -> None:
        self._till(email, phone, externalId=f"{TILL}{len(self.tills)}")

    def _webhook(self, number: int, _: None) -> None:
        if self.webhooks:
            sent = self.webhooks.pop(number % len(self.webhooks))
            receive_webhook(self.shop, sent.topic, sent.body)
            self.drain()


def assert_right(history: History) -> None:
    """Nobody has another's name, keys, contact or purchases."""
    assert [each.cause for each in Task.select().where(Task.state == State.ERROR, Task.shop == history.shop)] == []
    contacts = history.contacts()
    for contact_id, found in contacts.items():
        assert_own_name(history, contact_id, found)
    linked = []
    for customer_id in (each for each in history.people if each not in history.gone):
        row = entities.get(Customer, history.shop, customer_id)
        shown = history.shopify.records(history.shop.domain).customers[customer_id].details
        if row.contact_id:
            linked.append(row.contact_id)
            external_id = contacts[row.contact_id]["externalId"]
            assert external_id.startswith(TILL) or history.person(int(external_id)) == history.person(customer_id)
            assert_free_keys_are_there(contacts, row.contact_id, shown, is_own=external_id == str(customer_id))
        elif shown.email:
            held = [found for found in contacts.values() if found.get("email") == shown.email]
            assert held
            assert held[0]["externalId"] != str(customer_id)
    assert len(set(linked)) == len(linked)
    ours = [each for key, each in contacts.items() if key not in history.tills]
    phones = [each["mobilePhone"] for each in ours if each.get("mobilePhone")]
    assert len(set(phones)) == len(phones)
    buyers: dict[str, int] = {}
    sold_to: dict[str, str] = {}
    for receipt in history.tenant.receipts_report()["applied"]:
        contact_id, order_id = receipt["contact"]["matchKey"], receipt["uniqueReceiptId"].partition("-")[0]
        buyer = history.person(history.bought[order_id])
        assert sold_to.setdefault(order_id, contact_id) == contact_id
        external_id = contacts[contact_id]["externalId"]
        assert external_id.startswith(TILL) or history.person(int(external_id)) == buyer
        assert buyers.setdefault(contact_id, buyer) == buyer


def assert_own_name(history: History, contact_id: str, found: dict[str, Any]) -> None:
    external_id = found.get("externalId") or ""
    if external_id.isdecimal():
        assert found["firstName"] == history.names[int(external_id)]
    else:
        kept = history.tills[contact_id].items()
        assert found.items() >= {name: value for name, value in kept if name != "email" or not external_id}.items()


def assert_free_keys_are_there(
    contacts: dict[str, Any], contact_id: str, shown: CustomerDetails, *, is_own: bool
) -> None:
    """A key that no other contact has is the customer's; one that Shopify lost or Engage refuses is not looked at.

    Nor is the phone number of a contact with another external id, which may be another system's.
    """
    for name, engage_name in KEYS.items() if is_own else [("email", "email")]:
        wanted = getattr(shown, name)
        others = [each for key, each in contacts.items() if key != contact_id and each.get(engage_name) == wanted]
        if wanted and wanted != PHONES[-1] and not others:
            assert contacts[contact_id].get(engage_name) == wanted


@settings(max_examples=25, deadline=None, phases=tuple(set(Phase) - {Phase.shrink}))  # shrinking takes minutes
@given(history=st.lists(events, min_size=8, max_size=14), random=st.randoms(use_true_random=False))
def test_nobody_gets_what_is_anothers(history, random, database, shopify, engage, drain):
    number = next(NUMBERS)
    domain, tenant = f"history-{number}.myshopify.com", f"history-{number}"
    known = {"email": "owner@example.com", "currency": "SEK", "timezone": "Europe/Stockholm", "store": "SE-WEB"}
    shop = shop_connections.connect_shop(domain, TOKEN, ENGAGE_KEY, **known, engage_tenant=tenant)
    shop.settings = {"contact": {"key": "email"}}
    shop.save()
    happened = History(shop, shopify, engage.tenant(tenant), drain)

    for event in [("add", EMAILS[0], None), ("add", EMAILS[1], PHONES[1]), RECEIVED, RECEIVED, *history]:
        happened.play(event)
    happened.finish(random.shuffle)
    happened.play(("move_email", *random.sample(range(PEOPLE), 2)))
    happened.finish(random.shuffle)

    assert_right(happened)
