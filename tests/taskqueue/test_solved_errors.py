"""A later success solves the earlier Errors of its entity and type, and no others."""

from __future__ import annotations

import pytest

from models import Entity, Task
from taskqueue.outcomes import Skip, Unusable
from tests.support.tasks.task_types import add_task, declare, run_new_task, run_once

__all__ = ["declare"]


def test_a_later_success_solves_the_earlier_errors_of_its_entity(shop, declare):
    ends = iter([Unusable("No."), Unusable("No."), Skip("Nothing to do.")])

    def end(run):
        raise next(ends)

    kind = declare(end, entity=Entity.ORDER)
    first, second = (run_new_task(kind, shop, shopify_id=1) for _ in range(2))

    solving = run_new_task(kind, shop, shopify_id=1)

    assert [Task.get_by_id(task.id).closed_by for task in (first, second)] == [solving.id, solving.id]


@pytest.mark.parametrize("other", ["entity", "type", "shop", "an earlier one"])
def test_a_success_solves_no_other_errors(other, shop, other_shop, declare):
    def end(run, broken=True):
        if broken:
            raise Unusable("No.")

    kind, another = (declare(end, entity=Entity.ORDER) for _ in range(2))
    earlier = add_task(kind, shop, shopify_id=1, args={"broken": False})
    failed = run_new_task(kind, shop, shopify_id=1)
    works = {"args": {"broken": False}, "shopify_id": 1}
    match other:
        case "entity":
            run_new_task(kind, shop, **{**works, "shopify_id": 2})
        case "type":
            run_new_task(another, shop, **works)
        case "shop":
            run_new_task(kind, other_shop, **works)
        case _:
            run_once(earlier)

    assert Task.get_by_id(failed.id).closed_by is None
