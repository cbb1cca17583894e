"""Contact from a customer: its fields when created, and the changed fields of an update."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.contact import (
    KEYS,
    ContactRules,
    changed_fields,
    contact_fields,
    contact_skip_reason,
    create_query,
    fields_after,
    known_fields,
    needs_upgrade,
    type_of_contact,
    update_fields,
)
from tests.support.tasks.outcomes import sentence

MEMBERS = ContactRules()
ACCOUNTS = ContactRules(mode="accounts")


def customer(**more):
    known = {
        "id": "gid://shopify/Customer/7719204488102",
        "legacyResourceId": "7719204488102",
        "createdAt": "2026-02-11T09:14:00+01:00",
        "updatedAt": "2026-03-01T12:00:00+01:00",
        "firstName": "Elin",
        "lastName": "Norberg",
        "state": "ENABLED",
        "defaultEmailAddress": email("elin.norberg@example.test", "SUBSCRIBED"),
        "defaultPhoneNumber": phone("+46701740605", "NEVER_SUBSCRIBED"),
        "defaultAddress": {
            "address1": "Bruksgatan 4",
            "address2": None,
            "zip": "582 24",
            "city": "Linköping",
            "country": "Sweden",
            "countryCodeV2": "SE",
        },
    }
    return known | more


def email(address, state="NOT_SUBSCRIBED", valid=True):
    return {"emailAddress": address, "validFormat": valid, "marketingState": state}


def phone(number, state="NEVER_SUBSCRIBED"):
    return {"phoneNumber": number, "smsMarketingConsent": {"state": state}}


def consent(value, date):
    return [{"id": "hasShopifyAccount", "value": value, "date": date, "source": "Shopify", "comment": ""}]


def test_a_new_contact_has_the_body_that_engage_requires():
    assert contact_fields(customer(), MEMBERS) == {
        "contactType": "Member",
        "firstName": "Elin",
        "lastName": "Norberg",
        "email": "elin.norberg@example.test",
        "mobilePhone": "+46701740605",
        "externalId": "7719204488102",
        "street": "Bruksgatan 4",
        "zipCode": "582 24",
        "city": "Linköping",
        "country": "Sweden",
        "countryCode": "SE",
        "preferences": {"acceptsEmail": True, "acceptsSms": False, "acceptsPostal": False},
        "consents": consent(True, "2026-02-11T09:14:00+01:00"),
    }


def test_source_and_store_are_sent_in_the_query():
    assert create_query(ContactRules(store="SE-WEB")) == {"source": "Shopify", "storeExternalId": "SE-WEB"}
    assert create_query(MEMBERS) == {"source": "Shopify"}


def test_what_shopify_does_not_know_is_left_out_of_a_new_contact():
    bare = {"id": "gid://shopify/Customer/7", "state": "DISABLED", "defaultEmailAddress": {"emailAddress": "a@b.test"}}

    assert contact_fields(bare, MEMBERS) == {
        "contactType": "Member",
        "externalId": "7",
        "email": "a@b.test",
        "preferences": {"acceptsPostal": False},
    }


def test_both_address_lines_are_the_street():
    address = {"address1": "Bruksgatan 4", "address2": "c/o Berg"}

    assert contact_fields(customer(defaultAddress=address), MEMBERS)["street"] == "Bruksgatan 4, c/o Berg"


@pytest.mark.parametrize(
    ("stated", "sent"),
    [
        ("female", "Female"),
        (" M ", "Male"),
        ("Non-binary", "Other"),
        ("rather not say", None),
        ("", None),
        (None, None),
    ],
)
def test_gender_is_one_of_engages_values_or_left_out(stated, sent):
    assert contact_fields(customer(gender={"value": stated}), MEMBERS).get("gender") == sent


@pytest.mark.parametrize(("stated", "sent"), [("+46 70-174 06 05", "+46701740605"), ("0701740605", None), ("+0", None)])
def test_a_mobile_number_has_its_country_code(stated, sent):
    assert contact_fields(customer(defaultPhoneNumber=phone(stated)), MEMBERS).get("mobilePhone") == sent


@pytest.mark.parametrize(
    ("mode", "state", "expected"),
    [
        ("members", "ENABLED", "Member"),
        ("members", "DISABLED", "Member"),
        ("accounts", "ENABLED", "Member"),
        ("accounts", "DISABLED", "Contact"),
        ("accounts", "INVITED", "Contact"),
        ("accounts", "SOMETHING_NEW", "Contact"),
        ("accounts", None, "Contact"),
    ],
)
def test_the_type_follows_the_shops_mode(mode, state, expected):
    rules = ContactRules(mode=mode)

    assert type_of_contact(customer(state=state), rules) == expected
    assert contact_fields(customer(state=state), rules)["contactType"] == expected


@pytest.mark.parametrize(
    ("current", "state", "upgrade"),
    [
        ("Contact", "ENABLED", True),
        ("contact", "ENABLED", True),
        ("Contact", "DISABLED", False),
        ("Member", "ENABLED", False),
        ("Member", "DISABLED", False),
        ("Employee", "ENABLED", False),
        (None, "ENABLED", False),
    ],
)
def test_only_a_contact_with_an_account_is_made_a_member(current, state, upgrade):
    assert needs_upgrade(current, customer(state=state), ACCOUNTS) is upgrade


def test_a_contact_is_made_a_member_if_all_customers_are():
    assert needs_upgrade("Contact", customer(state="DISABLED"), MEMBERS)


@pytest.mark.parametrize(
    ("mail", "mobile", "skipped"),
    [
        (email("a@b.test"), None, False),
        (None, phone("+46701740605"), False),
        (None, None, True),
        (email(""), phone(""), True),
        (email("a@b", valid=False), None, True),
        (email("nonsense"), phone("0701740605"), True),
    ],
)
def test_a_customer_without_a_key_is_skipped_with_a_reason(mail, mobile, skipped):
    reason = contact_skip_reason(customer(defaultEmailAddress=mail, defaultPhoneNumber=mobile), MEMBERS)

    assert (reason is not None) is skipped
    assert reason is None or "has no key" in sentence(reason)


def test_an_update_has_neither_type_nor_preferences():
    assert not {"contactType", "preferences"} & update_fields(customer(), MEMBERS).keys()


def test_only_changed_fields_are_sent():
    before = update_fields(customer(), MEMBERS)
    after = update_fields(customer(lastName="Ek", updatedAt="2026-04-01T12:00:00+02:00"), MEMBERS)

    assert changed_fields(after, before) == {"lastName": "Ek"}


def test_a_value_that_the_customer_removed_is_emptied_once():
    before = update_fields(customer(), MEMBERS)
    after = update_fields(customer(defaultAddress={"address1": "Bruksgatan 4", "zip": "582 24"}), MEMBERS)

    assert changed_fields(after, before) == dict.fromkeys(("city", "country", "countryCode"), "")
    assert changed_fields(after, after) == {}


def test_a_key_that_the_customer_removed_stays_at_engage():
    before = update_fields(customer(), MEMBERS)
    after = update_fields(customer(defaultPhoneNumber=None, defaultEmailAddress=email("a@b", valid=False)), MEMBERS)

    assert changed_fields(after, before) == {}
    assert fields_after({}, after, before)["email"] == "elin.norberg@example.test"


def test_what_was_not_sent_differs_again():
    before = update_fields(customer(), MEMBERS)
    after = update_fields(customer(lastName="Ek", defaultPhoneNumber=phone("+46701740606")), MEMBERS)

    known = fields_after({"lastName": "Ek"}, after, before)

    assert changed_fields(after, known) == {"mobilePhone": "+46701740606"}


def test_a_value_that_shopify_never_had_is_left_to_engage():
    wanted = update_fields(customer(defaultAddress=None), MEMBERS)

    assert not {"street", "zipCode", "city", "country", "countryCode"} & changed_fields(wanted, {}).keys()


def test_an_account_opened_later_is_sent_with_its_date():
    before = update_fields(customer(state="DISABLED"), MEMBERS)
    after = update_fields(customer(updatedAt="2026-05-01T08:00:00+02:00"), MEMBERS)

    assert changed_fields(after, before) == {"consents": consent(True, "2026-05-01T08:00:00+02:00")}


def test_a_missing_account_is_told_only_if_the_shop_wants_that():
    guest, told = customer(state="DISABLED"), ContactRules(send_no_account=True)

    assert "consents" not in contact_fields(guest, MEMBERS)
    assert contact_fields(guest, told)["consents"] == consent(False, "2026-02-11T09:14:00+01:00")
    assert changed_fields(update_fields(guest, MEMBERS), update_fields(customer(), MEMBERS)) == {}


@pytest.mark.parametrize(
    ("own", "of_address", "sent"),
    [
        ("+46701740605", "+46709999999", "+46701740605"),
        (None, "+46 70 999 99 99", "+46709999999"),
        ("070-174", "+46709999999", "+46709999999"),
        (None, "070-999 99 99", None),
        (None, None, None),
    ],
)
def test_the_address_has_the_phone_of_who_has_none_only_where_the_shop_wants_that(own, of_address, sent):
    shopper = customer(defaultPhoneNumber=own and phone(own, None), defaultAddress={"phone": of_address})
    own_valid = own if own and own.startswith("+") else None

    assert contact_fields(shopper, ContactRules(address_phone=True)).get("mobilePhone") == sent
    assert contact_fields(shopper, MEMBERS).get("mobilePhone") == own_valid
    assert (update_fields(shopper, ContactRules(address_phone=True))["mobilePhone"] or None) == sent


def test_the_phone_of_the_address_is_a_key_where_the_shop_wants_that():
    nameless = customer(defaultEmailAddress=None, defaultPhoneNumber=None, defaultAddress={"phone": "+46709999999"})

    assert contact_skip_reason(nameless, MEMBERS) == "customer_no_email_or_phone"
    assert contact_skip_reason(nameless, ContactRules(address_phone=True)) is None


def test_a_contact_found_in_engage_is_compared_with_its_fields():
    found = {
        "id": "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa",
        "attributes": {
            "firstName": "Elin",
            "lastName": "Nordberg",
            "street": "Storgatan 1",
            "email": "elin.norberg@example.test",
        },
        "preferences": {"acceptsEmail": False, "acceptsSms": True, "acceptsPostal": True},
        "consents": [{"id": "newsletter", "value": True}, {"id": "hasShopifyAccount", "value": True}],
    }
    wanted = update_fields(customer(defaultAddress=None), MEMBERS)

    assert changed_fields(wanted, known_fields(found, wanted)) == {
        "externalId": "7719204488102",
        "lastName": "Norberg",
        "mobilePhone": "+46701740605",
    }


def test_a_flat_contact_is_read_too():
    wanted = update_fields(customer(), MEMBERS)

    assert "firstName" not in changed_fields(wanted, known_fields({"id": "7d0f5c1e", "firstName": "Elin"}, wanted))


properties = settings(deadline=None, max_examples=200)
text = st.one_of(st.none(), st.text(max_size=8))
states = st.one_of(
    st.none(), st.sampled_from(["SUBSCRIBED", "UNSUBSCRIBED", "PENDING", "subscribed", "NEW"]), st.text(max_size=4)
)
customers = st.builds(
    customer,
    firstName=text,
    lastName=text,
    state=st.sampled_from(["ENABLED", "DISABLED", "INVITED", "DECLINED", "NEW", None]),
    updatedAt=st.sampled_from(["2026-03-01T12:00:00Z", "2026-04-01T12:00:00Z"]),
    defaultEmailAddress=st.one_of(
        st.none(), st.builds(email, st.sampled_from([None, "a@b.test", "c@d.test", "no"]), states)
    ),
    defaultPhoneNumber=st.one_of(
        st.none(), st.builds(phone, st.sampled_from([None, "+46701740605", "+46 8 123456", "112"]), states)
    ),
    defaultAddress=st.one_of(
        st.none(), st.fixed_dictionaries({}, optional={"address1": text, "zip": text, "countryCodeV2": text})
    ),
    gender=st.one_of(st.none(), st.fixed_dictionaries({"value": text})),
)
rules = st.builds(ContactRules, mode=st.sampled_from(["members", "accounts"]), send_no_account=st.booleans())


@properties
@given(customers, rules)
def test_known_fields_are_never_sent_again(shopper, rules):
    wanted = update_fields(shopper, rules)

    assert changed_fields(wanted, wanted) == {}


@properties
@given(customers, customers, rules)
def test_known_and_changed_fields_make_the_wanted_ones(before, after, rules):
    known, wanted = update_fields(before, rules), update_fields(after, rules)

    sent = changed_fields(wanted, known)
    made = known | sent

    fields = wanted.keys() - {"consents"}
    assert {name: made[name] for name in fields} == {
        name: wanted[name] or (known[name] if name in KEYS else "") for name in fields
    }
    assert not wanted["consents"] or made["consents"][0]["value"] == wanted["consents"][0]["value"]
    assert changed_fields(wanted, fields_after(sent, wanted, known)) == {}


@properties
@given(customers, rules)
def test_postal_mail_is_never_accepted_and_updates_keep_preferences(shopper, rules):
    assert contact_fields(shopper, rules)["preferences"]["acceptsPostal"] is False
    assert "preferences" not in update_fields(shopper, rules)


@properties
@given(customers, rules)
def test_a_first_update_empties_nothing(shopper, rules):
    wanted = update_fields(shopper, rules)
    full = dict.fromkeys(wanted, "from elsewhere") | {"consents": []}

    assert "" not in changed_fields(wanted, known_fields(full, wanted)).values()


@properties
@given(customers, rules)
def test_any_customer_makes_a_contact_without_empty_fields(shopper, rules):
    body = contact_fields(shopper, rules)

    assert body["contactType"] in ("Member", "Contact")
    assert all(value not in (None, "") for value in body.values())
    assert contact_skip_reason(shopper, MEMBERS) or body.get("email") or body.get("mobilePhone")


@pytest.mark.parametrize("order", [{"sourceName": "pos"}, {"sourceName": "x", "retailLocation": {"id": "77"}}])
def test_a_customer_of_a_physical_shop_is_always_a_member(order):
    guest, web = customer(state="DISABLED"), {"sourceName": "web", "retailLocation": None}

    assert contact_fields(guest, ACCOUNTS, [web, order])["contactType"] == "Member"
    assert needs_upgrade("Contact", guest, ACCOUNTS, [order])
    assert contact_fields(guest, ACCOUNTS, [web])["contactType"] == "Contact"


def test_a_customer_of_a_physical_shop_is_created_without_a_store():
    assert create_query(ContactRules(store="SE-WEB"), [{"sourceName": "pos"}]) == {"source": "Shopify"}
