"""Whose contact it is: keys (e-mail, phone) that other contacts have, that move, or that Engage refuses."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import orjson
import pytest

from models import Attempt, Customer, State, Task
from reasons import CallError, Reason
from sandbox.shopify.customers import CustomerDetails
from sync import entities
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import RECORD, buy, calls, index, newest, receipts

PHONE = "+46700009206"
Q = CustomerDetails(first_name="Q", email="q@example.com", phone=PHONE)
ADA = CustomerDetails()
NOT_FOUND = (404, b'{"errorCode": "ContactNotFound"}')


def contacts(engage):
    return engage.tenant("demo").contacts


def fields(engage, shop, shopify_id):
    """The fields at Engage of the customer's contact."""
    return contacts(engage).get(saved(shop, shopify_id).contact_id)["attributes"]


def saved(shop, shopify_id):
    return entities.get(Customer, shop, shopify_id)


def add(shop, shopify, person):
    """A customer at Shopify, synced as a webhook would."""
    customer_id = shopify.add_customer(shop.domain, person)
    index(shop, "IndexCustomer", customer_id)
    return customer_id


def change(shop, shopify, customer_id, **changes):
    """Change the customer at Shopify, whose webhook is late."""
    shopify.update_customer(shop.domain, customer_id, **changes)


def note(task):
    return Attempt.get((Attempt.task == task) & (Attempt.number == task.fence)).cause


def synced(shopify_id):
    return (
        Task.select()
        .where((Task.type == TYPES["SyncContact"].number) & (Task.shopify_id == shopify_id))
        .order_by(Task.id.desc())
        .get()
    )


# Another's contact


def test_a_contact_with_the_phone_and_another_email_stays_as_it_is(shop, shopify, engage, drain):
    """The contact that a till made keeps its name, address and id."""
    till = contacts(engage).create({"email": "p@example.com", "mobilePhone": PHONE, "firstName": "P"})
    before = dict(till["attributes"])

    customer_id, _ = buy(shop, shopify, person=Q)
    drain(waiting=True)

    assert contacts(engage).get(till["id"])["attributes"] == before
    own = fields(engage, shop, customer_id)
    assert (own["firstName"], own["email"], own["externalId"]) == ("Q", "q@example.com", str(customer_id))
    assert "mobilePhone" not in own
    assert receipts(engage)[0]["contact"]["matchKey"] == saved(shop, customer_id).contact_id != till["id"]


def test_what_was_left_out_stands_at_the_attempt(shop, shopify, engage, drain):
    till = contacts(engage).create({"email": "p@example.com", "mobilePhone": PHONE})

    customer_id = add(shop, shopify, Q)
    drain()

    left_out = note(synced(customer_id))
    assert left_out.reason == Reason.CONTACT_KEY_LEFT_OUT
    assert left_out.params == {"field": "mobilePhone", "contact": till["id"], "customer": "-"}
    assert synced(customer_id).state == State.SUCCESS


@pytest.mark.parametrize("order", list(permutations([0, 1])))
@pytest.mark.parametrize("field", [("email", "new@example.com"), ("phone", "+46700009207")])
@pytest.mark.parametrize("known", [True, False])
def test_a_key_that_moves_ends_with_two_right_contacts(order, field, known, shop, shopify, engage, drain):
    """In any order of the webhooks, and whether or not the other is a contact already."""
    (name, new), engage_name = field, {"email": "email", "phone": "mobilePhone"}[field[0]]
    ada, _ = buy(shop, shopify, person=replace(ADA, phone=PHONE))
    berta = shopify.add_customer(shop.domain, CustomerDetails(first_name="Berta", email="b@example.com"))
    if known:
        index(shop, "IndexCustomer", berta)
    drain(waiting=True)
    old = getattr(replace(ADA, phone=PHONE), name)

    change(shop, shopify, ada, **{name: new})
    change(shop, shopify, berta, **{name: old})
    for number in order:
        index(shop, "IndexCustomer", (ada, berta)[number])
        drain()

    ada_fields, berta_fields = fields(engage, shop, ada), fields(engage, shop, berta)
    assert (ada_fields["firstName"], ada_fields[engage_name], ada_fields["externalId"]) == ("Ada", new, str(ada))
    assert (berta_fields["firstName"], berta_fields[engage_name]) == ("Berta", old)
    assert berta_fields["externalId"] == str(berta)
    assert len(contacts(engage)) == 2
    assert receipts(engage)[0]["contact"]["matchKey"] == saved(shop, ada).contact_id


