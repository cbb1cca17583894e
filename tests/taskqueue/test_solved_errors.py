"""A later success closes the earlier errors of its entity, and of nothing else."""

from __future__ import annotations

import pytest

from models import Entity, Task
from taskqueue.outcomes import Skip, Unusable
from tests.support.task_types import add, declare, go, goes

__all__ = ["declare"]


def test_a_later_success_solves_the_earlier_errors_of_its_entity(shop, declare):
    ends = iter([Unusable("No."), Unusable("No."), Skip("Nothing to do.")])

    def end(task):
        raise next(ends)

    kind = declare(end, entity=Entity.ORDER)
    first, second = (goes(kind, shop, shopify_id=1) for _ in range(2))

    solving = goes(kind, shop, shopify_id=1)

    assert [Task.get_by_id(task.id).closed_by for task in (first, second)] == [solving.id, solving.id]


@pytest.mark.parametrize("other", ["entity", "type", "shop", "an earlier one"])
def test_a_success_solves_nothing_else(other, shop, other_shop, declare):
    def end(task, broken=True):
        if broken:
            raise Unusable("No.")

    kind, another = (declare(end, entity=Entity.ORDER) for _ in range(2))
    earlier = add(kind, shop, shopify_id=1, args={"broken": False})
    failed = goes(kind, shop, shopify_id=1)
    works = {"args": {"broken": False}, "shopify_id": 1}
    match other:
        case "entity":
            goes(kind, shop, **{**works, "shopify_id": 2})
        case "type":
            goes(another, shop, **works)
        case "shop":
            goes(kind, other_shop, **works)
        case _:
            go(earlier)

    assert Task.get_by_id(failed.id).closed_by is None
