"""What is done again and again for each shop: one table, and a task for each of a type's time slots."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from actors.registry import TYPES, enqueue
from database import db
from models import Shop, Task, utcnow

GOLDEN = 0.618034  # its multiples, without their whole part, lie evenly apart however many there are
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Periodic:
    """A task type and how often each shop has one."""

    name: str
    every: timedelta

    def slot(self, shop_id: int, now: datetime) -> datetime:
        """When the shop's slot that holds this instant began. Shops are staggered, so that not all call at once."""
        began = EPOCH + self.every * (shop_id * GOLDEN % 1)
        return began + (now - began) // self.every * self.every


PERIODIC = (
    Periodic("IndexStores", timedelta(hours=1)),
    Periodic("SyncShopCurrency", timedelta(days=1)),
    Periodic("IndexShopCustomers", timedelta(minutes=5)),
    Periodic("IndexOrders", timedelta(minutes=5)),
)


@dataclass
class Slots:
    """What this process has seen to already. Another scheduler derives the same keys, so nothing happens twice."""

    _last: dict[tuple[int, str], datetime] = field(default_factory=dict)

    def fill(self, now: datetime | None = None) -> int:
        """Enqueue what the slots that have begun ask for. Returns how many tasks that were."""
        return sum(self._fill(each, now or utcnow()) for each in PERIODIC)

    def _fill(self, each: Periodic, now: datetime) -> int:
        begun = {shop_id: each.slot(shop_id, now) for shop_id in _active()}
        fresh = {shop_id: slot for shop_id, slot in begun.items() if self._last.get((shop_id, each.name)) != slot}
        added = enqueue([_task(each, shop_id, fresh[shop_id]) for shop_id in _free(each, list(fresh))])
        self._last |= {(shop_id, each.name): slot for shop_id, slot in fresh.items()}
        return len(added)


def _task(each: Periodic, shop_id: int, slot: datetime) -> Task:
    return TYPES[each.name].new(Shop(id=shop_id), key=f"slot:{slot.isoformat()}")


def _active() -> list[int]:
    return [shop_id for (shop_id,) in db.execute_sql("SELECT id FROM shop WHERE active ORDER BY id").fetchall()]


def _free(each: Periodic, shop_ids: list[int]) -> list[int]:
    """Those whose one before has ended: of a system that is away, no pile of questions grows."""
    found = db.execute_sql(
        """SELECT id FROM unnest(%s::integer[]) AS asked (id) WHERE NOT EXISTS (
               SELECT 1 FROM task WHERE shop_id = asked.id AND state = 0 AND type = %s)""",
        (shop_ids, TYPES[each.name].number),
    )
    return [shop_id for (shop_id,) in found.fetchall()]
