"""The store of a contact and a receipt, by market, country, locale and physical shop; a contact's type."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from i18n.explanations import reason_text
from models import Attempt, Customer, Order, Shop, State, new_id, utcnow
from models import Market as Known
from sandbox.engage.faults import Fault
from sandbox.shopify.customers import CustomerDetails, address
from sandbox.shopify.markets import SandboxMarket
from sync import entities, stores
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import RECORD, buy, newest, receipts
from tests.support.tasks.webhook_tasks import receive_webhook
from tests.sync.test_imports import begin_import

ADA = CustomerDetails()
NORDIC, WEST = SandboxMarket("nordic", ("NO", "DK", "FI")), SandboxMarket("west", ("US-CA", "US-OR"))
STORES = {"nordic": "NORDIC", "west": "WEST-COAST", "usa": "USA", "rest": "REST"}


def contact(engage):
    (only,) = engage.tenant("demo").contacts.all()
    return only["attributes"]


def index(shop, shopify_id, name="IndexCustomer"):
    TYPES[name].enqueue(shop, key=str(new_id()), shopify_id=shopify_id)


def add_pos_order(shop, shopify, customer):
    """An order of a physical shop's, known to us."""
    order = shopify.order(shop.domain, shopify.add_order(shop.domain, RECORD, customer_id=customer))
    entities.save(Order, shop, {**order, "sourceName": "pos"}, name=order["name"], customer_id=customer)


@pytest.mark.parametrize(("locale", "store"), [("sv", "SE-WEB"), ("nb-NO", "NO-WEB"), ("de-AT", "DE-WEB")])
def test_a_contacts_store_is_that_of_the_customers_locale(shop, shopify, engage, drain, locale, store):
    shop.settings = {"stores": {"NO": "NO-WEB", "de": "DE-WEB"}}
    shop.save()

    index(shop, shopify.add_customer(shop.domain, replace(ADA, locale=locale)))
    drain()

    assert contact(engage)["createdInStore"] == store


def test_a_customer_of_a_physical_shop_gets_no_store_and_is_a_member(shop, shopify, engage, drain):
    shop.settings = {"contact": {"mode": "accounts"}}
    shop.save()
    customer = shopify.add_customer(shop.domain, replace(ADA, account=False))
    add_pos_order(shop, shopify, customer)

    index(shop, customer)
    drain()

    assert contact(engage)["contactType"] == "Member"
    assert not contact(engage)["createdInStore"]


def test_a_guest_becomes_a_member_in_a_physical_shop(shop, shopify, engage, drain):
    shop.settings = {"contact": {"mode": "accounts"}}
    shop.save()
    customer = shopify.add_customer(shop.domain, replace(ADA, account=False))
    index(shop, customer)
    drain()
    assert contact(engage)["contactType"] == "Contact"

    add_pos_order(shop, shopify, customer)
    index(shop, customer)
    drain()

    assert contact(engage)["contactType"] == "Member"
    assert entities.get(Customer, shop, customer).contact_type == "Member"


# Markets


@pytest.fixture
def markets(shop, shopify, drain):
    """The shop sells in some markets that we know of, and has mapped those of STORES."""
    shop.settings = {"stores": STORES}
    shop.save()

    def known(*markets):
        shopify.set_markets(shop.domain, *markets)
        index(shop, None, "SyncShopCurrency")
        drain()

    return known


def saved_markets(shop):
    return list(Known.select().where(Known.shop == shop).order_by(Known.handle))


def buyer(country, **fields):
    return replace(ADA, country_code=country, locale="en", **fields)


def attempt_note(name):
    """What stands at the only attempt of the newest task of this type."""
    noted = Attempt.get(Attempt.task == newest(name), Attempt.number == newest(name).fence).cause
    return noted and reason_text(noted)


def test_a_receipt_and_a_contact_of_a_market_have_its_store(shop, shopify, engage, drain, markets):
    markets(NORDIC, SandboxMarket("rest"))

    buy(shop, shopify, person=buyer("NO"))
    drain(waiting=True)

    assert contact(engage)["createdInStore"] == "NORDIC"
    assert [receipt["storeExternalId"] for receipt in receipts(engage)] == ["NORDIC"]
    assert (attempt_note("SyncContact"), attempt_note("SyncOrder")) == (None, None)


