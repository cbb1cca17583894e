"""Engage's calls: a table of method, path and what they do to a tenant."""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.engage.http.messages import ApiRequest, ApiResponse, Refusal
from sandbox.engage.tenant import Tenant
from sandbox.engage.transactions import transaction_page

CallHandler = Callable[..., ApiResponse]
CALLS: list[tuple[str, re.Pattern[str], CallHandler]] = []


def api_call(method: str, path: str, version: str = "v3") -> Callable[[CallHandler], CallHandler]:
    def enter(handler: CallHandler) -> CallHandler:
        CALLS.append((method, re.compile(f"/api/{version}{path}"), handler))
        return handler

    return enter


def handle_request(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    """Do what is asked, and say so."""
    try:
        with tenant.lock:
            tenant.receipts.apply_due()
            return _dispatch(tenant, question)
    except Refusal as refusal:
        return refusal.response


def _dispatch(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    allowed = False
    for method, pattern, handler in CALLS:
        if found := pattern.fullmatch(question.path):
            if method == question.method:
                return handler(tenant, question, *found.groups())
            allowed = True
    if allowed:
        raise Refusal(405, "MethodNotAllowed", "This path has other methods.")
    raise Refusal(404, "NotFound", "The sandbox has no such call.")


@api_call("GET", "/contacts/count")
def count_contacts(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, len(tenant.contacts))


@api_call("GET", "/contacts/id")
def find_contact(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.find(question.query))


@api_call("GET", "/contacts/changes")
def changed_contacts(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, tenant.contact_changes.changed_ids(question.query))


@api_call("POST", "/contacts")
def create_contact(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    query = question.query
    contact = tenant.contacts.create(
        question.fields(),
        source=query.get("source", ""),
        store=query.get("storeExternalId", ""),
        approved=query.get("createAsUnapproved", "").lower() != "true",
    )
    return ApiResponse.json(201, contact)


@api_call("GET", "/contacts/([^/]+)")
def read_contact(tenant: Tenant, question: ApiRequest, contact_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.get(contact_id))


@api_call("PATCH", "/contacts/([^/]+)")
def change_contact(tenant: Tenant, question: ApiRequest, contact_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.change(contact_id, question.fields()))


@api_call("POST", "/contacts/([^/]+)/updateContactType")
def change_contact_type(tenant: Tenant, question: ApiRequest, contact_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.change_type(contact_id, question.query.get("contactTypeId", "")))


@api_call("DELETE", "/contacts/([^/]+)")
def delete_contact(tenant: Tenant, question: ApiRequest, contact_id: str) -> ApiResponse:
    tenant.contacts.delete(contact_id)
    return ApiResponse.json(200, {})


@api_call("POST", "/contacts/([^/]+)/preferences/(acceptsEmail|acceptsSms|acceptsPostal)")
def change_preference(tenant: Tenant, question: ApiRequest, contact_id: str, name: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.set_preferences(contact_id, {name: question.fields().get("value")}))


@api_call("GET", "/contacts/([^/]+)/transactions")
def list_transactions(tenant: Tenant, question: ApiRequest, contact_id: str) -> ApiResponse:
    own = tenant.receipts.by_contact.get(tenant.contacts.get(contact_id)["id"], [])
    return ApiResponse.json(200, transaction_page(own, tenant.stores, question.query))


@api_call("POST", "/orders", version="v2")
def notify_order(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    tenant.notify(question.fields())
    return ApiResponse(202)


@api_call("POST", "/orders")
def notify_order_v3(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    if not tenant.orders.v3:
        raise Refusal(404, "NotFound", "The sandbox has no such call, unless it is told to.")
    return notify_order(tenant, question)


@api_call("POST", "/receipts")
def create_receipt(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    tenant.receipts.accept(question.fields())
    return ApiResponse(202)


@api_call("GET", "/stores")
def list_stores(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    return ApiResponse.json(
        200, tenant.stores.all(inactive=question.query.get("includeInactive", "").lower() == "true")
    )


@api_call("POST", "/stores")
def create_store(tenant: Tenant, question: ApiRequest) -> ApiResponse:
    return ApiResponse.json(201, tenant.stores.create(question.fields()))


@api_call("GET", "/stores/([^/]+)")
def read_store(tenant: Tenant, question: ApiRequest, external_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.stores.get(external_id))


@api_call("POST", "/stores/([^/]+)")
def change_store(tenant: Tenant, question: ApiRequest, external_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.stores.change(external_id, question.fields()))
