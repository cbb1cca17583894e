"""Uninstall: end a shop's tasks and delete its tokens when it removes the app. Its data stay until shop/redact."""

from __future__ import annotations

from datetime import timedelta

from actors.outcomes import Skip, Wait
from actors.systems import shopify_of
from clients import Refused, Rejected
from database import db
from models import Entity, Shop, Task, erasure
from models.bulk import OPEN, Import, Stage
from models.polls import Poll

REMOVED = "The app was removed from the shop."
RUNNING_WAIT = timedelta(seconds=5)


def uninstalled(task: Task) -> None:
    """Handle an app/uninstalled webhook: deactivate the shop. A late one, after a new install, does nothing."""
    if still_installed(task):
        raise Skip("The shop has the app: it was installed again.")
    let_rest(task.shop)
    erasure.end_work(task.shop, REMOVED)
    if erasure.running(task.shop, beside=task.id):
        raise Wait("Tasks of the shop are still running.", RUNNING_WAIT)
    with task.effects():
        Poll.delete().where(Poll.shop == task.shop).execute()
        for importing in Import.select().where(Import.shop == task.shop):
            importing.become(Stage.CANCELLED, of=OPEN)


def still_installed(task: Task) -> bool:
    """Whether Shopify accepts the shop's access token. Asked each time, because webhooks may be lost or late."""
    if not task.shop.active or task.shop.shopify_token is None:
        return False
    try:
        shopify_of(task).shop()
    except (Refused, Rejected):  # Rejected: a closed shop may be 404
        return False
    return True


def let_rest(shop: Shop) -> None:
    """Deactivate the shop: no task of it is claimed from now on, and its tokens and keys are deleted."""
    resting = {"active": False, "shopify_token": None, "shopify_refresh": None, "engage_key": None}
    Shop.update(**resting, paused_until=None, pause_reason=None, failures=0).where(Shop.id == shop.id).execute()


def end_late() -> int:
    """End pending tasks of uninstalled shops: late webhooks, and tasks that workers gave back. Returns how many."""
    found = db.execute_sql(
        f"""SELECT id FROM shop WHERE NOT active AND EXISTS (
                SELECT 1 FROM task WHERE shop_id = shop.id AND state = 0 AND leased_until IS NULL
                    AND entity <> {Entity.SHOP:d})"""  # noqa: S608
    )
    return sum(erasure.end_work(Shop(id=shop_id), REMOVED) for (shop_id,) in found.fetchall())
