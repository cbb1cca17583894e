"""Access scopes that a shop has not granted: what is read without them, and how the client knows."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from clients import Rejected
from clients.shopify.bulk_query import orders_query
from clients.shopify.client import ShopifyClient
from clients.shopify.graphql_client import DOCUMENTS, NEEDED_SCOPE, document_text, optional_scopes, with_read_scopes
from sandbox import shopify as sandbox
from sandbox.serve import serving
from sandbox.shopify.orders.checkout import Checkout, Item
from tests.support.servers.scripted_shopify import CallRecorder

SHOP = "demo.myshopify.com"
WITHOUT_PRODUCTS = ("read_orders", "read_customers", "read_locations")
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
MARKED = sorted(each.relative_to(DOCUMENTS).with_suffix("").as_posix() for each in DOCUMENTS.rglob("*.graphql"))


@pytest.fixture
def shopify():
    found = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0)
    yield found
    found.close()


@pytest.fixture
def url(shopify):
    with serving(shopify.app) as found:
        yield f"{found}/{SHOP}"


def order_of_many(shopify, lines=25):
    item = Item("Cloth", None, Decimal(75), barcode="735", product_id=45, variant_id=46, product_type="Care")
    return shopify.add_order(SHOP, Checkout((item,) * lines))


def lines_of(client, order_id):
    return client.order(order_id)["lineItems"]["nodes"]


def test_lines_come_with_variant_and_product(shopify, url):
    order_id = order_of_many(shopify)

    (line, *_) = lines = lines_of(ShopifyClient(url, shopify.token), order_id)

    assert line["variant"] == {"legacyResourceId": "46", "barcode": "735"}
    assert line["product"] == {
        "legacyResourceId": "45",
        "productType": "Care",
        "onlineStoreUrl": "https://shop.example.com/products/cloth",
    }
    assert len(lines) == 25


@pytest.mark.parametrize(("scopes", "calls"), [(WITHOUT_PRODUCTS, 2), (None, 3)], ids=["known", "unknown"])
def test_without_the_scope_an_order_is_read_without_products(shopify, url, scopes, calls):
    shopify.records(SHOP).scopes = WITHOUT_PRODUCTS
    order_id, journal = order_of_many(shopify), CallRecorder()

    lines = lines_of(ShopifyClient(url, shopify.token, journal, scopes=scopes), order_id)

    assert [line["title"] for line in lines] == ["Cloth"] * 25
    assert not [line for line in lines if "variant" in line or "product" in line]
    assert len(journal.calls) == calls  # two pages, and the question that was denied


def test_a_refund_is_read_without_products_too(shopify, url):
    shopify.records(SHOP).scopes = WITHOUT_PRODUCTS
    order_id = order_of_many(shopify, 1)
    line_id = int(shopify.order(SHOP, order_id)["lineItems"][0]["id"].rpartition("/")[2])

    refund = ShopifyClient(url, shopify.token).refund(shopify.refund(SHOP, order_id, {line_id: 1}))

    assert "variant" not in refund["refundLineItems"]["nodes"][0]["lineItem"]


def test_another_scope_that_is_missing_stays_an_error(shopify, url):
    shopify.records(SHOP).markets = None

    with pytest.raises(Rejected) as raised:
        ShopifyClient(url, shopify.token).markets()

    assert raised.value.code == "ACCESS_DENIED"


def test_a_scope_to_write_includes_the_one_to_read():
    assert with_read_scopes(["write_products"]) == {"write_products", "read_products"}


@pytest.mark.parametrize("name", MARKED)
def test_marks_of_scopes_are_never_sent(name):
    assert NEEDED_SCOPE.search(document_text(name)) is None
    assert NEEDED_SCOPE.search(document_text(name, optional_scopes(name))) is None


def ended(shopify, text):
    operation, _ = shopify.bulk_of(SHOP).run(text)
    while not operation.ended:
        time.sleep(0.01)
    return operation


def test_shopify_ends_a_bulk_query_that_asks_for_more_than_is_granted(shopify):
    shopify.records(SHOP).scopes = WITHOUT_PRODUCTS

    denied = ended(shopify, orders_query(START, END))
    granted = ended(shopify, orders_query(START, END, WITHOUT_PRODUCTS))

    assert (denied.status, denied.error_code) == ("FAILED", "ACCESS_DENIED")
    assert granted.status == "COMPLETED"


def test_an_imports_line_has_the_variant_of_the_live_one(shopify, url):
    order_id = order_of_many(shopify, 1)
    shopify.grant(SHOP, "read_all_orders")
    shopify.update_order(SHOP, order_id, createdAt="2026-02-01T10:00:00Z")

    operation = ended(shopify, orders_query(START, END))

    (imported,) = [line for line in map(orjson.loads, operation.path.read_bytes().splitlines()) if "__parentId" in line]
    (live,) = lines_of(ShopifyClient(url, shopify.token), order_id)
    assert (imported["variant"], imported["product"]) == (live["variant"], live["product"])
