"""Contacts of guest orders, which have an e-mail address and no customer: found by the address, or created."""

from __future__ import annotations

from datetime import timedelta

from clients.engage.client import ContactConflict, EngageClient
from mappings import Json
from mappings.contact import CONTACT, MEMBER, SOURCE, contact_fields, guest_customer
from reasons import Cause, Reason, cause
from sync.api_clients import engage_client
from sync.contacts import contact_rules, contact_store
from taskqueue.outcomes import Skip, Wait
from taskqueue.run import Run

CREATION_WAIT = timedelta(seconds=5)


def guest_contact_id(run: Run, order: Json) -> str:
    """Id of the contact with the order's e-mail address. One that exists stays as it is: a guest has no account.

    Raises Skip when several contacts have the address, and Wait while another call creates it.
    """
    engage, email = engage_client(run), str(order["email"]).strip()
    if found := _find(engage, email):
        return found
    guest = guest_customer(order)
    rules = contact_rules(run.shop, contact_store(run.shop, guest).store)
    try:
        return engage.create_contact(contact_fields(guest, rules), source=SOURCE, store=rules.store or None)
    except ContactConflict as conflict:
        if found := _find(engage, email):
            return found
        raise Wait(Reason.CONTACT_BEING_CREATED, CREATION_WAIT) from conflict


def _find(engage: EngageClient, email: str) -> str | None:
    try:
        return engage.find_contact(email=email)
    except ContactConflict as conflict:
        for contact_type in (MEMBER, CONTACT):
            if found := _find_of_type(engage, email, contact_type):
                return found
        raise Skip(_several(conflict)) from conflict


def _find_of_type(engage: EngageClient, email: str, contact_type: str) -> str | None:
    try:
        return engage.find_contact(email=email, contact_type=contact_type)
    except ContactConflict:
        return None


def _several(conflict: ContactConflict) -> Cause:
    contacts = ", ".join(conflict.contact_ids) or "-"
    return cause(Reason.CONTACT_KEY_AMBIGUOUS, field="email", contacts=contacts)
