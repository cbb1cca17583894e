"""Save the access scopes that a shop has granted, and read again what was out of reach until then."""

from __future__ import annotations

from collections.abc import Iterable

from clients.shopify.client import ShopifyClient
from clients.shopify.scopes import READ_ALL_ORDERS
from database import db
from models import Entity, Lane, Shop, State, new_id
from reasons import Reason
from sync.scopes.granted import reads_all_orders
from sync.scopes.missing_orders import OUT_OF_REACH
from taskqueue.types import TYPES, enqueue, index_type

MOST = 10_000  # orders and refunds that are read again, the newest
MISSED = {"IndexOrder": Entity.ORDER, "IndexRefund": Entity.REFUND, "SyncRefund": Entity.REFUND}
REASONS = (*OUT_OF_REACH, Reason.REFUND_ORDER_TOO_OLD)


def read_scopes(shop: Shop, client: ShopifyClient) -> None:
    """Ask Shopify which access scopes are granted, and save them: a merchant may grant and revoke at any time."""
    with db.atomic():
        save_scopes(shop, sorted(client.scopes()))


def save_scopes(shop: Shop, scopes: Iterable[object]) -> None:
    """Save the scopes that are granted, inside a transaction. With READ_ALL_ORDERS as a new one, catch up."""
    known = reads_all_orders(shop)
    shop.scopes = ",".join(map(str, scopes))
    Shop.update(scopes=shop.scopes).where(Shop.id == shop.id).execute()
    if reads_all_orders(shop) and not known:
        _enqueue_missed(shop)


def _enqueue_missed(shop: Shop) -> None:
    """Enqueue an index task for each order and refund that Shopify did not show because of its age."""
    numbers = {TYPES[name].number: entity for name, entity in MISSED.items()}
    rows = db.execute_sql(
        """SELECT DISTINCT type, shopify_id FROM (
               SELECT type, shopify_id FROM task
               WHERE shop_id = %s AND state = ANY(%s) AND type = ANY(%s) AND reason = ANY(%s) AND shopify_id IS NOT NULL
               ORDER BY id DESC LIMIT %s
           ) AS missed ORDER BY type, shopify_id""",
        (shop.id, [State.SUCCESS, State.ERROR], list(numbers), [str(reason) for reason in REASONS], MOST),
    ).fetchall()
    missed = sorted({(numbers[number], shopify_id) for number, shopify_id in rows})
    cause = f"{READ_ALL_ORDERS}:{new_id()}"
    enqueue(
        [
            index_type(entity).new(shop, key=f"{cause}:{shopify_id}", shopify_id=shopify_id, lane=Lane.BULK)
            for entity, shopify_id in missed
        ]
    )
