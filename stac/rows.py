"""Items as rows of pgSTAC's tables: written, compared, and what collections tell of them kept true."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from psycopg.types.json import Jsonb
from pypgstac.hydration import dehydrate

from stac.collections import EVERYWHERE
from stac.database import Connection
from stac.errors import CatalogError

type Item = dict[str, Any]
type Key = tuple[str, str]
"""Collection and item id."""

_OWN_DATES = ("created", "updated")
_NOT_IN_CONTENT = frozenset({"id", "collection", "geometry", "type"})
# As pgSTAC's trigger on its staging tables has it.
_CHECK_PARTITIONS = """
SELECT pgstac.check_partition(collection, starts, ends) FROM (
  SELECT c.id AS collection, coalesce(date_trunc(c.partition_trunc, lower(d)), '-infinity') AS part,
    tstzrange(min(lower(d)), max(lower(d)), '[]') AS starts, tstzrange(min(upper(d)), max(upper(d)), '[]') AS ends
  FROM jsonb_array_elements(%s) AS i, pgstac.collections AS c, pgstac.stac_daterange(i->'properties') AS d
  WHERE c.id = i->>'collection' GROUP BY 1, 2 ORDER BY 1, 2
) AS parts
"""
_INSERT = """
INSERT INTO pgstac.items (id, geometry, collection, datetime, end_datetime, content)
SELECT i->>'id', pgstac.stac_geom(i), i->>'collection', lower(d), upper(d), i->'content'
FROM jsonb_array_elements(%s) AS i, pgstac.stac_daterange(i) AS d
"""
_DECIMALS = 9


def key_of(document: Item) -> Key:
    """What tells an item from all others."""
    return document["collection"], document["id"]


def by_collection(keys: Iterable[Key]) -> dict[str, list[str]]:
    """Ids by collection, both sorted, so that writers meet in one order."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for collection, item_id in sorted(keys):
        ids[collection].append(item_id)
    return ids


def present(tx: Connection, keys: Iterable[Key]) -> set[Key]:
    """Those of `keys` that the catalogue holds."""
    found: set[Key] = set()
    for collection, ids in by_collection(keys).items():
        rows = tx.execute("SELECT id FROM pgstac.items WHERE collection = %s AND id = ANY(%s)", (collection, ids))
        found |= {(collection, row[0]) for row in rows}
    return found


def store(tx: Connection, items: Sequence[Item]) -> None:
    """Put items into pgSTAC's table in place of those that are there, as its `upsert_items` does.

    What an item shares with its collection is taken out here, which in SQL costs milliseconds per item.
    """
    dates = [{"collection": item["collection"], "properties": _dates(item)} for item in items]
    tx.execute(_CHECK_PARTITIONS, (Jsonb(dates, dumps=orjson.dumps),))
    for collection, ids in by_collection(map(key_of, items)).items():
        row = tx.execute("SELECT base_item, base_item_id FROM pgstac.current_base_item(%s)", (collection,)).fetchone()
        if row is None:
            raise CatalogError(f"collection {collection} is not there: run `sen2extract migrate`")
        tx.execute("DELETE FROM pgstac.items WHERE collection = %s AND id = ANY(%s)", (collection, ids))
        rows = [_row(item, *row) for item in items if item["collection"] == collection]
        tx.execute(_INSERT, (Jsonb(rows, dumps=orjson.dumps),))


def _row(item: Item, base_item: Item, base_item_id: int | None) -> Item:
    """What of an item becomes columns, and its content without that and without what its collection says."""
    content = dehydrate(base_item, item)
    slim = {name: value for name, value in content.items() if name not in _NOT_IN_CONTENT}
    if base_item_id is not None:
        slim["pgstac:base_item"] = base_item_id
    columns = {name: item[name] for name in ("id", "collection", "geometry")}
    return columns | {"properties": _dates(item), "content": slim}


def _dates(item: Item) -> Item:
    return {name: item["properties"].get(name) for name in ("datetime", "start_datetime", "end_datetime")}


def comparable(item: Item) -> Item:
    """The item without the dates of its record, coordinates as exact as PostGIS gives them back."""
    properties = {key: value for key, value in item["properties"].items() if key not in _OWN_DATES}
    return item | {"properties": properties, "geometry": _rounded(item["geometry"])}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return value


def set_extents(tx: Connection) -> None:
    """Set the extents of all collections by their items; those without any are everywhere."""
    # pgSTAC keeps the last outline of a partition that has become empty, and writes JSON null for no extent.
    tx.execute("UPDATE pgstac.partition_stats SET spatial = NULL WHERE lower_inf(dtrange) AND upper_inf(dtrange)")
    tx.execute(
        "UPDATE pgstac.collections SET content = jsonb_set(content, '{extent}', w.extent) FROM ("
        " SELECT c.id, coalesce(s.extent, %s) AS extent FROM pgstac.collections AS c LEFT JOIN ("
        "  SELECT collection, jsonb_build_object("
        "   'spatial', jsonb_build_object('bbox', jsonb_build_array(jsonb_build_array("
        "    st_xmin(st_extent(spatial)), st_ymin(st_extent(spatial)),"
        "    st_xmax(st_extent(spatial)), st_ymax(st_extent(spatial))))),"
        "   'temporal', jsonb_build_object('interval', jsonb_build_array(jsonb_build_array("
        "    min(lower(dtrange)), max(upper(edtrange)))))) AS extent"
        "  FROM pgstac.partition_stats WHERE spatial IS NOT NULL GROUP BY collection"
        " ) AS s ON s.collection = c.id"
        ") AS w WHERE w.id = collections.id AND content->'extent' IS DISTINCT FROM w.extent",
        (Jsonb(EVERYWHERE),),
    )
