"""Inside Shopify's admin: tokens that expire and are renewed, the shop's staff and what they may do, support links."""

# As in 0014: the scope that a connection has entered, asked for once a statement.
OWN = "(SELECT NULLIF(NULLIF(current_setting('app.shop_id', true), ''), 'every')::int)"
EVERY = "(SELECT NULLIF(current_setting('app.shop_id', true) = 'every', false)) IS NOT NULL"

SCHEMA = """
ALTER TABLE shop
    ADD COLUMN shopify_token_until timestamptz,
    ADD COLUMN shopify_refresh bytea,
    ADD COLUMN shopify_refresh_until timestamptz,
    ADD COLUMN scopes text NOT NULL DEFAULT '';

CREATE TABLE member (
    id          uuid PRIMARY KEY,
    shop_id     integer NOT NULL REFERENCES shop,
    user_id     text NOT NULL,
    name        bytea,
    owner       boolean NOT NULL DEFAULT false,
    allowed     jsonb NOT NULL DEFAULT '[]',
    seen_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX member_user ON member (shop_id, user_id);

CREATE TABLE support_link (
    token_hash  text PRIMARY KEY,
    shop_id     integer NOT NULL REFERENCES shop,
    task_id     uuid,
    kind        text,
    shopify_id  bigint,
    made_by     text,
    made_at     timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
CREATE INDEX support_link_shop ON support_link (shop_id, expires_at);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
    for table in ("member", "support_link"):
        db.execute_sql(f"CREATE POLICY apart ON {table} USING (shop_id = {OWN} OR {EVERY})")
        db.execute_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
