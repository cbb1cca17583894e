"""Open problems: syncs whose newest outcome is an Error, so that something is missing on the other side.

`tasklog.listing` lists them one by one; here they are grouped by their reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from database import db
from models import Entity

MAX_GROUPED = 100_000  # open problems of a shop that are grouped; more are not counted

# As the indexes of open problems spell it (migrations 0010 and 0021). A success solves the Errors before it, and an
# Error that ends after a newer success is solved by that (taskqueue.claims).
UNSOLVED = ["state = 2", "closed_by IS NULL", "shopify_id IS NOT NULL"]

# The newest outcome counts: a newer task that waits or runs has solved nothing yet, nor has one that was replaced.
# A subquery with LIMIT, since the planner would turn NOT EXISTS into a join of all tasks, not of those of a page.
NEWEST = """(SELECT newer.id FROM task AS newer
    WHERE newer.shop_id = task.shop_id AND newer.shopify_id = task.shopify_id AND newer.id > task.id
      AND newer.type = task.type AND (newer.state = 2 OR newer.state = 1 AND newer.closed_by IS NULL)
    LIMIT 1) IS NULL"""

OPEN = [*UNSOLVED, NEWEST]

# The newest unsolved Error of each entity is read from an index, in its order. What it is about is asked row by row:
# as joins, the planner would rather read all tasks and orders once than some thousands by their keys.
# The ids are compared as text: PostgreSQL 15 has no min(uuid).
GROUPS = f"""
    WITH problem AS (
        SELECT DISTINCT ON (type, shopify_id) type, shopify_id, id, reason, entity FROM task
        WHERE shop_id = %(shop)s AND type = ANY(%(types)s) AND {" AND ".join(UNSOLVED)}
        ORDER BY type, shopify_id, id DESC LIMIT {MAX_GROUPED}
    ), subject AS MATERIALIZED (
        SELECT type, reason, id, CASE entity WHEN {Entity.CUSTOMER:d} THEN shopify_id END AS customer_id,
            CASE entity
                WHEN {Entity.ORDER:d} THEN shopify_id
                WHEN {Entity.REFUND:d} THEN (SELECT order_id FROM refund
                    WHERE refund.shop_id = %(shop)s AND refund.shopify_id = problem.shopify_id)
                WHEN {Entity.FULFILLMENT:d} THEN (SELECT (args ->> 'order_id')::bigint FROM task
                    WHERE task.id = problem.id) END AS order_id
        FROM problem
    ), buyer AS MATERIALIZED (
        SELECT order_id, (SELECT orders.customer_id FROM orders
            WHERE orders.shop_id = %(shop)s AND orders.shopify_id = order_id) AS customer_id
        FROM (SELECT DISTINCT order_id FROM subject WHERE order_id IS NOT NULL) AS each_order
    )
    SELECT reason, type, count(*), count(DISTINCT order_id),
        count(DISTINCT coalesce(subject.customer_id, buyer.customer_id)), min(id::text), max(id::text)
    FROM subject LEFT JOIN buyer USING (order_id)
    GROUP BY reason, type ORDER BY count(*) DESC, reason, type"""  # noqa: S608


@dataclass(frozen=True)
class ProblemGroup:
    """Open problems of one type with one reason: how many, of how many orders and customers.

    `reason`: the key, or the text of an older version; None without one. `oldest_id`, `newest_id`: ids of tasks.
    """

    reason: str | None
    type: int
    tasks: int
    orders: int
    customers: int
    oldest_id: UUID
    newest_id: UUID


def problem_groups(shop_id: int, types: Iterable[int]) -> list[ProblemGroup]:
    """Group the shop's open problems of these types by reason and type, the largest group first."""
    found = db.execute_sql(GROUPS, {"shop": shop_id, "types": list(types)}).fetchall()
    return [
        ProblemGroup(reason, kind, tasks, orders, customers, UUID(oldest), UUID(newest))
        for reason, kind, tasks, orders, customers, oldest, newest in found
    ]
