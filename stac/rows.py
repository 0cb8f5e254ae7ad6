"""Items as rows of pgSTAC's tables: written, compared, looked up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from pypgstac.hydration import dehydrate

from stac import extents
from stac.database import Connection
from stac.errors import CatalogError
from stac.locks import Moment

type Item = dict[str, Any]
type Key = tuple[str, str]
"""Collection and item id."""

_OWN_DATES = ("created", "updated")
_NOT_IN_CONTENT = frozenset({"id", "collection", "geometry", "type"})
# Says what the new rows span, by partition.
_INSERT = """
WITH new AS (
  INSERT INTO pgstac.items (id, geometry, collection, datetime, end_datetime, content)
  SELECT i.id, pgstac.stac_geom(i.place::jsonb), %s, lower(d), upper(d), i.content::jsonb
  FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[]) AS i (id, place, starts, ends, content),
    tstzrange(i.starts::timestamptz, i.ends::timestamptz, '[]') AS d
  RETURNING collection, geometry, datetime, end_datetime
)
SELECT p.partition, min(n.datetime), max(n.datetime), min(n.end_datetime), max(n.end_datetime),
  st_extent(n.geometry)::geometry
FROM new AS n JOIN pgstac.partition_stats AS p ON p.collection = n.collection AND p.partition_dtrange @> n.datetime
GROUP BY p.partition ORDER BY p.partition
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


def moment_of(item: Item) -> Moment:
    """When an item starts and ends, as pgSTAC reads it."""
    properties = item["properties"]
    starts, ends = properties.get("start_datetime"), properties.get("end_datetime")
    if starts is None or ends is None:
        starts = ends = properties.get("datetime")
    return Moment(item["collection"], starts, ends)


def store(tx: Connection, items: Sequence[Item], stored: Mapping[Key, Item]) -> None:
    """Put items into pgSTAC's table, in place of those of `stored` that they replace.

    Their partitions have to be there (`stac.locks`). What an item shares with its collection is taken out here, which
    in SQL costs milliseconds per item.
    """
    groups: defaultdict[str, list[Item]] = defaultdict(list)
    for item in sorted(items, key=key_of):
        groups[item["collection"]].append(item)
    extents.defer(tx)
    for collection, group in groups.items():
        _store_group(
            tx, collection, group, {item["id"]: stored[key] for item in group if (key := key_of(item)) in stored}
        )
    for collection in groups:
        extents.tell(tx, collection)
    extents.defer(tx, yes=False)


def _store_group(tx: Connection, collection: str, items: Sequence[Item], replaced: Mapping[str, Item]) -> None:
    base = tx.execute("SELECT base_item, base_item_id FROM pgstac.current_base_item(%s)", (collection,)).fetchone()
    if base is None:
        raise CatalogError(f"collection {collection} is not there: run `sen2extract migrate`")
    if replaced:
        tx.execute("DELETE FROM pgstac.items WHERE collection = %s AND id = ANY(%s)", (collection, list(replaced)))
    columns = zip(*(_row(item, *base) for item in items), strict=True)
    spans = tx.execute(_INSERT, (collection, *map(list, columns))).fetchall()
    extents.widen(tx, (extents.Span(*span) for span in spans))
    moved = [both for item in items if (before := replaced.get(item["id"])) and _moved(both := (before, item))]
    if moved:
        starts = {moment_of(each).starts for both in moved for each in both}
        extents.measure(tx, collection, sorted(filter(None, starts)))


def _row(item: Item, base_item: Item, base_item_id: int | None) -> tuple[str, str, str | None, str | None, str]:
    """Id, place, start, end, and the content without what its collection says; place and content as JSON."""
    content = dehydrate(base_item, item)
    slim = {name: value for name, value in content.items() if name not in _NOT_IN_CONTENT}
    if base_item_id is not None:
        slim["pgstac:base_item"] = base_item_id
    place = orjson.dumps({"geometry": item["geometry"]})
    _, starts, ends = moment_of(item)
    return item["id"], place.decode(), starts, ends, orjson.dumps(slim).decode()


def _moved(both: tuple[Item, Item]) -> bool:
    before, after = ((_rounded(item["geometry"]), moment_of(item)) for item in both)
    return before != after


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
