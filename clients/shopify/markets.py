"""Read a shop's markets with all of their regions, by pagination."""

from __future__ import annotations

from typing import Any

from clients import Unanswered, Unavailable
from clients.shopify.graphql_client import GraphQLClient
from reasons import Reason

REGIONS_PAGE_SIZE = 250  # the most that Shopify returns at once; only a market of provinces may have more

Json = dict[str, Any]


def read_markets(client: GraphQLClient) -> list[Json]:
    """All markets, in order of their ids. A page has one market, so that the rest of its regions can be read."""
    found: list[Json] = []
    after, more = None, True
    while more:
        page = _page(client, after, None)
        found += [_complete(client, after, market) for market in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    return found


def _complete(client: GraphQLClient, after: str | None, market: Json) -> Json:
    """The market with the regions beyond the first page."""
    regions = _regions(market)
    while regions and regions["pageInfo"]["hasNextPage"]:
        same = [each for each in _page(client, after, _end_cursor(regions))["nodes"] if each["id"] == market["id"]]
        if not (more := _regions(same[0]) if same else None):
            raise Unavailable(Reason.MARKETS_CHANGED_WHILE_READ)
        regions["nodes"] += more["nodes"]
        regions["pageInfo"] = more["pageInfo"]
    return market


def _page(client: GraphQLClient, after: str | None, regions_after: str | None) -> Json:
    page = client.query("markets", "markets", after=after, regions=REGIONS_PAGE_SIZE, regionsAfter=regions_after)
    if page is None:
        raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="the markets")
    return page


def _regions(market: Json) -> Json | None:
    condition = (market["conditions"] or {}).get("regionsCondition") or {}
    regions: Json | None = condition.get("regions")
    return regions


def _end_cursor(regions: Json) -> str | None:
    end: str | None = regions["pageInfo"]["endCursor"]
    return end
