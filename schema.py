"""Database schema: apply peewee's migrations, and grant the app's role its privileges."""

from __future__ import annotations

from pathlib import Path

from playhouse.migrations import Runner

from config import config
from database import db

FOLDER = Path(__file__).parent / "migrations"
LOCK = 7_310_551  # an advisory lock that nothing else in this database uses

# The app's role may change rows, and nothing else. A role's name cannot be a parameter; config.py checks its letters.
MAY_CREATE_ROLE = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
IS_MEMBER = "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %s"
CREATE_ROLE = (
    """DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$"""
)
GRANT = """
    GRANT USAGE ON SCHEMA public TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
    REVOKE INSERT, UPDATE, DELETE ON schema_migration FROM {role}"""


def migrate() -> list[str]:
    """Apply the pending migrations, one process at a time. Returns their names."""
    with db.connection_context(), db.as_owner():
        db.execute_sql("SELECT pg_advisory_lock(%s)", (LOCK,))
        try:
            applied: list[str] = Runner(db, str(FOLDER)).up()
            _grant(config.database_role)
        finally:
            db.execute_sql("SELECT pg_advisory_unlock(%s)", (LOCK,))
    return applied


def _grant(role: str) -> None:
    """Grant the app's role its privileges on every table. Creates the role where that is allowed."""
    (may_create,) = db.execute_sql(MAY_CREATE_ROLE).fetchone()
    if may_create and not is_member(role):
        db.execute_sql(CREATE_ROLE.format(role=role))
        db.execute_sql(f"GRANT {role} TO CURRENT_USER")
    if is_member(role):
        db.execute_sql(GRANT.format(role=role))


def is_member(role: str) -> bool:
    """Whether the connecting user can act as this role. Else the app acts as the owner, whom the policies bind too."""
    found = db.execute_sql(IS_MEMBER, (role,)).fetchone()
    return bool(found and found[0])


def pending() -> list[str]:
    """Names of the pending migrations."""
    with db.as_owner():  # after a failed migration the app's role may have no privilege to read them
        return [step.name for step in Runner(db, str(FOLDER)).status() if not step.applied]
