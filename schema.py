"""The database's schema, brought up to date by peewee's own migrations."""

from __future__ import annotations

from pathlib import Path

from playhouse.migrations import Runner

from config import config
from database import db

FOLDER = Path(__file__).parent / "migrations"
LOCK = 7_310_551  # any number that nothing else in this database locks by


# The app may work with rows, and with nothing else. Names of roles are no parameters; config.py knows their letters.
MAY_MAKE = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
MEMBER = "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %s"
MAKE = """DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$"""
ADMIT = """
    GRANT USAGE ON SCHEMA public TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
    REVOKE INSERT, UPDATE, DELETE ON schema_migration FROM {role}"""


def migrate() -> list[str]:
    """Apply what is missing, one process at a time. Returns the names of what was applied."""
    with db.connection_context(), db.as_owner():
        db.execute_sql("SELECT pg_advisory_lock(%s)", (LOCK,))
        try:
            applied: list[str] = Runner(db, str(FOLDER)).up()
            _admit(config.database_role)
        finally:
            db.execute_sql("SELECT pg_advisory_unlock(%s)", (LOCK,))
    return applied


def _admit(role: str) -> None:
    """Let the app's role work with every table that there is by now, if it is there or may be made."""
    (may_make,) = db.execute_sql(MAY_MAKE).fetchone()
    if may_make and not is_member(role):
        db.execute_sql(MAKE.format(role=role))
        db.execute_sql(f"GRANT {role} TO CURRENT_USER")
    if is_member(role):
        db.execute_sql(ADMIT.format(role=role))


def is_member(role: str) -> bool:
    """Whether whoever connects can act as this role. Else the app acts as the owner, whom the policies bind as well."""
    found = db.execute_sql(MEMBER, (role,)).fetchone()
    return bool(found and found[0])


def pending() -> list[str]:
    """Names of the migrations that are not applied yet."""
    with db.as_owner():  # after a migration that failed, the app's role may not know of any
        return [step.name for step in Runner(db, str(FOLDER)).status() if not step.applied]
