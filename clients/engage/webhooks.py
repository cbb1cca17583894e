"""Verify and read Engage's webhooks, which Svix sends: their signature (HMAC), and their event, encrypted or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from clients.engage.webhook_encryption import UndecryptablePayload, decrypt_payload
from reasons import Reason, ReasonError

HEADER_PREFIXES = ("svix", "webhook")  # of Svix's headers, and of those of the Standard Webhooks specification
MAX_ID_LENGTH = 200


class BadSignature(Exception):
    """Not signed with a secret of this shop, not signed in the last five minutes, or not signed at all."""


class UnreadableWebhook(ReasonError):
    """The signature is valid, but this is no event as Engage documents it, or it cannot be decrypted."""


@dataclass(frozen=True)
class WebhookEvent:
    """An event: its type, and the contact's id or None if the payload names no contact."""

    event_type: str
    contact_id: str | None


def verify_signature(headers: Mapping[str, str], body: bytes, secrets: Iterable[str]) -> str:
    """Verify the signature and return the message's id, by which redeliveries are recognised. Raises BadSignature.

    `secrets` are the endpoint's, as Svix shows them (`whsec_...`): the new one and, during a rotation, the old one.
    Svix: "verifying payloads". A message with a timestamp more than five minutes in the past or future is refused.
    """
    signed = _signed(headers)
    if not any(_matches(secret, signed, body) for secret in secrets):
        raise BadSignature("The signature does not fit, or is not from the last five minutes.")
    return signed["webhook-id"]


def is_webhook_secret(text: str) -> bool:
    """Whether the text has the form of an endpoint's secret; for the settings form."""
    try:
        Webhook(text)
    except (ValueError, EmptyWebhookSecretError):
        return False
    return text.isascii() and text.startswith("whsec_")


def read_event(body: bytes, encryption_key: str | None = None) -> WebhookEvent:
    """Read the event of a verified message. Raises UnreadableWebhook.

    Field names are read in any case, since Engage's examples differ in it. The payload of preference events is not
    published: take the contact's id from here and the value from the contact.
    """
    envelope = _lowercase(_parsed(body))
    event_type = envelope.get("eventtype")
    if not isinstance(event_type, str) or not event_type:
        raise UnreadableWebhook(Reason.EVENT_TYPE_MISSING)
    payload = _payload(envelope, encryption_key)
    return WebhookEvent(event_type, _contact_id(event_type, _lowercase(payload)))


def _signed(headers: Mapping[str, str]) -> dict[str, str]:
    """The three headers with one prefix, never mixed, under the standard's names; signatures of version 1 only."""
    given = {name.lower(): value for name, value in headers.items()}
    for prefix in HEADER_PREFIXES:
        found = {f"webhook-{part}": given.get(f"{prefix}-{part}", "") for part in ("id", "timestamp", "signature")}
        found["webhook-signature"] = " ".join(part for part in found["webhook-signature"].split() if part[:3] == "v1,")
        if all(found.values()) and len(found["webhook-id"]) <= MAX_ID_LENGTH:
            return found
    raise BadSignature("The webhook is not signed.")


def _matches(secret: str, signed: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, signed, json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError):
        return False  # ValueError: from the library's decoding of headers, secrets and bodies
    return True


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise UnreadableWebhook(Reason.EVENT_NOT_AN_OBJECT)
    return found


def _payload(envelope: dict[str, Any], encryption_key: str | None) -> dict[str, Any]:
    """Assumed, since Voyado does not say what is encrypted: with `isEncrypted` the payload is a ciphertext, as text."""
    payload = envelope.get("payload")
    if envelope.get("isencrypted") not in (None, False, "false", "False"):
        return _decrypted(payload, encryption_key)
    if not isinstance(payload, dict):
        raise UnreadableWebhook(Reason.EVENT_PAYLOAD_MISSING)
    return payload


def _decrypted(payload: object, encryption_key: str | None) -> dict[str, Any]:
    if encryption_key is None:
        raise UnreadableWebhook(Reason.EVENT_ENCRYPTED)
    try:
        return decrypt_payload(payload, encryption_key)
    except UndecryptablePayload as error:
        raise UnreadableWebhook(error.cause) from None


def _lowercase(fields: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in fields.items()}


def _contact_id(event_type: str, payload: dict[str, Any]) -> str | None:
    """The payload's `contactId`; for events about a contact also `id`, as in the contact itself."""
    named = payload.get("contactid") or (payload.get("id") if event_type.lower().startswith("contact.") else None)
    try:
        return str(UUID(named)) if isinstance(named, str) else None
    except ValueError:
        return None