def test_a_receipts_store_follows_the_shipping_and_a_contacts_the_home_address(shop, shopify, engage, drain, markets):
    markets(NORDIC, WEST)

    sent_to = address(buyer("US"), "gid://shopify/MailingAddress/1") | {"provinceCode": "CA"}
    buy(shop, shopify, person=buyer("NO"), shippingAddress=sent_to)
    drain(waiting=True)

    assert contact(engage)["createdInStore"] == "NORDIC"
    assert [receipt["storeExternalId"] for receipt in receipts(engage)] == ["WEST-COAST"]


def test_a_receipt_of_an_unmapped_market_has_the_default_store_and_a_note(shop, shopify, engage, drain, markets):
    markets(NORDIC, SandboxMarket("asia", ("JP",)))

    buy(shop, shopify, person=buyer("JP"), customerLocale="ja")
    drain(waiting=True)

    assert [receipt["storeExternalId"] for receipt in receipts(engage)] == ["SE-WEB"]
    sentence = "Its store is the shop's default, SE-WEB: the map of stores has no entry for asia, jp, "
    assert attempt_note("SyncOrder") == sentence + "ja."
    assert attempt_note("SyncContact") == sentence + "en."
    assert newest("SyncOrder").reason is None  # it was not skipped


def test_an_existing_contact_is_not_sent_a_store(shop, shopify, engage, drain, markets):
    markets(NORDIC)
    customer = shopify.add_customer(shop.domain, buyer("JP"))
    index(shop, customer)
    drain()

    shopify.update_customer(shop.domain, customer, city="Kyoto")
    index(shop, customer)
    drain()

    assert attempt_note("SyncContact") is None


def test_an_imported_receipt_of_a_market_has_its_store(shop, shopify, engage, drain, markets):
    markets(NORDIC)
    customer = shopify.add_customer(shop.domain, buyer("NO"))
    shopify.add_order(shop.domain, RECORD, customer_id=customer)

    begin_import(shop, end=utcnow() + timedelta(hours=1))
    drain(waiting=True, seconds=30)

    assert contact(engage)["createdInStore"] == "NORDIC"
    assert [receipt["storeExternalId"] for receipt in receipts(engage)] == ["NORDIC"]


def test_the_task_page_says_that_the_store_is_the_default(client, shop, shopify, engage, drain, markets):
    markets(NORDIC)

    buy(shop, shopify, person=buyer("JP"))
    drain(waiting=True)

    page = client.get(f"/tasks/{newest('SyncOrder').id}").text
    assert "Its store is the shop&#39;s default, SE-WEB" in page


def test_the_smallest_market_that_a_country_is_in_wins(shop, shopify, engage, drain, markets):
    markets(SandboxMarket("rest"), SandboxMarket("nordic", ("NO", "DK", "FI")), SandboxMarket("usa", ("NO",)))

    index(shop, shopify.add_customer(shop.domain, buyer("NO")))
    drain()

    assert contact(engage)["createdInStore"] == "USA"


def test_a_draft_market_is_ignored(shop, markets):
    markets(NORDIC, SandboxMarket("usa", ("US",), active=False))

    assert [market.handle for market in saved_markets(shop)] == ["nordic"]


def test_markets_of_another_shop_are_left_alone(shop, other_shop, markets):
    stores.save_markets(other_shop, [SandboxMarket("theirs", ("NO",)).graphql(1) | {"conditions": EVERYWHERE}])

    markets(NORDIC)

    assert [market.handle for market in saved_markets(other_shop)] == ["theirs"]
    assert stores.market_handles(shop, ["NO", "*"]) == ["nordic"]


EVERYWHERE = {"regionsCondition": {"applicationLevel": "ALL"}}


def test_a_market_with_more_regions_than_a_page_is_read_completely(shop, markets):
    markets(SandboxMarket("long", tuple(f"US-{number}" for number in range(601))), NORDIC)

    assert [(market.handle, len(market.regions)) for market in saved_markets(shop)] == [("long", 601), ("nordic", 3)]


@pytest.mark.parametrize("topic", ["markets/create", "markets/update", "markets/delete"])
def test_a_changed_market_is_read_again(topic, shop, shopify, drain, markets):
    markets(NORDIC)
    shopify.set_markets(shop.domain, NORDIC, WEST)

    receive_webhook(shop, topic, {"id": 1})
    drain()

    assert [market.handle for market in saved_markets(shop)] == ["nordic", "west"]


