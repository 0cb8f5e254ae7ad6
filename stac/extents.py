"""What collections tell of the place and time of their items, and pgSTAC's record of each partition behind that.

pgSTAC would read a whole partition after each statement that writes to it, which grows with the archive, and lock
rows in an order of its own. Writers therefore say `defer` first; what is new then widens the record, and only where an
item has moved its partition is read.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.types.json import Jsonb

from stac.collections import EVERYWHERE
from stac.database import Connection
from stac.locks import Moment

_SETTING = "pgstac.update_collection_extent"
_WIDEN = """
UPDATE pgstac.partition_stats AS p SET
  dtrange = tstzrange(least(lower(p.dtrange), %(first)s), greatest(upper(p.dtrange), %(last)s), '[]'),
  edtrange = tstzrange(least(lower(p.edtrange), %(first_end)s), greatest(upper(p.edtrange), %(last_end)s), '[]'),
  spatial = (SELECT st_extent(g)::geometry FROM (VALUES (p.spatial), (n.box)) AS v (g)), last_updated = now()
FROM (SELECT %(box)s::geometry AS box) AS n
WHERE p.partition = %(partition)s AND NOT coalesce(
  p.dtrange @> tstzrange(%(first)s, %(last)s, '[]') AND p.edtrange @> tstzrange(%(first_end)s, %(last_end)s, '[]')
  AND st_xmin(p.spatial) <= st_xmin(n.box) AND st_xmax(p.spatial) >= st_xmax(n.box)
  AND st_ymin(p.spatial) <= st_ymin(n.box) AND st_ymax(p.spatial) >= st_ymax(n.box), false)
"""
_MEASURE = """
SELECT pgstac.update_partition_stats(partition, true, true) FROM (
  SELECT partition FROM pgstac.partition_stats
  WHERE collection = %s AND partition_dtrange @> ANY(%s::timestamptz[]) ORDER BY partition
) AS p
"""
# Those of partitions that are there; ordered, as pgSTAC's triggers lock them.
_RESERVE = """
SELECT FROM pgstac.partition_stats AS p WHERE EXISTS (
  SELECT FROM unnest(%s::text[], %s::timestamptz[]) AS w (collection, starts)
  WHERE w.collection = p.collection AND p.partition_dtrange @> w.starts
) ORDER BY p.partition FOR NO KEY UPDATE
"""
# pgSTAC keeps the last outline of a partition that has become empty.
_FORGET = """
UPDATE pgstac.partition_stats SET spatial = NULL WHERE partition IN (
  SELECT partition FROM pgstac.partition_stats
  WHERE collection = ANY(%(collections)s) AND lower_inf(dtrange) AND upper_inf(dtrange) AND spatial IS NOT NULL
    AND (%(moments)s::timestamptz[] IS NULL OR partition_dtrange @> ANY(%(moments)s))
  ORDER BY partition FOR NO KEY UPDATE
)
"""
# Without any partition that holds something, pgSTAC's JSON null would stand there.
_TELL = """
UPDATE pgstac.collections SET content = jsonb_set(content, '{extent}', w.extent) FROM (
  SELECT coalesce((
    SELECT jsonb_build_object(
      'spatial', jsonb_build_object('bbox', jsonb_build_array(jsonb_build_array(
        st_xmin(st_extent(spatial)), st_ymin(st_extent(spatial)),
        st_xmax(st_extent(spatial)), st_ymax(st_extent(spatial))))),
      'temporal', jsonb_build_object('interval', jsonb_build_array(jsonb_build_array(
        min(lower(dtrange)), max(upper(edtrange))))))
    FROM pgstac.partition_stats WHERE spatial IS NOT NULL AND collection = %(collection)s HAVING count(*) > 0
  ), %(everywhere)s) AS extent
) AS w WHERE id = %(collection)s AND content->'extent' IS DISTINCT FROM w.extent
"""


class Span(NamedTuple):
    """What items of a partition span: starts, ends, and the box around them as PostGIS writes it."""

    collection: str
    partition: str
    first: datetime
    last: datetime
    first_end: datetime
    last_end: datetime
    box: str


def defer(tx: Connection, *, yes: bool = True) -> None:
    """Keep pgSTAC from measuring partitions, until the transaction ends or this is called with `yes` off."""
    tx.execute("SELECT set_config(%s, %s, true)", (_SETTING, "false" if yes else ""))


def reserve(tx: Connection, moments: Iterable[Moment]) -> None:
    """Keep others from the record of the partitions of `moments`."""
    wanted = {(moment.collection, moment.starts) for moment in moments}
    collections, starts = zip(*sorted(pair for pair in wanted if pair[1] is not None), strict=True)
    tx.execute(_RESERVE, (list(collections), list(starts)))


def widen(tx: Connection, spans: Iterable[Span]) -> set[str]:
    """Have the record of partitions include what is new in them; returns the collections of which it was not so."""
    return {span.collection for span in spans if tx.execute(_WIDEN, span._asdict()).rowcount}


def measure(tx: Connection, collection: str, moments: Sequence[str]) -> None:
    """Read the partitions of `moments` again, since something in them has moved."""
    tx.execute(_MEASURE, (collection, list(moments)))
    tx.execute(_FORGET, {"collections": [collection], "moments": list(moments)})


def forget(tx: Connection, collections: Iterable[str]) -> None:
    """Have the record of partitions say of those that have become empty that they are nowhere."""
    tx.execute(_FORGET, {"collections": list(collections), "moments": None})


def tell(tx: Connection, collections: Iterable[str]) -> None:
    """Set the extent of collections by the record of their partitions; without any item it is everywhere."""
    for collection in sorted(collections):
        # First, so that what others have told of other partitions is seen.
        tx.execute("SELECT FROM pgstac.collections WHERE id = %s FOR NO KEY UPDATE", (collection,))
        tx.execute(_TELL, {"collection": collection, "everywhere": Jsonb(EVERYWHERE)})
