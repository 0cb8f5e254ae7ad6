"""Connections to the catalogue's database."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stac.errors import CatalogAwayError, CatalogError
from stac.settings import Settings

type Connection = psycopg.Connection[tuple[Any, ...]]

PGSTAC_PATH = "pgstac,public"

NOT_READY = ("3F000", "42P01")
"""SQLSTATE of a schema or table that is not there: ours and pgSTAC's are made by `sen2extract migrate`."""

# SQLSTATE classes of what passes: connection, rollback of a transaction, resources, the operator's intervention.
_PASSING = ("08", "40", "53", "57")

# Of libpq, in seconds but for the last: a host that vanishes without a word would keep its clients waiting for a
# quarter of an hour, and what stands between forgets connections over which nothing goes.
_VIGILANCE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}


def address(settings: Settings, *, name: str, seconds: int = 10) -> str:
    """How to connect, for libpq: as `name`, within so many `seconds`; what `PG_DSN` says itself counts.

    Within half a minute it is noticed that the database's host is gone.
    """
    ours: dict[str, str | int | None] = {**_VIGILANCE, "application_name": name, "connect_timeout": seconds}
    return make_conninfo("", **{**ours, **conninfo_to_dict(settings.pg_dsn)})


@contextmanager
def connect(settings: Settings) -> Iterator[Connection]:
    """A connection that commits when the block ends and rolls back when it raises; pgSTAC's names need no schema.

    Raises `CatalogAwayError` if the database cannot be reached.
    """
    try:
        opened = psycopg.connect(address(settings, name="sen2extract"))
    except psycopg.OperationalError as error:
        message = " ".join(str(error).split())
        raise CatalogAwayError(
            f"the database cannot be reached; check PGHOST, PGPORT, PGUSER, PGPASSWORD: {message}"
        ) from error
    with opened as connection:
        connection.execute("SELECT set_config('search_path', %s, false)", (PGSTAC_PATH,))
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()
        yield connection


@contextmanager
def only_one(settings: Settings, space: int, name: str) -> Iterator[bool]:
    """Hold the lock `name` of a number space of ours while the block lasts, if it is free: whether it was.

    It is held on a connection of its own, and ends with that, however it ends.
    """
    with connect(settings) as connection:
        connection.autocommit = True
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, %s))", (name, space)).fetchone()
        held = bool(row and row[0])
        try:
            yield held
        finally:
            # Said, since the server notices only some time later that a session has ended. Without one it is free.
            if held:
                with suppress(psycopg.OperationalError):
                    connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, %s))", (name, space))


@contextmanager
def transaction(settings: Settings, connection: Connection | None, what: str) -> Iterator[Connection]:
    """The transaction of `connection`, which its owner commits, or else one on a connection of its own.

    In it, too, pgSTAC's names need no schema. Errors of the database become `CatalogError`, which names `what`; the
    owner then rolls back.
    """
    try:
        with (
            nullcontext(connection) if connection else connect(settings) as open_connection,
            # Without autocommit there is one already, which only its owner may end.
            open_connection.transaction() if open_connection.autocommit else nullcontext(),
        ):
            if connection:
                connection.execute("SELECT set_config('search_path', %s, true)", (PGSTAC_PATH,))
            yield open_connection
    except psycopg.Error as error:
        raise refusal(what, error) from error


def refusal(what: str, error: psycopg.Error) -> CatalogError:
    """What an error of the database means to `what`: a refusal, or that another try is worth it."""
    if error.sqlstate in NOT_READY:
        return CatalogError(f"{what}: the database has not been made ready: run `sen2extract migrate`")
    away = isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08").startswith(_PASSING)
    kind, verb = (CatalogAwayError, "is away") if away else (CatalogError, "refused")
    return kind(f"{what}: the catalogue {verb}: {error.diag.message_primary or error}")
