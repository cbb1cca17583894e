"""Diff of two request bodies: what was sent and what would be sent now (preview), or two syncs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from clients import ApiError
from clients.engage.client import json_bytes
from i18n.catalogue import t
from i18n.explanations import reason_text
from mappings.json_diff import ABSENT, FieldChange, count_values, diff
from models import Task
from redaction.bodies import masked_key, masked_value
from sync.preview import EntityNotFound, preview
from sync.resend import ResendableCall

MAX_ROWS = 200


@dataclass(frozen=True)
class DiffRow:
    """A field that differs. None: the body does not have it."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class BodyDiff:
    """The fields that differ and the number of equal ones; or a message that says why there is no diff."""

    rows: list[DiffRow]
    equal_count: int = 0
    message: str | None = None

    @property
    def more(self) -> int:
        """The number of rows beyond the first ones, which the page leaves out."""
        return max(0, len(self.rows) - MAX_ROWS)

    @property
    def first_rows(self) -> list[DiffRow]:
        return self.rows[:MAX_ROWS]


def preview_diff(task: Task, recording: ResendableCall) -> BodyDiff:
    """The diff of what was sent and a preview of what would be sent now. Asks Shopify for it."""
    sent = parse_body(recording.sent)
    try:
        now = preview(task, sent) if isinstance(sent, dict) else None
    except EntityNotFound:
        return BodyDiff([], message=t("replay.not_there"))
    except ApiError as error:
        return BodyDiff([], message=reason_text(error.cause))
    except ValueError:
        return BodyDiff([], message=t("replay.not_made"))
    if now is None:
        return BodyDiff([], message=t("replay.no_comparison"))
    return diff_bodies(sent, parse_body(json_bytes(now)))


def diff_bodies(before: Any, after: Any) -> BodyDiff:
    """The diff of two bodies, with personal data masked."""
    found = list(diff(before, after))
    missing = sum(count_values(each.before) for each in found if each.before is not ABSENT)
    return BodyDiff([_row(each) for each in found], count_values(before) - missing)


def parse_body(body: bytes) -> Any:
    """Parse JSON, keeping every number as it was written. None for a body that is not JSON."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _row(change: FieldChange) -> DiffRow:
    parts = [part.partition("[") for part in change.path.split(".")]
    path = ".".join(masked_key(field) + bracket + index for field, bracket, index in parts)
    fields = [field for field, _, _ in parts]
    return DiffRow(path, _masked_json(change.before, fields), _masked_json(change.after, fields))


def _masked_json(value: Any, fields: Sequence[str]) -> str | None:
    if value is ABSENT:
        return None
    return json_bytes(masked_value(value, fields)).decode()
