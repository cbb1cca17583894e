"""sync.consent_memory."""

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
    """The two systems know each other from now on."""
    return {name: ConsentMemory(linked_at or utcnow()) for name in PREFERENCE_NAMES}


def _read(kept: Mapping[str, Any]) -> ConsentMemories:
    return {name: ConsentMemory.from_json(kept[name]) for name in PREFERENCE_NAMES}


def _json(memories: ConsentMemories) -> dict[str, Any]:
    return {name: memory.to_json() for name, memory in memories.items()}


def memories_of(customer: Customer) -> ConsentMemories:
    """What is remembered; nothing from before now where nothing was kept."""
    rows = database.select_rows(CustomerConsents, "customer_id = %s", customer.id)
    return _read(rows[0].memories) if rows else new_memories()


def replace(customer: Customer, memories: ConsentMemories) -> None:
    """The customer has just become a contact: what was remembered of another one does not count."""
    db.execute_sql(
        """INSERT INTO consents (customer_id, kept) VALUES (%s, %s)
           ON CONFLICT (customer_id) DO UPDATE SET kept = excluded.kept""",
        (customer.id, json.dumps(_json(memories))),
    )


def update(customer: Customer, change: Change) -> ConsentMemories:
    """What is remembered after `change`, which is given what is kept at that moment, whoever else changes it."""
    with db.atomic():
        CustomerConsents.insert(customer=customer, memories=_json(new_memories())).on_conflict_ignore().execute()
        row = CustomerConsents.select().where(CustomerConsents.customer == customer).for_update().get()
        memories = change(_read(row.memories))
        CustomerConsents.update(memories=_json(memories)).where(CustomerConsents.customer == customer).execute()
    return memories
