"""Marketing consent at Shopify: the input of a change, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clients import Rejected
from clients.shopify.search import search_instant
from reasons import Reason

LEVELS = {"SUBSCRIBED": "SINGLE_OPT_IN", "PENDING": "CONFIRMED_OPT_IN"}  # the level that Shopify requires with each
STATES = {*LEVELS, "UNSUBSCRIBED"}  # Shopify accepts no other as input


@dataclass(frozen=True)
class ConsentResult:
    """The consent that Shopify has now. Not `applied`: it has a newer change than the one it was sent."""

    state: str
    level: str | None
    updated_at: datetime | None
    applied: bool


def consent_input(state: str, at: datetime) -> dict[str, str]:
    """The input for a change to this state, made by the customer at this instant."""
    if state not in STATES:
        raise ValueError(f"Shopify takes no consent of {state}.")
    not_in_the_future = min(at, datetime.now(UTC))  # Shopify refuses future times, and clocks differ
    level = {"marketingOptInLevel": LEVELS[state]} if state in LEVELS else {}
    return {"marketingState": state, **level, "consentUpdatedAt": search_instant(not_in_the_future)}


def consent_result(sent: dict[str, str], state: str | None, level: str | None, updated_at: str | None) -> ConsentResult:
    """The consent after a change. Shopify keeps the newest change, and reports success also when it ignores ours."""
    if state == sent["marketingState"]:
        return ConsentResult(state, level, _instant(updated_at), applied=True)
    if state and updated_at and _instant(updated_at) >= _instant(sent["consentUpdatedAt"]):
        return ConsentResult(state, level, _instant(updated_at), applied=False)
    raise Rejected(Reason.SHOPIFY_CONSENT_KEPT, code="NOT_APPLIED", state=str(state))


def consent_holder(customer: dict[str, Any] | None, field: str, name: str) -> dict[str, Any]:
    """The e-mail address or phone number of the consent. Without one Shopify reports success and does nothing."""
    holder: dict[str, Any] | None = customer and customer[field]
    if not holder:
        raise Rejected(Reason.SHOPIFY_CONSENT_NO_ADDRESS, code="NOTHING_TO_CONSENT_FOR", name=name)
    return holder


def _instant(text: str | None) -> Any:
    return datetime.fromisoformat(text) if text else None