def test_a_contact_of_another_live_customer_is_left_alone_and_named(shop, shopify, engage, drain):
    first = shopify.add_customer(shop.domain, replace(ADA, email="new@example.com"))  # their webhook is late
    other = contacts(engage).create({"email": ADA.email, "externalId": str(first), "firstName": "Ada"})
    contacts(engage).create({"email": "new@example.com"})  # so that the other contact keeps the address
    before = dict(other["attributes"])

    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)

    why = synced(customer_id).cause
    assert (why.reason, why.params) == (
        Reason.CONTACT_KEY_TAKEN,
        {"field": "email", "contact": other["id"], "customer": str(first)},
    )
    assert contacts(engage).get(other["id"])["attributes"]["email"] == before["email"]
    assert newest("SyncOrder").cause.params["reason"] == Reason.CONTACT_KEY_TAKEN
    assert newest("SyncOrder").cause.params["contact"] == other["id"]
    assert receipts(engage) == []


def test_the_orders_follow_once_the_key_is_free(shop, shopify, engage, drain):
    first = shopify.add_customer(shop.domain, replace(ADA, email=None, phone=PHONE))
    other = contacts(engage).create({"email": ADA.email, "externalId": str(first)})
    customer_id, order_id = buy(shop, shopify)
    drain(waiting=True)

    contacts(engage).update(other["id"], {"email": "moved@example.com"})
    index(shop, "IndexCustomer", customer_id)
    drain(waiting=True)

    assert [each["uniqueReceiptId"] for each in receipts(engage)] == [str(order_id)]
    assert fields(engage, shop, customer_id)["email"] == ADA.email


def test_a_contact_without_external_id_of_another_customer_is_left_alone(shop, shopify, engage, drain):
    """An import links a contact without changing it, so Engage has no id there."""
    till = contacts(engage).create({"mobilePhone": PHONE, "email": "till@example.com"})
    first = add(shop, shopify, replace(ADA, email="till@example.com", first_name="First"))
    drain()
    contacts(engage).update(till["id"], {"externalId": ""})

    second = add(shop, shopify, replace(ADA, email="till@example.com", first_name="Second"))
    drain()

    assert synced(second).cause.params == {"field": "email", "contact": till["id"], "customer": str(first)}
    assert contacts(engage).get(till["id"])["attributes"]["firstName"] == "First"


def test_a_contact_with_the_external_id_is_the_customers_own(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, Q)
    own = contacts(engage).create({"email": "old@example.com", "externalId": str(customer_id)})

    index(shop, "IndexCustomer", customer_id)
    drain()

    assert saved(shop, customer_id).contact_id == own["id"]
    assert fields(engage, shop, customer_id)["email"] == "q@example.com"


def test_a_till_contact_of_the_same_phone_without_email_is_adopted(shop, shopify, engage, drain):
    contacts(engage).key_fields = dict.fromkeys(("Member", "Contact"), "mobilePhone")
    till = contacts(engage).create({"mobilePhone": PHONE})

    customer_id = add(shop, shopify, Q)
    drain()

    assert saved(shop, customer_id).contact_id == till["id"]


def test_with_the_phone_as_key_a_shared_email_is_left_out(shop, shopify, engage, drain):
    contacts(engage).key_fields = dict.fromkeys(("Member", "Contact"), "mobilePhone")
    shop.settings = {"contact": {"key": "mobilePhone"}}
    shop.save()
    contacts(engage).create({"email": "q@example.com", "mobilePhone": "+46700000001", "firstName": "Other"})

    customer_id = add(shop, shopify, Q)
    drain()

    own = fields(engage, shop, customer_id)
    assert (own["firstName"], own["mobilePhone"], own.get("email")) == ("Q", PHONE, None)


