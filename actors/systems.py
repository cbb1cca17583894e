"""A task's way to the two systems: its shop's clients, which keep what they send on the task."""

from __future__ import annotations

from actors.broker import broker
from actors.outcomes import Skip
from actors.tokens import origin_of, token_of
from clients import Journal, Silent
from clients.bucket import Bucket
from clients.engage import Engage
from clients.outward import tenant_name
from clients.shopify import Shopify
from clients.shopify_points import FOR_LIVE_WORK, MARGIN, Points
from clients.transport import DEADLINE_SECONDS
from config import config
from models import Lane, Record, Shop, Task

SPARE = {Lane.LIVE: MARGIN, Lane.BULK: FOR_LIVE_WORK}


def shopify_of(task: Task) -> Shopify:
    return _shopify(task.shop, Record(task), Lane(task.lane))


def shopify_beside(shop: Shop, seconds: float = DEADLINE_SECONDS) -> Shopify:
    """For a question that belongs to no task, and so is not kept; answered within so many seconds, or not."""
    return _shopify(shop, Silent(), Lane.LIVE, seconds)


def _shopify(shop: Shop, journal: Journal, lane: Lane, seconds: float = DEADLINE_SECONDS) -> Shopify:
    points = Points(broker.bell, shop.domain, SPARE[lane])
    return Shopify(origin_of(shop.domain), token_of(shop), journal, config.shopify_api_version, points, seconds)


def engage_of(task: Task) -> Engage:
    """Before the shop is connected there is nowhere to send to: what has happened by then comes with an import."""
    shop: Shop = task.shop
    if not shop.joined:
        raise Skip("Engage is not connected yet. An import brings what has happened until then.")
    tenant_name(shop.engage_tenant)
    key = shop.secret("engage_key")
    return Engage(engage_origin(shop), key, Record(task), Bucket(broker.bell, key))


def engage_origin(shop: Shop) -> str:
    """Scheme and host of the shop's tenant."""
    return config.engage_origin.format(tenant=shop.engage_tenant)
