"""Help page: every task type as it is declared, in the groups of the product's own help page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from i18n.catalogue import t
from taskqueue.periodic import PERIODIC
from taskqueue.types import TaskType, types_by_group
from views.tasks.filters import TaskFilters
from views.tasks.summary import SUMMARY_AREAS
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
        return next(
            (t(f"summary.area.{area}") for area, names in SUMMARY_AREAS.items() if self.task_type.name in names), None
        )

    @property
    def triggers(self) -> list[str]:
        """What starts it: Shopify's webhooks and the scheduler."""
        topics = ", ".join(self.task_type.topics)
        return [*([t("help.topics", topics=topics)] if topics else []), *_intervals(self.task_type)]

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


def _intervals(task_type: TaskType) -> Iterator[str]:
    for each in PERIODIC:
        if each.name == task_type.name:
            span, unit = next((span, unit) for span, unit in SPANS if not each.every % unit)
            yield t(f"help.every.{span}", count=each.every // unit)


routes = [Route("/help/task-types", task_types)]
