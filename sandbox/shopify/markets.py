"""The markets that a shop sells in, each with the codes of its countries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class SandboxMarket:
    """A market by its handle. A region is a country ("SE") or a part of one ("US-CA"); none at all is everywhere."""

    handle: str
    regions: tuple[str, ...] = ()
    active: bool = True

    def graphql(self, number: int) -> Json:
        """This market in the shape of the Admin API."""
        condition = {
            "applicationLevel": "SPECIFIED" if self.regions else "ALL",
            "regions": [_region(each) for each in self.regions],
        }
        return {
            "id": f"gid://shopify/Market/{number}",
            "handle": self.handle,
            "name": self.handle.replace("-", " ").title(),
            "status": "ACTIVE" if self.active else "DRAFT",
            "type": "REGION",
            "conditions": {"conditionTypes": ["REGION"], "regionsCondition": condition},
        }


DEFAULT_MARKETS = (
    SandboxMarket("sweden", ("SE",)),
    SandboxMarket("nordic", ("NO", "DK", "FI", "IS")),
    SandboxMarket("europe", ("AT", "DE", "FR", "NL")),
)


def _region(region: str) -> Json:
    country, _, part = region.partition("-")
    if not part:
        return {"__typename": "MarketRegionCountry", "code": country, "name": country}
    return {"__typename": "MarketRegionSubdivision", "code": part, "name": part, "country": {"code": country}}
