"""The problems page: what is open, grouped by its cause and task type, as HTML and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from starlette.responses import Response
from starlette.routing import Route

from i18n.catalogue import t
from i18n.error_codes import CALL_ERRORS, Responsible
from i18n.explanations import KEYS, Explanation, explain, reason_label
from models import Shop, Task, time_of_id
from tasklog.open_problems import MAX_GROUPED, ProblemGroup, problem_groups
from views.tasks.bulk_retry import bulk_retry_url
from views.tasks.filters import TaskFilters, problem_types, select_tasks
from views.tasks.tabs import listing_tabs
from views.web import formatting
from views.web.rendering import json_response, render
from views.web.request_state import Request
from views.web.view import view


@dataclass
class ProblemRow:
    """A group of open problems, as a row of the page. `newest`: its newest task, or None if that has been deleted."""

    group: ProblemGroup
    filters: TaskFilters
    newest: Task | None

    @cached_property
    def explanation(self) -> Explanation | None:
        """The explanation of the newest one's outcome, which stands for all."""
        return explain(self.newest.cause, self.newest.error_code) if self.newest else None

    @property
    def title(self) -> str:
        """The title of the error, or the reason."""
        return self.explanation.title if self.explanation else self.label or t("problems.no_reason")

    @property
    def label(self) -> str | None:
        """The sentence of their common reason, without its parameters; None without a reason."""
        return reason_label(self.group.reason) if self.group.reason in KEYS else self.group.reason

    @property
    def meaning(self) -> str | None:
        """What the error of a call means; of any other the reason, unless that is the title already."""
        if self.group.reason in CALL_ERRORS:
            return self.explanation.means if self.explanation else None
        return self.label if self.label != self.title else None

    @property
    def todo(self) -> str | None:
        """What to do about it; None when no action is needed or known."""
        return self.explanation.todo if self.explanation else None

    @property
    def responsible(self) -> str | None:
        """Who can do that."""
        who = self.explanation.advice.who if self.explanation else Responsible.NOBODY
        return None if who is Responsible.NOBODY else t(f"who.{who}")

    @property
    def since(self) -> datetime:
        """When the oldest of them was created."""
        return time_of_id(self.group.oldest_id)

    @property
    def newest_at(self) -> datetime:
        """When the newest of them was created."""
        return time_of_id(self.group.newest_id)

    @property
    def url(self) -> str:
        """The listing of exactly these tasks; of all of their type where the reason is no key, so no filter has it."""
        return self.filters.url()

    @property
    def retry_url(self) -> str | None:
        """Where a retry of exactly these begins; None where the reason is no key."""
        return bulk_retry_url(self.filters) if self.group.reason in KEYS else None


@view
def index(request: Request) -> Response:
    """`GET /problems`: open problems by cause, the largest group first."""
    shop = request.state.shop
    found = problems(shop)
    return render(
        request,
        "problems/index.html",
        problems=found,
        is_limited=sum(problem.group.tasks for problem in found) >= MAX_GROUPED,
        limit=MAX_GROUPED,
        listing_tabs=listing_tabs(shop, TaskFilters()),
    )


@view
def index_json(request: Request) -> Response:
    """`GET /problems.json`: open problems by cause. `value` is null: the orders' values are not known here."""
    shop = request.state.shop
    return json_response({"problems": [_serialized(problem, shop) for problem in problems(shop)]})


def problems(shop: Shop) -> list[ProblemRow]:
    """The shop's open problems, grouped by reason and type."""
    groups = problem_groups(shop.id, problem_types())
    newest = {task.id: task for task in select_tasks(shop).where(Task.id.in_([each.newest_id for each in groups]))}
    return [ProblemRow(group, _filters(group), newest.get(group.newest_id)) for group in groups]


def _filters(group: ProblemGroup) -> TaskFilters:
    reasons = (str(group.reason),) if group.reason in KEYS else ()
    return TaskFilters(types=(formatting.type_name(group.type),), reasons=reasons, problems=True)


def _serialized(problem: ProblemRow, shop: Shop) -> dict[str, object]:
    group = problem.group
    return {
        "reason_key": group.reason if group.reason in KEYS else None,
        "type": formatting.type_name(group.type),
        "tasks": group.tasks,
        "orders": group.orders,
        "customers": group.customers,
        "value": None,
        "currency": shop.currency,
        "since": formatting.format_iso(problem.since),
        "url": problem.url,
    }


routes = [Route("/problems", index), Route("/problems.json", index_json)]
