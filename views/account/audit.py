"""The audit page: who did what in the shop, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response
from starlette.routing import Route

from i18n.catalogue import t
from models import Action, AuditEntry, Task
from views.tasks.filters import select_tasks
from views.web import audit_log, membership, query_params
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view

PAGE_SIZE = 50


@dataclass(frozen=True)
class AuditRow:
    """An audit entry on the page, with its task and the task that it created; None: there is none, or not any more."""

    row: AuditEntry
    task: Task | None
    created_task: Task | None
    names: Mapping[str, str]

    @property
    def person(self) -> str:
        """The person's name if Shopify has sent it, else their id."""
        return self.names.get(self.row.user_id, self.row.user_id) if self.row.user_id else t("audit.link")

    @property
    def action_label(self) -> str:
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
    before = query_params.parse_before("audit", request.query_params)
    rows = audit_log.page(request.state.shop, PAGE_SIZE + 1, before)
    entries = _entries(request, rows[:PAGE_SIZE])
    older_url = f"/audit?before={rows[PAGE_SIZE - 1].id}" if len(rows) > PAGE_SIZE else None
    return render(
        request,
        "account/audit.html",
        entries=entries,
        older_url=older_url,
        is_first_page="before" not in request.query_params,
    )


def _entries(request: Request, rows: list[AuditEntry]) -> list[AuditRow]:
    ids = {each for row in rows for each in (row.task_id, row.created_task_id) if each}
    known: dict[UUID | None, Task] = (
        {task.id: task for task in select_tasks(request.state.shop).where(Task.id.in_(ids))} if ids else {}
    )
    names = membership.names(request.state.shop)
    return [AuditRow(row, known.get(row.task_id), known.get(row.created_task_id), names) for row in rows]


routes = [Route("/audit", index)]
