"""Client of Voyado Engage's API, version 3: one method per call."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import orjson

from clients import USER_AGENT, Call, Effect, Journal, NotFound, NullJournal, Refused, Rejected
from clients.engage.rate_limiter import RateLimiter
from clients.engage.resendable import resend_effect
from clients.engage.responses import (
    NOT_FOUND_CODE,
    ContactConflict,
    contact_id_of,
    contact_ids_alone,
    existing_contact_conflict,
    flat_contact,
    parse_response,
    unreadable_response,
)
from clients.http.transport import DEADLINE_SECONDS, send
from reasons import Reason

__all__ = ["ContactConflict", "EngageClient", "json_bytes"]

API, API_V2 = "/api/v3", "/api/v2"
HTTP_CREATED, HTTP_FORBIDDEN = 201, 403
PAGE_SIZE = 100
# Version 2: the orders of version 3 are stored, and have a body of their own that is not published in full.
ORDERS = "/api/v2/orders"
PREFERENCES = ("acceptsEmail", "acceptsSms", "acceptsPostal")

_KEY = re.compile(r"[!-~]+")


class EngageClient:
    """Client of one tenant, with its API key. `origin` is scheme and host, as in `https://demo.voyado.com`.

    Engage has no call that merges two contacts; people do that on its own pages. It has one that deletes a contact,
    which is left out here: it cannot be undone, and a contact outlives the shop's customer (points, other shops).
    """

    def __init__(
        self,
        origin: str,
        key: str,
        journal: Journal | None = None,
        rate_limiter: RateLimiter | None = None,
        *,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self.origin = origin.rstrip("/")
        self.journal = journal or NullJournal()
        self.rate_limiter = rate_limiter
        self.deadline = deadline
        self._headers = {
            "apikey": key,
            "Content-Type": "application/json",  # on GET too: without it Engage answers 500
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
        }

    def contact_count(self) -> int:
        """The number of contacts: the cheapest call that needs a key. Engage: authentication, "contacts/count"."""
        call, answer = self._call("GET", f"{API}/contacts/count", Effect.READ)
        if type(answer) is not int:
            raise unreadable_response(call)
        return answer

    def find_contact(
        self,
        *,
        email: str | None = None,
        mobile_phone: str | None = None,
        custom_key: str | None = None,
        contact_type: str | None = None,
    ) -> str | None:
        """The id of the one contact with this email, phone or key, or None. Engage: contacts, "find contact".

        Raises ContactConflict, with the ids, if several match: of one `contact_type`, fewer do. `custom_key` is the
        external id or the member number, depending on the tenant's configuration.
        """
        keys = {"email": email, "mobilePhone": mobile_phone, "customKey": custom_key, "contactType": contact_type}
        query = {name: value for name, value in keys.items() if value}
        try:
            call, answer = self._call("GET", f"{API}/contacts/id", Effect.READ, query=query)
        except NotFound as error:
            if error.code != NOT_FOUND_CODE:
                raise
            return None
        return contact_id_of(call, answer)

    def contact(self, contact_id: str) -> dict[str, Any]:
        """A contact, with its fields as `create_contact` takes them. Engage: contacts, "get contact"."""
        return self._contact(contact_id)

    def contact_of_anybody(self, contact_id: str) -> dict[str, Any]:
        """A contact that may be of another person than the call's task is about: only its ids are recorded."""
        return self._contact(contact_id, recorded_part=contact_ids_alone)

    def _contact(self, contact_id: str, recorded_part: Callable[[bytes], bytes] | None = None) -> dict[str, Any]:
        path = f"{API}/contacts/{UUID(contact_id)}"
        call, answer = self._call("GET", path, Effect.READ, recorded_part=recorded_part)
        if not isinstance(answer, dict):
            raise unreadable_response(call)
        return flat_contact(answer)

    def create_contact(self, fields: dict[str, Any], *, source: str, store: str | None = None) -> str:
        """Create a contact and return its id. Engage: contacts, "create contact".

        Raises ContactConflict if its key is taken, which also makes the call idempotent. By one version of the
        documentation, the response then is a success with the existing contact's id: only 201 means created.
        """
        query = {"source": source} | ({"storeExternalId": store} if store else {})
        call, answer = self._call("POST", f"{API}/contacts", Effect.REPEATABLE, query=query, body=fields)
        created = contact_id_of(call, answer)
        if call.status != HTTP_CREATED:
            raise existing_contact_conflict(call, created)
        return created

    def update_contact(self, contact_id: str, changes: dict[str, Any]) -> None:
        """Set these fields; null and empty values erase the field in Engage. Engage: contacts, "update contact"."""
        self._call("PATCH", f"{API}/contacts/{UUID(contact_id)}", Effect.REPEATABLE, body=changes)

    def update_preferences(self, contact_id: str, preferences: Mapping[str, bool]) -> None:
        """Set marketing preferences: the named ones of acceptsEmail, acceptsSms and acceptsPostal; others stay.

        Engage: preferences, which recommends the contact's update for this. Raises ValueError if one is neither true
        nor false: Engage would take "not known" for an opt-out.
        """
        valid = all(name in PREFERENCES and type(value) is bool for name, value in preferences.items())
        if not preferences or not valid:
            raise ValueError(f"Each of {', '.join(PREFERENCES)} that is named must be true or false, and one must be.")
        self.update_contact(contact_id, {"preferences": dict(preferences)})

    def update_contact_type(self, contact_id: str, contact_type: str) -> None:
        """Change a contact's type, as from Contact to Member. Engage: contacts, "update contact type"."""
        path = f"{API}/contacts/{UUID(contact_id)}/updateContactType"
        self._call("POST", path, Effect.REPEATABLE, query={"contactTypeId": contact_type})

    def create_receipt(self, receipt: dict[str, Any]) -> None:
        """Create a receipt: register a purchase or a return. Engage: receipts, "register a purchase".

        Idempotent: Engage ignores a second one with the same `uniqueReceiptId`. Success means queued, not stored.
        """
        self._call("POST", f"{API}/receipts", Effect.REPEATABLE, body=receipt, expects_json=False)

    def create_order_notification(self, body: dict[str, Any]) -> None:
        """Send an order notification, which triggers Engage's mails. Engage: orders, "purchases and returns".

        Not idempotent: Engage stores nothing of it and detects no duplicates, so a second call is a second mail, and
        an error whose `unknown` is set must not be retried.
        """
        self._call("POST", ORDERS, Effect.ONCE, body=body, expects_json=False)

    def reward_vouchers(self, contact_id: str) -> list[dict[str, Any]]:
        """All reward vouchers of a contact: available, redeemed, expired. Engage: "get vouchers for contact".

        Version 3's page has the names of the answer only; that it takes `offset` and `count` is version 2's. A contact
        that Engage does not have, or a tenant without vouchers (404), has none.
        """
        found: list[dict[str, Any]] = []
        while True:
            query = {"contactId": str(UUID(contact_id)), "offset": str(len(found)), "count": str(PAGE_SIZE)}
            try:
                call, answer = self._offer_call("GET", f"{API}/reward-vouchers", Effect.READ, query=query)
            except NotFound:
                return found
            page = answer.get("items") if isinstance(answer, dict) else None
            if not isinstance(page, list) or not all(isinstance(each, dict) for each in page):
                raise unreadable_response(call)
            found += page
            if not page or len(found) >= int(answer.get("totalCount") or 0):
                return found

    def redeem_reward_voucher(self, voucher_id: str) -> None:
        """Redeem a reward voucher. Engage: "redeem a voucher"; its 504 means that nothing was redeemed.

        Repeatable: a second time is 409 RewardVoucherAlreadyRedeemed. Engage recommends to wait for 60 seconds, so that
        the outcome is known; the caller notes what it is about to redeem, and asks again instead.
        """
        self._offer_call("POST", f"{API}/reward-vouchers/{_quoted(voucher_id)}/redeem", Effect.REPEATABLE)

    def reactivate_reward_voucher(self, voucher_id: str) -> None:
        """Make a redeemed reward voucher available again. Engage: "reactivate a voucher".

        Repeatable: a second time is 409 RewardVoucherAlreadyActivated.
        """
        self._offer_call("POST", f"{API}/reward-vouchers/{_quoted(voucher_id)}/reactivate", Effect.REPEATABLE)

    def promotions(self, contact_id: str) -> list[dict[str, Any]]:
        """A contact's promotions for online shops, also redeemed ones. Engage: "get promotions for contact", version 2.

        A contact that Engage does not have, or a tenant without promotions (404), has none.
        """
        path, query = f"{API_V2}/contacts/{UUID(contact_id)}/promotions", {"redemptionChannelType": "ECOM"}
        try:
            call, answer = self._offer_call("GET", path, Effect.READ, query=query)
        except NotFound:
            return []
        if not isinstance(answer, list) or not all(isinstance(each, dict) for each in answer):
            raise unreadable_response(call)
        return answer

    def redeem_promotion(self, assignment_id: str) -> None:
        """Redeem a promotion for the contact that it was assigned to. Engage: "redeem a promotion", version 2.

        Repeatable: a second time is 409 PromotionAlreadyRedeemed. There is no call that gives a promotion back.
        """
        path = f"{API_V2}/promotions/codes/{_quoted(assignment_id)}/redeem"
        self._offer_call("POST", path, Effect.REPEATABLE, body={"redemptionChannel": "ECOM"})

    def _offer_call(self, method: str, path: str, effect: Effect, **options: Any) -> tuple[Call, Any]:
        """A call about vouchers or promotions. A key that may make other calls and not this one is no refused key."""
        try:
            return self._call(method, path, effect, expects_json=method == "GET", **options)
        except Refused as error:
            if error.call is None or error.call.status != HTTP_FORBIDDEN:
                raise
            raise Rejected(Reason.VOUCHERS_FORBIDDEN, call=error.call, code=error.code) from error

    def resend(self, method: str, path: str, sent: bytes) -> None:
        """Resend the same bytes of an earlier call; `path` with its query. Raises ValueError if it is not resendable.

        A notification that is resent is a second mail to the customer.
        """
        effect = resend_effect(method, path)
        if effect is None:
            raise ValueError(f"{method} {path} is no call to be made again.")
        call = Call("Engage", method, self.origin + path, effect, sent=sent)
        self._send(call, expects_json=False)

    def stores(self, *, include_inactive: bool = True) -> list[dict[str, Any]]:
        """All stores, with the fields that Engage has. Engage: stores."""
        query = {"includeInactive": "true"} if include_inactive else None
        call, answer = self._call("GET", f"{API}/stores", Effect.READ, query=query)
        if not isinstance(answer, list) or not all(isinstance(store, dict) for store in answer):
            raise unreadable_response(call)
        return answer

    def _call(
        self,
        method: str,
        path: str,
        effect: Effect,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        expects_json: bool = True,
        recorded_part: Callable[[bytes], bytes] | None = None,
    ) -> tuple[Call, Any]:
        url = self.origin + path + (f"?{urlencode(query)}" if query else "")
        sent = b"" if body is None else json_bytes(body)
        call = Call("Engage", method, url, effect, sent=sent, recorded_part=recorded_part)
        return call, self._send(call, expects_json=expects_json)

    def _send(self, call: Call, *, expects_json: bool) -> Any:
        """The response's JSON, after the rate limiter has let the call through."""
        if not _KEY.fullmatch(self._headers["apikey"]):  # not valid in an HTTP header
            raise Refused(Reason.ENGAGE_KEY_MALFORMED, call=call)
        if self.rate_limiter:
            self.rate_limiter.acquire()
        response = send(call, self._headers, self.journal, deadline=self.deadline)
        return parse_response(response, call, expects_json)


def _quoted(offer_id: str) -> str:
    return quote(offer_id, safe="")


def json_bytes(body: dict[str, Any]) -> bytes:
    """The body as JSON bytes: a Decimal becomes a JSON number with exactly its digits."""
    return orjson.dumps(body, default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{value!r} has no place in a request to Engage")
