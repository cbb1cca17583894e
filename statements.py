"""The statements that every task passes through, written out: each is one round trip, whatever it does."""

from __future__ import annotations

# A later success closes earlier Errors of its entity and type.
SOLVE_EARLIER = """, solved AS (
    UPDATE task SET closed_by = %(id)s FROM ended
    WHERE task.shop_id = %(shop_id)s AND task.shopify_id = %(shopify_id)s AND task.type = %(type)s
        AND task.state = 2 AND task.closed_by IS NULL AND task.id < %(id)s
)"""

# One array per column: the statement is the same for any number of rows, so that the server keeps its plan.
ADD = """
    INSERT INTO task (id, shop_id, type, lane, entity, key, args, shopify_id, engage_id, parent_id, published_at)
    SELECT id, shop_id, type, lane, entity, key, args, shopify_id, engage_id, parent_id, CASE WHEN rung THEN now() END
    FROM unnest(%b::uuid[], %b::integer[], %b::smallint[], %b::smallint[], %b::smallint[], %b::text[], %b::jsonb[],
                %b::bigint[], %b::text[], %b::uuid[], %b::boolean[])
        AS new (id, shop_id, type, lane, entity, key, args, shopify_id, engage_id, parent_id, rung)
    ON CONFLICT (shop_id, type, key) DO NOTHING RETURNING id"""
RECEIVE = f"""
    WITH added AS ({ADD}, shop_id), kept AS (
        INSERT INTO body (task_id, shop_id, sealed)
        SELECT id, shop_id, sealed FROM added JOIN unnest(%b::uuid[], %b::bytea[]) AS came (id, sealed) USING (id)
    )
    SELECT id FROM added"""  # noqa: S608

# A commit that PostgreSQL answers before it is on disk. When a server crash takes it, the task is run again, so it may
# be used where that does no harm: until the attempt has sent something. What it then commits goes to disk, and with it
# everything committed before, the claim included. A claim that was lost so can be made again with the same fence, so
# a task is ours only if it was started when we started it.
UNFLUSHED = "set_config('synchronous_commit', 'off', true)"


def claim(task_columns: str, shop_columns: str) -> str:
    """Take a due task for a worker, open its attempt, and bring its shop along: the columns, one row or none."""
    return f"""
    WITH claimed AS (
        UPDATE task SET leased_until = now() + %(lease)s, fence = fence + 1, attempts = attempts + 1,
            started_at = now(), published_at = NULL
        FROM shop
        WHERE task.id = %(id)s AND task.state = 0 AND leased_until IS NULL AND due_at <= now()
          AND shop.id = shop_id AND shop.active
          AND (NOT %(engage)s OR shop.paused_until IS NULL OR shop.paused_until <= now())
        RETURNING {task_columns}, CASE WHEN %(latest)s THEN (
            SELECT newer.id FROM task newer
            WHERE newer.shop_id = task.shop_id AND newer.shopify_id = task.shopify_id
              AND newer.id > task.id AND newer.type = task.type
              AND newer.state = 0 AND newer.leased_until IS NULL
            ORDER BY newer.id DESC LIMIT 1) END AS newer_id, {shop_columns}
    ), opened AS (
        INSERT INTO attempt (task_id, number, worker, started_at)
        SELECT task_id, task_fence, %(worker)s, task_started_at FROM claimed
    )
    SELECT claimed.*, {UNFLUSHED} FROM claimed"""  # noqa: S608
