"""Marketing preferences both ways, the address of Engage's webhooks, and customers who are gone."""

SCHEMA = """
CREATE TABLE consents (
    customer_id     bigint PRIMARY KEY REFERENCES customer ON DELETE CASCADE,
    kept            jsonb NOT NULL
);

-- Events name the contact.
CREATE INDEX customer_contact ON customer (shop_id, contact_id) WHERE contact_id IS NOT NULL;

CREATE TABLE departure (
    shop_id         integer NOT NULL REFERENCES shop,
    shopify_id      bigint NOT NULL,
    merged_into     bigint,
    noted_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shop_id, shopify_id)
);
CREATE INDEX departure_into ON departure (shop_id, merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE endpoint (
    shop_id         integer PRIMARY KEY REFERENCES shop ON DELETE CASCADE,
    token_hash      text NOT NULL UNIQUE,
    token           bytea NOT NULL,
    secrets         bytea NOT NULL
);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
