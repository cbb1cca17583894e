"""Summary of the task list: cards with task counts by area (contact sync, order sync, all tasks), and sparklines.

They count all tasks of the shop, whatever the listing's filters are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.responses import Response
from starlette.routing import Route

from i18n.catalogue import t
from models import Shop, State
from tasklog import totals
from tasklog.totals import Count
from taskqueue.types import TYPES, Area
from views.tasks.filters import TaskFilters, count_up_to_timeout
from views.tasks.pagination import Sort
from views.web import formatting
from views.web.rendering import json_response
from views.web.request_state import Request
from views.web.view import view

ALL_TASKS = "all_tasks"

PROBLEM_LIMIT = 100

HOUR = timedelta(hours=1)
HOURS, STEP, WIDTH, HEIGHT = 24, 8, 6, 28  # of the sparkline: its hours; pixels from bar to bar, of a bar, and in all


@dataclass(frozen=True)
class Bar:
    """One hour: its counts, and the position and heights of its bar in the SVG."""

    hour: datetime
    success: int
    error: int
    x: int
    error_height: float
    height: float

    @property
    def top(self) -> float:
        return HEIGHT - self.height

    @property
    def label(self) -> str:
        return t("summary.hour", hour=f"{self.hour:%H:%M}", success=self.success, error=self.error)


@dataclass(frozen=True)
class Sparkline:
    """A sparkline of 24 bars, one for each hour, the last one for the current hour."""

    bars: tuple[Bar, ...]
    width: int = HOURS * STEP
    height: int = HEIGHT
    bar_width: int = WIDTH

    @property
    def empty(self) -> bool:
        return not any(bar.height for bar in self.bars)

    @property
    def label(self) -> str:
        if self.empty:
            return t("summary.no_hours")
        busiest = max(self.bars, key=lambda bar: bar.success + bar.error)
        success, error = (sum(getattr(bar, name) for bar in self.bars) for name in ("success", "error"))
        return t("summary.hours", success=success, error=error, hour=f"{busiest.hour:%H:%M}")


@dataclass(frozen=True)
class SummaryCard:
    """A summary card: the counts of one area. Each number links to the tasks that it counts."""

    name: str
    title: str
    count: Count
    types: tuple[str, ...]
    sparkline: Sparkline | None = None

    def count_of(self, state: State) -> int:
        """The number of tasks in a state."""
        count: int = getattr(self.count, state.name.lower())
        return count

    def url(self, state: State | None = None) -> str:
        """The URL of the listing of these tasks, or of those in one state."""
        return TaskFilters(types=self.types, states=() if state is None else (state,)).url()


@dataclass(frozen=True)
class Summary:
    """The summary cards and the figures below them. `problems` is None when counting takes too long."""

    cards: tuple[SummaryCard, ...]
    counted_since: datetime | None
    oldest_pending_ms: float | None
    problems: int | None

    @property
    def problems_text(self) -> str:
        if self.problems is None:
            return t("list.many")
        more = self.problems > PROBLEM_LIMIT
        return t("summary.problems_more" if more else "summary.problems", count=min(self.problems, PROBLEM_LIMIT))

    oldest_pending_url = TaskFilters(states=(State.PENDING,), sort=Sort("created_at", descending=False)).url()
    problems_url = TaskFilters(problems=True).url()


def area_types(area: Area) -> tuple[str, ...]:
    """The names of the task types that an area counts."""
    return tuple(each.name for each in TYPES.values() if each.area is area)


def summary_cards(counts: Mapping[int, Count]) -> dict[str, SummaryCard]:
    """The cards by their names in JSON: one for each area, and one for all tasks."""
    cards: dict[str, SummaryCard] = {}
    for area in Area:
        names = area_types(area)
        parts = [counts.get(TYPES[name].number, Count()) for name in names]
        cards[area.value] = SummaryCard(area.value, t(f"summary.area.{area}"), totals.add_up(parts), names)
    cards[ALL_TASKS] = SummaryCard(ALL_TASKS, t(f"summary.area.{ALL_TASKS}"), totals.add_up(list(counts.values())), ())
    return cards


def page_summary(shop: Shop, counts: Mapping[int, Count], now: datetime) -> Summary:
    """The summary of the shop as the page shows it, whatever the listing's filters are."""
    hours = totals.hourly_counts(shop.id, first_hour(now))
    cards = (replace(card, sparkline=_sparkline(card, hours, now)) for card in summary_cards(counts).values())
    oldest = totals.oldest_pending_created_at(shop.id)
    waiting = max(timedelta(), now - oldest) / timedelta(milliseconds=1) if oldest else None
    return Summary(tuple(cards), totals.oldest_created_at(shop.id), waiting, _count_problems(shop))


@view
def summary_json(request: Request) -> Response:
    """`GET /summary.json`: the three cards."""
    shop_id = request.state.shop.id
    cards = summary_cards(totals.counts(shop_id))
    return json_response(
        {name: _count_json(card.count) for name, card in cards.items()}
        | {"since": formatting.format_iso(totals.oldest_created_at(shop_id))}
    )


def first_hour(now: datetime) -> datetime:
    """The start of the first of the sparkline's 24 hours."""
    return now.replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * HOUR


def draw_sparkline(
    rows: Iterable[tuple[datetime, int, int, int]], types: tuple[int, ...] | None, now: datetime
) -> Sparkline:
    """Draw the rows of `totals.hourly_counts` that are of the given types (None: all).

    A failure is always high enough to be visible.
    """
    start = first_hour(now)
    sums = [[0, 0] for _ in range(HOURS)]
    for hour, number, state, count in rows:
        index = (hour - start) // HOUR
        if 0 <= index < HOURS and (types is None or number in types):
            sums[index][state == State.ERROR] += count
    busiest = max(map(sum, sums)) or 1
    return Sparkline(tuple(_bar(start, index, success, error, busiest) for index, (success, error) in enumerate(sums)))


def _sparkline(card: SummaryCard, hours: list[tuple[datetime, int, int, int]], now: datetime) -> Sparkline:
    types = tuple(TYPES[name].number for name in card.types) or None
    return draw_sparkline(hours, types, now)


def _count_problems(shop: Shop) -> int | None:
    return count_up_to_timeout(TaskFilters(problems=True).task_filter(shop), PROBLEM_LIMIT)


def _count_json(count: Count) -> dict[str, int | float | None]:
    return {
        "total": count.total,
        "success": count.success,
        "error": count.error,
        "pending": count.pending,
        "success_rate": count.success_rate,
        "mean_duration_ms": count.mean_ms,
    }


def _bar(start: datetime, index: int, success: int, error: int, busiest: int) -> Bar:
    scale = HEIGHT / busiest
    error_height = max(2.0, error * scale) if error > 0 else 0.0
    height = min(float(HEIGHT), max(1.0, success * scale) + error_height) if success > 0 else error_height
    return Bar(start + index * HOUR, success, error, index * STEP, round(error_height, 1), round(height, 1))


routes = [Route("/summary.json", summary_json)]
