"""Sessions in browsers as rows, which can be ended one by one or all together, each with the name of its link."""

# As in 0014: the scope that a connection has entered, asked for once a statement.
OWN = "(SELECT NULLIF(NULLIF(current_setting('app.shop_id', true), ''), 'every')::int)"
EVERY = "(SELECT NULLIF(current_setting('app.shop_id', true) = 'every', false)) IS NOT NULL"

SCHEMA = """
ALTER TABLE sign_in ADD COLUMN name text NOT NULL DEFAULT '';

CREATE TABLE browser_session (
    token_hash  text PRIMARY KEY,
    shop_id     integer NOT NULL REFERENCES shop,
    name        text NOT NULL DEFAULT '',
    opened_at   timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
CREATE INDEX browser_session_shop ON browser_session (shop_id, expires_at);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
    db.execute_sql(f"CREATE POLICY apart ON browser_session USING (shop_id = {OWN} OR {EVERY})")
    db.execute_sql("ALTER TABLE browser_session ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
