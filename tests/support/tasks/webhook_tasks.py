"""Store webhooks as the web process does: a task and its exact body."""

from __future__ import annotations

from typing import Any

import orjson

from models import Body, Shop, Task, new_id
from taskqueue import insert
from taskqueue.types import types_by_topic


def receive_webhook(shop: Shop, topic: str, payload: Any, **headers: str) -> Task:
    """A webhook of this topic. The payload is a JSON value, or bytes as they are."""
    task = types_by_topic()[topic].new(shop, key=str(new_id()), args={"topic": topic, **headers})
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    insert.insert_webhooks([(task, Body.seal(shop, task.id, body))])
    return task
