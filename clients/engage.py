"""Voyado Engage's API, version 3: one method per call, one place that reads answers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
import requests

from clients import Call, Conflict, Effect, Journal, NotFound, Refused, Silent, Unanswered
from clients.bucket import Bucket
from clients.transport import DEADLINE_SECONDS, check, send

VERSION = "0.1.0"
API = "/api/v3"

# What the documentation shows only in part, or only for version 2. A tenant's own Swagger page can correct it here.
NOT_FOUND_CODE = "ContactNotFound"
ERROR_CODE_NAMES = ("errorcode", "code")
ERROR_MESSAGE_NAMES = ("message", "detail", "title")
CONTACT_ID_NAMES = ("id", "contactid")
CONTACT_PARTS = ("meta", "attributes")  # lifted to the top, the later one wins

_EMAIL = re.compile(r"[^\s@\"'<>(),;:]+@[^\s@\"'<>(),;:]+")
_NUMBER = re.compile(r"(?<![\w-])(?:(?:\+|0)\d[\d ().-]{4,}\d|\d{6,8}[-+ ]?\d{4})(?![\w-])")
_KEY = re.compile(r"[!-~]+")
_CODE = re.compile(r"[\w.-]{1,100}")
_GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_LONGEST_READ, _LONGEST_MESSAGE = 1000, 300


class ContactConflict(Conflict):
    """Engage knows one or more contacts like this already; `contact_ids` are those that it named."""

    contact_ids: tuple[str, ...] = ()


class Engage:
    """One tenant, with its key. `origin` is scheme and host, as in `https://demo.voyado.com`."""

    def __init__(
        self,
        origin: str,
        key: str,
        journal: Journal | None = None,
        bucket: Bucket | None = None,
        *,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self.base = origin.rstrip("/") + API
        self.journal = journal or Silent()
        self.bucket = bucket
        self.deadline = deadline
        self._headers = {
            "apikey": key,
            "Content-Type": "application/json",  # on GET too: without it Engage answers 500
            "Accept": "application/json",
            "User-Agent": f"EngageConnector/{VERSION}",
        }

    def count(self) -> int:
        """How many contacts there are: the cheapest call that needs a key. Engage: authentication, "contacts/count"."""
        call, answer = self._call("GET", "/contacts/count", Effect.READ)
        if type(answer) is not int:
            raise _unreadable(call)
        return answer

    def find_contact(
        self, *, email: str | None = None, mobile_phone: str | None = None, custom_key: str | None = None
    ) -> str | None:
        """The id of the one contact with this email, phone or key, or None. Engage: contacts, "find contact".

        Raises ContactConflict, with the ids, where several match. `custom_key` is the external id or the member
        number, as the tenant is set up.
        """
        asked = {"email": email, "mobilePhone": mobile_phone, "customKey": custom_key}
        query = {name: value for name, value in asked.items() if value}
        try:
            call, answer = self._call("GET", "/contacts/id", Effect.READ, query=query)
        except NotFound as error:
            if error.code != NOT_FOUND_CODE:
                raise
            return None
        return _contact_id(call, answer)

    def contact(self, contact_id: str) -> dict[str, Any]:
        """A contact, its fields named and nested as `create_contact` takes them. Engage: contacts, "get contact"."""
        call, answer = self._call("GET", f"/contacts/{UUID(contact_id)}", Effect.READ)
        if not isinstance(answer, dict):
            raise _unreadable(call)
        return _flat(answer)

    def create_contact(self, fields: dict[str, Any], *, source: str, store: str | None = None) -> str:
        """Make a contact and return its id. Engage: contacts, "create contact".

        Raises ContactConflict where its key is taken, which also makes a second try harmless.
        """
        query = {"source": source} | ({"storeExternalId": store} if store else {})
        call, answer = self._call("POST", "/contacts", Effect.REPEATABLE, query=query, body=fields)
        return _contact_id(call, answer)

    def update_contact(self, contact_id: str, changes: dict[str, Any]) -> None:
        """Set these fields; null and empty ones are erased there. Engage: contacts, "update contact"."""
        self._call("PATCH", f"/contacts/{UUID(contact_id)}", Effect.REPEATABLE, body=changes)

    def update_contact_type(self, contact_id: str, contact_type: str) -> None:
        """Make a Contact a Member, or the like. Engage: contacts, "update contact type"."""
        path = f"/contacts/{UUID(contact_id)}/updateContactType"
        self._call("POST", path, Effect.REPEATABLE, query={"contactTypeId": contact_type})

    def create_receipt(self, receipt: dict[str, Any]) -> None:
        """Register a purchase or a return. Engage: receipts, "register a purchase".

        A second one with the same `uniqueReceiptId` is ignored there. Success means queued, not stored.
        """
        self._call("POST", "/receipts", Effect.REPEATABLE, body=receipt, answers_json=False)

    def _call(
        self,
        method: str,
        path: str,
        effect: Effect,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        answers_json: bool = True,
    ) -> tuple[Call, Any]:
        url = self.base + path + (f"?{urlencode(query)}" if query else "")
        call = Call("Engage", method, url, effect, sent=b"" if body is None else dump(body))
        if not _KEY.fullmatch(self._headers["apikey"]):  # no header can carry it
            raise Refused("The Engage API key has characters that no such key has.", call=call)
        if self.bucket:
            self.bucket.take()
        response = send(call, self._headers, self.journal, deadline=self.deadline)
        return call, _read(response, call, answers_json)


def dump(body: dict[str, Any]) -> bytes:
    """The body as it goes over the wire: a Decimal is a JSON number with exactly its digits."""
    return orjson.dumps(body, default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{value!r} has no place in a request to Engage")


def _read(response: requests.Response, call: Call, answers_json: bool) -> Any:
    answer = _parsed(call.received)
    code = _code(answer, call.received)
    message = _message(response.status_code, code, answer)
    if response.status_code == 409:
        conflict = ContactConflict(message, call=call, code=code)
        conflict.contact_ids = tuple(dict.fromkeys(_GUID.findall(call.received.decode(errors="replace"))))
        raise conflict
    check(response, call, message, code)
    if answer is None and _must_be_json(call.received, answers_json):
        raise _unreadable(call)
    return answer


def _must_be_json(received: bytes, answers_json: bool) -> bool:
    text = received.strip()
    return bool(text) and (answers_json or text.startswith(b"<"))  # a proxy's page is not a receipt's answer


def _parsed(received: bytes) -> Any:
    try:
        return orjson.loads(received)
    except orjson.JSONDecodeError:
        return None


def _code(answer: object, received: bytes) -> str | None:
    """Engage's own name for an error, under the likely names; the one we must know, anywhere in the answer."""
    code = _first(answer, ERROR_CODE_NAMES)
    if code and _CODE.fullmatch(code):
        return code
    return NOT_FOUND_CODE if NOT_FOUND_CODE.encode() in received else None


