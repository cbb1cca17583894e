"""Diff of two request bodies: what was sent and what would be sent now (preview), or two syncs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from actors.rebuilt import NotThere, preview
from actors.replay import Recording
from clients import ApiError
from clients.engage import dump
from mappings.difference import ABSENT, Change, changes, fields
from models import Task
from redaction import masked_value
from words import t
from words.reasons import said

MAX_ROWS = 200


@dataclass(frozen=True)
class Row:
    """A field that differs. None: the body does not have it."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Comparison:
    """The fields that differ and the number of equal ones; or a sentence that says why there is no diff."""

    rows: list[Row]
    same: int = 0
    sentence: str | None = None

    @property
    def more(self) -> int:
        return max(0, len(self.rows) - MAX_ROWS)

    @property
    def shown(self) -> list[Row]:
        return self.rows[:MAX_ROWS]


def comparison_of(task: Task, recording: Recording) -> Comparison:
    """The diff of what was sent and a preview of what would be sent now. Asks Shopify for it."""
    sent = read_body(recording.sent)
    try:
        now = preview(task, sent) if isinstance(sent, dict) else None
    except NotThere:
        return Comparison([], sentence=t("replay.not_there"))
    except ApiError as error:
        return Comparison([], sentence=said(str(error)))
    except ValueError:
        return Comparison([], sentence=t("replay.not_made"))
    return (
        compared(sent, read_body(dump(now))) if now is not None else Comparison([], sentence=t("replay.no_comparison"))
    )


def compared(before: Any, after: Any) -> Comparison:
    """The diff of two bodies, with personal data masked."""
    found = list(changes(before, after))
    missing = sum(fields(each.before) for each in found if each.before is not ABSENT)
    return Comparison([_row(each) for each in found], fields(before) - missing)


def _row(change: Change) -> Row:
    name = change.path.rpartition(".")[2].partition("[")[0]
    return Row(change.path, _masked_json(change.before, name), _masked_json(change.after, name))


def _masked_json(value: Any, name: str) -> str | None:
    if value is ABSENT:
        return None
    return dump(masked_value(value, name)).decode()


def read_body(body: bytes) -> Any:
    """Parse JSON, keeping every number as it was written. None for a body that is not JSON."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
