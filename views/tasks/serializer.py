"""Serializer of tasks for JSON and CSV: plain values, the same in every language."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from io import StringIO
from typing import Any

from i18n.reasons import Reason, recognise_reason
from models import State, Task
from views.web import formatting

LEFT_OUT = "…"
BOM = "\ufeff"  # without it Excel reads UTF-8 in the computer's own code page

# Headings are the same in every language, so that a script finds its column: the listing's six, then the rest.
CSV_COLUMNS = {
    "id": "Task ID",
    "state": "Task state",
    "type": "Task type",
    "shopify_id": "Shopify entity ID",
    "created_at": "Created at",
    "duration_ms": "Duration (ms)",
    "started_at": "Started at",
    "completed_at": "Completed at",
    "engage_id": "Voyado Engage entity ID",
    "attempts": "Attempts",
    "reason": "Reason",
    "code": "Code",
    "skipped": "Skipped",
    "parent_id": "Started by",
    "closed_by": "Closed by",
    "due_at": "Due at",
}

# OWASP, "CSV injection" (formula injection). A spreadsheet that splits at another separator than ours begins a cell
# inside one of ours. The texts are other people's, so each expression takes linear time: FORMULA reads a run of white
# space once, from its beginning.
SEPARATOR = re.compile(r"[;,|\t\r\n]")
FORMULA = re.compile(r"(?:(^|(?<=[;,|]))|(?<!\s)(?=\s))(\s*+[=+\-@＝＋－＠])")  # noqa: RUF001
AFTER_BREAK = re.compile(r"(?<=[\t\r\n])")
BEFORE_BREAK = re.compile(r"(?:^|(?<=[;,|\t\r\n]))(?=[\t\r\n])")


def serialize_task(task: Task) -> dict[str, Any]:
    """Serialize a task. Shopify's ids are text: not every JSON parser keeps 64 bits."""
    return {
        "id": str(task.id),
        "state": formatting.state_name(task),
        "type": formatting.type_name(task.type),
        "shopify_id": None if task.shopify_id is None else str(task.shopify_id),
        "engage_id": task.engage_id,
        "created_at": formatting.format_iso(task.created_at),
        "started_at": formatting.format_iso(task.started_at),
        "completed_at": formatting.format_iso(task.completed_at),
        "duration_ms": task.duration_ms,
        "attempts": task.attempts,
        "reason": task.reason and redacted_reason(task.reason),
        "code": task.code,
        "skipped": task.state == State.SUCCESS and task.reason is not None,
        "parent_id": task.parent_id and str(task.parent_id),
        "closed_by": task.closed_by and str(task.closed_by),
        "due_at": formatting.format_iso(task.due_at),
    }


@lru_cache(maxsize=4096)
def redacted_reason(reason: str) -> str:
    """The reason without another system's message, which may contain personal data. The task's page shows all of it."""
    for part in _nested(recognise_reason(reason)):
        if message := part.values.get("said"):
            return reason.replace(f": {message}", f": {LEFT_OUT}", 1)
    return reason


def csv_header() -> str:
    """The CSV header line, after the byte order mark that tells spreadsheets it is UTF-8."""
    return BOM + _csv([CSV_COLUMNS.values()])


def csv_lines(tasks: Iterable[Task]) -> str:
    """A CSV line for each task."""
    return _csv(_csv_row(task) for task in tasks)


def escape_formulas(text: str) -> str:
    """The text with an apostrophe before everything that a spreadsheet would take for a formula."""
    if not (SEPARATOR.search(text) or FORMULA.match(text)):
        return text
    return BEFORE_BREAK.sub("'", FORMULA.sub(_escaped, text))


def _escaped(formula: re.Match[str]) -> str:
    """A formula with the white space before it: an apostrophe wherever a cell may begin in it."""
    at_start = formula[1] is not None
    return ("'" if at_start else "") + AFTER_BREAK.sub("'", formula[2])


def _nested(reason: Reason | None) -> Iterator[Reason]:
    while reason:
        yield reason
        reason = reason.inner


def _csv_row(task: Task) -> list[str | int]:
    values = serialize_task(task)
    return [_csv_cell(values[name]) for name in CSV_COLUMNS]


def _csv_cell(value: object) -> str | int:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return value
    return escape_formulas(str(value))


def _csv(rows: Iterable[Iterable[str | int]]) -> str:
    """RFC 4180."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
