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
from models import ConsentMemory as models_ConsentMemory
from models import Customer, utcnow

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
    rows = database.select_rows(models_ConsentMemory, "customer_id = %s", customer.id)
    return _read(rows[0].kept) if rows else new_memories()


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
        models_ConsentMemory.insert(customer=customer, kept=_json(new_memories())).on_conflict_ignore().execute()
        row = models_ConsentMemory.select().where(models_ConsentMemory.customer == customer).for_update().get()
        memories = change(_read(row.kept))
        models_ConsentMemory.update(kept=_json(memories)).where(models_ConsentMemory.customer == customer).execute()
    return memories
