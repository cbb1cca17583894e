"""Imports of a shop's past: how far each has come, and the lines that wait for those they belong to."""

SCHEMA = """
CREATE TABLE bulk_import (
    id              bigserial PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    state           smallint NOT NULL DEFAULT 0,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz
);
CREATE INDEX bulk_import_newest ON bulk_import (shop_id, id DESC);
-- One at a time for a shop, running or paused.
CREATE UNIQUE INDEX bulk_import_open ON bulk_import (shop_id) WHERE state < 2;

CREATE TABLE bulk_part (
    id              bigserial PRIMARY KEY,
    bulk_import_id  bigint NOT NULL REFERENCES bulk_import ON DELETE CASCADE,
    shop_id         integer NOT NULL,
    kind            smallint NOT NULL,
    state           smallint NOT NULL DEFAULT 0,
    turn            integer NOT NULL DEFAULT 0,
    task_id         uuid,
    operation_id    text,
    note            text,
    expected        integer,
    etag            text,
    position        bigint NOT NULL DEFAULT 0,
    lines           integer NOT NULL DEFAULT 0,
    found           integer NOT NULL DEFAULT 0,
    known           integer NOT NULL DEFAULT 0,
    sent            integer NOT NULL DEFAULT 0,
    bad             integer NOT NULL DEFAULT 0,
    begun_at        timestamptz,
    ended_at        timestamptz,
    UNIQUE (bulk_import_id, kind)
);
CREATE INDEX bulk_part_operation ON bulk_part (shop_id, operation_id) WHERE operation_id IS NOT NULL;

-- Lines come in any order, so that an order is whole only when the last one was read.
CREATE TABLE bulk_line (
    part_id         bigint NOT NULL REFERENCES bulk_part ON DELETE CASCADE,
    number          integer NOT NULL,
    shop_id         integer NOT NULL,
    root            bigint NOT NULL,
    child           boolean NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (part_id, number)
);
CREATE INDEX bulk_line_root ON bulk_line (part_id, root) WHERE child;

CREATE TABLE bulk_bad_line (
    part_id         bigint NOT NULL REFERENCES bulk_part ON DELETE CASCADE,
    number          integer NOT NULL,
    reason          text NOT NULL,
    PRIMARY KEY (part_id, number)
);

-- What an import has made and what is not through yet, or failed.
CREATE INDEX task_import ON task ((args ->> 'import_id'), state) WHERE lane = 1 AND state <> 1;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
