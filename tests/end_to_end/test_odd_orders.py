"""Everything odd that orders and customers do: receipts are net sales, articles last, and nobody has another's data."""

from __future__ import annotations

import itertools
from collections import defaultdict
from decimal import Decimal
from operator import attrgetter

import orjson
import pytest

from clients import Effect
from models import Exchange, State, Task
from sandbox.demo_activity import DemoActivity
from sandbox.invented_customers import invented_customer
from sandbox.odd_orders import OddOrderReplay
from sandbox.purchases import order_stream, purchases
from sandbox.shopify.webhooks.delivery import WebhookFaults
from tests.end_to_end.test_receipt_sums import PRICINGS, net_sales, receipt_sums
from tests.project.test_mapping_document import documented_paths
from tests.support.servers.demo_run import demo_run
from tests.support.web.webhook_requests import web

__all__ = ["demo_run", "web"]

ORDERS, VOUCHERS = 36, 6
TILL_MEMBER = {"firstName": "Tilly", "lastName": "Tills"}


@pytest.fixture(params=PRICINGS, ids=attrgetter("currency"))
def pricing(request):
    return request.param


@pytest.fixture
def busy_week(demo_run, pricing):
    """A shop after orders with every trick, their changes, and whatever its customers do meanwhile."""
    demo, simulation = demo_run.demo, demo_run.simulation
    demo_run.shop.settings |= {"receipt": {"redeem_codes": True}}
    demo_run.shop.save()
    demo.shopify.webhook_sender.faults = WebhookFaults(duplicates=0.1, reordered=0.3)
    replay = OddOrderReplay(demo.shopify, demo.domain, pricing=demo.pricing)
    add_contacts_of_a_till(demo)
    simulation.start(itertools.islice(order_stream(simulation, replay, rate=1.0), ORDERS))
    activity = DemoActivity(demo)
    activity.start_opening(simulation)
    for number in range(VOUCHERS):
        simulation.start(activity.customer_uses_a_voucher(), 30.0 + 10 * number)
    for _ in range(15):
        demo_run.advance(seconds=10)
    demo_run.finish()
    return demo


def add_contacts_of_a_till(demo):
    """People with the phone numbers of customers to come: another system has made them members."""
    for purchase in purchases()[:ORDERS:4]:
        phone = invented_customer(purchase.customer).phone
        if phone and not demo.tenant.contacts.matching("mobilePhone", phone, None):
            demo.tenant.contacts.create({**TILL_MEMBER, "email": f"till{phone[3:]}@example.com", "mobilePhone": phone})


@pytest.mark.slow
def test_a_week_of_everything(demo_run, busy_week):
    demo = busy_week

    assert sales_that_differ(demo) == {}
    assert demo.tenant.receipts_report()["sums"]["unbalanced"] == []
    assert shared_articles(demo) == {}
    assert contacts_with_anothers_data(demo) == []
    assert changed_contacts_of_the_till(demo) == []
    assert orders_of_two_contacts(demo) == {}
    assert orders_of_another(demo) == {}
    assert vouchers_that_are_wrong(demo) == {}
    assert undocumented_fields(demo_run.shop) == set()
    assert [row.reason for row in Task.select().where(Task.state == State.ERROR)] == []


def sales_that_differ(demo):
    """Orders whose receipts do not add up to Shopify's net sales."""
    sold, sums = net_sales(demo), receipt_sums(demo)
    assert len(sold) > ORDERS
    received = {order: sums.get(order, Decimal(0)) for order in sold}
    return {order: (received[order], amount) for order, amount in sold.items() if received[order] != amount}


def shared_articles(demo):
    """Articles of two variants, and variants that are two articles. A title is one variant with and one without SKU."""
    names, skus = defaultdict(set), defaultdict(set)
    for receipt in demo.tenant.receipts_report()["applied"]:
        for item in receipt["items"]:
            if item["type"] != "ADJUSTMENT":
                names[item["sku"]].add(item["articleName"])
                skus[item["articleName"], item["sku"].startswith("CD-")].add(item["sku"])
    assert len(names) > 20
    return {key: found for key, found in (*names.items(), *skus.items()) if len(found) > 1}


