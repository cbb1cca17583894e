"""The shop's markets at Shopify, by which an order finds its store."""

SCHEMA = """
CREATE TABLE market (
    id              serial PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    handle          text NOT NULL,
    name            text NOT NULL,
    regions         text[] NOT NULL,
    told_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX market_shop ON market (shop_id);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
