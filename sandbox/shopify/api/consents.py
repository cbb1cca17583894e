"""Check and apply a consent that an app sends, as recorded from Shopify's live API."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLError

from sandbox.shopify.customers import Consent

Json = dict[str, Any]
ACCEPTED_STATES = {"SUBSCRIBED", "UNSUBSCRIBED", "PENDING"}


@dataclass(frozen=True)
class UserError:
    """One of a mutation's `userErrors`."""

    message: str
    code: str | None
    field: tuple[str, ...] | None = None

    def as_dict(self) -> Json:
        return {"message": self.message, "code": self.code, "field": list(self.field) if self.field else None}


def consent_error(wanted: Json, argument: str) -> UserError | None:
    """What is wrong with the consent itself, or None."""
    state, level = wanted["marketingState"], wanted.get("marketingOptInLevel")
    if state not in ACCEPTED_STATES:
        raise GraphQLError(f"Cannot specify {state} as a marketing state input", extensions={"code": "INVALID"})
    if state == "SUBSCRIBED" and not level:
        field = ("input", argument, "marketingOptInLevel")
        return UserError("Marketing opt in level must exist", "MISSING_ARGUMENT", field)
    if state == "PENDING" and level != "CONFIRMED_OPT_IN":
        field = ("input", argument, "marketingOptInLevel")
        return UserError("Marketing opt in level must be confirmed opt-in for pending consent state", "INVALID", field)
    if _at(wanted) > datetime.now(UTC):
        field = ("input", argument, "consentUpdatedAt")
        return UserError("Consent updated at must not be in the future", "INVALID", field)
    return None


def newer_consent(known: Consent, wanted: Json) -> Consent:
    """The newer of the known consent and the one that is wanted."""
    at = _at(wanted)
    if known.updated_at and known.updated_at > at:
        return known
    level = wanted.get("marketingOptInLevel") or known.level
    return replace(known, state=wanted["marketingState"], level=level, updated_at=at, source="OTHER")


def _at(wanted: Json) -> datetime:
    """The instant in whole seconds, as Shopify keeps it."""
    text = wanted.get("consentUpdatedAt")
    at = datetime.fromisoformat(text) if text else datetime.now(UTC)
    return at.replace(microsecond=0)
