"""Check both systems of a shop: Shopify's token, scopes and protected customer data, and Engage's tenant and key."""

from __future__ import annotations

from checks.finding import Finding, wrong
from clients import ApiError, NotFound, NotSent, Refused
from clients.engage.client import EngageClient
from clients.http.ssrf_guard import valid_tenant_name
from clients.shopify.client import ShopifyClient
from clients.shopify.scopes import READ_ALL_ORDERS
from config import Misconfigured
from database import EVERY, connected
from encryption import Unreadable
from i18n.explanations import english_reason
from models import Shop
from reasons import Reason
from shopify_app_config import SCOPES
from sync.api_clients import engage_origin, shopify_client_without_task

CALL_SECONDS = 8.0

RECONNECT = "Open the app in Shopify's admin once, or run: python manage.py connect"
GRANT = "Run manage.py shopify-app, release it by `shopify app deploy`, and open the app in the shop's admin once."
SIXTY_DAYS = "every required scope is granted. Without read_all_orders 60 days of orders are shown; see /imports."
ASK_FOR_APPROVAL = "Ask for it in Shopify's Partner Dashboard: API access, protected customer data."


def check_shop(shop: Shop) -> list[Finding]:
    """The findings about one shop, on a connection of this thread."""
    if not shop.active:
        return [wrong(shop.domain, "the app is not installed there. Open it in Shopify's admin.")]
    with connected(EVERY):
        try:
            return [*_shopify(shop), _engage(shop)]
        except (Unreadable, Misconfigured) as error:
            return [wrong(shop.domain, f"{error} Put the key back into SECRET_KEYS, or connect the shop again.")]


def _shopify(shop: Shop) -> list[Finding]:
    about = f"{shop.domain}: Shopify"
    try:
        client = shopify_client_without_task(shop, CALL_SECONDS)
        client.shop()
    except Refused as error:
        return [wrong(about, f"the token is not accepted ({_why(error)}). {RECONNECT}")]
    except ApiError as error:
        return [wrong(about, f"it cannot be asked ({_why(error)}). Check the domain, or try later.")]
    return [Finding(about, "the token is accepted."), _scopes(client, about), _protected_data(client, about)]


def _scopes(client: ShopifyClient, about: str) -> Finding:
    try:
        granted = client.scopes()
    except ApiError as error:
        return wrong(about, f"its scopes cannot be asked for ({_why(error)}). Try later.")
    if lacking := sorted(set(SCOPES) - granted):
        return wrong(about, f"it lacks the scopes {', '.join(lacking)}. {GRANT}")
    return Finding(about, "every scope is granted." if READ_ALL_ORDERS in granted else SIXTY_DAYS)


def _protected_data(client: ShopifyClient, about: str) -> Finding:
    try:
        client.read_protected_data()
    except ApiError as error:
        is_withheld = error.cause.reason == Reason.SHOPIFY_PROTECTED_DATA
        advice = ASK_FOR_APPROVAL if is_withheld else "Check the scopes, or try later."
        return wrong(about, f"protected customer data cannot be read ({_why(error)}). {advice}")
    return Finding(about, "protected customer data can be read.")


def _engage(shop: Shop) -> Finding:
    about = f"{shop.domain}: Engage"
    if not shop.engage_connected:
        return wrong(about, "it is not connected. Finish the onboarding at /welcome, or run: python manage.py connect")
    try:
        valid_tenant_name(shop.engage_tenant)
        EngageClient(engage_origin(shop), shop.secret("engage_key"), deadline=CALL_SECONDS).contact_count()
    except Refused as error:
        return wrong(about, f"the key is not accepted ({_why(error)}). Set a new one at /welcome.")
    except (NotSent, NotFound) as error:
        return wrong(about, f"there is no tenant {shop.engage_tenant} ({_why(error)}). Check its name.")
    except ApiError as error:
        return wrong(about, f"it cannot be asked ({_why(error)}). Try later.")
    return Finding(about, f"the tenant {shop.engage_tenant} accepts the key.")


def _why(error: ApiError) -> str:
    """The reason without the other system's own words, which may be personal."""
    return (english_reason(error.cause) or "").rstrip(".")
