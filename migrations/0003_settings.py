"""Engage's stores, how far polling has come, what the law asks to be kept or forgotten, and a shop's name and plan."""

SCHEMA = """
ALTER TABLE shop ADD COLUMN name text NOT NULL DEFAULT '', ADD COLUMN plan text NOT NULL DEFAULT '',
    ADD COLUMN connected_at timestamptz NOT NULL DEFAULT now();
UPDATE shop SET connected_at = created_at;

CREATE TABLE store (
    id              serial PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    external_id     text NOT NULL,
    name            text NOT NULL,
    kind            text NOT NULL,
    country         text NOT NULL,
    locale          text NOT NULL,
    timezone        text NOT NULL,
    active          boolean NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (shop_id, external_id)
);

CREATE TABLE poll (
    shop_id         integer NOT NULL REFERENCES shop,
    resource        text NOT NULL,
    since           timestamptz NOT NULL,
    PRIMARY KEY (shop_id, resource)
);

CREATE TABLE data_request (
    task_id         uuid PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    number          bigint,
    customer_id     bigint,
    asked_at        timestamptz NOT NULL,
    held            bytea NOT NULL
);
CREATE INDEX data_request_shop ON data_request (shop_id, asked_at DESC);

-- What was forgotten and when, without saying of whom.
CREATE TABLE erasure (
    task_id         uuid PRIMARY KEY,
    shop_id         integer NOT NULL,
    topic           text NOT NULL,
    erased_at       timestamptz NOT NULL DEFAULT now(),
    rows            integer NOT NULL
);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
