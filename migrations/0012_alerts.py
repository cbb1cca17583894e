"""Alerts: how each rule of a shop stands, what has been noticed, who is told, and the mails that tell them."""

SCHEMA = """
CREATE TABLE alert_rule (
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    rule            text NOT NULL,
    state           text NOT NULL DEFAULT 'off',
    since           timestamptz NOT NULL DEFAULT now(),
    counts_from     timestamptz,
    bad_since       timestamptz,
    good_since      timestamptz,
    next_check_at   timestamptz NOT NULL DEFAULT now(),
    evidence        jsonb NOT NULL DEFAULT '{}',
    failure         text,
    PRIMARY KEY (shop_id, rule)
);
CREATE INDEX alert_rule_due ON alert_rule (next_check_at);

CREATE TABLE alert_incident (
    id              uuid PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    rule            text NOT NULL,
    bad_since       timestamptz NOT NULL,
    opened_at       timestamptz NOT NULL,
    closed_at       timestamptz,
    closed_by       text,
    evidence        jsonb NOT NULL DEFAULT '{}',
    cause           jsonb,
    held_by         text,
    acknowledged_at timestamptz,
    acknowledged_by text,
    snoozed_until   timestamptz,
    remind_at       timestamptz,
    reminders       smallint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX alert_incident_open ON alert_incident (shop_id, rule) WHERE closed_at IS NULL;
CREATE INDEX alert_incident_newest ON alert_incident (shop_id, id DESC);
CREATE INDEX alert_incident_remind ON alert_incident (remind_at) WHERE closed_at IS NULL;

CREATE TABLE alert_address (
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    address         text NOT NULL,
    token_hash      text NOT NULL UNIQUE,
    token           bytea NOT NULL,
    added_at        timestamptz NOT NULL DEFAULT now(),
    confirmed_at    timestamptz,
    unsubscribed_at timestamptz,
    bounced_at      timestamptz,
    bounce          text,
    PRIMARY KEY (shop_id, address)
);

CREATE TABLE alert_mail (
    id              uuid PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    incident_id     uuid REFERENCES alert_incident ON DELETE CASCADE,
    kind            text NOT NULL,
    number          smallint NOT NULL DEFAULT 0,
    address         text NOT NULL,
    state           smallint NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL DEFAULT now(),
    leased_until    timestamptz,
    tries           smallint NOT NULL DEFAULT 0,
    subject         text,
    text            text,
    html            text,
    error           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz
);
-- Each address is told each thing once, however often the clock asks for it.
CREATE UNIQUE INDEX alert_mail_once ON alert_mail (incident_id, kind, number, address) WHERE incident_id IS NOT NULL;
CREATE INDEX alert_mail_due ON alert_mail (due_at) WHERE state = 0;
CREATE INDEX alert_mail_newest ON alert_mail (shop_id, id DESC);

CREATE TABLE heartbeat (
    name            text PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now()
);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
