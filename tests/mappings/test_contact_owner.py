"""Whose contact it is: the decision table, and by what a contact matches."""

from __future__ import annotations

from itertools import combinations

import pytest

from mappings.contact import changed_fields, sendable_to_shared, shared_fields, shared_fields_after
from mappings.contact_owner import ExternalId, Match, Ownership, match_of, ownership

PHONE = "+46700009206"
Q = {"firstName": "Q", "lastName": "Ek", "email": "q@example.com", "mobilePhone": PHONE}
FREE = {
    (ExternalId.EMPTY, False, Match.KEY): Ownership.OWN,
    (ExternalId.EMPTY, False, Match.PHONE): Ownership.OWN,
    (ExternalId.OTHER, False, Match.KEY): Ownership.SHARED,
}


@pytest.mark.parametrize("external_id", ExternalId, ids=lambda each: each.name)
@pytest.mark.parametrize("matched", Match, ids=lambda each: each.name)
@pytest.mark.parametrize("is_another_customers", [True, False])
def test_every_row_of_the_table(external_id, matched, is_another_customers):
    facts = (external_id, is_another_customers, matched)

    expected = Ownership.OWN if external_id is ExternalId.OWN else FREE.get(facts, Ownership.ANOTHERS)

    assert ownership(*facts) is expected


@pytest.mark.parametrize(
    ("key", "contact", "matched"),
    [
        ("email", {"email": "q@example.com"}, Match.KEY),
        ("email", {"email": " Q@Example.com", "mobilePhone": "+46700000001"}, Match.KEY),
        ("email", {"email": "p@example.com", "mobilePhone": PHONE}, Match.NONE),
        ("email", {"mobilePhone": PHONE}, Match.PHONE),
        ("email", {"mobilePhone": "+46 70-000 92 06", "firstName": "q"}, Match.PHONE),
        ("email", {"mobilePhone": PHONE, "firstName": "P"}, Match.NONE),
        ("email", {"mobilePhone": PHONE, "lastName": "Berg"}, Match.NONE),
        ("email", {"firstName": "Q", "lastName": "Ek"}, Match.NONE),
        ("email", {}, Match.NONE),
        ("mobilePhone", {"mobilePhone": PHONE}, Match.KEY),
        ("mobilePhone", {"mobilePhone": PHONE, "firstName": "P"}, Match.KEY),
        ("mobilePhone", {"mobilePhone": PHONE, "email": "q@example.com"}, Match.KEY),
        ("mobilePhone", {"mobilePhone": PHONE, "email": "p@example.com"}, Match.NONE),
        ("mobilePhone", {"mobilePhone": "+46700000001", "email": "q@example.com"}, Match.NONE),
        ("mobilePhone", {"email": "q@example.com"}, Match.KEY),
        ("mobilePhone", {}, Match.NONE),
    ],
)
def test_by_what_a_contact_matches(key, contact, matched):
    assert match_of(contact, Q, key) is matched
    assert match_of(contact, Q, "any") is matched or key == "mobilePhone"


def test_without_an_email_address_a_contact_with_one_is_not_matched_by_phone_unless_that_is_the_key():
    wanted, contact = {**Q, "email": ""}, {"mobilePhone": PHONE, "email": "p@example.com"}

    assert match_of(contact, wanted, "any") is Match.NONE
    assert match_of(contact, wanted, "mobilePhone") is Match.KEY


WANTED = {
    "externalId": "1",
    "firstName": "Ada",
    "lastName": "Ek",
    "email": "ada@example.com",
    "mobilePhone": PHONE,
    "gender": "",
    "street": "Storgatan 1",
    "zipCode": "111 22",
    "city": "Lund",
    "country": "Sweden",
    "countryCode": "SE",
    "consents": [],
}
OTHERS = {
    "externalId": "4711",
    "firstName": "Bo",
    "lastName": "Al",
    "mobilePhone": "+46700000001",
    "gender": "Male",
    "city": "Ystad",
}


def test_a_shared_contact_gets_only_what_it_lacks():
    known = shared_fields({"externalId": "4711", "email": "ADA@example.com", "firstName": "ada"}, WANTED)

    sent = sendable_to_shared(changed_fields(WANTED, known), known)

    address = {name: WANTED[name] for name in ("street", "zipCode", "city", "country", "countryCode")}
    assert sent == {"lastName": "Ek", "mobilePhone": PHONE} | address


@pytest.mark.parametrize("held", list(combinations(OTHERS, 2)), ids="-".join)
def test_what_a_shared_contact_has_is_overwritten_neither_at_once_nor_later(held):
    contact = {"email": WANTED["email"], "externalId": "4711"} | {name: OTHERS[name] for name in held}
    known = shared_fields(contact, WANTED)

    sent = sendable_to_shared(changed_fields(WANTED, known), known)
    after = shared_fields_after(sent, WANTED, known)
    changed = {name: f"new {name}" for name in WANTED} | {"consents": []}
    later = sendable_to_shared(changed_fields(changed, after), after)

    assert not set(held) & (sent.keys() | later.keys())
    assert later["email"] == "new email"
    assert after["externalId"] == "4711"
