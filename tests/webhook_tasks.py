"""Webhooks as the web process leaves them behind: a task and its exact body."""

from __future__ import annotations

from typing import Any

import orjson

from actors import topics
from models import Body, Shop, Task, new_id


def arrive(shop: Shop, topic: str, payload: Any, **headers: str) -> Task:
    """A webhook of this topic. The payload is a JSON value, or bytes as they are."""
    task = topics()[topic].new(shop, key=str(new_id()), args={"topic": topic, **headers})
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    Task.receive([(task, Body.seal(shop, task.id, body))])
    return task
