"""Locks of the catalogue's writers, and the partitions that they make.

Locks are taken in this order, so that writers neither deadlock nor lose rows: first that of the catalogue's layout
(shared; exclusive where a new yearly partition has to be made, because that locks pgSTAC's table of items), then one
per collection in the order of names. All are advisory, end with the transaction, and do not hinder readers.
"""

from collections.abc import Iterable, Sequence

from stac.database import Connection

_LOCKS = 0x53324550  # the number space of our advisory locks: "S2EP"
_LAYOUT = 0


def lock(tx: Connection, writes: Iterable[tuple[str, str | None]]) -> None:
    """Take the locks for writing to collections, at the datetimes given, and make the partitions that are missing."""
    writes = sorted(set(writes), key=str)
    moments = [(collection, moment) for collection, moment in writes if moment is not None]
    if _without_partition(tx, moments):
        tx.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCKS, _LAYOUT))
        for collection, moment in _without_partition(tx, moments):
            _make_partition(tx, collection, moment)
    else:
        tx.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", (_LOCKS, _LAYOUT))
    for collection in sorted({collection for collection, _ in writes}):
        tx.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCKS, collection))


def hold(tx: Connection, collection: str) -> None:
    """Keep other writers off a collection until the transaction ends: what is read of it now is what is replaced."""
    lock(tx, [(collection, None)])


def _without_partition(tx: Connection, moments: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    rows = tx.execute(
        "SELECT w.collection, w.moment FROM unnest(%s::text[], %s::text[]) AS w (collection, moment) WHERE NOT EXISTS "
        "(SELECT FROM pgstac.partition_stats AS p WHERE p.collection = w.collection "
        "AND p.partition_dtrange @> w.moment::timestamptz) ORDER BY 1, 2",
        ([collection for collection, _ in moments], [moment for _, moment in moments]),
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def _make_partition(tx: Connection, collection: str, moment: str) -> None:
    """Make the partition for `moment` with constraints as wide as it is.

    pgSTAC would make it as narrow as its first item and widen it with later ones, each time locking out readers.
    """
    tx.execute(
        "SELECT pgstac.check_partition(%(collection)s, partition_range, partition_range) "
        "FROM pgstac.partition_name(%(collection)s, %(moment)s::timestamptz)",
        {"collection": collection, "moment": moment},
    )
