"""Engage's calls: a table of method, path and what they do to a tenant."""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.engage.http.answers import Answer, Question, Refusal
from sandbox.engage.tenant import Tenant
from sandbox.engage.transactions import page

Handler = Callable[..., Answer]
CALLS: list[tuple[str, re.Pattern[str], Handler]] = []


def call(method: str, path: str, version: str = "v3") -> Callable[[Handler], Handler]:
    def enter(handler: Handler) -> Handler:
        CALLS.append((method, re.compile(f"/api/{version}{path}"), handler))
        return handler

    return enter


def answer(tenant: Tenant, question: Question) -> Answer:
    """Do what is asked, and say so."""
    try:
        with tenant.lock:
            tenant.receipts.settle()
            return _dispatch(tenant, question)
    except Refusal as refusal:
        return refusal.answer


def _dispatch(tenant: Tenant, question: Question) -> Answer:
    allowed = False
    for method, pattern, handler in CALLS:
        if found := pattern.fullmatch(question.path):
            if method == question.method:
                return handler(tenant, question, *found.groups())
            allowed = True
    if allowed:
        raise Refusal(405, "MethodNotAllowed", "This path has other methods.")
    raise Refusal(404, "NotFound", "The sandbox has no such call.")


@call("GET", "/contacts/count")
def count_contacts(tenant: Tenant, question: Question) -> Answer:
    return Answer.json(200, len(tenant.contacts))


@call("GET", "/contacts/id")
def find_contact(tenant: Tenant, question: Question) -> Answer:
    return Answer.json(200, tenant.contacts.find(question.query))


@call("GET", "/contacts/changes")
def changed_contacts(tenant: Tenant, question: Question) -> Answer:
    return Answer.json(200, tenant.history.asked(question.query))


@call("POST", "/contacts")
def create_contact(tenant: Tenant, question: Question) -> Answer:
    query = question.query
    contact = tenant.contacts.create(
        question.fields(),
        source=query.get("source", ""),
        store=query.get("storeExternalId", ""),
        approved=query.get("createAsUnapproved", "").lower() != "true",
    )
    return Answer.json(201, contact)


@call("GET", "/contacts/([^/]+)")
def read_contact(tenant: Tenant, question: Question, contact_id: str) -> Answer:
    return Answer.json(200, tenant.contacts.get(contact_id))


@call("PATCH", "/contacts/([^/]+)")
def change_contact(tenant: Tenant, question: Question, contact_id: str) -> Answer:
    return Answer.json(200, tenant.contacts.change(contact_id, question.fields()))


@call("POST", "/contacts/([^/]+)/updateContactType")
def change_contact_type(tenant: Tenant, question: Question, contact_id: str) -> Answer:
    return Answer.json(200, tenant.contacts.change_type(contact_id, question.query.get("contactTypeId", "")))


@call("DELETE", "/contacts/([^/]+)")
def delete_contact(tenant: Tenant, question: Question, contact_id: str) -> Answer:
    tenant.contacts.delete(contact_id)
    return Answer.json(200, {})


@call("POST", "/contacts/([^/]+)/preferences/(acceptsEmail|acceptsSms|acceptsPostal)")
def change_preference(tenant: Tenant, question: Question, contact_id: str, name: str) -> Answer:
    return Answer.json(200, tenant.contacts.prefer(contact_id, {name: question.fields().get("value")}))


@call("GET", "/contacts/([^/]+)/transactions")
def list_transactions(tenant: Tenant, question: Question, contact_id: str) -> Answer:
    own = tenant.receipts.of.get(tenant.contacts.get(contact_id)["id"], [])
    return Answer.json(200, page(own, tenant.stores, question.query))


@call("POST", "/orders", version="v2")
def notify_order(tenant: Tenant, question: Question) -> Answer:
    tenant.notify(question.fields())
    return Answer(202)


@call("POST", "/orders")
def notify_order_v3(tenant: Tenant, question: Question) -> Answer:
    if not tenant.orders.v3:
        raise Refusal(404, "NotFound", "The sandbox has no such call, unless it is told to.")
    return notify_order(tenant, question)


@call("POST", "/receipts")
def create_receipt(tenant: Tenant, question: Question) -> Answer:
    tenant.receipts.accept(question.fields())
    return Answer(202)


@call("GET", "/stores")
def list_stores(tenant: Tenant, question: Question) -> Answer:
    return Answer.json(200, tenant.stores.all(inactive=question.query.get("includeInactive", "").lower() == "true"))


@call("POST", "/stores")
def create_store(tenant: Tenant, question: Question) -> Answer:
    return Answer.json(201, tenant.stores.create(question.fields()))


@call("GET", "/stores/([^/]+)")
def read_store(tenant: Tenant, question: Question, external_id: str) -> Answer:
    return Answer.json(200, tenant.stores.get(external_id))


@call("POST", "/stores/([^/]+)")
def change_store(tenant: Tenant, question: Question, external_id: str) -> Answer:
    return Answer.json(200, tenant.stores.change(external_id, question.fields()))
