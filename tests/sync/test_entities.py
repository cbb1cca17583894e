"""Saving many snapshots at once."""

from __future__ import annotations

from models import Order
from sync import entities

OLD, NEW = "2026-11-01T10:00:00Z", "2026-11-02T10:00:00Z"


def order(shopify_id, updated_at, name="#1"):
    node = {"legacyResourceId": str(shopify_id), "updatedAt": updated_at, "name": name}
    return node, {"name": name, "customer_id": 7}


def test_many_snapshots_are_saved_in_one_statement(shop):
    entities.save_all(Order, shop, [order(number, OLD) for number in (3, 1, 2)])

    assert [(row.shopify_id, row.customer_id) for row in Order.select().order_by(Order.shopify_id)] == [
        (1, 7),
        (2, 7),
        (3, 7),
    ]
    assert entities.get(Order, shop, 2).snapshot["updatedAt"] == OLD


def test_of_two_snapshots_of_an_entity_the_newest_is_saved(shop):
    entities.save_all(
        Order, shop, [order(1, NEW, "new"), order(1, OLD, "old"), order(2, OLD, "old"), order(2, NEW, "new")]
    )

    assert {row.name for row in Order.select()} == {"new"}


def test_a_newer_saved_snapshot_stays(shop):
    entities.save(Order, shop, order(1, NEW)[0], name="new", customer_id=None)

    entities.save_all(Order, shop, [order(1, OLD, "old"), order(2, OLD, "old")])

    assert [row.name for row in Order.select().order_by(Order.shopify_id)] == ["new", "old"]
    assert entities.get(Order, shop, 1).snapshot["updatedAt"] == NEW


def test_saving_nothing_runs_no_statement(shop):
    entities.save_all(Order, shop, [])

    assert not Order.select().exists()


def test_entities_of_two_shops_may_have_the_same_id(shop, other_shop):
    entities.save_all(Order, other_shop, [order(1, NEW)])
    entities.save_all(Order, shop, [order(1, OLD)])

    assert entities.get(Order, shop, 1).snapshot["updatedAt"] == OLD
    assert entities.get(Order, other_shop, 1).snapshot["updatedAt"] == NEW
