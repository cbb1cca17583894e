"""The sandbox's Engage as an ASGI app: authentication, rate limit, faults, and the log of calls."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from sandbox.engage import api
from sandbox.engage.call_log import MAX_CALLS, CallLog
from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http import asgi, pages
from sandbox.engage.http.messages import ApiRequest, ApiResponse, Refusal
from sandbox.engage.tenant import Tenant
from sandbox.engage.webhooks.svix import SHORT_SCHEDULE

API_KEY = "sandbox-key"
CALLS_A_SECOND = 200

ScriptedResponse = ApiResponse | Fault | int | tuple[Any, ...]


class Engage:
    """Any number of tenants, made when first called. `keys` is one key for all, or a key per tenant."""

    def __init__(
        self,
        keys: str | Mapping[str, str] = API_KEY,
        *,
        faults: Faults | None = None,
        batch_seconds: float = 2.0,
        calls_a_second: int = CALLS_A_SECOND,
        max_calls: int = MAX_CALLS,
        webhook_schedule: Sequence[float] = SHORT_SCHEDULE,
    ) -> None:
        self.keys = keys
        self.faults = faults or Faults.read(os.environ.get("SANDBOX_FAULTS", ""))
        self.batch_seconds = batch_seconds
        self.calls_a_second = calls_a_second
        self.webhook_schedule = webhook_schedule
        self.calls = CallLog(max_calls)
        self._tenants: dict[str, Tenant] = {}
        self._scripts: list[tuple[re.Pattern[str], deque[ApiResponse | Fault]]] = []
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()
        self.app = Starlette(routes=self._routes())
        self.app.state.tenant_of, self.app.state.calls = self.tenant, self.calls  # for `pages`

    def _routes(self) -> list[Mount]:
        paths = [
            Route("/journal", pages.calls),
            Route("/receipts", pages.receipts),
            Route("/log", pages.log),
            Route("/mails", pages.mails),
            Route("/webhooks", pages.webhooks, methods=["GET", "POST"]),
            Route("/encryption", pages.encryption, methods=["POST"]),
            Route("/prefer", pages.set_preferences, methods=["POST"]),
            Route("/faults", pages.faults, methods=["GET", "POST"]),
            Mount("/api", app=self._exchange),
        ]
        return [Mount("/{tenant}", routes=paths)]

    def tenant(self, name: str) -> Tenant:
        with self._lock:
            if name not in self._tenants:
                self._tenants[name] = Tenant(name, self.faults.copy(), self.batch_seconds, self.webhook_schedule)
            return self._tenants[name]

    def set_preferences(self, contact_id: str, **preferences: bool) -> None:
        """Set a contact's preferences, as the customer does in Engage. Raises LookupError without such a contact."""
        for tenant in self._all_tenants():
            with tenant.lock:
                if contact_id in tenant.contacts:
                    tenant.contacts.set_preferences(contact_id, preferences)
                    return
        raise LookupError(f"No tenant has a contact {contact_id}.")

    def close(self) -> None:
        """Stop sending webhooks."""
        for tenant in self._all_tenants():
            tenant.webhooks.close()

    def _all_tenants(self) -> list[Tenant]:
        with self._lock:
            return list(self._tenants.values())

    def script(self, path: str, responses: Sequence[ScriptedResponse]) -> None:
        """Answer the next calls whose "METHOD /api/v3/path" matches this pattern with these, one after the other.

        Each is a status, (status, body), (status, body, headers), an ApiResponse, or a Fault, which may take effect.
        """
        scripted = deque(each if isinstance(each, Fault) else ApiResponse.of(each) for each in responses)
        with self._lock:
            self._scripts.append((re.compile(path), scripted))

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        tenant_name = scope["path_params"]["tenant"]
        path = scope["path"].removeprefix(scope["root_path"].removesuffix("/api"))
        request = await asgi.read_request(scope, receive, tenant_name, path)
        tenant = self.tenant(tenant_name)
        fault, response = self._respond(tenant, request)
        self.calls.add(request, response, fault)
        await asgi.send_response(response, fault, tenant.faults, receive, send)

    def _respond(self, tenant: Tenant, request: ApiRequest) -> tuple[Fault, ApiResponse]:
        scripted = self._scripted(request)
        if isinstance(scripted, ApiResponse):
            return Fault.NONE, scripted
        fault = scripted or tenant.faults.draw()
        response = self._api_response(tenant, request) if fault.takes_effect else ApiResponse(503)
        return fault, _with_fault(response, fault, tenant.faults)

    def _scripted(self, request: ApiRequest) -> ApiResponse | Fault | None:
        with self._lock:
            for pattern, responses in self._scripts:
                if responses and pattern.search(f"{request.method} {request.path}"):
                    return responses.popleft()
        return None

    def _api_response(self, tenant: Tenant, request: ApiRequest) -> ApiResponse:
        try:
            key = self._authenticate(request)
            self._limit_rate(key)
        except Refusal as refusal:
            return refusal.response
        return api.handle_request(tenant, request)

    def _authenticate(self, request: ApiRequest) -> str:
        key = request.headers.get("apikey", "")
        expected = self.keys if isinstance(self.keys, str) else self.keys.get(request.tenant)
        if not key or key != expected:
            raise Refusal(401, "Unauthorized", "The API key is missing or not valid.")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(500, "Error", "An error has occurred")
        return key

    def _limit_rate(self, key: str) -> None:
        now, recent = time.monotonic(), self._recent[key]
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= self.calls_a_second:
            message = "Too many requests with this API key."
            raise Refusal(429, "TooManyRequests", message, headers={"retry-after": "1"})
        recent.append(now)


def _with_fault(response: ApiResponse, fault: Fault, faults: Faults) -> ApiResponse:
    match fault:
        case Fault.THROTTLED:
            return ApiResponse.json(429, {"message": "Too many requests."}, {"retry-after": f"{faults.retry_after:g}"})
        case Fault.THROTTLED_BARE:
            return ApiResponse.json(429, {"message": "Too many requests."})
        case Fault.FAILED:
            return ApiResponse.json(500, {"message": "An error has occurred"})
        case Fault.UNAVAILABLE:
            return ApiResponse(503, b"Service Unavailable", {"content-type": "text/plain"})
        case Fault.HTML:
            return asgi.MAINTENANCE_PAGE
    return response
