"""Which store and which type a contact gets: by market and locale, and by the till."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors import TYPES
from models import Customer, Order, new_id
from sandbox.shopify import Person
from tests.test_first_road import RECORD

ADA = Person()


def contact(engage):
    (only,) = engage.tenant("demo").contacts.all()
    return only["attributes"]


def index(shop, shopify_id, name="IndexCustomer"):
    TYPES[name].enqueue(shop, key=str(new_id()), shopify_id=shopify_id)


def bought_at_the_till(shop, shopify, customer):
    """An order of a physical shop's, known to us."""
    order = shopify.order(shop.domain, shopify.add_order(shop.domain, RECORD, customer_id=customer))
    Order.remember(shop, {**order, "sourceName": "pos"}, name=order["name"], customer_id=customer)


@pytest.mark.parametrize(("locale", "store"), [("sv", "SE-WEB"), ("nb-NO", "NO-WEB"), ("de-AT", "DE-WEB")])
def test_a_contacts_store_is_that_of_the_customers_locale(shop, shopify, engage, drain, locale, store):
    shop.settings = {"stores": {"NO": "NO-WEB", "de": "DE-WEB"}}
    shop.save()

    index(shop, shopify.add_customer(shop.domain, replace(ADA, locale=locale)))
    drain()

    assert contact(engage)["createdInStore"] == store


def test_a_customer_of_the_till_gets_no_store_and_is_a_member(shop, shopify, engage, drain):
    shop.settings = {"contact": {"mode": "accounts"}}
    shop.save()
    customer = shopify.add_customer(shop.domain, replace(ADA, account=False))
    bought_at_the_till(shop, shopify, customer)

    index(shop, customer)
    drain()

    assert contact(engage)["contactType"] == "Member"
    assert not contact(engage)["createdInStore"]


def test_a_guest_becomes_a_member_at_the_till(shop, shopify, engage, drain):
    shop.settings = {"contact": {"mode": "accounts"}}
    shop.save()
    customer = shopify.add_customer(shop.domain, replace(ADA, account=False))
    index(shop, customer)
    drain()
    assert contact(engage)["contactType"] == "Contact"

    bought_at_the_till(shop, shopify, customer)
    index(shop, customer)
    drain()

    assert contact(engage)["contactType"] == "Member"
    assert Customer.known(shop, customer).contact_type == "Member"
