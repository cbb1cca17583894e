"""Summary cards: task counts by area (contact sync, order sync, all tasks), whatever the listing's filters are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.responses import Response
from starlette.routing import Route

import totals
from actors.registry import TYPES
from models import Shop, State
from totals import Count
from views import answer_json, view, wording
from views.listing import TaskFilters, counted
from views.paging import Sort
from views.request_state import Request
from views.sparkline import Sparkline, begin, sparkline
from words import t

# The task types that each area of the summary counts.
AREAS = {
    "contact_sync": ("SyncContact", "UpdateCustomerMarketingPreferences", "SyncCustomerMarketingPreferences"),
    "order_sync": ("SyncOrder", "SyncOrderNotification", "SyncOrderFulfillmentNotification"),
}
ALL = "all_tasks"

PROBLEM_LIMIT, COUNT_TIMEOUT = 100, timedelta(milliseconds=300)


@dataclass(frozen=True)
class Card:
    """A summary card: the counts of one area. Each number links to the tasks that it counts."""

    name: str
    title: str
    count: Count
    types: tuple[str, ...]
    sparkline: Sparkline | None = None

    def of(self, state: State) -> int:
        count: int = getattr(self.count, state.name.lower())
        return count

    def url(self, state: State | None = None) -> str:
        return TaskFilters(types=self.types, states=() if state is None else (state,)).url()


@dataclass(frozen=True)
class Summary:
    """The summary cards and the figures below them. `problems` is None when counting takes too long."""

    cards: tuple[Card, ...]
    since: datetime | None
    waiting_ms: float | None
    problems: int | None

    @property
    def problem_words(self) -> str:
        if self.problems is None:
            return t("list.many")
        more = self.problems > PROBLEM_LIMIT
        return t("summary.problems_more" if more else "summary.problems", count=min(self.problems, PROBLEM_LIMIT))

    waiting_url = TaskFilters(states=(State.PENDING,), sort=Sort("created_at", descending=False)).url()
    problems_url = TaskFilters(problems=True).url()


def summary_of(counts: Mapping[int, Count]) -> dict[str, Card]:
    """The cards by their names in JSON: one for each area, and one for all tasks."""
    cards = {}
    for area, names in AREAS.items():
        parts = [counts.get(TYPES[name].number, Count()) for name in names]
        cards[area] = Card(area, t(f"summary.area.{area}"), totals.together(parts), names)
    cards[ALL] = Card(ALL, t(f"summary.area.{ALL}"), totals.together(list(counts.values())), ())
    return cards


def whole_summary(shop: Shop, counts: Mapping[int, Count], now: datetime) -> Summary:
    """The summary of the shop as the page shows it, whatever the listing's filters are."""
    hours = totals.hours(shop.id, begin(now))
    cards = (replace(card, sparkline=_sparkline(card, hours, now)) for card in summary_of(counts).values())
    oldest = totals.pending_since(shop.id)
    waiting = max(timedelta(), now - oldest) / timedelta(milliseconds=1) if oldest else None
    return Summary(tuple(cards), totals.since(shop.id), waiting, _count_problems(shop))


def _sparkline(card: Card, hours: list[tuple[datetime, int, int, int]], now: datetime) -> Sparkline:
    types = tuple(TYPES[name].number for name in card.types) or None
    return sparkline(hours, types, now)


def _count_problems(shop: Shop) -> int | None:
    return counted(TaskFilters(problems=True).selection(shop), PROBLEM_LIMIT, COUNT_TIMEOUT)


@view
def summary_json(request: Request) -> Response:
    """`GET /summary.json`: the three cards."""
    shop_id = request.state.shop.id
    cards = summary_of(totals.counts(shop_id))
    return answer_json(
        {name: _count_json(card.count) for name, card in cards.items()} | {"since": wording.iso(totals.since(shop_id))}
    )


def _count_json(count: Count) -> dict[str, int | float | None]:
    return {
        "total": count.total,
        "success": count.success,
        "error": count.error,
        "pending": count.pending,
        "success_rate": count.success_rate,
        "mean_duration_ms": count.mean_ms,
    }


routes = [Route("/summary.json", summary_json)]
