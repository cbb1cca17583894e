"""Parse the search field: which kind of id was typed, recognised by its shape or chosen by the user."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from i18n.catalogue import t
from models import Order, Shop
from tasklog.filter import Search
from views.web.errors import BadInput

MAX_BIGINT = 2**63 - 1
MAX_LENGTH = 200  # characters; no id is longer
MAX_ORDERS = 20  # of one name, the newest; Shopify gives a name once, but a shop may change its numbering

GID = re.compile(r"gid://shopify/[A-Za-z]+/([0-9]+)")
DIGITS = re.compile(r"[1-9][0-9]*")
HEX = re.compile(r"0[0-9a-f]{7,31}|[0-9a-f]{32}")  # until the year 2527 our ids begin with 0


@dataclass(frozen=True)
class ParsedSearch:
    """A parsed search: the kind of id it was read as, and the ids to search for. `orders` are order names."""

    kind: str
    task_ids: tuple[UUID, UUID] | None = None
    shopify_id: int | None = None
    engage_ids: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    import_id: str | None = None

    @property
    def label(self) -> str:
        return t(f"reading.{self.kind}")

    def ids_to_find(self, shop: Shop) -> Search:
        """The ids to filter the shop's tasks by."""
        lowest, highest = self.task_ids or (None, None)
        shopify_ids = (self.shopify_id,) if self.shopify_id else self._order_ids(shop)
        return Search(lowest, highest, shopify_ids, self.engage_ids, self.import_id)

    def _order_ids(self, shop: Shop) -> tuple[int, ...]:
        if not self.orders:
            return ()
        named = (Order.shop == shop) & Order.name.in_(self.orders)
        found = Order.select(Order.shopify_id).where(named).order_by(Order.id.desc()).limit(MAX_ORDERS)
        return tuple(order.shopify_id for order in found)


def parse_search(q: str, kind: str = "") -> ParsedSearch:
    """Parse a search as the chosen kind of id, or by its shape. Raises BadInput for a text that is no such id."""
    if len(q) > MAX_LENGTH or not q.isprintable():
        raise BadInput(t("bad.q", longest=MAX_LENGTH))
    if not kind:
        return _shopify_id(q) or _uuid(q) or _task_id(q) or _order_name(q) or _any_id(q)
    if kind not in SEARCH_KINDS:
        raise BadInput(t("bad.choice", name="reading", given=repr(kind[:40]), known=", ".join(SEARCH_KINDS)))
    found = SEARCH_KINDS[kind](q)
    if found is None and q:
        raise BadInput(t("bad.reading", given=repr(q[:40]), reading=t(f"reading.{kind}")))
    return found or _any_id(q)


def _shopify_id(q: str) -> ParsedSearch | None:
    """A Shopify id: digits that do not begin with 0, or a gid."""
    gid = GID.fullmatch(q)
    digits = gid[1] if gid else q
    if (gid or DIGITS.fullmatch(digits)) and len(digits) < 20 and 0 < int(digits) <= MAX_BIGINT:
        return ParsedSearch("shopify", shopify_id=int(digits))
    return None


def _uuid(q: str) -> ParsedSearch | None:
    """A whole UUID: it may be the id of a contact as well as of a task."""
    task = _task_id(q)
    return ParsedSearch("uuid", task.task_ids, engage_ids=_spellings(q)) if task and task.kind == "task" else None


def _task_id(q: str) -> ParsedSearch | None:
    """A task id, or the beginning of one."""
    digits = _uuid_digits(q)
    if digits is None:
        return None
    lowest, highest = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return ParsedSearch("task" if lowest == highest else "beginning", (lowest, highest))


def _uuid_digits(q: str) -> str | None:
    """The hexadecimal digits of a UUID or of its beginning, typed with its hyphens or without any."""
    q, digits = q.lower(), q.lower().replace("-", "")
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    hyphenated = "-".join(part for part in parts if part)
    return digits if HEX.fullmatch(digits) and q.removesuffix("-") in (digits, hyphenated) else None


def _order_name(q: str) -> ParsedSearch | None:
    """An order name with the # that Shopify puts before it by default."""
    return ParsedSearch("order", orders=(q,)) if q.startswith("#") else None


def _order_name_or_number(q: str) -> ParsedSearch:
    """An order name, with or without a #."""
    return ParsedSearch("order", orders=tuple({q, f"#{q.removeprefix('#')}"}))


def _engage_id(q: str) -> ParsedSearch:
    return ParsedSearch("engage", engage_ids=_spellings(q))


def _import_id(q: str) -> ParsedSearch | None:
    """The number of an import, as in the links of the imports page."""
    return ParsedSearch("import", import_id=q) if DIGITS.fullmatch(q) else None


def _any_id(q: str) -> ParsedSearch:
    """Any other text: Engage's ids have any shape, and so have the names that a shop gives its orders."""
    return ParsedSearch("other", engage_ids=(q,), orders=(q,))


def _spellings(q: str) -> tuple[str, ...]:
    """The spellings to search for: Engage may write a UUID in lower case or in capitals."""
    digits = _uuid_digits(q)
    if digits is None or len(digits) < 32:
        return (q,)
    lower = str(UUID(digits))
    return lower, lower.upper()


SEARCH_KINDS: dict[str, Callable[[str], ParsedSearch | None]] = {
    "task": _task_id,
    "shopify": _shopify_id,
    "engage": _engage_id,
    "order": _order_name_or_number,
    "import": _import_id,
}