def test_customers_who_shared_one_contact_are_parted(shop, shopify, engage, drain):
    """What an older version made of a key that moved."""
    ada = add(shop, shopify, replace(ADA, email="a2@example.com"))
    berta = add(shop, shopify, CustomerDetails(first_name="Berta", email="b@example.com"))
    drain()
    hers = saved(shop, berta).contact_id
    contacts(engage).delete(saved(shop, ada).contact_id)
    Customer.update(contact_id=hers).where(Customer.shopify_id == ada).execute()

    change(shop, shopify, ada, last_name="Berg")
    index(shop, "IndexCustomer", ada)
    drain()

    assert saved(shop, berta).contact_id == hers != saved(shop, ada).contact_id
    assert (fields(engage, shop, berta)["firstName"], fields(engage, shop, ada)["firstName"]) == ("Berta", "Ada")


# Refused by Engage


def test_a_landline_costs_the_phone_and_not_the_customer(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, person=replace(ADA, phone="+4684001234"))

    drain(waiting=True)

    assert len(receipts(engage)) == 1
    assert "mobilePhone" not in fields(engage, shop, customer_id)
    assert note(synced(customer_id)).params == {"field": "mobilePhone", "answer": "400 InvalidPhoneNumber"}


def test_a_customer_with_nothing_but_a_refused_key_is_the_error_that_it_was(shop, shopify, engage, drain):
    customer_id = add(shop, shopify, replace(ADA, email=None, phone="+4684001234"))

    drain()

    assert synced(customer_id).reason == CallError.ENGAGE_INVALID_PHONE


def test_a_custom_key_that_is_not_the_external_id_costs_that_search(shop, shopify, engage, drain):
    contacts(engage).custom_key = None

    customer_id = add(shop, shopify, ADA)
    drain()

    assert fields(engage, shop, customer_id)["externalId"] == str(customer_id)
    assert note(synced(customer_id)).params["answer"] == "400 InvalidSearchQuery"


@pytest.mark.parametrize("method", ["POST .*/contacts$", "PATCH"])
def test_a_field_that_engage_names_in_a_refusal_is_left_out(method, shop, shopify, engage, drain):
    if method == "PATCH":
        contacts(engage).create({"email": ADA.email})
    engage.script(method, [(422, {"errorCode": "ValidationError", "message": "zipCode is not valid."})])

    customer_id = add(shop, shopify, ADA)
    drain()

    assert note(synced(customer_id)).params == {"field": "zipCode", "answer": "422 ValidationError"}
    assert "zipCode" not in fields(engage, shop, customer_id)
    assert fields(engage, shop, customer_id)["city"] == ADA.city


def test_of_several_contacts_with_the_email_the_own_type_is_asked_for(shop, shopify, engage, drain):
    member, _ = (contacts(engage).create({"email": ADA.email, "contactType": each}) for each in ("Member", "Contact"))

    customer_id = add(shop, shopify, ADA)
    drain()

    assert saved(shop, customer_id).contact_id == member["id"]


def test_a_phone_of_several_members_is_left_out_with_their_ids(shop, shopify, engage, drain):
    ids = [contacts(engage).create({"email": f"{each}@example.com", "mobilePhone": PHONE})["id"] for each in "ab"]

    customer_id = add(shop, shopify, Q)
    drain()

    assert note(synced(customer_id)).params == {"field": "mobilePhone", "contacts": ", ".join(ids)}
    assert "mobilePhone" not in fields(engage, shop, customer_id)


def test_a_key_that_was_taken_between_search_and_update_is_left_out(shop, shopify, engage, drain):
    customer_id = add(shop, shopify, ADA)
    drain()
    other = contacts(engage).create({"email": "new@example.com"})
    engage.script("GET .*/contacts/id", [NOT_FOUND])
    change(shop, shopify, customer_id, email="new@example.com", last_name="Berg")

    index(shop, "IndexCustomer", customer_id)
    drain()

    own = fields(engage, shop, customer_id)
    assert (own["email"], own["lastName"]) == (ADA.email, "Berg")
    assert note(synced(customer_id)).params["contact"] == other["id"]


