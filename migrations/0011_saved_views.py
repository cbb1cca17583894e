"""Views of the task listing that a shop has given a name."""

SCHEMA = """
CREATE TABLE saved_view (
    id              uuid PRIMARY KEY,
    shop_id         integer NOT NULL REFERENCES shop ON DELETE CASCADE,
    name            text NOT NULL,
    query           text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
);
CREATE UNIQUE INDEX saved_view_name ON saved_view (shop_id, lower(name)) WHERE deleted_at IS NULL;
CREATE INDEX saved_view_deleted ON saved_view (shop_id, deleted_at) WHERE deleted_at IS NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