def _first(answer: object, names: tuple[str, ...]) -> str | None:
    found = {str(name).lower(): value for name, value in answer.items()} if isinstance(answer, dict) else {}
    return next((str(found[name]) for name in names if isinstance(found.get(name), str) and found[name]), None)


def _message(status: int, code: str | None, answer: object) -> str:
    reason = masked(_first(answer, ERROR_MESSAGE_NAMES) or "")
    name = " ".join(part for part in (str(status), code) if part)
    return f"Engage answered {name}: {reason}" if reason else f"Engage answered {name}."


def masked(text: str) -> str:
    """One line of text, without the emails, phone numbers and personal numbers that Engage may have echoed."""
    line = " ".join(text[:_LONGEST_READ].split())
    return _NUMBER.sub("(number)", _EMAIL.sub("(email)", line))[:_LONGEST_MESSAGE]


def _contact_id(call: Call, answer: object) -> str:
    """The id in an answer that is one, or that has one."""
    text = answer if isinstance(answer, str) else _first(answer, CONTACT_ID_NAMES)
    try:
        return str(UUID(text))
    except (ValueError, TypeError):
        raise _unreadable(call) from None


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    """The one place that knows a contact's shape, assumed as {id, attributes, meta, preferences, consents}."""
    flat = {name: value for name, value in answer.items() if name not in CONTACT_PARTS}
    for part in CONTACT_PARTS:
        flat |= answer.get(part) or {}
    return flat | {name: answer[name] for name in ("id", "preferences", "consents") if name in answer}


def _unreadable(call: Call) -> Unanswered:
    return Unanswered(f"Engage answered {call.status} with something other than what was asked for.", call=call)
