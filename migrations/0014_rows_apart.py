"""Row level security: a connection sees the rows of the shop that it is in the scope of, or of all, or none.

`app.shop_id` is the scope: a shop's id, or "every"; without it there are no rows. What is read asks for it once a
statement, not once a row; what is written, mostly a row or two, asks at each, which is cheaper than to prepare that.
IS NOT NULL is what the planner takes to let nearly all rows through, so that its estimates stay right.
"""

OWN = "(SELECT NULLIF(NULLIF(current_setting('app.shop_id', true), ''), 'every')::int)"
EVERY = "(SELECT NULLIF(current_setting('app.shop_id', true) = 'every', false)) IS NOT NULL"
WRITTEN = "current_setting('app.shop_id', true) IN ('every', {}::text)"

BY_SHOP = (
    *(
        "sign_in",
        "task",
        "attempt",
        "body",
        "exchange",
        "customer",
        "orders",
        "refund",
        "receipt",
        "departure",
        "endpoint",
    ),
    *("task_delta", "task_total", "task_hour", "store", "market", "poll", "data_request", "erasure"),
    *("bulk_import", "bulk_part", "bulk_line", "audit", "batch", "batch_portion", "saved_view"),
    *("alert_rule", "alert_incident", "alert_address", "alert_mail"),
)
# Through what they belong to, which has a policy of its own: whoever does not see that does not see these.
THROUGH = {
    "consents": ("customer", "customer.id = customer_id"),
    "bulk_bad_line": ("bulk_part", "bulk_part.id = part_id"),
}


# To look for an attempt's task at every write would cost a worker a tenth of its rate.
ATTEMPTS = """
ALTER TABLE attempt ADD COLUMN shop_id integer;
UPDATE attempt SET shop_id = task.shop_id FROM task WHERE task.id = task_id;
ALTER TABLE attempt ALTER COLUMN shop_id SET NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(ATTEMPTS)
    _apart(db, "shop", f"id = {OWN} OR {EVERY}", WRITTEN.format("id"))
    for table in BY_SHOP:
        _apart(db, table, f"shop_id = {OWN} OR {EVERY}", WRITTEN.format("shop_id"))
    for table, (above, belongs) in THROUGH.items():
        through = f"{EVERY} OR EXISTS (SELECT 1 FROM {above} WHERE {belongs})"  # noqa: S608
        _apart(db, table, through, through)


def _apart(db, table, read, written):
    db.execute_sql(f"CREATE POLICY apart ON {table} USING ({read}) WITH CHECK ({written})")
    db.execute_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
