"""Our own tables, in the schema `sen2extract`: numbered files in `sql/`, applied by yoyo-migrations.

To change them add `000N_what.sql`; never edit one that has been released. A migration runs in a transaction of its own
and is noted as done in the next: write it so that it may run twice (`IF NOT EXISTS`). `post-apply.sql` grants
the services and ingestion what they need of every table, after each change.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from psycopg.conninfo import conninfo_to_dict
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, default_migration_table

from stac.settings import Settings

SCHEMA = "sen2extract"
_FOLDER = Path(__file__).parent / "sql"


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo's, without the name of the user of the operating system: in a container there may be none."""

    def get_log_data(self, migration: Migration | None = None, operation: str = "apply") -> dict[str, Any]:
        """A row of yoyo's log."""
        return {
            "id": str(uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": None,
            "hostname": None,
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


def apply(settings: Settings) -> list[str]:
    """Apply what is missing, in the order of numbers; returns the ids of what was applied.

    The caller sees to it that it runs only once at a time (`stac.prepare.migrate` holds a lock that ends with its
    connection, unlike yoyo's, which outlives a killed process and is therefore broken here).
    """
    with _Backend(_address(settings.pg_dsn), default_migration_table) as backend:
        backend.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        backend.create_lock_table()
        backend.break_lock()
        missing = backend.to_apply(read_migrations(str(_FOLDER)))
        backend.apply_migrations(missing)
    return [migration.id for migration in missing]


def _address(dsn: str) -> DatabaseURI:
    """A libpq connection string as yoyo takes it; what it leaves out comes from `PG*`."""
    parts = conninfo_to_dict(dsn)
    names = ("user", "password", "host", "port", "dbname")
    known = [parts.pop(name, None) for name in names]
    return DatabaseURI("postgresql+psycopg", *known, args={**parts, "schema": SCHEMA})
