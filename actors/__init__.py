"""Task types, one module per task group. Importing this package declares all of them as Dramatiq actors."""

from actors import alerting, customer, imports, notification, order, polling, preferences, refund, replay, settings
from actors.broker import broker
from actors.registry import NUMBERS, TYPES, topics
from actors.worker import Watch

__all__ = [
    "NUMBERS",
    "TYPES",
    "alerting",
    "broker",
    "customer",
    "imports",
    "notification",
    "order",
    "polling",
    "preferences",
    "refund",
    "replay",
    "settings",
    "topics",
]

broker.add_middleware(Watch())
