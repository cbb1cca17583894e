"""What was pasted into the search field, told by its shape: one of the three ids that a task can be found by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from peewee import Expression

from models import Task
from views import BadInput
from views.text import Text

LARGEST = 2**63 - 1
LONGEST = 200  # characters; no id is longer

GID = re.compile(r"gid://shopify/[A-Za-z]+/([0-9]+)")
DIGITS = re.compile(r"[1-9][0-9]*")
HEX = re.compile(r"0[0-9a-f]{7,31}|[0-9a-f]{32}")  # until the year 2527 our ids begin with 0


@dataclass(frozen=True)
class Reading:
    """How a search was understood, in words, and the condition that finds it."""

    words: str
    condition: Expression


def read(q: str) -> Reading:
    """The one reading of a search. Raises BadInput for what can be no id at all."""
    if len(q) > LONGEST or not q.isprintable():
        raise BadInput(Text.bad_q.format(longest=LONGEST))
    return _shopify(q) or _task(q.lower()) or Reading(Text.reading_engage, Task.engage_id == q)


def _shopify(q: str) -> Reading | None:
    """Digits, which at Shopify never begin with 0, or a gid."""
    gid = GID.fullmatch(q)
    digits = gid[1] if gid else q
    if (gid or DIGITS.fullmatch(digits)) and len(digits) < 20 and int(digits) <= LARGEST:
        return Reading(Text.reading_shopify, Task.shopify_id == int(digits))
    return None


def _task(q: str) -> Reading | None:
    """A UUID, which may be a contact's as well, or the beginning of one."""
    digits = q.replace("-", "")
    if not HEX.fullmatch(digits) or q.removesuffix("-") not in (digits, _hyphenated(digits)):
        return None
    if len(digits) == 32:
        known = UUID(digits)
        return Reading(Text.reading_uuid, (Task.id == known) | Task.engage_id.in_([str(known), str(known).upper()]))
    lowest, highest = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return Reading(Text.reading_beginning, Task.id.between(lowest, highest))


def _hyphenated(digits: str) -> str:
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    return "-".join(part for part in parts if part)
