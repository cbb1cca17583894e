"""Engage's store of a customer or an order, by the shop's map of stores."""

import pytest

from mappings.stores import StoreChoice, StoreRules, address_regions, market_regions, store_of
from tests.support.tasks.outcomes import sentence

STORES = {
    "sv-SE": "SE-WEB",
    "no": "NO-WEB",
    "de": "DE-WEB",
    "AT": "AT-WEB",
    "DK": "DK-WEB",
    "nordic": "NORDIC",
    "77": "SHOP-1",
}


def store(node, *markets):
    return store_of(node, StoreRules("WEB", STORES, markets)).store


def sent_to(country, province=None):
    return {"countryCodeV2": country, "provinceCode": province}


@pytest.mark.parametrize(
    ("locale", "wanted"),
    [
        ("sv-SE", "SE-WEB"),
        ("SV_se", "SE-WEB"),
        ("sv", "WEB"),
        ("no", "NO-WEB"),
        ("no-NO", "NO-WEB"),
        ("de-AT", "AT-WEB"),
        ("de-CH", "DE-WEB"),
        ("de-Latn-AT", "AT-WEB"),
        ("", "WEB"),
        (None, "WEB"),
    ],
)
def test_a_locale_has_the_most_specific_store(locale, wanted):
    assert store({"locale": locale}) == wanted


def test_an_order_has_the_locale_of_its_purchase():
    assert store({"customerLocale": "no", "locale": "de"}) == "NO-WEB"


def test_a_market_goes_before_a_country_and_a_locale():
    assert store({"shippingAddress": sent_to("DK"), "customerLocale": "sv-SE"}, "Nordic") == "NORDIC"


def test_the_first_market_that_the_map_names_wins():
    assert store({}, "denmark", "nordic", "77") == "NORDIC"


def test_a_country_goes_before_a_locale():
    assert store({"shippingAddress": sent_to("DK"), "customerLocale": "sv-SE"}) == "DK-WEB"


def test_an_unmapped_market_and_country_leave_it_to_the_locale():
    assert store({"shippingAddress": sent_to("JP"), "customerLocale": "sv-SE"}, "asia") == "SE-WEB"


def test_a_physical_shop_goes_before_all():
    location = {"id": "gid://shopify/Location/77"}

    assert store({"retailLocation": location}, "nordic") == "SHOP-1"


def test_a_store_without_an_id_is_no_store():
    assert store_of({"locale": "sv"}, StoreRules("WEB", {"sv": "", "": "NOWHERE"})).store == "WEB"


# The default store and its note


def test_a_mapped_store_has_no_note():
    assert store_of({"locale": "no"}, StoreRules("WEB", STORES)) == StoreChoice("NO-WEB")


def test_the_default_store_has_a_note_of_the_names_tried():
    node = {"shippingAddress": sent_to("JP"), "customerLocale": "ja-JP"}

    found = store_of(node, StoreRules("WEB", STORES, ["asia"]))

    assert found.store == "WEB"
    assert (
        sentence(found.note)
        == "Its store is the shop's default, WEB: the map of stores has no entry for asia, jp, ja-jp, ja."
    )


def test_the_default_store_of_an_unknown_place_has_a_note():
    found = store_of({"retailLocation": None}, StoreRules("WEB", STORES))

    assert found.store == "WEB"
    assert sentence(found.note).endswith("has no entry for an unknown place.")


def test_without_a_map_the_default_store_has_no_note():
    assert store_of({"locale": "sv-SE"}, StoreRules("ONE")) == StoreChoice("ONE")


# Regions


@pytest.mark.parametrize(
    ("node", "regions"),
    [
        ({"shippingAddress": sent_to("US", "CA"), "billingAddress": sent_to("SE")}, ["US-CA", "US", "*"]),
        ({"shippingAddress": None, "billingAddress": sent_to("SE")}, ["SE", "*"]),
        ({"defaultAddress": sent_to("SE")}, ["SE", "*"]),
        ({"defaultAddress": None}, []),
        ({"shippingAddress": sent_to(None, "CA")}, []),
        ({}, []),
    ],
)
def test_regions_are_those_of_the_shipping_or_default_address(node, regions):
    assert address_regions(node) == regions


def market(*regions, level="SPECIFIED", status="ACTIVE"):
    condition = {"applicationLevel": level, "regions": {"nodes": list(regions)}}
    return {"status": status, "conditions": {"regionsCondition": condition}}


CALIFORNIA = {"code": "CA", "country": {"code": "US"}}


def test_a_market_is_made_of_countries_and_parts_of_them():
    assert market_regions(market({"countryCode": "SE"}, CALIFORNIA)) == ["SE", "US-CA"]
    assert market_regions(market(CALIFORNIA | {"code": "US-CA"})) == ["US-CA"]


def test_a_market_may_be_everywhere():
    assert market_regions(market(level="ALL")) == ["*"]


@pytest.mark.parametrize(
    "closed",
    [
        market({"countryCode": "SE"}, status="DRAFT"),
        {"status": "ACTIVE", "conditions": None},
        {"status": "ACTIVE", "conditions": {"regionsCondition": None}},
    ],
)
def test_a_market_without_visitors_or_regions_has_none(closed):
    assert market_regions(closed) == []
