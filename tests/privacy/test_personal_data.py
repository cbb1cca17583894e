"""Personal data export (GDPR data request): complete, readable, without other customers' data."""

from __future__ import annotations

import orjson

from mappings.vouchers import UsedCode
from models import DataRequest, Order
from privacy import data_requests
from sync import entities
from sync.vouchers import uses
from tests.end_to_end.test_order_to_receipt import buy, index
from tests.support.privacy_requests import ADA, BO, RECORD, receive_customer_webhook, request_data
from tests.sync.test_refunds import line_of


def test_a_data_request_saves_a_readable_export(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)
    receive_customer_webhook(shop, drain, customer_id)
    index(shop, "IndexRefund", shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}))
    drain(waiting=True)
    uses.save(entities.get(Order, shop, order_id), [UsedCode("SPRING")])

    task = request_data(shop, customer_id)

    (request,) = data_requests.of_shop(shop)
    answer = request.export
    assert all(answer.values())
    assert (request.number, task.shopify_id) == (9999, customer_id)
    assert answer["customers"][0]["defaultEmailAddress"]["emailAddress"] == ADA.email
    assert [order["legacyResourceId"] for order in answer["orders"]] == [str(order_id)]
    assert {"IndexCustomer", "SyncContact", "SyncOrder"} <= {each["type"] for each in answer["transfers"]}
    assert any(ADA.email in call["sent"] for call in answer["calls"])
    assert any(ADA.email in webhook["body"] for webhook in answer["webhooks"])
    assert answer["discount_codes"] == [{"order": order_id, "code": "SPRING", "at_engage": "not_engages"}]
    assert sorted(receipt["totalGrossPrice"] for receipt in answer["receipts"]) == [-149.0, 149.0]


def test_another_customers_data_are_not_in_the_export(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    buy(shop, shopify, RECORD, BO)
    drain(waiting=True)

    request_data(shop, customer_id)

    answer = orjson.dumps(DataRequest.get().export)
    assert b"ada@example.com" in answer
    assert b"bo@example.com" not in answer


def test_the_export_is_encrypted(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    request_data(shop, customer_id)

    request = DataRequest.get()
    assert b"ada@example.com" in orjson.dumps(request.export)
    assert b"ada@example.com" not in bytes(request.sealed_export)


def test_an_unknown_customer_gets_an_empty_export(shop):
    request_data(shop, 4711)

    assert DataRequest.get().export["customers"] == []