def contacts_with_anothers_data(demo):
    """Contacts that have a name, e-mail address or phone number of somebody else than their customer."""
    found = []
    for contact in demo.tenant.contacts.all():
        has = contact["attributes"]
        customer = demo.shopify.customer(demo.domain, int(has.get("externalId") or 0))
        if customer and any(has.get(name) and has[name] != value for name, value in identity(customer).items()):
            found.append((has, identity(customer)))
    return found


def identity(customer):
    email, phone = customer["defaultEmailAddress"] or {}, customer["defaultPhoneNumber"] or {}
    names = {name: customer[name] for name in ("firstName", "lastName")}
    return {**names, "email": email.get("emailAddress"), "mobilePhone": phone.get("phoneNumber")}


def orders_of_two_contacts(demo):
    """Orders whose receipts have gone to more than one contact."""
    contacts = defaultdict(set)
    for contact_id, own in demo.tenant.receipts.by_contact.items():
        for receipt in own:
            contacts[receipt["uniqueReceiptId"].partition("-")[0]].add(contact_id)
    return {order: found for order, found in contacts.items() if len(found) > 1}


def orders_of_another(demo):
    """Orders whose receipts have gone to the contact of another customer who is there as well."""
    owners = {each["id"]: each["attributes"].get("externalId") for each in demo.tenant.contacts.all()}
    found = {}
    for contact_id, own in demo.tenant.receipts.by_contact.items():
        for receipt in own:
            order_id = receipt["uniqueReceiptId"].partition("-")[0]
            bought_by = (demo.shopify.order(demo.domain, int(order_id))["customer"] or {}).get("legacyResourceId")
            owner = owners[contact_id]
            if bought_by not in (None, owner) and owner and demo.shopify.customer(demo.domain, int(owner)):
                found[order_id] = (bought_by, owner)
    return found


def changed_contacts_of_the_till(demo):
    of_the_till = [each for each in demo.tenant.contacts.all() if "till" in (each["attributes"].get("email") or "")]
    assert len(of_the_till) > 3
    return [
        each["attributes"]
        for each in of_the_till
        if not each["attributes"].items() >= TILL_MEMBER.items() or each["attributes"].get("externalId")
    ]


def undocumented_fields(shop):
    """Fields of bodies sent to Engage that docs/mapping.md does not have."""
    sending = (Exchange.system == "Engage") & (Exchange.effect != Effect.READ)
    bodies = [orjson.loads(each.open(shop, "sent") or b"{}") for each in Exchange.select().where(sending)]
    assert len(bodies) > ORDERS
    return {path for body in bodies for path in paths_of(body)} - set(documented_paths())


def paths_of(value, path=""):
    if isinstance(value, list):
        return {each for below in value for each in paths_of(below, f"{path}[]")}
    if isinstance(value, dict):
        parts = ((f"{path}.{name}" if path else name, below) for name, below in value.items())
        return {each for below_path, below in parts for each in paths_of(below, below_path)}
    return {path.rstrip("0123456789")}


def vouchers_that_are_wrong(demo):
    """Vouchers that are not redeemed once for an order that stands, or not given back for one that does not."""
    stands = {}
    for order_id, _, _ in demo.shopify.records(demo.domain).order_headers():
        order = demo.shopify.order(demo.domain, order_id)
        stands |= dict.fromkeys(order["discountCodes"], not order["cancelledAt"])
    given = demo.tenant.vouchers.by_id.values()
    assert len(given) > VOUCHERS
    balance = {each.number: (each.redemptions <= 1, each.redemptions - each.reactivations) for each in given}
    return {number: found for number, found in balance.items() if found != (True, int(stands[number]))}
