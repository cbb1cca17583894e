"""Articles in an order's receipts: one lasting number, whatever becomes of variant, product, barcode and settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.imports import begin_import
from clients.engage.client import json_bytes
from database import db
from models import Attempt, Receipt, Shop, utcnow
from reasons import Reason
from sandbox.shopify.orders.checkout import Checkout, Item
from tests.end_to_end.test_order_to_receipt import ADA, buy, index, newest, receipts
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of

CLOTH = Item(
    "Cloth", None, Decimal(75), barcode="7350001", product_id=45009115, variant_id=46009115, product_type="Care"
)
BRUSH = Item("Brush", "BRU-1", Decimal(40), barcode="7350002", product_id=45009116, variant_id=46009116)
WITHOUT_PRODUCTS = ("read_orders", "read_customers", "read_locations", "read_markets", "write_customers")


def people():
    return (replace(ADA, email=f"ada{number}@example.com") for number in range(9))


@pytest.fixture
def sell(shop, shopify, drain):
    """Sell items to somebody else each time, sync, and return the order's id."""
    customers = people()

    def sold(*items, **fields):
        _, order_id = buy(shop, shopify, Checkout(items), next(customers), **fields)
        drain(waiting=True)
        return order_id

    return sold


@pytest.fixture
def give_back(shop, shopify, drain):
    """Refund one unit of the first line and sync it."""

    def refunded(order_id):
        refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
        enqueue_refund_webhooks(shop, refund_id, order_id)
        drain(waiting=True)

    return refunded


def choose(shop, **rules):
    Shop.update(settings={"receipt": rules}).where(Shop.id == shop.id).execute()


def articles(engage):
    """SKU and article number of every item at Engage."""
    return [(item["sku"], item["articleNumber"]) for receipt in receipts(engage) for item in receipt["items"]]


def note_of(name):
    """The reason that the last attempt of the newest task notes."""
    return Attempt.select().where(Attempt.task_id == newest(name).id).order_by(Attempt.number.desc()).get().reason


def test_an_article_without_a_sku_is_the_same_in_every_order(sell, engage):
    sell(CLOTH)
    sell(replace(CLOTH, sku="  "), BRUSH)

    assert articles(engage) == [("46009115", "45009115"), ("46009115", "45009115"), ("BRU-1", "45009116")]
    assert receipts(engage)[0]["items"][0]["articleGroup"] == "Care"
    assert "articleGroup" not in receipts(engage)[1]["items"][1]


def test_a_product_that_was_deleted_before_has_one_number_in_every_order(sell, engage, shop, shopify):
    shopify.delete_product(shop.domain, CLOTH.product_id)
    sell(CLOTH)
    sell(CLOTH)

    (first, second) = (receipt["items"][0] for receipt in receipts(engage))
    assert first["sku"] == second["sku"] != ""
    assert first["articleName"] == "Cloth"


def test_a_custom_line_is_an_article_of_its_title(sell, engage):
    sell(Item("Engraving", None, Decimal(30), custom=True))
    sell(Item("Engraving", None, Decimal(45), custom=True), Item("Mending", None, Decimal(45), custom=True))

    first, second, mending = (sku for sku, _ in articles(engage))
    assert first == second != mending


SOLD = {"sku": ["BRU-1", "46009115"], "barcode": ["7350002", "7350001"], "variant": ["46009116", "46009115"]}


@pytest.mark.parametrize(("key", "sold"), SOLD.items(), ids=SOLD)
def test_what_articles_are_known_by_is_a_setting(sell, engage, shop, key, sold):
    choose(shop, article_key=key)

    sell(BRUSH, CLOTH)

    assert [sku for sku, _ in articles(engage)] == sold


def test_a_return_has_the_article_of_the_sale_after_its_product_was_deleted(sell, give_back, engage, shop, shopify):
    order_id = sell(replace(CLOTH, quantity=2))
    shopify.delete_product(shop.domain, CLOTH.product_id)

    give_back(order_id)

    sale, returned = (receipt["items"] for receipt in receipts(engage))
    assert [item["type"] for item in returned] == ["RETURN"]
    assert {(each["sku"], each["articleNumber"], each["articleGroup"]) for each in (*sale, *returned)} == {
        ("46009115", "45009115", "Care")
    }


@pytest.mark.parametrize("key", ["barcode", "variant"])
def test_returns_and_corrections_keep_the_articles_of_the_sale_after_a_new_setting(
    sell, give_back, engage, shop, shopify, drain, key
):
    order_id = sell(replace(BRUSH, quantity=3))
    choose(shop, article_key=key)

    give_back(order_id)
    shopify.edit_order(shop.domain, order_id, line_of(shopify, shop, order_id), 1)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    assert articles(engage) == [("BRU-1", "45009116")] * 3


