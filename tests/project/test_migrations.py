"""Migrations: the migrated database has exactly the tables of the models, and migrating is safe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import peewee
import psycopg
import pytest
from playhouse.migrations import MigrationError, Runner
from playhouse.postgres_ext import ArrayField, DateTimeTZField

import models
from database import db
from sandbox import dev_servers
from tests.support.servers.processes import empty_database, migrate_to, printed

__all__ = ["empty_database"]

WITHOUT_MODEL = {"schema_migration"}  # peewee's own
MIGRATIONS = sorted((dev_servers.CHECKOUT / "migrations").glob("[0-9]*.py"))
TYPES = {
    ArrayField: "ARRAY",
    peewee.AutoField: "integer",
    peewee.BigAutoField: "bigint",
    peewee.BigIntegerField: "bigint",
    peewee.BlobField: "bytea",
    peewee.BooleanField: "boolean",
    peewee.DoubleField: "double precision",
    peewee.IntegerField: "integer",
    peewee.JSONField: "jsonb",
    peewee.SmallIntegerField: "smallint",
    peewee.TextField: "text",
    peewee.UUIDField: "uuid",
    DateTimeTZField: "timestamp with time zone",
}


def subclasses_of(parent: type[models.Table]) -> list[type[models.Table]]:
    """Every declared table."""
    return [table for child in parent.__subclasses__() for table in (child, *subclasses_of(child))]


MODELS = {model._meta.table_name: model for model in subclasses_of(models.Table) if model is not models.Snapshot}


def type_of(field: peewee.Field) -> str:
    """PostgreSQL's type of a field; a foreign key has the type of the field that it points to."""
    return type_of(field.rel_field) if isinstance(field, peewee.ForeignKeyField) else TYPES[type(field)]


def declared_columns(model: type[peewee.Model]) -> dict[str, tuple[str, bool]]:
    """Each column's type and whether it is nullable, by the model."""
    fields = model._meta.columns
    return {name: (type_of(field).replace("serial", "integer"), field.null) for name, field in fields.items()}


def columns_in_database(table: str) -> dict[str, tuple[str, bool]]:
    """Each column's type and whether it is nullable, by the database."""
    rows = db.execute_sql(
        "SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = %s",
        (table,),
    )
    return {name: (kind, empty) for name, kind, empty in rows.fetchall()}


def test_the_database_has_the_models_tables(database):
    assert set(db.get_tables()) == set(MODELS) | WITHOUT_MODEL


@pytest.mark.parametrize("table", sorted(MODELS))
def test_a_table_has_its_models_columns_and_no_others(table, database):
    assert columns_in_database(table) == declared_columns(MODELS[table])


@pytest.mark.parametrize("table", sorted(MODELS))
def test_a_model_has_the_primary_key_of_its_table(table, database):
    fields = MODELS[table]._meta.get_primary_keys()

    assert set(db.get_primary_keys(table)) == {field.column_name for field in fields}


@pytest.mark.parametrize("table", sorted(MODELS))
def test_a_unique_field_of_a_model_has_a_unique_index(table, database):
    unique = {tuple(index.columns) for index in db.get_indexes(table) if index.unique}

    for name, field in MODELS[table]._meta.columns.items():
        assert not field.unique or (name,) in unique


def test_a_foreign_key_of_a_model_is_one_in_the_database(database):
    for table, model in MODELS.items():
        declared = {
            (name, field.rel_model._meta.table_name) for name, field in model._meta.columns.items() if is_key(field)
        }
        with db.as_owner():  # only the owner sees foreign keys
            found = {(key.column, key.dest_table) for key in db.get_foreign_keys(table)}
        assert declared <= found


def is_key(field: peewee.Field) -> bool:
    return isinstance(field, peewee.ForeignKeyField)


def test_every_index_of_the_migrations_exists_and_is_valid(database):
    text = "\n".join(path.read_text() for path in MIGRATIONS)
    made = set(re.findall(r"CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+)", text))
    dropped = set(re.findall(r"DROP INDEX (?:CONCURRENTLY )?(?:IF EXISTS )?(\w+)", text))

    there = db.execute_sql("SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid AND indisready")

    assert len(made) > 10
    assert made - dropped <= {name for (name,) in there.fetchall()}


