"""Help page: every task type as it is declared, in the groups of the product's own help page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from i18n.catalogue import t
from taskqueue.types import TaskType, types_by_group
from views.tasks.filters import TaskFilters
from views.web.rendering import render
from views.web.view import view

SPANS = (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1)))


@dataclass(frozen=True)
class TaskTypeEntry:
    """A task type on the help page. Its name is its anchor."""

    task_type: TaskType

    @property
    def area(self) -> str | None:
        """The area of the summary that counts it, besides all tasks, or None."""
        area = self.task_type.area
        return t(f"summary.area.{area}") if area else None

    @property
    def triggers(self) -> list[str]:
        """What starts it: Shopify's webhooks and the scheduler."""
        topics = ", ".join(self.task_type.topics)
        period = self.task_type.period
        return [*([t("help.topics", topics=topics)] if topics else []), *([_interval(period)] if period else [])]

    @property
    def url(self) -> str:
        """The listing of its tasks."""
        return TaskFilters(types=(self.task_type.name,)).url()


@view
def task_types(request: Request) -> Response:
    """`GET /help/task-types`: the help page of task types."""
    return render(
        request,
        "account/help.html",
        groups={group: [TaskTypeEntry(task_type) for task_type in types] for group, types in types_by_group().items()},
    )


def _interval(period: timedelta) -> str:
    span, unit = next((span, unit) for span, unit in SPANS if not period % unit)
    return t(f"help.every.{span}", count=period // unit)


routes = [Route("/help/task-types", task_types)]
