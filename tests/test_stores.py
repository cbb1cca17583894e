"""Which of Engage's stores a customer or an order belongs to."""

import pytest

from mappings.stores import StoreRules, store_of

RULES = StoreRules(
    default="WEB",
    stores={"sv-SE": "SE-WEB", "no": "NO-WEB", "de": "DE-WEB", "AT": "AT-WEB", "nordic": "NORDIC", "77": "SHOP-1"},
)


@pytest.mark.parametrize(
    ("locale", "store"),
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
def test_a_locale_has_the_store_that_names_it_best(locale, store):
    assert store_of({"locale": locale}, RULES) == store


def test_an_order_has_the_locale_of_its_purchase():
    assert store_of({"customerLocale": "no", "locale": "de"}, RULES) == "NO-WEB"


def test_a_market_goes_before_a_locale():
    assert store_of({"market": {"handle": "Nordic"}, "customerLocale": "sv-SE"}, RULES) == "NORDIC"


def test_an_unmapped_market_leaves_it_to_the_locale():
    assert store_of({"market": {"handle": "asia"}, "customerLocale": "sv-SE"}, RULES) == "SE-WEB"


def test_a_physical_shop_goes_before_all():
    location = {"id": "gid://shopify/Location/77"}

    assert store_of({"retailLocation": location, "market": {"handle": "nordic"}}, RULES) == "SHOP-1"


def test_nothing_known_is_the_default():
    assert store_of({"retailLocation": None, "market": None}, RULES) == "WEB"
    assert store_of({"locale": "sv-SE"}, StoreRules("ONE")) == "ONE"


def test_a_store_without_an_id_is_no_store():
    assert store_of({"locale": "sv"}, StoreRules("WEB", {"sv": "", "": "NOWHERE"})) == "WEB"
