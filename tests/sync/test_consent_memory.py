"""Memory of consents: changes by two tasks at once are both kept."""

from __future__ import annotations

import threading
from dataclasses import replace

import psycopg
import pytest

from config import config
from database import EVERY, connected, db
from mappings.consent.memory import ConsentDecision
from models import Customer, utcnow
from sandbox.dev_servers import wait_for
from sync import consent_memory, entities

WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted"


@pytest.fixture
def customer(shop):
    return entities.save(Customer, shop, {"legacyResourceId": "1", "updatedAt": "2026-11-01T10:00:00Z"})


def with_decision(memories, name):
    return {**memories, name: replace(memories[name], shopify=ConsentDecision(True, utcnow()))}


def update(customer, name, meanwhile=lambda: None):
    def change(memories):
        meanwhile()
        return with_decision(memories, name)

    consent_memory.update(customer, change)


def on_connection_of_its_own(work):
    with connected(EVERY):
        work()
    db.close()


def test_no_change_of_another_task_is_lost(customer):
    consent_memory.replace(customer, consent_memory.new_memories())
    update_sms = threading.Thread(target=on_connection_of_its_own, args=(lambda: update(customer, "acceptsSms"),))

    def until_it_waits_or_has_ended():
        update_sms.start()
        with psycopg.connect(config.database_url, autocommit=True) as watching:
            wait_for(lambda: watching.execute(WAITS).fetchone() or not update_sms.is_alive(), 20, "The other task")

    update(customer, "acceptsEmail", until_it_waits_or_has_ended)
    update_sms.join()

    memories = consent_memory.memories_of(customer)
    assert {name for name, memory in memories.items() if memory.shopify} == {"acceptsEmail", "acceptsSms"}
