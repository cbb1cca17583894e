"""What is remembered of each customer's marketing preferences. Answers and their times only, so it is kept in clear."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from peewee import ForeignKeyField, JSONField

from database import db
from mappings.answers import Memory
from mappings.preferences import NAMES, Memories
from models import Customer, Table, utcnow

Change = Callable[[Memories], Memories]


class Consents(Table):
    """A memory for each preference of one customer."""

    customer = ForeignKeyField(Customer, primary_key=True)
    kept = JSONField()

    @classmethod
    def of(cls, customer: Customer) -> Memories:
        """What is remembered; nothing from before now where nothing was kept."""
        rows = cls.read("customer_id = %s", customer.id)
        return _read(rows[0].kept) if rows else fresh()

    @classmethod
    def begin(cls, customer: Customer, memories: Memories) -> None:
        """The customer has just become a contact: what was remembered of another one does not count."""
        db.execute_sql(
            """INSERT INTO consents (customer_id, kept) VALUES (%s, %s)
               ON CONFLICT (customer_id) DO UPDATE SET kept = excluded.kept""",
            (customer.id, json.dumps(_json(memories))),
        )

    @classmethod
    def change(cls, customer: Customer, change: Change) -> Memories:
        """What is remembered after `change`, which is given what is kept at that moment, whoever else changes it."""
        with db.atomic():
            cls.insert(customer=customer, kept=_json(fresh())).on_conflict_ignore().execute()
            row = cls.select().where(cls.customer == customer).for_update().get()
            memories = change(_read(row.kept))
            cls.update(kept=_json(memories)).where(cls.customer == customer).execute()
        return memories


def fresh(linked_at: datetime | None = None) -> Memories:
    """The two systems know each other from now on."""
    return {name: Memory(linked_at or utcnow()) for name in NAMES}


def _read(kept: Mapping[str, Any]) -> Memories:
    return {name: Memory.from_json(kept[name]) for name in NAMES}


def _json(memories: Memories) -> dict[str, Any]:
    return {name: memory.to_json() for name, memory in memories.items()}
