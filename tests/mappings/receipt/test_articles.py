"""Articles of an order's lines: one lasting SKU for each, whatever Shopify still knows of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.receipt.articles import (
    FALLBACKS,
    MAX_SKU,
    Article,
    article_of,
    keep_deleted_articles,
    sent_article,
    with_articles,
)
from tests.support.orders.short_orders import line, order

VARIANT, PRODUCT = {"legacyResourceId": "46", "barcode": "735"}, {"legacyResourceId": "45", "productType": "Care"}
NAMED = {"name": "Cloth - Blue", "title": "Cloth", "variantTitle": "Blue", "vendor": "Weavers"}


def bought(number=1, **more):
    return line(number, "75.0", **({"sku": "CLO", "variant": VARIANT, "product": PRODUCT} | NAMED | more))


def deleted(**more):
    return bought(**({"variant": None, "product": None} | more))


@pytest.mark.parametrize(
    ("key", "changed", "sku"),
    [
        ("sku", {}, "CLO"),
        ("sku", {"sku": "  CLO\t"}, "CLO"),
        ("sku", {"sku": None}, "46"),
        ("sku", {"sku": "  "}, "46"),
        ("barcode", {}, "735"),
        ("barcode", {"variant": VARIANT | {"barcode": " 735 "}}, "735"),
        ("barcode", {"variant": VARIANT | {"barcode": ""}}, "CLO"),
        ("barcode", {"variant": VARIANT | {"barcode": None}, "sku": None}, "46"),
        ("barcode", {"variant": None}, "CLO"),
        ("variant", {}, "46"),
        ("variant", {"variant": None}, "CLO"),
        ("sku", {"sku": "ADJUSTMENT"}, "46"),
    ],
)
def test_the_sku_is_the_first_that_the_line_has(key, changed, sku):
    assert article_of(bought(**changed), key).sku == sku


def test_the_article_number_is_the_product_and_the_group_its_type():
    assert article_of(bought()) == Article("CLO", "45", "Cloth - Blue", "Care")


def test_without_a_product_the_article_number_is_the_sku():
    assert article_of(deleted()) == Article("CLO", "CLO", "Cloth - Blue", "")


@pytest.mark.parametrize("key", FALLBACKS)
def test_a_deleted_article_without_a_sku_has_the_same_number_in_every_order(key):
    first, second = deleted(number=1, sku=None), deleted(number=2, sku=" ", title="cloth ", name="cloth - Blue")

    assert article_of(first, key).sku == article_of(second, key).sku
    assert article_of(first, key).sku.startswith("NAME-")


def test_the_only_variant_of_a_product_has_no_title():
    assert (
        article_of(deleted(sku=None, variantTitle="Default Title")).sku
        == article_of(deleted(sku=None, variantTitle=None)).sku
    )


@pytest.mark.parametrize("changed", [{"title": "Brush"}, {"variantTitle": "Red"}, {"vendor": "Others"}])
def test_deleted_articles_that_differ_have_different_numbers(changed):
    assert article_of(deleted(sku=None)).sku != article_of(deleted(sku=None, **changed)).sku


def test_two_deleted_variants_of_a_product_have_different_numbers():
    blue, red = deleted(sku=None, product=PRODUCT), deleted(sku=None, product=PRODUCT, variantTitle="Red")

    assert (article_of(blue).number, article_of(red).number) == ("45", "45")
    assert article_of(blue).sku != article_of(red).sku


def test_long_skus_are_cut_and_stay_apart():
    first, second = (article_of(bought(sku="X" * 300 + end)).sku for end in "ab")

    assert len(first) == len(second) == MAX_SKU
    assert first != second


def test_an_article_without_a_name_has_its_sku_as_name():
    assert article_of(bought(name=" ", title="")).name == "CLO"


def test_a_line_keeps_the_variant_that_was_deleted_after_it_was_read():
    kept = keep_deleted_articles(order(deleted(sku=None), total="75.0"), order(bought(sku=None), total="75.0"))

    assert article_of(kept["lineItems"]["nodes"][0]) == Article("46", "45", "Cloth - Blue", "Care")


def test_a_line_that_could_not_be_read_with_its_product_keeps_it_too():
    unread = {name: value for name, value in bought(sku=None).items() if name not in ("variant", "product")}

    kept = keep_deleted_articles(order(unread, total="75.0"), order(bought(sku=None), total="75.0"))

    assert article_of(kept["lineItems"]["nodes"][0]).sku == "46"


def test_a_sold_line_keeps_its_article_whatever_the_setting_is_now():
    sold = {bought()["id"]: Article("OLD", "OLD-1", "Cloth", "")}

    (named,) = with_articles(order(bought(), total="75.0"), "barcode", sold)["lineItems"]["nodes"]

    assert article_of(named, "variant") == sold[bought()["id"]]


@pytest.mark.parametrize(("skus", "sku"), [({"1"}, "1"), ({"46"}, "46"), ({"735"}, "735"), ({"FREIGHT"}, None)])
def test_an_article_is_found_by_the_skus_that_were_sent(skus, sku):
    found = sent_article(bought(sku=None), skus)

    assert (found and found.sku) == sku


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "Zs", "P")), max_size=12)
OPTIONAL = st.none() | TEXTS
VARIANTS = st.none() | st.builds(
    lambda number, barcode: {"legacyResourceId": str(number), "barcode": barcode}, st.integers(10**13, 10**14), OPTIONAL
)
LINES = st.builds(
    lambda sku, variant, title, variant_title, vendor: bought(
        sku=sku, variant=variant, title=title, name=title, variantTitle=variant_title, vendor=vendor
    ),
    st.none() | st.text(max_size=300),
    VARIANTS,
    TEXTS,
    OPTIONAL,
    OPTIONAL,
)


@given(LINES, st.sampled_from(sorted(FALLBACKS)))
def test_every_line_has_an_article_that_engage_takes(sold, key):
    sku, number, name, _ = article_of(sold, key)

    assert 0 < len(sku) <= MAX_SKU
    assert sku == sku.strip()
    assert number
    assert name


@given(LINES, st.sampled_from(sorted(FALLBACKS)), st.integers(2, 99))
def test_an_article_does_not_depend_on_the_line_it_is_sold_in(sold, key, number):
    other = sold | {"id": f"gid://shopify/LineItem/{number}", "quantity": number}

    assert article_of(other, key) == article_of(sold, key)


@given(st.lists(LINES, min_size=2, max_size=2, unique_by=lambda each: (each["variant"] or {}).get("legacyResourceId")))
def test_variants_are_never_one_article_when_known_by_their_ids(two):
    first, second = (article_of(each | {"sku": None}, "variant").sku for each in two)

    assert first != second
