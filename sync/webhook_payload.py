"""Parse a webhook's JSON payload defensively: it may hold anything."""

from __future__ import annotations

from typing import Any

import orjson

from mappings import Json
from reasons import Reason
from taskqueue import exchanges
from taskqueue.outcomes import Unusable
from taskqueue.run import Run

LARGEST_ID = 2**63 - 1


def webhook_payload(run: Run) -> Json:
    """Parse the webhook's body as a JSON object. Raises Unusable.

    orjson refuses what breaks other readers: NaN, lone surrogates, deep nesting, text that is not UTF-8.
    """
    try:
        payload = orjson.loads(exchanges.webhook_body(run.task))
    except orjson.JSONDecodeError as error:
        raise Unusable(Reason.WEBHOOK_NOT_JSON, error=str(error)) from error
    if not isinstance(payload, dict):
        raise Unusable(Reason.WEBHOOK_NOT_AN_OBJECT)
    return payload


def webhook_entity_id(run: Run, field: str = "id") -> int:
    """Id of the entity that a webhook is about. Raises Unusable when the body cannot be understood."""
    return required_id(webhook_payload(run), field)


def required_id(payload: Json, field: str = "id") -> int:
    """Required id. Raises Unusable when it is missing."""
    found = optional_id(payload, field)
    if found is None:
        raise Unusable(Reason.WEBHOOK_FIELD_MISSING, field=repr(field))
    return found


def object_in(payload: Json, name: str) -> Json:
    """Nested object, or an empty one."""
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def text_in(payload: Json, name: str) -> str:
    """Text without spaces around it, or an empty one."""
    found = payload.get(name)
    return found.strip() if isinstance(found, str) and "\0" not in found else ""


def optional_id(payload: Json, name: str) -> int | None:
    """Optional id."""
    return next(iter(_ids([payload.get(name)])), None)


def ids_in(payload: Json, name: str) -> list[int]:
    """Ids in the list; other values are left out."""
    found = payload.get(name)
    return _ids(found) if isinstance(found, list) else []


def _ids(values: list[Any]) -> list[int]:
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    return [value for value in whole if 0 < value <= LARGEST_ID]
