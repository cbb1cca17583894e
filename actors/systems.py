"""API clients of a task: its shop's Shopify and Engage clients, which record every exchange on the task."""

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

RESERVED_POINTS = {Lane.LIVE: MARGIN, Lane.BULK: FOR_LIVE_WORK}


def shopify_of(task: Task) -> Shopify:
    """Shopify client of the task's shop, within the shop's rate limit (Shopify: query cost)."""
    return _shopify(task.shop, Record(task), Lane(task.lane))


def shopify_beside(shop: Shop, seconds: float = DEADLINE_SECONDS) -> Shopify:
    """Shopify client for a request that belongs to no task. Records nothing, and gives up after so many seconds."""
    return _shopify(shop, Silent(), Lane.LIVE, seconds)


def _shopify(shop: Shop, journal: Journal, lane: Lane, seconds: float = DEADLINE_SECONDS) -> Shopify:
    points = Points(broker.bell, shop.domain, RESERVED_POINTS[lane])
    return Shopify(origin_of(shop.domain), token_of(shop), journal, config.shopify_api_version, points, seconds)


def engage_of(task: Task) -> Engage:
    """Engage client of the task's shop, with its rate limiter. Raises Skip before the shop has a tenant to send to."""
    shop: Shop = task.shop
    if not shop.joined:
        raise Skip("Engage is not connected yet. An import brings what has happened until then.")
    tenant_name(shop.engage_tenant)
    key = shop.secret("engage_key")
    return Engage(engage_origin(shop), key, Record(task), Bucket(broker.bell, key))


def engage_origin(shop: Shop) -> str:
    """Scheme and host of the shop's tenant."""
    return config.engage_origin.format(tenant=shop.engage_tenant)
