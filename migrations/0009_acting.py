"""What people do: who did it, when and to what; and retries of many tasks, with the tasks they are about."""

SCHEMA = """
CREATE TABLE audit (
    id              uuid PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    at              timestamptz NOT NULL DEFAULT now(),
    who             text,
    action          text NOT NULL,
    click           uuid NOT NULL,
    task_id         uuid,
    made_id         uuid,
    batch_id        uuid,
    details         jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_newest ON audit (shop_id, id DESC);
CREATE INDEX audit_task ON audit (task_id, id) WHERE task_id IS NOT NULL;
-- A button pressed twice is one action.
CREATE UNIQUE INDEX audit_click ON audit (shop_id, click, action);

CREATE TABLE batch (
    id              uuid PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    state           smallint NOT NULL DEFAULT 0,
    query           text NOT NULL,
    total           integer NOT NULL DEFAULT 0,
    queued          integer NOT NULL DEFAULT 0,
    fine            integer NOT NULL DEFAULT 0,
    refused         integer NOT NULL DEFAULT 0,
    refusals        uuid[] NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    stepped_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz
);
CREATE INDEX batch_newest ON batch (shop_id, id DESC);
CREATE INDEX batch_running ON batch (stepped_at) WHERE state = 0;

-- The tasks that are still to be looked at: a million of them are two thousand rows.
CREATE TABLE batch_portion (
    batch_id        uuid NOT NULL REFERENCES batch ON DELETE CASCADE,
    number          integer NOT NULL,
    shop_id         integer NOT NULL,
    task_ids        uuid[] NOT NULL,
    PRIMARY KEY (batch_id, number)
);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
