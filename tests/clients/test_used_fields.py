"""Fields that the documents select and nothing reads: personal data among them is not fetched."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import pytest
from graphql import FieldNode, GraphQLNamedType, TypeInfo, TypeInfoVisitor, Visitor, parse, visit

from clients.shopify.graphql_client import DOCUMENTS as FOLDER
from sandbox.shopify.api.schema import schema

ROOT = Path(__file__).parents[2]
ROOMS = ("actors", "alerts", "checks", "clients", "mappings", "privacy", "sync", "views")
OF_THE_SHOP = ("app_scopes", "bulk_cancel", "bulk_operation", "bulk_run_query", "locations", "markets", "shop")
WRITES = ("email_consent_update", "sms_consent_update")
DOCUMENTS = {
    name: each.read_text()
    for each in sorted(FOLDER.rglob("*.graphql"))
    if (name := each.relative_to(FOLDER).with_suffix("").as_posix()) not in (*OF_THE_SHOP, *WRITES)
}
# Selected all the same; none of them is about a person.
UNREAD = {
    **dict.fromkeys(
        [
            *("amountRoundingSet", "discountedTotalSet", "refundSet", "subtotalPriceSet", "totalDiscountsSet"),
            *("totalShippingPriceSet", "originalTotalAdditionalFeesSet", "originalTotalDutiesSet"),
        ],
        "amounts, by which a receipt is checked by hand",
    ),
    **dict.fromkeys(
        ["formattedGateway", "paymentGatewayNames", "index", "targetType"], "payment's and discount's names"
    ),
    **dict.fromkeys(["displayStatus", "totalQuantity", "restockType"], "states, shown with the snapshot"),
}
CONTACT, STORE, MAIL = "mappings/contact.py", "mappings/stores.py", "mappings/notification/extra_fields.py"
PERSONAL = ("Customer", "CustomerEmailAddress", "CustomerPhoneNumber", "MailingAddress")
PERSONAL_OF_ORDERS = ("Order.email", "Order.phone", "Order.statusPageUrl", "Order.note", "Refund.note")
NUMBERS = {"Customer.id", "Customer.legacyResourceId", "Customer.createdAt", "Customer.updatedAt"}
# Personal data, with what reads it: a name alone may be that of another object's field.
READ_OF_CUSTOMERS = {
    **dict.fromkeys(["Customer.firstName", "Customer.lastName", "Customer.state", "Customer.gender"], CONTACT),
    **dict.fromkeys(["Customer.defaultEmailAddress", "Customer.defaultPhoneNumber"], CONTACT),
    **dict.fromkeys(["Customer.defaultAddress", "Customer.locale"], STORE),
    **dict.fromkeys(["CustomerEmailAddress.emailAddress", "CustomerEmailAddress.validFormat"], CONTACT),
    "CustomerEmailAddress.marketingState": CONTACT,
    "CustomerEmailAddress.marketingOptInLevel": "clients/shopify/consent.py",
    "CustomerEmailAddress.marketingUpdatedAt": "mappings/consent/observations.py",
    **dict.fromkeys(["CustomerPhoneNumber.phoneNumber", "CustomerPhoneNumber.smsMarketingConsent"], CONTACT),
    **dict.fromkeys([f"MailingAddress.{name}" for name in ("address1", "address2", "zip", "city")], CONTACT),
    **dict.fromkeys(["MailingAddress.country", "MailingAddress.countryCodeV2", "MailingAddress.phone"], CONTACT),
    "MailingAddress.provinceCode": STORE,
}
READ_OF_ORDERS = {
    "Order.email": CONTACT,
    "Order.statusPageUrl": MAIL,
    **dict.fromkeys([f"MailingAddress.{name}" for name in ("firstName", "lastName", "company", "phone")], MAIL),
    **dict.fromkeys([f"MailingAddress.{name}" for name in ("address1", "address2", "zip", "city")], MAIL),
    "MailingAddress.countryCodeV2": MAIL,
    "MailingAddress.provinceCode": STORE,
}


@lru_cache
def selected(document: str) -> frozenset[str]:
    """The fields that a document selects, as Type.field; one with an alias by that."""
    found: set[str] = set()
    position = TypeInfo(schema())

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            parent: GraphQLNamedType | None = position.get_parent_type()
            assert parent is not None
            found.add(f"{parent.name}.{(node.alias or node.name).value}")

    visit(parse(document), TypeInfoVisitor(position, Fields()))
    return frozenset(found)


def unread(names: set[str]) -> set[str]:
    """Those that no code has as a text."""
    code = (path.read_text() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    return names - {text for each in code for text in re.findall(r"\"(\w+)\"", each)}


def personal(document: str) -> set[str]:
    """The fields of a document that are about a person, without numbers and times."""
    fields = {each for each in selected(document) if each.split(".")[0] in PERSONAL or each in PERSONAL_OF_ORDERS}
    return fields - NUMBERS


def readers(name: str) -> dict[str, str]:
    """What reads the personal data of a document."""
    if name == "protected_data":
        return READ_OF_CUSTOMERS | READ_OF_ORDERS
    return READ_OF_CUSTOMERS if "customer" in name else READ_OF_ORDERS


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_fetches_a_field_that_nothing_reads(name):
    names = {each.split(".")[1] for each in selected(DOCUMENTS[name])} - {"edges", "node", "nodes"}

    assert unread(names) - set(UNREAD) == set()


def test_every_reason_is_of_a_field_that_is_selected_and_that_nothing_reads():
    names = {each.split(".")[1] for text in DOCUMENTS.values() for each in selected(text)}

    assert unread(names) & set(UNREAD) == set(UNREAD)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_fetches_personal_data_that_nothing_reads(name):
    assert personal(DOCUMENTS[name]) - readers(name).keys() == set()


@pytest.mark.parametrize("name", ["customer_by_id", "order_by_id"])
def test_personal_data_that_is_read_is_fetched(name):
    assert readers(name).keys() - personal(DOCUMENTS[name]) == set()


@pytest.mark.parametrize(("field", "path"), [*READ_OF_CUSTOMERS.items(), *READ_OF_ORDERS.items()])
def test_personal_data_is_read_where_the_table_says(field, path):
    assert f'"{field.split(".")[1]}"' in (ROOT / path).read_text()


def test_the_check_of_protected_data_asks_for_nothing_else():
    others = {each for name in ("customer_by_id", "order_by_id") for each in personal(DOCUMENTS[name])}

    assert personal(DOCUMENTS["protected_data"]) <= others


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{ customer(id: "1") { id displayName } }', {"Customer.displayName"}),
        ('{ order(id: "1") { id note phone } }', {"Order.note", "Order.phone"}),
        ('{ order(id: "1") { customer { defaultEmailAddress { emailAddress } } } }', {"Customer.defaultEmailAddress"}),
    ],
)
def test_personal_data_that_nothing_reads_is_detected(text, found):
    assert found <= personal(text) - READ_OF_ORDERS.keys()


def test_a_field_that_nothing_reads_is_detected():
    assert unread({"id", "shoeSize"}) == {"shoeSize"}