def test_a_type_whose_key_another_contact_has_stays(shop, shopify, engage, drain):
    own, other = (contacts(engage).create({"email": ADA.email, "contactType": each}) for each in ("Contact", "Member"))
    customer_id = shopify.add_customer(shop.domain, ADA)
    contacts(engage).update(own["id"], {"externalId": str(customer_id)})

    index(shop, "IndexCustomer", customer_id)
    drain()

    assert saved(shop, customer_id).contact_type == "Contact"
    assert note(synced(customer_id)).params["contacts"] == other["id"]


@pytest.mark.parametrize("lost", [{"phone": None}, {"email": None}])
def test_a_key_that_shopify_lost_stays_at_engage(lost, shop, shopify, engage, drain):
    customer_id = add(shop, shopify, Q)
    drain()

    change(shop, shopify, customer_id, **lost, last_name="Berg")
    index(shop, "IndexCustomer", customer_id)
    drain()

    own = fields(engage, shop, customer_id)
    assert (own["email"], own["mobilePhone"], own["lastName"]) == ("q@example.com", PHONE, "Berg")
    assert [orjson.loads(each.request) for each in calls(engage, "PATCH")] == [{"lastName": "Berg"}]


@pytest.mark.parametrize("there", [True, False])
def test_a_contact_whose_customer_lost_every_key_is_still_synced(there, shop, shopify, engage, drain):
    customer_id = add(shop, shopify, Q)
    drain()
    contact_id = saved(shop, customer_id).contact_id
    if not there:
        contacts(engage).delete(contact_id)

    change(shop, shopify, customer_id, email=None, phone=None, last_name="Berg")
    index(shop, "IndexCustomer", customer_id)
    drain()

    assert saved(shop, customer_id).contact_id == (contact_id if there else None)
    if there:
        assert fields(engage, shop, customer_id)["lastName"] == "Berg"
    else:
        assert synced(customer_id).reason == Reason.CUSTOMER_NO_EMAIL_OR_PHONE


# Imports


@pytest.mark.parametrize(
    ("there", "adopted"),
    [
        ({"email": ADA.email}, True),
        ({"email": ADA.email, "externalId": "4711", "firstName": "Bo"}, True),
        ({"mobilePhone": PHONE, "email": "", "externalId": "4711"}, False),
        ({"email": "p@example.com", "mobilePhone": PHONE}, False),
    ],
)
def test_an_import_follows_the_same_rules(there, adopted, shop, shopify, engage, drain):
    contacts(engage).key_fields = {"Member": "email", "Contact": "mobilePhone"}
    found = contacts(engage).create(there if there.get("email") else there | {"contactType": "Contact"})
    before = dict(found["attributes"])
    customer_id = shopify.add_customer(shop.domain, replace(ADA, phone=PHONE))
    entities.save(Customer, shop, shopify.customer(shop.domain, customer_id))

    TYPES["SyncContact"].enqueue(shop, key="import", shopify_id=customer_id, args={"import_id": 1})
    drain()

    assert (saved(shop, customer_id).contact_id == found["id"]) is adopted
    assert contacts(engage).get(found["id"])["attributes"] == before


def test_an_order_has_its_receipt_with_a_contact_of_its_own(shop, shopify, engage, drain):
    """Nobody's purchases go to the contact that an e-mail address once led to."""
    ada, _ = buy(shop, shopify)
    drain(waiting=True)
    change(shop, shopify, ada, email="new@example.com")
    berta = shopify.add_customer(shop.domain, CustomerDetails(first_name="Berta"))
    index(shop, "IndexOrder", shopify.add_order(shop.domain, RECORD, customer_id=berta))

    index(shop, "IndexCustomer", berta)
    drain(waiting=True)

    bought = [each["contact"]["matchKey"] for each in receipts(engage)]
    assert bought == [saved(shop, ada).contact_id, saved(shop, berta).contact_id]
    assert len(set(bought)) == 2
