"""GDPR data requests: save the personal data export of a customer, and list a shop's requests for its page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from models import DataRequest, Shop


def save(shop: Shop, task_id: UUID, export: dict[str, Any], **columns: Any) -> None:
    """Save the personal data export that the task made, encrypted. Idempotent: a task's first export stays."""
    sealed = shop.vault.seal(orjson.dumps(export, default=str), "data_request", "held", task_id)
    DataRequest.insert(task_id=task_id, shop=shop, sealed_export=sealed, **columns).on_conflict_ignore().execute()


def of_shop(shop: Shop) -> list[DataRequest]:
    """The shop's data requests, newest first."""
    return list(DataRequest.select().where(DataRequest.shop == shop).order_by(DataRequest.asked_at.desc()))
