"""The audit page: who did what in the shop, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response
from starlette.routing import Route

from models import Task
from models.audit import Action, Audit
from models.members import Member
from views import BadInput, parameters, render, view
from views.listing import tasks_of
from views.request_state import Request
from words import t

SHOWN = 50


@dataclass(frozen=True)
class Entry:
    """An audit entry on the page, with its task and the task that it created; None: there is none, or not any more."""

    row: Audit
    task: Task | None
    made: Task | None
    names: Mapping[str, str]

    @property
    def who(self) -> str:
        """The person's name if Shopify has sent it, else their id."""
        return self.names.get(self.row.who, self.row.who) if self.row.who else t("audit.link")

    @property
    def what(self) -> str:
        known = self.row.action in set(Action)
        return t(f"audit.action.{self.row.action}") if known else self.row.action

    @property
    def import_url(self) -> str | None:
        """The URL of the import that the entry is about, or None."""
        number = self.row.details.get("import_id")
        return f"/imports#import-{number}" if isinstance(number, int) else None

    @property
    def detail(self) -> str:
        total = self.row.details.get("total")
        return t("audit.total", count=total) if isinstance(total, int) else ""


@view
def index(request: Request) -> Response:
    """`GET /audit`: the newest audit entries. `?before=ID` for older ones."""
    rows = Audit.page(request.state.shop, SHOWN + 1, _before(request))
    entries = _entries(request, rows[:SHOWN])
    older = f"/audit?before={rows[SHOWN - 1].id}" if len(rows) > SHOWN else None
    return render(
        request, "acting/audit.html", entries=entries, older=older, first="before" not in request.query_params
    )


def _entries(request: Request, rows: list[Audit]) -> list[Entry]:
    ids = {each for row in rows for each in (row.task_id, row.made_id) if each}
    known: dict[UUID | None, Task] = (
        {task.id: task for task in tasks_of(request.state.shop).where(Task.id.in_(ids))} if ids else {}
    )
    names = Member.names(request.state.shop)
    return [Entry(row, known.get(row.task_id), known.get(row.made_id), names) for row in rows]


def _before(request: Request) -> UUID | None:
    given = request.query_params.get("before", "")
    found = parameters.uuid(given)
    if given and found is None:
        raise BadInput(t("audit.bad_before", given=repr(given[:40])))
    return found


routes = [Route("/audit", index)]
