"""Memory of a customer's marketing consents in both systems: load, replace and update it, safely beside other tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import database
from database import db
from mappings.consent.decisions import PREFERENCE_NAMES, ConsentMemories
from mappings.consent.memory import ConsentMemory
from models import Customer, CustomerConsents, utcnow

Change = Callable[[ConsentMemories], ConsentMemories]


def new_memories(linked_at: datetime | None = None) -> ConsentMemories:
    """Empty memories of a customer and a contact that are linked from now on, or since `linked_at`."""
    return {name: ConsentMemory(linked_at or utcnow()) for name in PREFERENCE_NAMES}


def memories_of(customer: Customer) -> ConsentMemories:
    """The customer's saved memories, or new ones."""
    rows = database.select_rows(CustomerConsents, "customer_id = %s", customer.id)
    return _from_json(rows[0].memories) if rows else new_memories()


def replace(customer: Customer, memories: ConsentMemories) -> None:
    """Save memories of a customer who has just become a contact, in place of those about another contact."""
    db.execute_sql(
        """INSERT INTO consents (customer_id, kept) VALUES (%s, %s)
           ON CONFLICT (customer_id) DO UPDATE SET kept = excluded.kept""",
        (customer.id, json.dumps(_to_json(memories))),
    )


def update(customer: Customer, change: Change) -> ConsentMemories:
    """Lock the saved memories, and save and return what `change` makes of them. No other task's change is lost."""
    with db.atomic():
        CustomerConsents.insert(customer=customer, memories=_to_json(new_memories())).on_conflict_ignore().execute()
        row = CustomerConsents.select().where(CustomerConsents.customer == customer).for_update().get()
        memories = change(_from_json(row.memories))
        CustomerConsents.update(memories=_to_json(memories)).where(CustomerConsents.customer == customer).execute()
    return memories


def _from_json(saved: Mapping[str, Any]) -> ConsentMemories:
    return {name: ConsentMemory.from_json(saved[name]) for name in PREFERENCE_NAMES}


def _to_json(memories: ConsentMemories) -> dict[str, Any]:
    return {name: memory.to_json() for name, memory in memories.items()}
