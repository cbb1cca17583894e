"""The summary: three areas of work, counted over everything that is kept, whatever is filtered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import totals
from actors.registry import TYPES
from models import State
from totals import Count
from views import answer_json, view, wording
from views.listing import TaskFilters
from views.text import t

# The summary's areas.
AREAS = {
    "contact_sync": ("SyncContact", "UpdateCustomerMarketingPreferences", "SyncCustomerMarketingPreferences"),
    "order_sync": ("SyncOrder", "SyncOrderNotification", "SyncOrderFulfillmentNotification"),
}
ALL = "all_tasks"


@dataclass(frozen=True)
class Card:
    """One area of the summary. Each of its numbers leads to the tasks that it counts."""

    title: str
    count: Count
    types: tuple[str, ...]

    def of(self, state: State) -> int:
        found: int = getattr(self.count, state.name.lower())
        return found

    def url(self, state: State | None = None) -> str:
        return TaskFilters(types=self.types, states=() if state is None else (state,)).url()


def summary_of(counts: Mapping[int, Count]) -> dict[str, Card]:
    """The areas and everything, by the names that JSON has for them."""
    cards = {}
    for area, names in AREAS.items():
        parts = [counts.get(TYPES[name].number, Count()) for name in names]
        cards[area] = Card(t(f"summary.area.{area}"), totals.together(parts), names)
    cards[ALL] = Card(t(f"summary.area.{ALL}"), totals.together(list(counts.values())), ())
    return cards


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
