"""privacy.data_requests."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from models import DataRequest, Shop


def save(shop: Shop, task_id: UUID, held: dict[str, Any], **columns: Any) -> None:
    sealed = shop.vault.seal(orjson.dumps(held, default=str), "data_request", "held", task_id)
    DataRequest.insert(task_id=task_id, shop=shop, sealed_export=sealed, **columns).on_conflict_ignore().execute()


def of_shop(shop: Shop) -> list[DataRequest]:
    """The shop's requests, newest first."""
    return list(DataRequest.select().where(DataRequest.shop == shop).order_by(DataRequest.asked_at.desc()))
