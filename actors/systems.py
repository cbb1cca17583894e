"""A task's way to the two systems: its shop's clients, which keep what they send on the task."""

from __future__ import annotations

import orjson

from actors.broker import broker
from actors.outcomes import Unusable
from clients.bucket import Bucket
from clients.engage import Engage
from clients.shopify import Shopify
from config import config
from models import Shop, Task

LARGEST_ID = 2**63 - 1


def shopify_of(task: Task) -> Shopify:
    shop: Shop = task.shop
    origin = config.shopify_origin.format(shop=shop.domain)
    return Shopify(origin, shop.secret("shopify_token"), task, config.shopify_api_version)


def engage_of(task: Task) -> Engage:
    shop: Shop = task.shop
    origin = config.engage_origin.format(tenant=shop.engage_tenant)
    key = shop.secret("engage_key")
    return Engage(origin, key, task, Bucket(broker.bell, key))


def webhook_id(task: Task, field: str = "id") -> int:
    """The id of what a webhook is about. Raises Unusable when its body cannot be understood.

    orjson refuses what breaks other readers: NaN, lone surrogates, deep nesting, text that is not UTF-8.
    """
    try:
        payload = orjson.loads(task.body)
    except orjson.JSONDecodeError as error:
        raise Unusable(f"The webhook's body is not readable JSON ({error}).") from error
    found = payload.get(field) if isinstance(payload, dict) else None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 < found <= LARGEST_ID:
        raise Unusable(f"The webhook's body has no usable {field!r}.")
    return found
