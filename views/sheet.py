"""CSV of tasks, safe for spreadsheets: no cell can be taken for a formula (CSV injection)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import StringIO

from models import Task
from views.plain import as_json

BOM = "\ufeff"  # without it Excel reads UTF-8 in the computer's own code page
# Headings are the same in every language, so that a script finds its column: the listing's six, then the rest.
COLUMNS = {
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
# OWASP, "CSV injection". A spreadsheet that splits at another separator than ours begins a cell inside one of ours.
FORMULA = re.compile(r"(?:^|(?<=[;,|\t\r\n]))(?=\s*[=+\-@＝＋－＠]|[\t\r\n])")  # noqa: RUF001


def heading() -> str:
    """The CSV header line, after the byte order mark that tells spreadsheets it is UTF-8."""
    return BOM + _csv([COLUMNS.values()])


def lines(tasks: Iterable[Task]) -> str:
    """A CSV line for each task."""
    return _csv(_row(task) for task in tasks)


def _row(task: Task) -> list[str | int]:
    values = as_json(task)
    return [_cell(values[name]) for name in COLUMNS]


def _cell(value: object) -> str | int:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return value
    return harmless(str(value))


def harmless(text: str) -> str:
    """The text with an apostrophe before everything that a spreadsheet would take for a formula."""
    return FORMULA.sub("'", text)


def _csv(rows: Iterable[Iterable[str | int]]) -> str:
    """RFC 4180."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
