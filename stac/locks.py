"""Locks of the catalogue's writers, and the partitions that they make.

Locks are always taken in this order, so that writers neither deadlock nor lose rows: first that of the catalogue's
layout (shared; exclusive where a partition has to be made or widened, because that locks pgSTAC's table of items),
then one per collection in the order of names (shared by those who say which acquisitions they write, exclusive for
whoever may do anything), then one per acquisition in the order of their numbers. All are advisory, end with the
transaction, and do not hinder readers. Rows of pgSTAC's tables that writers share come after, and as late as can be,
since writers of a partition wait for one another from there on: those of partitions, then those of collections, both in
the order of names (`stac.extents`).

Partitions are looked at under the layout's lock. Before it, a constraint that somebody is just replacing would seem to
be none.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from stac.database import Connection

_LOCKS = 0x53324550  # the number space of our advisory locks: "S2EP"
_LAYOUT = 0
# Locks of PostgreSQL lie in a table of some thousand entries for all connections: whoever needs more locks collections.
_ACQUISITIONS = 250
# Where there is no partition for a moment, or one whose constraints (pgSTAC's own are as narrow as what was loaded) do
# not take it.
_UNREADY = """
SELECT g.* FROM (
  SELECT w.collection, p.partition, min(w.starts) AS first, max(w.starts) AS last, min(w.ends) AS first_end,
    max(w.ends) AS last_end
  FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS w (collection, starts, ends)
  LEFT JOIN pgstac.partition_stats AS p ON p.collection = w.collection AND p.partition_dtrange @> w.starts
  GROUP BY w.collection, p.partition, CASE WHEN p.partition IS NULL THEN w.starts END
) AS g LEFT JOIN LATERAL pgstac.partition_catalog_meta(g.partition) AS m ON true
WHERE NOT coalesce(
  m.constraint_dtrange @> tstzrange(g.first, g.last, '[]')
  AND m.constraint_edtrange @> tstzrange(g.first_end, g.last_end, '[]'), false
) ORDER BY g.collection, g.first
"""
_LOCK_ACQUISITIONS = """
SELECT pg_advisory_xact_lock(number) FROM (
  SELECT DISTINCT hashtextextended(name, %s) AS number FROM unnest(%b::text[]) AS name ORDER BY 1
) AS n
"""

type _Unready = tuple[str, str | None, datetime, datetime, datetime, datetime]


class Moment(NamedTuple):
    """When an item of a collection starts and ends, as its document has it: what decides on its partition."""

    collection: str
    starts: str | None
    ends: str | None


def lock(
    tx: Connection,
    collections: Iterable[str],
    moments: Iterable[Moment] = (),
    acquisitions: Iterable[str] | None = None,
) -> None:
    """Take the locks for writing to collections, and make the partitions that items of `moments` need.

    With `acquisitions`, names of all that is written, others may write to the same collections meanwhile, but not to
    these.
    """
    _make_room(tx, sorted({moment for moment in moments if moment.starts is not None}))
    names = None if acquisitions is None else sorted(set(acquisitions))
    alone = names is None or len(names) > _ACQUISITIONS
    for collection in sorted(set(collections)):
        query = "SELECT pg_advisory_xact_lock" + ("" if alone else "_shared") + "(%s, hashtext(%s))"
        tx.execute(query.encode(), (_LOCKS, collection))
    if not alone:
        tx.execute(_LOCK_ACQUISITIONS, (_LOCKS, names))


def hold(tx: Connection, collection: str) -> None:
    """Keep other writers off a collection until the transaction ends: what is read of it now is what is replaced."""
    lock(tx, [collection])


def _make_room(tx: Connection, moments: Sequence[Moment]) -> None:
    # A lock that is taken after a savepoint is given back by the return to it.
    tx.execute("SAVEPOINT layout")
    tx.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", (_LOCKS, _LAYOUT))
    if not _unready(tx, moments):
        tx.execute("RELEASE SAVEPOINT layout")
        return
    tx.execute("ROLLBACK TO SAVEPOINT layout")
    tx.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCKS, _LAYOUT))
    for collection, partition, first, *_ in _unready(tx, moments):
        if partition is None:
            _make_partition(tx, collection, first)
    for collection, _, *times in _unready(tx, moments):
        tx.execute(
            "SELECT pgstac.check_partition(%s, tstzrange(%s, %s, '[]'), tstzrange(%s, %s, '[]'))", (collection, *times)
        )


def _unready(tx: Connection, moments: Sequence[Moment]) -> list[_Unready]:
    if not moments:
        return []
    collections, starts, ends = zip(*moments, strict=True)
    found: list[_Unready] = tx.execute(_UNREADY, (list(collections), list(starts), list(ends))).fetchall()
    return found


def _make_partition(tx: Connection, collection: str, moment: datetime) -> None:
    """Make the partition for `moment` with constraints as wide as it is.

    pgSTAC would make it as narrow as its first item and widen it with later ones, each time locking out readers.
    """
    tx.execute(
        "SELECT pgstac.check_partition(%(collection)s, partition_range, partition_range) "
        "FROM pgstac.partition_name(%(collection)s, %(moment)s::timestamptz)",
        {"collection": collection, "moment": moment},
    )
