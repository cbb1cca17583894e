"""The database's schema, brought up to date by peewee's own migrations."""

from __future__ import annotations

from pathlib import Path

from playhouse.migrations import Runner

from database import db

FOLDER = Path(__file__).parent / "migrations"
LOCK = 7_310_551  # any number that nothing else in this database locks by


def migrate() -> list[str]:
    """Apply what is missing, one process at a time. Returns the names of what was applied."""
    with db.connection_context():
        db.execute_sql("SELECT pg_advisory_lock(%s)", (LOCK,))
        try:
            applied: list[str] = Runner(db, str(FOLDER)).up()
        finally:
            db.execute_sql("SELECT pg_advisory_unlock(%s)", (LOCK,))
    return applied


def pending() -> list[str]:
    """Names of the migrations that are not applied yet."""
    return [step.name for step in Runner(db, str(FOLDER)).status() if not step.applied]
