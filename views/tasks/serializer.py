"""Serializer of tasks for JSON and CSV: plain values, the same in every language."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any

from i18n.explanations import english_reason
from models import State, Task
from views.tasks.columns import Column, Kind, csv_columns, exported_columns
from views.web import formatting

BOM = "\ufeff"  # without it Excel reads UTF-8 in the computer's own code page

# OWASP, "CSV injection" (formula injection). A spreadsheet that splits at another separator than ours begins a cell
# inside one of ours. The texts are other people's, so each expression takes linear time: FORMULA reads a run of white
# space once, from its beginning.
SEPARATOR = re.compile(r"[;,|\t\r\n]")
FORMULA = re.compile(r"(?:(^|(?<=[;,|]))|(?<!\s)(?=\s))(\s*+[=+\-@＝＋－＠])")  # noqa: RUF001
AFTER_BREAK = re.compile(r"(?<=[\t\r\n])")
BEFORE_BREAK = re.compile(r"(?:^|(?<=[;,|\t\r\n]))(?=[\t\r\n])")


def serialize_tasks(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """Serialize tasks. Shopify's ids are text: not every JSON parser keeps 64 bits."""
    readers = [(column.name, _reader(column)) for column in exported_columns()]
    return [{name: read(task) for name, read in readers} for task in tasks]


def csv_header() -> str:
    """The CSV header line, after the byte order mark that tells spreadsheets it is UTF-8.

    Headings are the same in every language, so that a script finds its column.
    """
    return BOM + _csv([[column.csv for column in csv_columns()]])


def csv_lines(tasks: Iterable[Task]) -> str:
    """A CSV line for each task."""
    readers = [_reader(column) for column in csv_columns()]
    return _csv([_csv_cell(read(task)) for read in readers] for task in tasks)


def escape_formulas(text: str) -> str:
    """The text with an apostrophe before everything that a spreadsheet would take for a formula."""
    if not (SEPARATOR.search(text) or FORMULA.match(text)):
        return text
    return BEFORE_BREAK.sub("'", FORMULA.sub(_escaped, text))


def _escaped(formula: re.Match[str]) -> str:
    """A formula with the white space before it: an apostrophe wherever a cell may begin in it."""
    at_start = formula[1] is not None
    return ("'" if at_start else "") + AFTER_BREAK.sub("'", formula[2])


def _state_name(state: int) -> str:
    return State(state).name.lower()


# How a value of a kind is written, where that is not as it is.
WRITERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.ID: str,
    Kind.TASK: str,
    Kind.ENTITY: str,
    Kind.STATE: _state_name,
    Kind.TYPE: formatting.type_name,
    Kind.TIME: formatting.format_iso,
    Kind.REASON: english_reason,
}


def _reader(column: Column) -> Callable[[Task], Any]:
    """The function that returns a task's value of this column as JSON has it."""
    get, write = column.get, WRITERS.get(column.kind)
    if write is None:
        return get

    def read(task: Task) -> Any:
        value = get(task)
        return None if value is None else write(value)

    return read


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
