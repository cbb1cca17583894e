"""The summary: three areas of work, counted over everything that is kept, whatever is filtered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import totals
from actors.registry import TYPES
from models import Shop, State
from totals import Count
from views import answer_json, view, wording
from views.listing import TaskFilters, counted
from views.paging import Sort
from views.sparkline import Sparkline, begin, sparkline
from words import t

# The summary's areas.
AREAS = {
    "contact_sync": ("SyncContact", "UpdateCustomerMarketingPreferences", "SyncCustomerMarketingPreferences"),
    "order_sync": ("SyncOrder", "SyncOrderNotification", "SyncOrderFulfillmentNotification"),
}
ALL = "all_tasks"


PROBLEMS_COUNTED, PATIENCE = 100, timedelta(milliseconds=300)


@dataclass(frozen=True)
class Card:
    """One area of the summary. Each of its numbers leads to the tasks that it counts."""

    name: str
    title: str
    count: Count
    types: tuple[str, ...]
    sparkline: Sparkline | None = None

    def of(self, state: State) -> int:
        found: int = getattr(self.count, state.name.lower())
        return found

    def url(self, state: State | None = None) -> str:
        return TaskFilters(types=self.types, states=() if state is None else (state,)).url()


@dataclass(frozen=True)
class Summary:
    """The cards, and what stands beside them. `problems`: None when counting takes too long."""

    cards: tuple[Card, ...]
    since: datetime | None
    waiting_ms: float | None
    problems: int | None

    @property
    def problem_words(self) -> str:
        if self.problems is None:
            return t("list.many")
        more = self.problems > PROBLEMS_COUNTED
        return t("summary.problems_more" if more else "summary.problems", count=min(self.problems, PROBLEMS_COUNTED))

    waiting_url = TaskFilters(states=(State.PENDING,), sort=Sort("created_at", descending=False)).url()
    problems_url = TaskFilters(problems=True).url()


def summary_of(counts: Mapping[int, Count]) -> dict[str, Card]:
    """The areas and everything, by the names that JSON has for them."""
    cards = {}
    for area, names in AREAS.items():
        parts = [counts.get(TYPES[name].number, Count()) for name in names]
        cards[area] = Card(area, t(f"summary.area.{area}"), totals.together(parts), names)
    cards[ALL] = Card(ALL, t(f"summary.area.{ALL}"), totals.together(list(counts.values())), ())
    return cards


def whole_summary(shop: Shop, counts: Mapping[int, Count], now: datetime) -> Summary:
    """What the page shows of the shop, whatever is filtered."""
    ended = totals.hours(shop.id, begin(now))
    cards = (replace(card, sparkline=_sparkline(card, ended, now)) for card in summary_of(counts).values())
    oldest = totals.pending_since(shop.id)
    waiting = max(timedelta(), now - oldest) / timedelta(milliseconds=1) if oldest else None
    return Summary(tuple(cards), totals.since(shop.id), waiting, _problems(shop))


def _sparkline(card: Card, ended: list[tuple[datetime, int, int, int]], now: datetime) -> Sparkline:
    types = tuple(TYPES[name].number for name in card.types) or None
    return sparkline(ended, types, now)


def _problems(shop: Shop) -> int | None:
    return counted(TaskFilters(problems=True).selection(shop), PROBLEMS_COUNTED, PATIENCE)


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
