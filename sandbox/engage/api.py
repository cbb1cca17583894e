"""Engage's API calls: a table of methods and paths, and what each call does with a tenant."""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.engage.http.messages import ApiRequest, ApiResponse, Refusal
from sandbox.engage.tenant import Tenant
from sandbox.engage.transactions import transaction_page

CallHandler = Callable[..., ApiResponse]
CALLS: list[tuple[str, re.Pattern[str], CallHandler]] = []


def api_call(method: str, path: str, version: str = "v3") -> Callable[[CallHandler], CallHandler]:
    def register(handler: CallHandler) -> CallHandler:
        CALLS.append((method, re.compile(f"/api/{version}{path}"), handler))
        return handler

    return register


def handle_request(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    """Make the call. A refusal is a response, too."""
    try:
        with tenant.lock:
            tenant.receipts.apply_due()
            return _dispatch(tenant, request)
    except Refusal as refusal:
        return refusal.response


def _dispatch(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    allowed = False
    for method, pattern, handler in CALLS:
        if found := pattern.fullmatch(request.path):
            if method == request.method:
                return handler(tenant, request, *found.groups())
            allowed = True
    if allowed:
        raise Refusal(405, "MethodNotAllowed", "This path has other methods.")
    raise Refusal(404, "NotFound", "The sandbox has no such call.")


@api_call("GET", "/contacts/count")
def count_contacts(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, len(tenant.contacts))


@api_call("GET", "/contacts/id")
def find_contact(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.find(request.query))


@api_call("GET", "/contacts/changes")
def changed_contacts(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, tenant.contact_changes.changed_ids(request.query))


@api_call("POST", "/contacts")
def create_contact(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    query = request.query
    contact = tenant.contacts.create(
        request.fields(),
        source=query.get("source", ""),
        store=query.get("storeExternalId", ""),
        approved=query.get("createAsUnapproved", "").lower() != "true",
    )
    return ApiResponse.json(201, contact)


@api_call("GET", "/contacts/([^/]+)")
def read_contact(tenant: Tenant, request: ApiRequest, contact_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.get(contact_id))


@api_call("PATCH", "/contacts/([^/]+)")
def change_contact(tenant: Tenant, request: ApiRequest, contact_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.update(contact_id, request.fields()))


@api_call("POST", "/contacts/([^/]+)/updateContactType")
def change_contact_type(tenant: Tenant, request: ApiRequest, contact_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.update_type(contact_id, request.query.get("contactTypeId", "")))


@api_call("DELETE", "/contacts/([^/]+)")
def delete_contact(tenant: Tenant, request: ApiRequest, contact_id: str) -> ApiResponse:
    tenant.contacts.delete(contact_id)
    return ApiResponse.json(200, {})


@api_call("POST", "/contacts/([^/]+)/preferences/(acceptsEmail|acceptsSms|acceptsPostal)")
def change_preference(tenant: Tenant, request: ApiRequest, contact_id: str, name: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.contacts.set_preferences(contact_id, {name: request.fields().get("value")}))


@api_call("GET", "/contacts/([^/]+)/transactions")
def list_transactions(tenant: Tenant, request: ApiRequest, contact_id: str) -> ApiResponse:
    receipts = tenant.receipts.by_contact.get(tenant.contacts.get(contact_id)["id"], [])
    return ApiResponse.json(200, transaction_page(receipts, tenant.stores, request.query))


@api_call("GET", "/reward-vouchers")
def list_vouchers(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, tenant.vouchers.page(request.query, lambda voucher: True))


@api_call("GET", "/reward-vouchers/available")
def list_available_vouchers(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, tenant.vouchers.page(request.query, lambda voucher: voucher.available))


@api_call("GET", "/reward-vouchers/redeemed")
def list_redeemed_vouchers(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, tenant.vouchers.page(request.query, lambda voucher: voucher.redeemed_at is not None))


@api_call("POST", "/reward-vouchers/([^/]+)/redeem")
def redeem_voucher(tenant: Tenant, request: ApiRequest, voucher_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.vouchers.redeem(voucher_id))


@api_call("POST", "/reward-vouchers/([^/]+)/reactivate")
def reactivate_voucher(tenant: Tenant, request: ApiRequest, voucher_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.vouchers.reactivate(voucher_id))


@api_call("GET", "/contacts/([^/]+)/promotions", version="v2")
def list_promotions(tenant: Tenant, request: ApiRequest, contact_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.promotions.of_contact(contact_id, request.query.get("redemptionChannelType")))


@api_call("POST", "/promotions/codes/([^/]+)/redeem", version="v2")
def redeem_promotion(tenant: Tenant, request: ApiRequest, assignment_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.promotions.redeem(assignment_id, request.fields().get("redemptionChannel")))


@api_call("POST", "/orders", version="v2")
def notify_order(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    tenant.notify(request.fields())
    return ApiResponse(202)


@api_call("POST", "/receipts")
def create_receipt(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    tenant.receipts.accept(request.fields())
    return ApiResponse(202)


@api_call("GET", "/stores")
def list_stores(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    return ApiResponse.json(200, tenant.stores.all(inactive=request.query.get("includeInactive", "").lower() == "true"))


@api_call("POST", "/stores")
def create_store(tenant: Tenant, request: ApiRequest) -> ApiResponse:
    return ApiResponse.json(201, tenant.stores.create(request.fields()))


@api_call("GET", "/stores/([^/]+)")
def read_store(tenant: Tenant, request: ApiRequest, external_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.stores.get(external_id))


@api_call("POST", "/stores/([^/]+)")
def change_store(tenant: Tenant, request: ApiRequest, external_id: str) -> ApiResponse:
    return ApiResponse.json(200, tenant.stores.change(external_id, request.fields()))
