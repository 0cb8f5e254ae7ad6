"""Our own tables: made once, by whoever comes first, readable by the services and writable by ingestion."""

import subprocess
import sys
from pathlib import Path

import postgres as pg  # deploy/local, which the root conftest puts on the path
import psycopg
import pytest

from stac import migrations
from stac.collections import COLLECTION_IDS
from stac.settings import Settings

MIGRATOR = """
import sys
from stac import catalog
from stac.settings import Settings
catalog.migrate(Settings(pg_dsn=sys.argv[1]))
"""

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'sen2extract' ORDER BY 1"
PRIVILEGES = "SELECT has_table_privilege(%s, 'sen2extract.ledger', %s)"


@pytest.fixture(scope="module")
def empty(postgres: dict[str, str]) -> Settings:
    """A database in which nothing is yet."""
    pg.ensure_database(postgres, "unmigrated")
    return Settings(pg_dsn=pg.conninfo(postgres, "unmigrated"))


def test_three_at_once_make_a_database_ready(empty: Settings) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", MIGRATOR, empty.pg_dsn]) for _ in range(3)]
    assert [process.wait(300) for process in processes] == [0, 0, 0]
    with psycopg.connect(empty.pg_dsn) as connection:
        collections = {row[0] for row in connection.execute("SELECT id FROM pgstac.collections")}
        tables = {row[0] for row in connection.execute(TABLES)}
        applied = [row[0] for row in connection.execute("SELECT migration_id FROM sen2extract._yoyo_migration")]
    assert collections == set(COLLECTION_IDS)
    assert "ledger" in tables
    files = {path.stem for path in (Path(migrations.__file__).parent / "sql").glob("0*.sql")}
    assert sorted(applied) == sorted(files)


def test_again_changes_nothing_and_what_was_killed_is_finished(settings: Settings) -> None:
    assert migrations.apply(settings) == []
    with psycopg.connect(settings.pg_dsn) as connection:
        connection.execute("INSERT INTO sen2extract.ledger (id, state, source) VALUES ('kept', 'seen', 'kept')")
        # Killed between the migration and its note, with yoyo's own lock held.
        connection.execute("DELETE FROM sen2extract._yoyo_migration WHERE migration_id = '0001_ledger'")
        connection.execute("INSERT INTO sen2extract.yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    assert migrations.apply(settings) == ["0001_ledger"]
    with psycopg.connect(settings.pg_dsn) as connection:
        assert connection.execute("SELECT id FROM sen2extract.ledger").fetchall() == [("kept",)]


def test_the_owner_of_a_database_may_migrate_our_tables(postgres: dict[str, str], template: str) -> None:
    """Who made pgSTAC there is a member of its admins."""
    with psycopg.connect(pg.conninfo(postgres, "postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE plain_owner LOGIN PASSWORD 'pl4in' IN ROLE pgstac_admin")
        connection.execute(f"CREATE DATABASE owned OWNER plain_owner TEMPLATE {template}")
    with psycopg.connect(pg.conninfo(postgres, "owned"), autocommit=True) as connection:
        connection.execute("DROP SCHEMA sen2extract CASCADE")
    owner = postgres | {"PGUSER": "plain_owner", "PGPASSWORD": "pl4in"}
    applied = migrations.apply(Settings(pg_dsn=pg.conninfo(owner, "owned")))
    assert applied[0] == "0001_ledger"
    with psycopg.connect(pg.conninfo(postgres, "owned")) as connection:
        assert connection.execute(PRIVILEGES, ("pgstac_ingest", "UPDATE")).fetchone() == (True,)
    with psycopg.connect(pg.conninfo(postgres, "postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE owned WITH (FORCE)")
        connection.execute("DROP ROLE plain_owner")


@pytest.mark.parametrize(
    ("role", "privilege", "granted"),
    [
        ("pgstac_read", "SELECT", True),
        ("pgstac_read", "INSERT", False),
        ("pgstac_ingest", "SELECT", True),
        ("pgstac_ingest", "INSERT", True),
        ("pgstac_ingest", "DELETE", True),
    ],
)
def test_the_services_read_and_ingestion_writes(
    settings: Settings, role: str, privilege: str, *, granted: bool
) -> None:
    with psycopg.connect(settings.pg_dsn) as connection:
        assert connection.execute(PRIVILEGES, (role, privilege)).fetchone() == (granted,)
