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

    partition: str
    first: datetime
    last: datetime
    first_end: datetime
    last_end: datetime
    box: str


def defer(tx: Connection, *, yes: bool = True) -> None:
    """Keep pgSTAC from measuring partitions, until the transaction ends or this is called with `yes` off."""
    tx.execute("SELECT set_config(%s, %s, true)", (_SETTING, "false" if yes else ""))


def widen(tx: Connection, spans: Iterable[Span]) -> None:
    """Have the record of partitions include what is new in them."""
    for span in spans:
        tx.execute(_WIDEN, span._asdict())


def measure(tx: Connection, collection: str, moments: Sequence[str]) -> None:
    """Read the partitions of `moments` again, since something in them has moved."""
    tx.execute(_MEASURE, (collection, list(moments)))


def tell(tx: Connection, collection: str) -> None:
    """Set the extent of a collection by the record of its partitions; without any item it is everywhere."""
    # pgSTAC keeps the last outline of a partition that has become empty, and writes JSON null for no extent.
    tx.execute(
        "UPDATE pgstac.partition_stats SET spatial = NULL "
        "WHERE collection = %s AND lower_inf(dtrange) AND upper_inf(dtrange) AND spatial IS NOT NULL",
        (collection,),
    )
    tx.execute(_TELL, {"collection": collection, "everywhere": Jsonb(EVERYWHERE)})


def tell_all(tx: Connection) -> None:
    """Set the extents of all collections."""
    for (collection,) in tx.execute("SELECT id FROM pgstac.collections ORDER BY id").fetchall():
        tell(tx, collection)
