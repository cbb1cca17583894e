"""What was pasted into the search field, told by its shape or as the reader says: one of the ids a task is found by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from models import Order, Shop
from models.selection import Wanted
from views import BadInput
from words import t

LARGEST = 2**63 - 1
LONGEST = 200  # characters; no id is longer
ORDERS = 20  # of one name, the newest; Shopify gives each name once, but a shop may change how it numbers

GID = re.compile(r"gid://shopify/[A-Za-z]+/([0-9]+)")
DIGITS = re.compile(r"[1-9][0-9]*")
HEX = re.compile(r"0[0-9a-f]{7,31}|[0-9a-f]{32}")  # until the year 2527 our ids begin with 0


@dataclass(frozen=True)
class Reading:
    """How a search was understood, and the ids that it asks for. `orders`: by their names."""

    name: str
    task_ids: tuple[UUID, UUID] | None = None
    shopify_id: int | None = None
    engage_ids: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    import_id: str | None = None

    @property
    def words(self) -> str:
        return t(f"reading.{self.name}")

    def wanted(self, shop: Shop) -> Wanted:
        """The shop's tasks that are searched for."""
        lowest, highest = self.task_ids or (None, None)
        shopify_ids = (self.shopify_id,) if self.shopify_id else self._orders(shop)
        return Wanted(lowest, highest, shopify_ids, self.engage_ids, self.import_id)

    def _orders(self, shop: Shop) -> tuple[int, ...]:
        if not self.orders:
            return ()
        named = (Order.shop == shop) & Order.name.in_(self.orders)
        found = Order.select(Order.shopify_id).where(named).order_by(Order.id.desc()).limit(ORDERS)
        return tuple(order.shopify_id for order in found)


def read(q: str, wished: str = "") -> Reading:
    """How to read a search: as wished, else by its shape. Raises BadInput for what it cannot be."""
    if len(q) > LONGEST or not q.isprintable():
        raise BadInput(t("bad.q", longest=LONGEST))
    if not wished:
        return _shopify(q) or _uuid(q) or _task(q) or _order(q) or _other(q)
    if wished not in READINGS:
        raise BadInput(t("bad.choice", name="reading", given=repr(wished[:40]), known=", ".join(READINGS)))
    reading = READINGS[wished](q)
    if reading is None and q:
        raise BadInput(t("bad.reading", given=repr(q[:40]), reading=t(f"reading.{wished}")))
    return reading or _other(q)


def _shopify(q: str) -> Reading | None:
    """Digits, which at Shopify never begin with 0, or a gid."""
    gid = GID.fullmatch(q)
    digits = gid[1] if gid else q
    if (gid or DIGITS.fullmatch(digits)) and len(digits) < 20 and 0 < int(digits) <= LARGEST:
        return Reading("shopify", shopify_id=int(digits))
    return None


def _uuid(q: str) -> Reading | None:
    """Whole, it may be a contact's as well as a task's."""
    task = _task(q)
    return Reading("uuid", task.task_ids, engage_ids=_spellings(q)) if task and task.name == "task" else None


def _task(q: str) -> Reading | None:
    """A task's id, or its beginning."""
    digits = _hex(q)
    if digits is None:
        return None
    lowest, highest = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return Reading("task" if lowest == highest else "beginning", (lowest, highest))


def _hex(q: str) -> str | None:
    """The digits of a UUID or its beginning, with hyphens in their places or without any."""
    q, digits = q.lower(), q.lower().replace("-", "")
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    hyphenated = "-".join(part for part in parts if part)
    return digits if HEX.fullmatch(digits) and q.removesuffix("-") in (digits, hyphenated) else None


def _order(q: str) -> Reading | None:
    """An order's name as Shopify gives it unless the shop wants another."""
    return Reading("order", orders=(q,)) if q.startswith("#") else None


def _any_order(q: str) -> Reading:
    """An order's name, whatever the shop puts before its number."""
    return Reading("order", orders=tuple({q, f"#{q.removeprefix('#')}"}))


def _engage(q: str) -> Reading:
    return Reading("engage", engage_ids=_spellings(q))


def _import(q: str) -> Reading | None:
    """The number of an import, as the page of imports has it in its links."""
    return Reading("import", import_id=q) if DIGITS.fullmatch(q) else None


def _other(q: str) -> Reading:
    """Engage's ids have any shape, and so have the names that a shop gives its orders."""
    return Reading("other", engage_ids=(q,), orders=(q,))


def _spellings(q: str) -> tuple[str, ...]:
    """A UUID is the same in capitals, and without its hyphens."""
    digits = _hex(q)
    if digits is None or len(digits) < 32:
        return (q,)
    known = str(UUID(digits))
    return known, known.upper()


READINGS: dict[str, Callable[[str], Reading | None]] = {
    "task": _task,
    "shopify": _shopify,
    "engage": _engage,
    "order": _any_order,
    "import": _import,
}
