"""When a shop removes the app: nothing more is sent for it, and its tokens are gone. Its data wait for shop/redact."""

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
    """Let the shop rest until it is connected again. A late message about a shop that has come back does nothing."""
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
    """Whether Shopify answers the shop's token. Asked rather than remembered, as webhooks are lost and late."""
    if not task.shop.active or task.shop.shopify_token is None:
        return False
    try:
        shopify_of(task).shop()
    except (Refused, Rejected):  # Rejected: a closed shop may be 404
        return False
    return True


def let_rest(shop: Shop) -> None:
    """No task of the shop is claimed from now on, and no secret of the other systems is left."""
    resting = {"active": False, "shopify_token": None, "shopify_refresh": None, "engage_key": None}
    Shop.update(**resting, paused_until=None, pause_reason=None, failures=0).where(Shop.id == shop.id).execute()


def end_late() -> int:
    """End what has become pending at shops without the app: late webhooks, and tasks given back by their workers."""
    found = db.execute_sql(
        f"""SELECT id FROM shop WHERE NOT active AND EXISTS (
                SELECT 1 FROM task WHERE shop_id = shop.id AND state = 0 AND leased_until IS NULL
                    AND entity <> {Entity.SHOP:d})"""  # noqa: S608
    )
    return sum(erasure.end_work(Shop(id=shop_id), REMOVED) for (shop_id,) in found.fetchall())
