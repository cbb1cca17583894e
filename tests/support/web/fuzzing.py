"""The values that a fuzzing test knows of its shop, and its requests."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

from benchmarks.support.fuzz_requests import FuzzRequest, KnownValues
from models import Shop, State
from tests.support.tasks.listed_tasks import add_task
from tests.support.web.forms import Forms
from views.web.query_params import PARAMETER_NAMES

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "200"))  # in all, over all tests
FORMS_ON = ("/settings", "/imports", "/views", "/welcome", "/people", "/alerts", "/tasks", "/batches/new?state=error")
IDS = {
    "kind": ["order", "customer"],
    "shopify_id": ["6100000000001"],
    "part": ["alerts", "contact"],
    "action": ["pause", "resume", "cancel"],
}
MORE = ("view", "exchange", "part", "from", "to", "lang", "name", "query", "shown", "action", "shopify-reload")


def examples(share: float, *, of: int = 1) -> settings:
    """A share of all requests, split over so many tests."""
    most = max(3, round(REQUESTS * share / of))
    return settings(
        max_examples=most,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )


def known_values(client: Any, shop: Shop) -> KnownValues:
    """The ids, field names and CSRF token that a reader of this shop has."""
    return known_values_by(lambda page: str(client.get(page).text), shop)


def known_values_by(read: Callable[[str], str], shop: Shop) -> KnownValues:
    """The same, from pages that `read` returns as text."""
    tasks = [str(add_task(shop, state=state, shopify_id=6100000000001).id) for state in State]
    found = {action: fields for page in FORMS_ON for action, fields in Forms(read(page)).found.items()}
    names = sorted({name for fields in found.values() for name in fields} - {"token", "click"})
    return KnownValues(IDS | {"task_id": tasks}, [*names, *PARAMETER_NAMES, *MORE], found["/sign-out"]["token"])


def response_status(client: Any, asked: FuzzRequest) -> int:
    """Send the request, and return the response's status."""
    response = client.request(asked.method, asked.url, content=asked.body, headers=asked.headers)
    return int(response.status_code)
