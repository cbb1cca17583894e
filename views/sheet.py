"""Tasks as the lines of a CSV file that a spreadsheet may open without harm."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import StringIO

from models import Task
from views.plain import as_json

BOM = "\ufeff"  # without it Excel reads UTF-8 as the machine's own code page
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
# OWASP, "CSV injection". A spreadsheet that splits at another character than ours finds a cell's beginning within one.
FORMULA = re.compile(r"(?:^|(?<=[;,|\t\r\n]))(?=\s*[=+\-@＝＋－＠]|[\t\r\n])")  # noqa: RUF001


def heading() -> str:
    """The file's first line, and the mark before it that says it is UTF-8."""
    return BOM + _written([COLUMNS.values()])


def lines(tasks: Iterable[Task]) -> str:
    """A line for each task."""
    return _written(_cells(task) for task in tasks)


def _cells(task: Task) -> list[str | int]:
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
    """The text with an apostrophe wherever a spreadsheet would take what follows for a formula."""
    return FORMULA.sub("'", text)


def _written(rows: Iterable[Iterable[str | int]]) -> str:
    """RFC 4180."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
