"""The discount codes that orders used, and what became of them at Engage, apart by shop as other tables."""

SCHEMA = """
CREATE TABLE voucher_use (
    id              bigserial PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    order_id        bigint NOT NULL,
    number          smallint NOT NULL,
    code            bytea NOT NULL,
    kind            smallint,
    engage_id       text,
    state           smallint NOT NULL,
    reason          text,
    sent_at         timestamptz,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (shop_id, order_id, number)
);
CREATE INDEX voucher_use_engage ON voucher_use (shop_id, engage_id);
"""
OWN = "(SELECT NULLIF(NULLIF(current_setting('app.shop_id', true), ''), 'every')::int)"
EVERY = "(SELECT NULLIF(current_setting('app.shop_id', true) = 'every', false)) IS NOT NULL"
WRITTEN = "current_setting('app.shop_id', true) IN ('every', shop_id::text)"
APART = f"""
CREATE POLICY apart ON voucher_use USING (shop_id = {OWN} OR {EVERY}) WITH CHECK ({WRITTEN});
ALTER TABLE voucher_use ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
    db.execute_sql(APART)
