"""SQL that every task passes through, written out so that each step is one round trip to the database."""

from __future__ import annotations

from database import set_scope_sql

# A later success closes earlier Errors of its entity and type.
SOLVE_EARLIER = """, solved AS (
    UPDATE task SET closed_by = %(id)s FROM ended
    WHERE task.shop_id = %(shop_id)s AND task.shopify_id = %(shopify_id)s AND task.type = %(type)s
        AND task.state = 2 AND task.closed_by IS NULL AND task.id < %(id)s
)"""

# An Error that ends after a newer task of its entity has succeeded is solved already.
SOLVED_BY_NEWER = """(
    SELECT newer.id FROM task AS newer
    WHERE newer.shop_id = task.shop_id AND newer.shopify_id = task.shopify_id AND newer.type = task.type
        AND task.entity <> 0 AND newer.id > task.id AND newer.state = 1 AND newer.closed_by IS NULL
    LIMIT 1)"""

# One array per column: the statement is the same for any number of rows, so that the server keeps its plan.
# ON CONFLICT makes it idempotent: (shop_id, type, key) is the index of idempotency keys.
INSERT_TASKS = """
    INSERT INTO task (id, shop_id, type, lane, entity, key, args, shopify_id, engage_id, parent_id, trace,
        resends, created_at, published_at)
    SELECT id, shop_id, type, lane, entity, key, args, shopify_id, engage_id, parent_id, trace, resends, created_at,
        CASE WHEN published THEN now() END
    FROM unnest(%b::uuid[], %b::integer[], %b::smallint[], %b::smallint[], %b::smallint[], %b::text[], %b::jsonb[],
                %b::bigint[], %b::text[], %b::uuid[], %b::text[], %b::uuid[], %b::timestamptz[], %b::boolean[])
        AS new (id, shop_id, type, lane, entity, key, args, shopify_id, engage_id, parent_id, trace, resends,
            created_at, published)
    ON CONFLICT (shop_id, type, key) DO NOTHING RETURNING id"""
INSERT_WEBHOOKS = f"""
    WITH added AS ({INSERT_TASKS}, shop_id), kept AS (
        INSERT INTO body (task_id, shop_id, sealed)
        SELECT id, shop_id, sealed FROM added JOIN unnest(%b::uuid[], %b::bytea[]) AS received (id, sealed) USING (id)
    )
    SELECT id FROM added"""  # noqa: S608

# A commit that PostgreSQL confirms before it is on disk. When a server crash takes it, the task is run again, so it may
# be used where that does no harm: until the attempt has sent something. What it then commits goes to disk, and with it
# everything committed before, the claim included. A claim that was lost so can be made again with the same fence, so
# a task is ours only if it was started when we started it.
ASYNC_COMMIT = "set_config('synchronous_commit', 'off', true)"
# A claim sees every shop's tasks, and enters the scope of the one whose task it is; the outcome leaves it again, for
# the next claim. Both within the statements that are sent anyway: two more would cost a worker much of its rate.
ENTER_SHOP_SCOPE, LEAVE_SHOP_SCOPE = set_scope_sql("claimed.task_shop_id::text"), set_scope_sql("'every'")

# What `reason` and `code` alone do not say of an outcome.
NO_DETAILS = "params = NULL, system = NULL, status = NULL, code = NULL"

# A resend does not send the newest state, so it replaces no task.
NOT_A_RESEND = "{}resends IS NULL"


def claim_statement(task_columns: str, shop_columns: str, shop_entity: int) -> str:
    """Claim a due task, open its attempt, and return its columns and its shop's in one row; no row: not claimed.

    Of a shop that has removed the app, only tasks whose entity is `shop_entity` can be claimed.
    """
    return f"""
    WITH claimed AS (
        UPDATE task SET leased_until = now() + %(lease)s, fence = fence + 1, attempts = attempts + 1,
            started_at = now(), published_at = NULL
        FROM shop
        WHERE task.id = %(id)s AND task.state = 0 AND leased_until IS NULL AND due_at <= now()
          AND shop.id = shop_id AND (shop.active OR task.entity = {shop_entity:d})
          AND (NOT %(calls_engage)s OR shop.paused_until IS NULL OR shop.paused_until <= now())
        RETURNING {task_columns}, CASE WHEN %(newest_only)s THEN (
            SELECT newer.id FROM task newer
            WHERE newer.shop_id = task.shop_id AND newer.shopify_id = task.shopify_id
              AND newer.id > task.id AND newer.type = task.type AND newer.lane <= task.lane
              AND newer.state = 0 AND newer.leased_until IS NULL AND {NOT_A_RESEND.format("newer.")}
            ORDER BY newer.id DESC LIMIT 1) END AS newer_id, {shop_columns}
    ), opened AS (
        INSERT INTO attempt (task_id, shop_id, number, worker, started_at)
        SELECT task_id, task_shop_id, task_fence, %(worker)s, task_started_at FROM claimed
    )
    SELECT claimed.*, {ASYNC_COMMIT}, {ENTER_SHOP_SCOPE} FROM claimed"""  # noqa: S608


# Record a request, and renew the task's lease: one commit, on disk before the call.
RECORD_REQUEST = """
    WITH renewed AS (
        UPDATE task SET leased_until = now() + %(lease)s
        WHERE id = %(task)s AND fence = %(fence)s AND started_at = %(task_started_at)s AND leased_until IS NOT NULL
        RETURNING id
    )
    INSERT INTO exchange (id, task_id, shop_id, attempt, system, method, path, url, effect, sent, started_at)
    SELECT %(id)s, id, %(shop_id)s, %(attempt)s, %(system)s, %(method)s, %(path)s, %(url)s, %(effect)s, %(sent)s,
        %(started_at)s
    FROM renewed"""
# The response is on disk with the task's outcome; until then the call's outcome is unknown.
RECORD_RESPONSE = f"""
    UPDATE exchange SET status = %(status)s, received = %(received)s, unknown = %(unknown)s, error = %(error)s,
        duration_ms = %(duration_ms)s
    WHERE id = %(id)s RETURNING {ASYNC_COMMIT}"""  # noqa: S608


def record_read_statement(*, flush: bool) -> str:
    """Record a call that changes nothing, with its response. On disk at once if `flush`."""
    return f"""
    INSERT INTO exchange (id, task_id, shop_id, attempt, system, method, path, url, effect, sent, started_at,
        status, received, unknown, error, duration_ms)
    VALUES (%(id)s, %(task)s, %(shop_id)s, %(attempt)s, %(system)s, %(method)s, %(path)s, %(url)s, %(effect)s,
        %(sent)s, %(started_at)s, %(status)s, %(received)s, %(unknown)s, %(error)s, %(duration_ms)s)
    RETURNING {"1" if flush else ASYNC_COMMIT}"""  # noqa: S608