def test_a_shop_without_access_to_markets_goes_by_country(shop, shopify, engage, drain, markets):
    shop.settings = {"stores": {"NO": "NO-WEB"}}
    shop.save()
    shopify.records(shop.domain).markets = None
    index(shop, None, "SyncShopCurrency")

    buy(shop, shopify, person=buyer("NO"))
    drain(waiting=True)

    assert newest("SyncShopCurrency").state == State.SUCCESS
    assert saved_markets(shop) == []
    assert contact(engage)["createdInStore"] == "NO-WEB"
    assert [receipt["storeExternalId"] for receipt in receipts(engage)] == ["NO-WEB"]


def test_an_error_other_than_denied_access_is_an_error(shop, shopify, drain, markets):
    shopify.records(shop.domain).markets = 7  # nothing that can be gone through: Shopify answers with an error

    index(shop, None, "SyncShopCurrency")
    drain()

    assert newest("SyncShopCurrency").state == State.ERROR


def test_markets_that_cannot_be_read_now_are_retried(shop, shopify, drain, markets):
    shopify.set_markets(shop.domain, NORDIC)
    shopify.admin.script.extend([Fault.NONE, Fault.UNAVAILABLE])  # the shop's settings, its markets

    index(shop, None, "SyncShopCurrency")
    drain(waiting=True)

    assert newest("SyncShopCurrency").attempts == 2
    assert [market.handle for market in saved_markets(shop)] == ["nordic"]


# Locations


def sync_shop(shop, drain):
    TYPES["SyncShopCurrency"].enqueue(shop, key=str(new_id()))
    drain()


def test_a_new_location_is_offered_for_the_map_and_named_at_its_webhook(shop, shopify, drain, client):
    shop.settings = {"stores": {"SE": "SE-WEB"}}
    shop.save()
    location = shopify.add_location(shop.domain, "Malmö")
    receive_webhook(shop, "locations/create", {"id": location, "name": "Malmö"})

    drain()

    note = Attempt.get(Attempt.task == newest("ShopWebhook")).cause
    assert f"Malmö ({location}) has no entry in the map of stores" in reason_text(note)
    page = client.get("/settings").text
    assert f'<option value="{location}">Malmö</option>' in page
    assert f"Locations without a row of their own: Malmö ({location})" in page


@pytest.mark.parametrize("topic", ["locations/update", "locations/deactivate", "locations/delete"])
def test_a_change_of_a_location_is_read_and_needs_no_note(topic, shop, shopify, drain, client):
    shop.settings = {"stores": {"SE": "SE-WEB"}}
    shop.save()
    location = shopify.add_location(shop.domain, "Malmö")
    sync_shop(shop, drain)
    match topic:
        case "locations/update":
            shopify.rename_location(shop.domain, location, "Lund")
        case "locations/deactivate":
            shopify.activate_location(shop.domain, location, active=False)
        case _:
            shopify.delete_location(shop.domain, location)
    receive_webhook(shop, topic, {"id": location})

    drain()

    page = client.get("/settings").text
    assert ("Malmö" in page, "Lund" in page) == (False, topic == "locations/update")
    assert Attempt.get(Attempt.task == newest("ShopWebhook")).cause is None


def test_a_location_with_a_row_or_without_any_map_has_no_note(shop, shopify, drain, client):
    location = shopify.add_location(shop.domain, "Malmö")
    for settings in ({}, {"stores": {str(location): "MALMO"}}):
        shop.settings = settings
        shop.save()
        receive_webhook(shop, "locations/create", {"id": location, "name": "Malmö"})
        drain()

        assert Attempt.get(Attempt.task == newest("ShopWebhook")).cause is None
        assert "without a row" not in client.get("/settings").text


def test_all_pages_of_locations_are_read(shop, shopify, drain):
    for number in range(130):
        shopify.add_location(shop.domain, f"Shop {number}")

    sync_shop(shop, drain)

    assert len(Shop.get_by_id(shop.id).locations) == 130


def test_a_shop_that_withholds_its_locations_keeps_those_it_had(shop, shopify, drain):
    location = shopify.add_location(shop.domain, "Malmö")
    sync_shop(shop, drain)
    shopify.records(shop.domain).scopes = ("read_markets", "read_orders")

    sync_shop(shop, drain)

    assert newest("SyncShopCurrency").state == State.SUCCESS
    assert Shop.get_by_id(shop.id).locations == {str(location): "Malmö"}


def test_the_note_of_a_default_store_names_the_location(shop):
    shop.settings = {"stores": {"NO": "NO-WEB"}}

    choice = stores.choose_store(shop, {"retailLocation": {"legacyResourceId": "77", "name": "Malmö"}})

    assert "no entry for Malmö (77)" in reason_text(choice.note)
