"""Webhooks that Engage sends through Svix: whether one is genuine, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

FAMILIES = ("svix", "webhook")  # Svix's own header names, and those of the standard that grew out of them
LONGEST_ID = 200


class NotVerified(Exception):
    """Not signed with a secret of this shop, not in the last five minutes, or not signed at all."""


class Unreadable(Exception):
    """Genuine, but not an event as Engage describes it. `str()` is a sentence without personal data."""


class Encrypted(Unreadable):
    """Genuine, but its payload is encrypted, in a way that Voyado does not publish."""


@dataclass(frozen=True)
class Event:
    """What happened. `contact_id` is None where the payload names no contact."""

    kind: str
    contact_id: str | None


def verified(headers: Mapping[str, str], body: bytes, secrets: Iterable[str]) -> str:
    """The message's id, which its redeliveries share: the key to know them by. Raises NotVerified.

    `secrets` are the endpoint's, as Svix shows them (`whsec_...`): the new one and, while it is replaced, the old one.
    Svix: "verifying payloads". A message that is more than five minutes old or early is refused.
    """
    signed = _signed(headers)
    if not any(_fits(secret, signed, body) for secret in secrets):
        raise NotVerified("The signature does not fit, or is not from the last five minutes.")
    return signed["webhook-id"]


def is_secret(text: str) -> bool:
    """Whether this can be an endpoint's secret at all; for the form that asks for it."""
    try:
        Webhook(text)
    except (ValueError, EmptyWebhookSecretError):
        return False
    return text.isascii() and text.startswith("whsec_")


def read(body: bytes) -> Event:
    """What a genuine message says. Raises Encrypted, or Unreadable.

    Engage's examples differ in the case of their names, so any will do. The payload of preference events is not
    published: take the contact's id from here and the value from the contact.
    """
    envelope = _names(_parsed(body))
    kind = envelope.get("eventtype")
    if not isinstance(kind, str) or not kind:
        raise Unreadable("Engage sent a webhook that does not say what happened.")
    if envelope.get("isencrypted") not in (None, False, "false", "False"):
        raise Encrypted("Engage encrypts this webhook, which the connector cannot read: turn encryption off there.")
    payload = envelope.get("payload")
    if not isinstance(payload, dict):
        raise Unreadable("Engage sent a webhook without a payload.")
    return Event(kind, _contact_id(kind, _names(payload)))


def _signed(headers: Mapping[str, str]) -> dict[str, str]:
    """The three headers of one family under the standard's names, never mixed; of the signatures those we can check."""
    given = {name.lower(): value for name, value in headers.items()}
    for family in FAMILIES:
        found = {f"webhook-{part}": given.get(f"{family}-{part}", "") for part in ("id", "timestamp", "signature")}
        found["webhook-signature"] = " ".join(part for part in found["webhook-signature"].split() if part[:3] == "v1,")
        if all(found.values()) and len(found["webhook-id"]) <= LONGEST_ID:
            return found
    raise NotVerified("The webhook is not signed.")


def _fits(secret: str, signed: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, signed, json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError):
        return False  # ValueError: the library unpacks and decodes headers, secrets and bodies that may be anything
    return True


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Unreadable("Engage sent a webhook that is not a JSON object.")
    return found


def _names(given: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in given.items()}


def _contact_id(kind: str, payload: dict[str, Any]) -> str | None:
    """An event about a contact may name it by `id` alone, as the contact itself does."""
    named = payload.get("contactid") or (payload.get("id") if kind.lower().startswith("contact.") else None)
    try:
        return str(UUID(named)) if isinstance(named, str) else None
    except ValueError:
        return None
