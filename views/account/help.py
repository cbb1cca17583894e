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
from views.web.rendering import render, view

SPANS = (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1)))


@dataclass(frozen=True)
class TaskTypeEntry:
    """A task type on the help page. Its name is its anchor."""

    kind: TaskType

    @property
    def area(self) -> str | None:
        """The area of the summary that counts it, besides all tasks, or None."""
        return next(
            (t(f"summary.area.{area}") for area, names in SUMMARY_AREAS.items() if self.kind.name in names), None
        )

    @property
    def beginnings(self) -> list[str]:
        """What starts it: Shopify's webhooks and the scheduler."""
        topics = ", ".join(self.kind.topics)
        return [*([t("help.topics", topics=topics)] if topics else []), *_intervals(self.kind)]

    @property
    def url(self) -> str:
        """The listing of its tasks."""
        return TaskFilters(types=(self.kind.name,)).url()


@view
def task_types(request: Request) -> Response:
    """`GET /help/task-types`: the help page of task types."""
    return render(
        request,
        "account/help.html",
        groups={group: [TaskTypeEntry(kind) for kind in kinds] for group, kinds in types_by_group().items()},
    )


def _intervals(kind: TaskType) -> Iterator[str]:
    for each in PERIODIC:
        if each.name == kind.name:
            span, unit = next((span, unit) for span, unit in SPANS if not each.every % unit)
            yield t(f"help.every.{span}", count=each.every // unit)


routes = [Route("/help/task-types", task_types)]