def test_a_line_that_is_added_later_is_sold_by_the_setting_of_the_sale(sell, engage, shop, shopify, drain):
    order_id = sell(BRUSH)
    choose(shop, article_key="barcode")
    shopify.delete_product(shop.domain, BRUSH.product_id)

    shopify.add_line(shop.domain, order_id, CLOTH)
    shopify.pay(shop.domain, order_id)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    assert articles(engage) == [("BRU-1", "45009116"), ("46009115", "45009115")]


def test_a_receipt_without_articles_is_saved_too(sell, engage, shop, shopify, drain):
    order_id = sell(CLOTH)

    enqueue_refund_webhooks(shop, shopify.refund(shop.domain, order_id, amount=Decimal(5)), order_id)
    drain(waiting=True)

    assert articles(engage)[1:] == [("ADJUSTMENT", "ADJUSTMENT")]
    assert [row.articles for row in Receipt.select().order_by(Receipt.id)][1] == {}


def test_a_barcode_that_changes_later_changes_no_return(sell, give_back, engage, shop, shopify):
    choose(shop, article_key="barcode")
    order_id = sell(CLOTH)
    line = shopify.order(shop.domain, order_id)["lineItems"][0]
    line["variant"]["barcode"] = "999"
    shopify.update_order(shop.domain, order_id, lineItems=[line])

    give_back(order_id)

    assert {sku for sku, _ in articles(engage)} == {"7350001"}


def test_an_order_that_waits_keeps_an_article_that_is_deleted_meanwhile(sell, engage, shop, shopify, drain):
    choose(shop, trigger="fulfilled")
    order_id = sell(CLOTH)
    shopify.delete_product(shop.domain, CLOTH.variant_id)

    shopify.fulfil(shop.domain, order_id)
    index(shop, "IndexOrder", order_id)
    drain(waiting=True)

    assert articles(engage) == [("46009115", "45009115")]


def test_a_return_of_a_sale_by_an_older_release_has_the_lines_id(sell, give_back, engage, shop, shopify):
    shopify.records(shop.domain).scopes = WITHOUT_PRODUCTS
    order_id = sell(CLOTH)
    line_id = str(line_of(shopify, shop, order_id))
    (sale,) = receipts(engage)
    _rewrite_as_of_an_older_release(shop, sale, line_id)
    shopify.records(shop.domain).scopes = None

    give_back(order_id)

    assert articles(engage)[-1] == (line_id, line_id)


def _rewrite_as_of_an_older_release(shop, sale, line_id):
    sale["items"][0] |= {"sku": line_id, "articleNumber": line_id}
    receipt_id = sale["uniqueReceiptId"]
    sealed = shop.vault.seal(json_bytes(sale), "receipt", "body", receipt_id)
    db.execute_sql("UPDATE receipt SET body = %s, articles = NULL WHERE receipt_id = %s", (sealed, receipt_id))


@pytest.mark.parametrize("known", [True, False], ids=["known", "found by the error"])
def test_a_shop_that_has_not_granted_products_is_synced_by_what_is_known(sell, engage, shop, shopify, known):
    shopify.records(shop.domain).scopes = WITHOUT_PRODUCTS
    Shop.update(scopes=",".join(WITHOUT_PRODUCTS) if known else "").where(Shop.id == shop.id).execute()

    sell(CLOTH, BRUSH)
    sell(CLOTH)

    first, brush, second = articles(engage)
    assert (brush, first) == (("BRU-1", "BRU-1"), second)
    assert note_of("SyncOrder") == Reason.PRODUCTS_NOT_GRANTED


def test_products_are_read_as_soon_as_they_are_granted(sell, engage, shop, shopify, drain):
    shopify.records(shop.domain).scopes = WITHOUT_PRODUCTS
    index(shop, "SyncShopCurrency", None)
    drain()
    shopify.records(shop.domain).scopes = None
    index(shop, "SyncShopCurrency", None)
    drain()

    sell(CLOTH)

    assert articles(engage) == [("46009115", "45009115")]
    assert note_of("SyncOrder") is None


@pytest.mark.parametrize("scopes", [None, WITHOUT_PRODUCTS], ids=["granted", "not granted"])
def test_an_imported_order_has_the_articles_of_a_live_one(sell, engage, shop, shopify, drain, scopes):
    shopify.records(shop.domain).scopes = scopes
    sell(CLOTH, BRUSH)
    customer_id = shopify.add_customer(shop.domain, replace(ADA, email="past@example.com"))
    now = utcnow()
    past = (now - timedelta(days=20)).isoformat()
    shopify.add_order(shop.domain, Checkout((CLOTH, BRUSH)), customer_id=customer_id, createdAt=past, updatedAt=past)

    begin_import(shop, now - timedelta(days=30), now - timedelta(days=10))
    drain(waiting=True, seconds=30)

    live, imported = ([item["sku"] for item in receipt["items"]] for receipt in receipts(engage))
    assert live == imported
