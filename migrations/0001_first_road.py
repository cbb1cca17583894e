"""Shops, tasks with their attempts and exact bodies, totals kept by triggers, customers and orders."""

SCHEMA = """
CREATE TABLE shop (
    id              serial PRIMARY KEY,
    domain          text NOT NULL UNIQUE,
    email           text NOT NULL,
    currency        text NOT NULL,
    timezone        text NOT NULL,
    active          boolean NOT NULL DEFAULT true,
    key             bytea NOT NULL,
    shopify_token   bytea,
    engage_tenant   text NOT NULL,
    engage_key      bytea,
    store           text NOT NULL,
    settings        jsonb NOT NULL DEFAULT '{}',
    failures        integer NOT NULL DEFAULT 0,
    paused_until    timestamptz,
    pause_reason    text,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sign_in (
    token_hash      text PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    expires_at      timestamptz NOT NULL
);

CREATE TABLE task (
    id              uuid PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    type            smallint NOT NULL,
    state           smallint NOT NULL DEFAULT 0,
    lane            smallint NOT NULL DEFAULT 0,
    entity          smallint NOT NULL DEFAULT 0,
    key             text NOT NULL,
    args            jsonb NOT NULL DEFAULT '{}',
    shopify_id      bigint,
    engage_id       text,
    parent_id       uuid,
    closed_by       uuid,
    reason          text,
    code            text,
    fence           integer NOT NULL DEFAULT 0,
    attempts        integer NOT NULL DEFAULT 0,
    crashes         integer NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL DEFAULT now(),
    published_at    timestamptz,
    leased_until    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    completed_at    timestamptz,
    duration_ms     integer
) WITH (fillfactor = 90);

-- Keys make a second webhook, child or periodic task of the same cause impossible.
CREATE UNIQUE INDEX task_key ON task (shop_id, type, key);
-- One running task per entity.
CREATE UNIQUE INDEX task_running ON task (shop_id, entity, shopify_id)
    WHERE leased_until IS NOT NULL AND entity <> 0;
CREATE INDEX task_due ON task (shop_id, lane, due_at) WHERE state = 0 AND leased_until IS NULL;
CREATE INDEX task_leased ON task (leased_until) WHERE leased_until IS NOT NULL;
-- The list: newest first (ids are in order of creation), and every filter and sort of it.
CREATE INDEX task_newest ON task (shop_id, id DESC);
CREATE INDEX task_type ON task (shop_id, type, id DESC);
CREATE INDEX task_open ON task (shop_id, state, id DESC) WHERE state <> 1;
CREATE INDEX task_started ON task (shop_id, started_at DESC, id DESC) WHERE started_at IS NOT NULL;
CREATE INDEX task_completed ON task (shop_id, completed_at DESC, id DESC) WHERE completed_at IS NOT NULL;
CREATE INDEX task_unstarted ON task (shop_id, id DESC) WHERE started_at IS NULL;
CREATE INDEX task_uncompleted ON task (shop_id, id DESC) WHERE completed_at IS NULL;
CREATE INDEX task_shopify ON task (shop_id, shopify_id, id DESC) WHERE shopify_id IS NOT NULL;
CREATE INDEX task_engage ON task (shop_id, engage_id, id DESC) WHERE engage_id IS NOT NULL;
CREATE INDEX task_parent ON task (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE body (
    task_id         uuid PRIMARY KEY REFERENCES task ON DELETE CASCADE,
    shop_id         integer NOT NULL,
    sealed          bytea NOT NULL
);
ALTER TABLE body ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE attempt (
    task_id         uuid NOT NULL REFERENCES task ON DELETE CASCADE,
    number          integer NOT NULL,
    worker          text NOT NULL,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    outcome         smallint NOT NULL DEFAULT 0,
    reason          text,
    code            text,
    PRIMARY KEY (task_id, number)
);

CREATE TABLE exchange (
    id              uuid PRIMARY KEY,
    task_id         uuid NOT NULL REFERENCES task ON DELETE CASCADE,
    shop_id         integer NOT NULL,
    attempt         integer NOT NULL,
    system          text NOT NULL,
    method          text NOT NULL,
    path            text NOT NULL,
    url             bytea NOT NULL,
    effect          smallint NOT NULL,
    sent            bytea NOT NULL,
    status          smallint,
    received        bytea,
    unknown         boolean NOT NULL DEFAULT true,
    error           text,
    started_at      timestamptz NOT NULL,
    duration_ms     integer
);
ALTER TABLE exchange ALTER COLUMN sent SET STORAGE EXTERNAL, ALTER COLUMN received SET STORAGE EXTERNAL;
CREATE INDEX exchange_task ON exchange (task_id, id);

CREATE TABLE customer (
    id              bigserial PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    shopify_id      bigint NOT NULL,
    updated_at      timestamptz NOT NULL,
    seen            bytea NOT NULL,
    contact_id      text,
    contact_type    text,
    sent            bytea,
    skipped         text,
    synced_at       timestamptz,
    UNIQUE (shop_id, shopify_id)
);

CREATE TABLE orders (
    id              bigserial PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop,
    shopify_id      bigint NOT NULL,
    name            text NOT NULL,
    updated_at      timestamptz NOT NULL,
    seen            bytea NOT NULL,
    customer_id     bigint,
    receipt_id      text,
    receipt_at      timestamptz,
    UNIQUE (shop_id, shopify_id)
);
CREATE INDEX orders_customer ON orders (shop_id, customer_id) WHERE receipt_id IS NULL;

-- Totals: every change of a task's state leaves its difference here, whatever code made the change.
CREATE TABLE task_delta (
    shop_id         integer NOT NULL,
    type            smallint NOT NULL,
    state           smallint NOT NULL,
    hour            timestamptz,
    count           integer NOT NULL,
    duration_ms     bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

CREATE TABLE task_total (
    shop_id         integer NOT NULL,
    type            smallint NOT NULL,
    state           smallint NOT NULL,
    count           bigint NOT NULL,
    duration_ms     bigint NOT NULL,
    PRIMARY KEY (shop_id, type, state)
) WITH (fillfactor = 50);

CREATE TABLE task_hour (
    shop_id         integer NOT NULL,
    hour            timestamptz NOT NULL,
    type            smallint NOT NULL,
    state           smallint NOT NULL,
    count           bigint NOT NULL,
    duration_ms     bigint NOT NULL,
    PRIMARY KEY (shop_id, hour, type, state)
) WITH (fillfactor = 70);

CREATE FUNCTION task_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_delta
    SELECT shop_id, type, state, date_trunc('hour', completed_at, 'UTC'), count(*), coalesce(sum(duration_ms), 0)
    FROM added GROUP BY 1, 2, 3, 4;
    RETURN NULL;
END $$;
CREATE TRIGGER task_inserted AFTER INSERT ON task
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION task_inserted();

CREATE FUNCTION task_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_delta
    SELECT shop_id, type, state, date_trunc('hour', completed_at, 'UTC'), -count(*), -coalesce(sum(duration_ms), 0)
    FROM removed GROUP BY 1, 2, 3, 4;
    RETURN NULL;
END $$;
CREATE TRIGGER task_deleted AFTER DELETE ON task
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION task_deleted();

CREATE FUNCTION task_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_delta VALUES
        (OLD.shop_id, OLD.type, OLD.state, date_trunc('hour', OLD.completed_at, 'UTC'),
         -1, -coalesce(OLD.duration_ms, 0)),
        (NEW.shop_id, NEW.type, NEW.state, date_trunc('hour', NEW.completed_at, 'UTC'),
         1, coalesce(NEW.duration_ms, 0));
    RETURN NULL;
END $$;
CREATE TRIGGER task_moved AFTER UPDATE OF state ON task FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION task_moved();
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
