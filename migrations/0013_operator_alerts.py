"""Alerts about the app itself have no shop: they are the operator's. And what has ended is found by its age."""

SCHEMA = """
ALTER TABLE alert_incident ALTER COLUMN shop_id DROP NOT NULL;
ALTER TABLE alert_mail ALTER COLUMN shop_id DROP NOT NULL;
DROP INDEX alert_incident_open;
CREATE UNIQUE INDEX alert_incident_open ON alert_incident (shop_id, rule) NULLS NOT DISTINCT WHERE closed_at IS NULL;
CREATE INDEX alert_incident_closed ON alert_incident (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX alert_mail_ended ON alert_mail (ended_at) WHERE ended_at IS NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
