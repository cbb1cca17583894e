"""Row level security: a connection sees the rows of the shop that it is in the scope of, or of all, or none.

`app.shop_id` is the scope: a shop's id, or "every"; without it there are no rows. Both are asked for once a statement,
not once a row. IS NOT NULL is what the planner takes to let nearly all rows through, so that its estimates stay right.
"""

OWN = "(SELECT NULLIF(NULLIF(current_setting('app.shop_id', true), ''), 'every')::int)"
EVERY = "(SELECT NULLIF(current_setting('app.shop_id', true) = 'every', false)) IS NOT NULL"

BY_SHOP = (
    *("sign_in", "task", "body", "exchange", "customer", "orders", "refund", "receipt", "departure", "endpoint"),
    *("task_delta", "task_total", "task_hour", "store", "market", "poll", "data_request", "erasure"),
    *("bulk_import", "bulk_part", "bulk_line", "audit", "batch", "batch_portion", "saved_view"),
    *("alert_rule", "alert_incident", "alert_address", "alert_mail"),
)
# Through what they belong to, which has a policy of its own: whoever does not see that does not see these.
THROUGH = {
    "attempt": ("task", "task.id = task_id"),
    "consents": ("customer", "customer.id = customer_id"),
    "bulk_bad_line": ("bulk_part", "bulk_part.id = part_id"),
}


def up(migrator, db):
    _apart(db, "shop", f"id = {OWN} OR {EVERY}")
    for table in BY_SHOP:
        _apart(db, table, f"shop_id = {OWN} OR {EVERY}")
    for table, (above, belongs) in THROUGH.items():
        _apart(db, table, f"{EVERY} OR EXISTS (SELECT 1 FROM {above} WHERE {belongs})")  # noqa: S608


def _apart(db, table, condition):
    db.execute_sql(f"CREATE POLICY apart ON {table} USING ({condition})")
    db.execute_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
