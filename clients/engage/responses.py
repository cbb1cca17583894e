"""Read Engage's responses: their JSON and their ids, and their errors as errors of ours."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import orjson
import requests

from clients import AlreadyExists, Call, Unanswered, response_cause
from clients.http.transport import raise_for_status
from reasons import Cause, Reason, cause
from redaction.text import redacted_message

# The documentation has these only in part, or only for version 2. A tenant's own Swagger page can correct them here.
NOT_FOUND_CODE = "ContactNotFound"
ERROR_CODE_NAMES = ("errorcode", "code")
ERROR_MESSAGE_NAMES = ("message", "detail", "title")
CONTACT_ID_NAMES = ("id", "contactid")
CONTACT_PARTS = ("meta", "attributes")  # merged into the contact itself, the later one wins

_CODE = re.compile(r"[\w.-]{1,100}")
_GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)


class ContactConflict(AlreadyExists):
    """Engage has one or more contacts with this key already; `contact_ids` are those that it named."""

    contact_ids: tuple[str, ...] = ()


def parse_response(response: requests.Response, call: Call, expects_json: bool) -> Any:
    """The response's JSON, or None if it has no body. Raises the error for its status."""
    answer = _parsed(call.received)
    code = _code(answer, call.received)
    why = _cause(response.status_code, code, answer)
    if response.status_code == 409:
        raise _conflict(why, call, code, _GUID.findall(call.received.decode(errors="replace")))
    raise_for_status(response, call, why, code)
    if answer is None and _must_be_json(call.received, expects_json):
        raise unreadable_response(call)
    return answer


def existing_contact_conflict(call: Call, contact_id: str) -> ContactConflict:
    """The error for a response that names a contact which existed before."""
    return _conflict(response_cause(call), call, None, [contact_id])


def _conflict(why: Cause, call: Call, code: str | None, contact_ids: list[str]) -> ContactConflict:
    conflict = ContactConflict(why, call=call, code=code)
    conflict.contact_ids = tuple(dict.fromkeys(contact_ids))
    return conflict


def _must_be_json(received: bytes, expects_json: bool) -> bool:
    text = received.strip()
    return bool(text) and (expects_json or text.startswith(b"<"))  # a proxy's HTML page is not Engage's response


def _parsed(received: bytes) -> Any:
    try:
        return orjson.loads(received)
    except orjson.JSONDecodeError:
        return None


def _code(answer: object, received: bytes) -> str | None:
    """Engage's error code, under its likely names; "contact not found", which we depend on, anywhere in the body."""
    code = _first(answer, ERROR_CODE_NAMES)
    if code and _CODE.fullmatch(code):
        return code
    return NOT_FOUND_CODE if NOT_FOUND_CODE.encode() in received else None


def _first(answer: object, names: tuple[str, ...]) -> str | None:
    found = {str(name).lower(): value for name, value in answer.items()} if isinstance(answer, dict) else {}
    return next((str(found[name]) for name in names if isinstance(found.get(name), str) and found[name]), None)


def _cause(status: int, code: str | None, answer: object) -> Cause:
    message = redacted_message(_first(answer, ERROR_MESSAGE_NAMES) or "")
    name = " ".join(part for part in (str(status), code) if part)
    if message:
        return cause(Reason.ERROR_RESPONSE_WITH_MESSAGE, system="Engage", status=name, said=message)
    return cause(Reason.ERROR_RESPONSE, system="Engage", status=name)


def contact_id_of(call: Call, answer: object) -> str:
    """The contact id in a response that is an id, or an object with one."""
    text = answer if isinstance(answer, str) else _first(answer, CONTACT_ID_NAMES)
    try:
        return str(UUID(text))
    except (ValueError, TypeError):
        raise unreadable_response(call) from None


def flat_contact(answer: dict[str, Any]) -> dict[str, Any]:
    """A contact with all of its fields at the top, from the assumed {id, attributes, meta, preferences, consents}."""
    flat = {name: value for name, value in answer.items() if name not in CONTACT_PARTS}
    for part in CONTACT_PARTS:
        flat |= answer.get(part) or {}
    return flat | {name: answer[name] for name in ("id", "preferences", "consents") if name in answer}


def contact_ids_alone(received: bytes) -> bytes:
    """The part of a response with a contact that is no personal data; nothing of a response without one."""
    answer = _parsed(received)
    found = flat_contact(answer) if isinstance(answer, dict) else {}
    return orjson.dumps({name: found[name] for name in ("id", "contactType", "externalId") if name in found})


def unreadable_response(call: Call) -> Unanswered:
    """The error for a response that is not what the call should return."""
    return Unanswered(Reason.UNEXPECTED_RESPONSE, call=call, status=str(call.status))