def test_every_trigger_of_the_migrations_exists_and_is_enabled(database):
    text = "\n".join(path.read_text() for path in MIGRATIONS)
    made = set(re.findall(r"CREATE (?:CONSTRAINT )?TRIGGER (\w+)", text))

    there = db.execute_sql("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'")

    assert made == {name for (name,) in there.fetchall()}


def test_migrations_are_numbered_without_gaps():
    assert [int(path.name[:4]) for path in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_every_migration_begins_with_a_docstring():
    assert all(path.read_text().startswith('"""') for path in MIGRATIONS)


RESENDS_OF_BEFORE = """
    INSERT INTO shop (domain, email, currency, timezone, key, engage_tenant, store)
    VALUES ('demo.myshopify.com', 'a@demo.test', 'SEK', 'Europe/Stockholm', '', 'demo', 'SE-WEB');
    INSERT INTO task (id, shop_id, type, state, key, args)
    SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, 1, 25, state, n::text, args::jsonb
    FROM (VALUES (1, 1, '{"exchange": "6f0c1d1e-0000-7000-8000-000000000000"}'),
                 (2, 0, '{"exchange": "6f0c1d1e-0000-7000-8000-000000000001"}'),
                 (3, 1, '{"import_id": 7}')) AS task (n, state, args);
    INSERT INTO audit (id, shop_id, action, click, made_id)
    SELECT gen_random_uuid(), 1, CASE WHEN id::text LIKE '%3' THEN 'rebuild' ELSE 'same' END, gen_random_uuid(), id
    FROM task"""


def test_a_resend_of_the_version_before_names_its_exchange_in_the_column(empty_database):
    migrate_to("0017_trace", empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute(RESENDS_OF_BEFORE)

    printed("manage.py", "migrate", DATABASE_URL=empty_database)

    with psycopg.connect(empty_database) as connection:
        rows = connection.execute("SELECT key, resends::text, args FROM task ORDER BY key").fetchall()
    assert rows == [
        ("1", "6f0c1d1e-0000-7000-8000-000000000000", {}),
        ("2", "6f0c1d1e-0000-7000-8000-000000000001", {}),
        ("3", None, {"import_id": 7}),
    ]


PENDING = "import schema, database\nwith database.connected(): print(schema.pending())"


def test_pending_names_the_migrations_to_apply(empty_database):
    names = [path.stem for path in MIGRATIONS]

    assert printed("-c", PENDING, DATABASE_URL=empty_database) == str(names)
    printed("manage.py", "migrate", DATABASE_URL=empty_database)
    assert printed("-c", PENDING, DATABASE_URL=empty_database) == "[]"


def test_two_releases_at_once_migrate_once(empty_database):
    environment = {**os.environ, "DATABASE_URL": empty_database}
    command = [sys.executable, "manage.py", "migrate"]
    with psycopg.connect(empty_database) as connection:
        connection.execute("SELECT pg_advisory_lock(7310551)")  # so that all of them wait at the same point
        releases = [
            subprocess.Popen(
                command,
                env=environment,
                cwd=dev_servers.CHECKOUT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        dev_servers.wait_for(lambda: connection.execute(waiting).fetchone()[0] == 3, 20, "Three releases at the lock")
    outputs = sorted(release.communicate(timeout=30) for release in releases)

    applied = "\n".join(path.stem for path in MIGRATIONS)
    assert outputs == sorted([(f"{applied}\n", ""), *[("The schema is up to date.\n", "")] * 2])


def test_a_migration_that_fails_leaves_nothing_behind(empty_database, tmp_path):
    half = (
        "def up(migrator, db):\n    db.execute_sql('CREATE TABLE half (id int)')\n    db.execute_sql('SELECT 1 / 0')\n"
    )
    (tmp_path / "0001_half.py").write_text(half)
    script = (
        "import peewee, pathlib, schema, sys\nschema.FOLDER = pathlib.Path(sys.argv[1])\n"
        "try: schema.migrate()\nexcept peewee.DataError: pass\n"
        "with schema.db.connection_context(): print(schema.db.get_tables(), schema.pending())"
    )

    assert printed("-c", script, str(tmp_path), DATABASE_URL=empty_database) == "['schema_migration'] ['0001_half']"


def test_every_migration_has_an_up_function():
    for path in MIGRATIONS:
        assert "def up(migrator, db):" in path.read_text()
    with pytest.raises(MigrationError):
        Runner(db, str(Path(__file__).parent)).up(target="nothing")
