"""Refunds, and every receipt that was sent."""

SCHEMA = """
CREATE TABLE refund (
    id              bigserial PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    shopify_id      bigint NOT NULL,
    updated_at      timestamptz NOT NULL,
    seen            bytea NOT NULL,
    order_id        bigint NOT NULL,
    UNIQUE (shop_id, shopify_id)
);
CREATE INDEX refund_order ON refund (shop_id, order_id);

CREATE TABLE receipt (
    id              bigserial PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    order_id        bigint NOT NULL,
    kind            smallint NOT NULL,
    receipt_id      text NOT NULL,
    body            bytea NOT NULL,
    rules           jsonb NOT NULL,
    sent_at         timestamptz NOT NULL,
    UNIQUE (shop_id, receipt_id)
);
CREATE INDEX receipt_order ON receipt (shop_id, order_id, id);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
