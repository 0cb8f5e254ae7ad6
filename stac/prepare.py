"""Make a database ready: pgSTAC at the version installed here, its settings, our tables, collections and queryables."""

import json
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from pypgstac.db import PgstacDB
from pypgstac.migrate import Migrate
from pypgstac.version import __version__ as pgstac_version

from stac import migrations
from stac.collections import EVERYWHERE, collections
from stac.database import Connection, connect
from stac.errors import CatalogError
from stac.filters import CURRENT
from stac.queryables import INDEXED, QUERYABLES
from stac.settings import Settings

PGSTAC_SETTINGS = {
    # Exact counts (`numberMatched`) unless a search is huge, and never yesterday's.
    "context": "auto",
    "context_stats_ttl": "0 seconds",
    "update_collection_extent": "true",
}
# Searches leave out what is superseded, and its mark lies deep in each item's JSON. These indexes hold the others only:
# with them it is read neither to find items nor to count them. pgSTAC leaves indexes alone that it did not make.
_INDEXES = {
    "sen2extract_current_time": "(datetime DESC, end_datetime, collection)",
    "sen2extract_current_place": "USING gist (geometry)",
}
# Of pgSTAC's table of items and its partitions (new ones do as their parent does), where PostgreSQL knows lz4 at all.
_COMPRESSED_OTHERWISE = """
SELECT a.attrelid::regclass::text, a.attname FROM pg_partition_tree('pgstac.items') AS t
JOIN pg_attribute AS a ON a.attrelid = t.relid AND a.attname IN ('content', 'private') AND a.attcompression <> 'l'
WHERE EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)) ORDER BY 1, 2
"""
_MIGRATION_LOCK = 0x53324558  # any number, the same in every process: "S2EX"


def migrate(settings: Settings) -> None:
    """Bring the database to where this version needs it. Again is quick and changes nothing; two at once take turns.

    The role must be able to create extensions and roles the first time (a superuser, or the owner of a database whose
    extensions are there). pgSTAC makes three roles: the STAC API and the tiler need `pgstac_read`, ingestion needs
    `pgstac_ingest`, migration needs `pgstac_admin`. Raises `CatalogError`.
    """
    try:
        with connect(settings) as connection:
            connection.autocommit = True
            connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
            if _installed_version(connection) != pgstac_version:
                _migrate_pgstac(settings)
            migrations.apply(settings)
            with connection.transaction():
                _write_settings(connection)
                _write_collections(connection, settings)
                _write_queryables(connection)
                _write_operators(connection)
                _write_indexes(connection)
                _write_compression(connection)
    except psycopg.Error as error:
        raise CatalogError(f"cannot make the database ready: {error.diag.message_primary or error}") from error


def _installed_version(connection: Connection) -> str | None:
    row = connection.execute("SELECT to_regprocedure('pgstac.get_version()') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return None
    version = connection.execute("SELECT pgstac.get_version()").fetchone()
    return version[0] if version else None


def _migrate_pgstac(settings: Settings) -> None:
    database = PgstacDB(dsn=settings.pg_dsn)
    try:
        Migrate(database).run_migration()
    finally:
        database.disconnect()
        database.close()


def _write_settings(connection: Connection) -> None:
    for name, value in PGSTAC_SETTINGS.items():
        connection.execute(
            "INSERT INTO pgstac.pgstac_settings (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE "
            "SET value = excluded.value WHERE pgstac_settings.value IS DISTINCT FROM excluded.value",
            (name, value),
        )


def _write_collections(connection: Connection, settings: Settings) -> None:
    for collection in collections(settings):
        wanted = json.loads(json.dumps(collection))  # as it is stored: lists for tuples
        stored = _stored_collection(connection, wanted["id"])
        if stored is None:
            connection.execute("SELECT pgstac.create_collection(%s)", (Jsonb(wanted),))
            # A year of a country is some thousand items: large enough to be worth a table, small enough to scan.
            connection.execute("UPDATE pgstac.collections SET partition_trunc = 'year' WHERE id = %s", (wanted["id"],))
            continue
        wanted["extent"] = stored.get("extent") or EVERYWHERE
        if stored.get("assets"):  # its export, which is linked and not made here
            wanted |= {"assets": stored["assets"], "stac_extensions": stored["stac_extensions"]}
        if wanted != stored:
            connection.execute("SELECT pgstac.update_collection(%s)", (Jsonb(wanted),))


def _stored_collection(connection: Connection, collection_id: str) -> dict[str, Any] | None:
    row = connection.execute("SELECT content FROM pgstac.collections WHERE id = %s", (collection_id,)).fetchone()
    return row[0] if row else None


def _write_queryables(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT name, definition, property_index_type, property_wrapper FROM pgstac.queryables "
        "WHERE collection_ids IS NULL AND pgstac.queryable_column(name) IS NULL"
    ).fetchall()
    stored = {name: tuple(rest) for name, *rest in rows}
    wanted = {
        name: (definition, "BTREE" if name in INDEXED else None, _wrapper(definition))
        for name, definition in QUERYABLES.items()
    }
    if stored != wanted:
        connection.execute(
            "SELECT pgstac.upsert_queryables(%s, NULL, %s, true)",
            (Jsonb({"properties": QUERYABLES}), list(INDEXED)),
        )
        for name, (_, _, wrapper) in wanted.items():
            connection.execute(
                "UPDATE pgstac.queryables SET property_wrapper = %s WHERE name = %s AND property_wrapper IS NULL "
                "AND %s::text IS NOT NULL AND collection_ids IS NULL",
                (wrapper, name, wrapper),
            )


def _wrapper(definition: Mapping[str, Any]) -> str | None:
    """How pgSTAC is to read a property, where it would do so wrongly: it rounds integers, and what stands beside them.

    By its own rule 75 is not less than 75.5, and half of 75 is 37.
    """
    return "to_float" if definition["type"] == "integer" else None


def _write_operators(connection: Connection) -> None:
    """Have calculations keep their brackets, and their numbers be numbers: pgSTAC makes `a - b - c` of a - (b - c)."""
    for operator in "+-*/":
        template = f"((%s)::float8 {operator} (%s)::float8)"
        connection.execute(
            "UPDATE pgstac.cql2_ops SET template = %s WHERE op = %s AND template <> %s", (template, operator, template)
        )


def _write_indexes(connection: Connection) -> None:
    connection.execute("SELECT set_config('search_path', 'pgstac, public', true)")
    for name, columns in _INDEXES.items():
        # Asked first, since CREATE INDEX waits for writers even where there is nothing to do.
        if connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() == (None,):
            connection.execute(f"CREATE INDEX {name} ON items {columns} WHERE {CURRENT}".encode())


def _write_compression(connection: Connection) -> None:
    """Have PostgreSQL compress items by lz4, which is faster than its own method; what is there stays as it is."""
    for table, column in connection.execute(_COMPRESSED_OTHERWISE).fetchall():
        connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION lz4".encode())
