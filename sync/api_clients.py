"""API clients of a run: its shop's Shopify and Engage clients, which record every exchange of the run."""

from __future__ import annotations

from clients import Journal, NullJournal
from clients.engage.client import EngageClient
from clients.engage.rate_limiter import RateLimiter
from clients.http.ssrf_guard import valid_tenant_name
from clients.http.transport import DEADLINE_SECONDS
from clients.shopify.client import ShopifyClient
from clients.shopify.cost_limiter import BULK_RESERVE, LIVE_RESERVE, CostLimiter
from config import config
from models import Lane, Shop
from reasons import Reason
from sync.access_tokens import access_token, shopify_origin
from taskqueue.broker import broker
from taskqueue.exchanges import ExchangeJournal
from taskqueue.outcomes import Skip
from taskqueue.run import Run

RESERVED_POINTS = {Lane.LIVE: LIVE_RESERVE, Lane.BULK: BULK_RESERVE}


def shopify_client(run: Run) -> ShopifyClient:
    """Shopify client of the task's shop, within the shop's rate limit (Shopify: query cost)."""
    return _shopify(run.shop, ExchangeJournal(run), Lane(run.task.lane))


def shopify_client_without_task(shop: Shop, seconds: float = DEADLINE_SECONDS) -> ShopifyClient:
    """Shopify client for a request that belongs to no task. Records nothing, and gives up after so many seconds."""
    return _shopify(shop, NullJournal(), Lane.LIVE, seconds)


def _shopify(shop: Shop, journal: Journal, lane: Lane, seconds: float = DEADLINE_SECONDS) -> ShopifyClient:
    cost_limiter = CostLimiter(broker.quick_client, shop.domain, RESERVED_POINTS[lane])
    return ShopifyClient(
        shopify_origin(shop.domain),
        access_token(shop),
        journal,
        config.shopify_api_version,
        cost_limiter,
        seconds,
        shop.scopes.split(",") if shop.scopes else None,
    )


def engage_client(run: Run) -> EngageClient:
    """Engage client of the task's shop, with its rate limiter. Raises Skip before the shop has a tenant to send to."""
    shop: Shop = run.shop
    if not shop.engage_connected:
        raise Skip(Reason.ENGAGE_NOT_CONNECTED)
    valid_tenant_name(shop.engage_tenant)
    key = shop.secret("engage_key")
    return EngageClient(engage_origin(shop), key, ExchangeJournal(run), RateLimiter(broker.quick_client, key))


def engage_client_without_task(shop: Shop, journal: Journal, seconds: float) -> EngageClient:
    """Engage client of a connected shop for calls that belong to no task. Gives up each after so many seconds."""
    valid_tenant_name(shop.engage_tenant)
    key = shop.secret("engage_key")
    return EngageClient(engage_origin(shop), key, journal, RateLimiter(broker.quick_client, key), deadline=seconds)


def engage_origin(shop: Shop) -> str:
    """Scheme and host of the shop's tenant."""
    return config.engage_origin.format(tenant=shop.engage_tenant)
