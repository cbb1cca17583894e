"""A task's way to the two systems: its shop's clients, which keep what they send on the task."""

from __future__ import annotations

from actors.broker import broker
from clients.bucket import Bucket
from clients.engage import Engage
from clients.shopify import Shopify
from config import config
from models import Record, Shop, Task


def shopify_of(task: Task) -> Shopify:
    shop: Shop = task.shop
    origin = config.shopify_origin.format(shop=shop.domain)
    return Shopify(origin, shop.secret("shopify_token"), Record(task), config.shopify_api_version)


def engage_of(task: Task) -> Engage:
    shop: Shop = task.shop
    origin = config.engage_origin.format(tenant=shop.engage_tenant)
    key = shop.secret("engage_key")
    return Engage(origin, key, Record(task), Bucket(broker.bell, key))
