"""A shop with one row of every kind, each with the shop's canary in it, to be noticed wherever it appears."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID

import orjson

from alerts import incidents, outbox, recipients
from alerts.declared import shop_rules
from alerts.rules.error_rate import Tally
from clients import Effect
from database import db
from encryption import token_hash
from mappings.vouchers import Offer, OfferKind, UsedCode
from models import (
    Action,
    AlertRule,
    Attempt,
    Body,
    BrowserSession,
    BulkRetry,
    BulkRetryPortion,
    Customer,
    Erasure,
    Exchange,
    Mail,
    MailKind,
    MailState,
    Market,
    Order,
    ReceiptKind,
    Refund,
    Shop,
    SignIn,
    State,
    new_id,
    utcnow,
)
from privacy import data_requests
from sync import consent_memory, deleted_customers, entities, polling, sent_receipts, stores, webhook_endpoints
from sync.consent_memory import new_memories
from sync.imports import staged_lines
from sync.imports.parts import parts_of, save_bad_lines, update_part
from sync.imports.state import create_import
from sync.vouchers import uses
from tasklog import saved_views, totals
from tests.support.tasks.listed_tasks import NOON, add_task
from views.account import support_links
from views.web import audit_log, membership

DAY = "2026-11-24T12:00:00Z"
LATER = NOON.replace(year=2100)


@dataclass(frozen=True)
class FilledShop:
    """A shop with its ids, by the names of path parameters and of query values."""

    shop: Shop
    canary: str
    ids: dict[str, str]

    @property
    def secrets(self) -> list[str]:
        """Texts that no other shop may ever see."""
        return [self.canary, str(self.ids["order"])[:9], *(each for each in self.ids.values() if len(each) == 36)]


def fill_shop(shop: Shop, canary: str, digits: int) -> FilledShop:
    """Give the shop one row of every kind. Its Shopify ids begin with `digits`."""
    Shop.update(email=f"{canary}@example.com", name=f"{canary}-name", store=f"{canary}-store").where(
        Shop.id == shop.id
    ).execute()
    shop = Shop.get_by_id(shop.id)
    order, customer, refund = (str(digits * 10_000 + number) for number in (1, 2, 3))
    ids = {"order": order, "customer": customer, "refund": refund, "address": f"{canary}@second.example"}
    with db.atomic():
        ids |= _tasks(shop, canary, ids) | _alerts(shop, canary, ids) | _actions(shop, canary) | _import(shop, canary)
        _snapshots(shop, canary, ids)
        _other_rows(shop, canary, ids)
    return FilledShop(shop, canary, ids)


def _tasks(shop: Shop, canary: str, ids: dict[str, str]) -> dict[str, str]:
    order = int(ids["order"])
    task = add_task(shop, state=State.ERROR, shopify_id=order, engage_id=f"{canary}-engage", reason=f"{canary}-reason")
    add_task(shop, state=State.SUCCESS, completed_at=NOON, shopify_id=order, code=f"{canary}-code")
    add_task(shop, utcnow(), state=State.PENDING, name="SyncContact", shopify_id=int(ids["customer"]))
    Body.create(task_id=task.id, shop_id=shop.id, sealed=Body.seal(shop, task.id, _json(canary)))
    Attempt.create(
        task=task, shop_id=shop.id, number=1, worker=f"{canary}-worker", started_at=NOON, reason=f"{canary}-attempt"
    )
    call = {"task": task, "shop_id": shop.id, "attempt": 1, "system": "Engage", "method": "POST", "effect": Effect.ONCE}
    row = Exchange(id=new_id(), path=f"/{canary}-path", started_at=NOON, status=422, unknown=False, **call)
    for column in ("url", "sent", "received"):
        setattr(row, column, row.seal(shop, column, _json(f"{canary}-{column}")))
    row.save(force_insert=True)
    totals.fold()
    add_task(
        shop, state=State.ERROR, name="SyncContact", shopify_id=int(ids["customer"])
    )  # a difference, not folded yet
    return {"task_id": str(task.id), "exchange": str(row.id)}


def _json(canary: str) -> bytes:
    return orjson.dumps({"note": canary})


def _snapshots(shop: Shop, canary: str, ids: dict[str, str]) -> None:
    node = {"updatedAt": DAY, "note": canary, "email": f"{canary}@shopper.example"}
    order, customer, refund = ({**node, "legacyResourceId": ids[kind]} for kind in ("order", "customer", "refund"))
    kept = entities.save(Order, shop, order, name=f"{canary}-order", customer_id=int(ids["customer"]))
    known = entities.save(Customer, shop, customer)
    entities.set_contact(known, f"{canary}-contact", f"{canary}-type", {"note": canary})
    consent_memory.replace(known, new_memories())
    entities.save(Refund, shop, refund, order_id=int(ids["order"]))
    sent_receipts.save(kept, ReceiptKind.PURCHASE, f"{canary}-receipt", _json(canary), {})
    uses.save(kept, [UsedCode(f"{canary}-code", Offer(OfferKind.PROMOTION, f"{canary}-offer", canary, redeemed=False))])


def _alerts(shop: Shop, canary: str, ids: dict[str, str]) -> dict[str, str]:
    AlertRule.insert_many({"shop": shop, "rule": rule.name} for rule in shop_rules()).execute()
    tally = asdict(Tally("all", 20, 10, recent=True))
    evidence = {
        "threshold": 10,
        "tallies": [tally],
        "worst": tally,
        "since": NOON.isoformat(),
        "elapsed": 60,
        "period": 60,
        "window": None,
    }
    fields = {"bad_since": NOON, "opened_at": NOON, "evidence": evidence, "acknowledged_by": f"{canary}-knows"}
    open_one, over = (incidents.start(shop, rule, **fields) for rule in ("error_rate", "order_silence"))
    address = recipients.add(shop, ids["address"])
    assert open_one
    assert over
    assert address
    incidents.close(over, NOON, "recovered")
    mail_id = outbox.put(shop, MailKind.FIRE, f"{canary}@told.example", incident=open_one)
    Mail.update(state=MailState.KEPT, subject=canary, text=f"{canary}-text", html=canary).where(
        Mail.id == mail_id
    ).execute()
    token = address.plain_token
    return {"incident_id": str(open_one.id), "over": str(over.id), "mail_id": str(mail_id), "token": token}


def _actions(shop: Shop, canary: str) -> dict[str, str]:
    note = audit_log.record(
        shop, Action.SETTINGS, f"{canary}-who", idempotency_key=new_id(), details={"part": "alerts", "note": canary}
    )
    batch = BulkRetry.create(shop=shop, query=f"q={canary}", total=1)
    BulkRetryPortion.create(bulk_retry=batch, number=1, shop_id=shop.id, task_ids=[new_id()])
    saved = saved_views.add(shop, f"{canary}-view", "state=error")
    assert note
    return {"audit": str(note.id), "batch_id": str(batch.id), "view_id": str(saved.id)}


def _import(shop: Shop, canary: str) -> dict[str, str]:
    begun = create_import(shop, NOON, LATER)
    part = parts_of(begun)[0]
    update_part(part, note=f"{canary}-note")
    save_bad_lines(part, [(1, f"{canary}-line")])
    staged_lines.stage(part, shop, [(2, 3, False, _json(canary))])
    add_task(shop, lane=1, state=State.ERROR, args={"import_id": begun.id}, reason=f"{canary}-imported")
    return {"import_id": str(begun.id), "part_id": str(part.id)}


def _other_rows(shop: Shop, canary: str, ids: dict[str, str]) -> None:
    """Rows that no URL of the app names."""
    ids["member_id"] = str(membership.register(shop, f"{canary}-user", f"{canary}-olga", owner=False).id)
    ids["support"] = support_links.issue(shop, timedelta(days=1), f"{canary}-maker", task_id=UUID(ids["task_id"]))
    SignIn.create(token_hash=token_hash(canary), shop=shop, expires_at=LATER)
    BrowserSession.create(token_hash=token_hash(canary), shop=shop, name=f"{canary}-link", expires_at=LATER)
    ids["shop_token"] = webhook_endpoints.get_or_create(shop).url.rpartition("/")[2]
    stores.save_stores(shop, [{"externalId": f"{canary}-external", "name": f"{canary}-shelf", "type": "ECOM"}])
    Market.create(shop=shop, handle=f"{canary}-handle", name=f"{canary}-market", regions=["SE"])
    polling.advance_cursor(shop, f"{canary}-resource", NOON)
    deleted_customers.record(shop, int(ids["refund"]))
    Erasure.create(task_id=new_id(), shop_id=shop.id, topic=canary, rows=1)
    data_requests.save(shop, ids["task_id"], {"note": canary, "orders": []}, number=1, customer_id=int(ids["customer"]))
