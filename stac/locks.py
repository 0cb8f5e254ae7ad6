"""Locks of the catalogue's writers, and the partitions that they make.

Locks are always taken in this order, so that writers neither deadlock nor lose rows: first that of the catalogue's
layout (shared; exclusive where a partition has to be made or widened, because that locks pgSTAC's table of items),
then one per collection in the order of names. All are advisory, end with the transaction, and do not hinder readers.
Rows of pgSTAC's tables that writers share come after: those of partitions, then those of collections, both in the
order of names.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from stac.database import Connection

_LOCKS = 0x53324550  # the number space of our advisory locks: "S2EP"
_LAYOUT = 0
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

type _Unready = tuple[str, str | None, datetime, datetime, datetime, datetime]


class Moment(NamedTuple):
    """When an item of a collection starts and ends, as its document has it: what decides on its partition."""

    collection: str
    starts: str | None
    ends: str | None


def lock(tx: Connection, collections: Iterable[str], moments: Iterable[Moment] = ()) -> None:
    """Take the locks for writing to collections, and make the partitions that items of `moments` need."""
    wanted = sorted({moment for moment in moments if moment.starts is not None})
    _make_room(tx, wanted)
    for collection in sorted(set(collections)):
        tx.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCKS, collection))
    # Nobody else writes to these collections from here on: what was changed while we waited is seen now.
    _widen(tx, wanted)


def hold(tx: Connection, collection: str) -> None:
    """Keep other writers off a collection until the transaction ends: what is read of it now is what is replaced."""
    lock(tx, [collection])


def _make_room(tx: Connection, moments: Sequence[Moment]) -> None:
    if not _unready(tx, moments):
        tx.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", (_LOCKS, _LAYOUT))
        return
    tx.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCKS, _LAYOUT))
    for collection, partition, first, *_ in _unready(tx, moments):
        if partition is None:
            _make_partition(tx, collection, first)
    _widen(tx, moments)


def _widen(tx: Connection, moments: Sequence[Moment]) -> None:
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
