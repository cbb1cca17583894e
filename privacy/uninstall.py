"""Uninstall (app/uninstalled): end a shop's tasks and delete its tokens. Its data stay until shop/redact."""

from __future__ import annotations

from datetime import timedelta

from clients import Refused, Rejected
from database import db
from models import (
    OPEN_IMPORTS,
    BrowserSession,
    BulkImport,
    Entity,
    ImportState,
    PollCursor,
    Shop,
    SignIn,
    SupportLink,
)
from privacy import erasure
from reasons import Reason
from sync.api_clients import shopify_client
from sync.imports.state import change_import_state
from taskqueue import claims
from taskqueue.outcomes import Skip, Wait
from taskqueue.run import Run

RUNNING_WAIT = timedelta(seconds=5)


def uninstall(run: Run) -> None:
    """Handle an app/uninstalled webhook: deactivate the shop. A late one, after a new install, does nothing."""
    if still_installed(run):
        raise Skip(Reason.APP_REINSTALLED)
    deactivate(run.shop)
    erasure.end_entity_tasks(run.shop, Reason.APP_UNINSTALLED)
    if erasure.has_running_tasks(run.shop, beside=run.task.id):
        raise Wait(Reason.SHOP_TASKS_RUNNING, RUNNING_WAIT)
    with claims.effects(run):
        PollCursor.delete().where(PollCursor.shop == run.shop).execute()
        for bulk_import in BulkImport.select().where(BulkImport.shop == run.shop):
            change_import_state(bulk_import, ImportState.CANCELLED, of=OPEN_IMPORTS)


def still_installed(run: Run) -> bool:
    """Whether Shopify accepts the shop's access token. Asked each time, because webhooks may be lost or late."""
    if not run.shop.active or run.shop.shopify_token is None:
        return False
    try:
        shopify_client(run).shop()
    except (Refused, Rejected):  # Rejected: a closed shop may be 404
        return False
    return True


def deactivate(shop: Shop) -> None:
    """Deactivate the shop: no task of it is claimed from now on; its tokens, keys, sessions and links are deleted."""
    inactive = {"active": False, "shopify_token": None, "shopify_refresh": None, "engage_key": None}
    for table in (BrowserSession, SignIn, SupportLink):  # or they would open it after a new install
        table.delete().where(table.shop == shop).execute()
    Shop.update(**inactive, paused_until=None, pause_reason=None, failures=0).where(Shop.id == shop.id).execute()


def end_tasks_of_uninstalled() -> int:
    """End pending tasks of uninstalled shops: late webhooks, and tasks that workers gave back. Returns how many."""
    found = db.execute_sql(
        f"""SELECT id FROM shop WHERE NOT active AND EXISTS (
                SELECT 1 FROM task WHERE shop_id = shop.id AND state = 0 AND leased_until IS NULL
                    AND entity <> {Entity.SHOP:d})"""  # noqa: S608
    )
    return sum(erasure.end_entity_tasks(Shop(id=shop_id), Reason.APP_UNINSTALLED) for (shop_id,) in found.fetchall())
