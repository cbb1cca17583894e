"""Columns of the task listing, each declared once: table, drawer, JSON, CSV, sort menu and SELECT derive from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from operator import attrgetter
from typing import Any, Literal

from i18n.catalogue import t
from i18n.explanations import reason_key
from i18n.formats import format_duration
from models import Lane, State, Task, utcnow
from reasons import Cause
from taskqueue.types import NUMBERS
from views.web import formatting

Instant = Literal["created_at", "started_at", "completed_at"]  # those with an index that sorts tasks by them
KEYS = ("id", "shop_id")  # selected in every list
OUTCOME = ("reason", "params", "system", "status", "code")
READ_BY_STATE = ("state", *OUTCOME, "attempts", "due_at", "leased_until")  # as `state_detail` of its cell reads


class Kind(StrEnum):
    """How a value is written: in `tasks/_table_cells.html`, in `tasks/_property_values.html`, and by the serializer."""

    ID = "id"
    TEXT = "text"
    CODE = "code"
    NUMBER = "number"
    TIME = "time"
    STATE = "state"
    TYPE = "type"
    ENTITY = "entity"
    TASK = "task"
    REASON = "reason"


class InTable(IntEnum):
    """When the table shows a column. The CSV export has its columns in this order."""

    ALWAYS = 0
    SORTED = 1  # while the table is sorted by it
    NEVER = 2


def always(task: Task) -> bool:
    return True


def never(task: Task) -> bool:
    return False


def _is_pending(task: Task) -> bool:
    return task.state == State.PENDING


def _has_crashes(task: Task) -> bool:
    return task.crashes > 0


def _now(task: Task) -> str:
    return formatting.pending_detail(task, utcnow())


def _description(task: Task) -> str | None:
    return t(f"type.{NUMBERS[task.type].name}.about") if task.type in NUMBERS else None


def _group(task: Task) -> str | None:
    return formatting.group_title(NUMBERS[task.type].group) if task.type in NUMBERS else None


def _waited(task: Task) -> str | None:
    if task.started_at is None:
        return None
    waited = max(task.started_at - task.created_at, timedelta())  # two machines' clocks
    return format_duration(waited / timedelta(milliseconds=1))


def _lane(task: Task) -> str:
    return t(f"lane.{Lane(task.lane).name.lower()}")


def _reason(task: Task) -> Cause | None:
    return task.cause


def _reason_key(task: Task) -> str | None:
    return reason_key(task.cause)


def _code(task: Task) -> str | None:
    return str(task.error_code) or None


def _is_skipped(task: Task) -> bool:
    return task.state == State.SUCCESS and task.reason is not None


@dataclass(frozen=True)
class Column:
    """A column of the task listing; without `csv` and `table`, a property that only the drawer and the page show.

    `name`: its key in JSON, its name in `sort`, and the key of its label, `column.<name>`. `csv`: its heading in CSV;
    without one it is in neither CSV nor JSON. `sort`: the instant by which sorting by it sorts. `value`: by default the
    task's attribute of its name. `reads`: the database columns of its value and cell, by default the one of its name.
    `drawer`: whether a task's drawer shows it, if it has a value. `label`: the drawer's, where it depends on the task.
    `last_in_export`: JSON and CSV have it at the end, where scripts expect it.
    """

    name: str
    kind: Kind = Kind.TEXT
    csv: str = ""
    table: InTable = InTable.NEVER
    sort: Instant | None = None
    value: Callable[[Task], Any] | None = None
    reads: tuple[str, ...] = ()
    drawer: Callable[[Task], bool] = always
    label: Callable[[Task], str] | None = None
    last_in_export: bool = False

    @property
    def heading(self) -> str:
        """Its label in the current language."""
        return t(f"column.{self.name}")

    @property
    def get(self) -> Callable[[Task], Any]:
        """The function that returns its value."""
        return self.value or attrgetter(self.name)

    def is_in_table(self, sorted_by: str) -> bool:
        """Whether a table that is sorted by that column shows this one."""
        return self.table is InTable.ALWAYS or (self.table is InTable.SORTED and self.name == sorted_by)


# In the order of table, drawer and JSON. A list rather than a tuple, since a test declares a column of its own.
COLUMNS = [
    Column("id", Kind.ID, "Task ID", InTable.ALWAYS),
    Column("state", Kind.STATE, "Task state", InTable.ALWAYS, reads=READ_BY_STATE),
    Column("now", value=_now, drawer=_is_pending),
    Column("type", Kind.TYPE, "Task type", InTable.ALWAYS),
    Column("description", value=_description),
    Column("group", value=_group),
    Column("shopify_id", Kind.ENTITY, "Shopify entity ID", InTable.ALWAYS),
    Column("engage_id", Kind.CODE, "Voyado Engage entity ID"),
    Column("created_at", Kind.TIME, "Created at", InTable.ALWAYS, sort="created_at"),
    Column("started_at", Kind.TIME, "Started at", InTable.SORTED, sort="started_at"),
    Column("completed_at", Kind.TIME, "Completed at", InTable.SORTED, sort="completed_at"),
    Column("duration_ms", Kind.NUMBER, "Duration (ms)", InTable.ALWAYS),
    Column("waited", value=_waited),
    Column("due_at", Kind.TIME, "Due at", drawer=_is_pending, last_in_export=True),
    Column("published_at", Kind.TIME),
    Column("leased_until", Kind.TIME),
    Column("attempts", Kind.NUMBER, "Attempts"),
    Column("crashes", Kind.NUMBER, drawer=_has_crashes),
    Column("reason", Kind.REASON, "Reason", value=_reason, reads=("reason", "params"), drawer=never),
    Column("reason_key", Kind.CODE, "Reason key", value=_reason_key, reads=("reason",), drawer=never),
    Column("code", Kind.CODE, "Code", value=_code, reads=("system", "status", "code")),
    Column("skipped", Kind.TEXT, "Skipped", value=_is_skipped, reads=("state", "reason"), drawer=never),
    Column("parent_id", Kind.TASK, "Started by"),
    Column("closed_by", Kind.TASK, "Closed by", label=formatting.closed_by_label),
    Column("lane", value=_lane),
    Column("key", Kind.CODE),
    Column("resends", Kind.CODE),
]


@dataclass(frozen=True)
class TableColumn:
    """A column in a table. `aria_sort`: the direction that the table is sorted in by it, or ""."""

    label: str
    kind: Kind
    get: Callable[[Task], Any]
    aria_sort: str


@dataclass(frozen=True)
class Property:
    """A labelled value of a task, as its page and its drawer show it."""

    label: str
    value: Any
    kind: Kind


def database_columns() -> tuple[str, ...]:
    """The database columns that a list of tasks selects: those that its table, JSON and CSV read."""
    listed = [each for each in COLUMNS if each.csv or each.table is not InTable.NEVER]
    return tuple(dict.fromkeys([*KEYS, *(name for each in listed for name in each.reads or (each.name,))]))


def exported_columns() -> list[Column]:
    """The columns of JSON, in its order."""
    return sorted((each for each in COLUMNS if each.csv), key=attrgetter("last_in_export"))


def csv_columns() -> list[Column]:
    """The columns of the CSV export, in its order: first the table's."""
    return sorted(exported_columns(), key=attrgetter("table"))


def sort_instants() -> dict[str, Instant]:
    """The instant that each sortable column sorts by."""
    return {each.name: each.sort for each in COLUMNS if each.sort}


def table_columns(sorted_by: str, *, descending: bool) -> list[TableColumn]:
    """The columns of a table that is sorted by a column."""
    shown = [each for each in COLUMNS if each.is_in_table(sorted_by)]
    aria_sort = {sorted_by: "descending" if descending else "ascending"}
    return [TableColumn(each.heading, each.kind, each.get, aria_sort.get(each.name, "")) for each in shown]


def properties(task: Task) -> list[Property]:
    """Every property of a task that has a value, without the task's data. `task` has all database columns."""
    shown = [_property(each, task) for each in COLUMNS if each.drawer(task)]
    return [each for each in [*shown, *_arguments(task)] if each.value not in (None, "")]


def _property(column: Column, task: Task) -> Property:
    label = column.label(task) if column.label else column.heading
    return Property(label, column.get(task), column.kind)


def _arguments(task: Task) -> list[Property]:
    return [Property(name.replace("_", " ").capitalize(), str(value), Kind.CODE) for name, value in task.args.items()]
