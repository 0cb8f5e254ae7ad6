"""Items as rows of pgSTAC's tables: written, compared."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from pypgstac.hydration import dehydrate

from stac import extents
from stac.database import Connection
from stac.errors import CatalogError
from stac.finished import MEMBER, Finished
from stac.locks import Moment

type Item = dict[str, Any]
type Key = tuple[str, str]
"""Collection and item id."""

_OWN_DATES = ("created", "updated")
_NOT_IN_CONTENT = frozenset({"id", "collection", "geometry", "type"})
# Says what the new rows span, by partition, and how many there are.
_INSERT = f"""
WITH new AS (
  INSERT INTO pgstac.items (id, geometry, collection, datetime, end_datetime, content, private)
  SELECT i.id, pgstac.stac_geom(i.place::jsonb), i.collection, lower(d), upper(d), i.content::jsonb,
    jsonb_build_object('{MEMBER}', i.finished)
  FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS i (collection, id, place, starts, ends, content, finished),
    tstzrange(i.starts::timestamptz, i.ends::timestamptz, '[]') AS d
  RETURNING collection, geometry, datetime, end_datetime
)
SELECT p.collection, p.partition, min(n.datetime), max(n.datetime), min(n.end_datetime), max(n.end_datetime),
  st_extent(n.geometry)::geometry, count(*)
FROM new AS n JOIN pgstac.partition_stats AS p ON p.collection = n.collection AND p.partition_dtrange @> n.datetime
GROUP BY p.partition ORDER BY p.partition
"""  # noqa: S608 - a constant of ours
_DELETE = "DELETE FROM pgstac.items WHERE collection = %s AND id = ANY(%s)"
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
    in SQL costs milliseconds per item. Raises `CatalogError` where a collection is not there, or a row is lost.
    """
    items = sorted(items, key=key_of)
    rows = _rows(tx, items)
    extents.defer(tx)
    replaced = {key: stored[key] for item in items if (key := key_of(item)) in stored}
    if replaced:
        _clear(tx, items, replaced)
    # Last: writers of a partition wait for one another from the end of this statement on.
    spans = [(extents.Span(*span), count) for *span, count in tx.execute(_INSERT, rows).fetchall()]
    if (lost := len(items) - sum(count for _, count in spans)) > 0:
        raise CatalogError(f"the catalogue lost {lost} of {len(items)} items")
    changed = extents.widen(tx, [span for span, _ in spans])
    for collection, starts in _moved(items, replaced).items():
        extents.measure(tx, collection, sorted(starts))
        changed.add(collection)
    extents.tell(tx, changed)
    extents.defer(tx, yes=False)


def _clear(tx: Connection, items: Iterable[Item], replaced: Mapping[Key, Item]) -> None:
    """Take out what is replaced."""
    # Whoever deletes and then inserts would lock partitions in two rounds, and meet others out of order.
    extents.reserve(tx, map(moment_of, [*items, *replaced.values()]))
    for collection, ids in by_collection(replaced).items():
        tx.execute(_DELETE, (collection, ids))


def _rows(tx: Connection, items: Sequence[Item]) -> list[list[str | None]]:
    """The columns of `items`, as `_INSERT` takes them."""
    bases = {collection: _base_item(tx, collection) for collection in {item["collection"] for item in items}}
    return [list(column) for column in zip(*(_row(item, *bases[item["collection"]]) for item in items), strict=True)]


def _base_item(tx: Connection, collection: str) -> tuple[Item, int | None]:
    base = tx.execute("SELECT base_item, base_item_id FROM pgstac.current_base_item(%s)", (collection,)).fetchone()
    if base is None:
        raise CatalogError(f"collection {collection} is not there: run `sen2extract migrate`")
    return base[0], base[1]


def _moved(items: Iterable[Item], replaced: Mapping[Key, Item]) -> dict[str, set[str]]:
    """Starts, old and new, of the items that are elsewhere in place or time than before, by collection."""
    starts: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        before = replaced.get(key_of(item))
        if before is not None and _place_and_time(before) != _place_and_time(item):
            starts[item["collection"]] |= {start for each in (before, item) if (start := moment_of(each).starts)}
    return starts


def _row(item: Item, base_item: Item, base_item_id: int | None) -> tuple[str | None, ...]:
    """Collection, id, place, start, end, the content without what its collection says, and the finished document.

    JSON as text.
    """
    content = dehydrate(base_item, item)
    slim = {name: value for name, value in content.items() if name not in _NOT_IN_CONTENT}
    if base_item_id is not None:
        slim["pgstac:base_item"] = base_item_id
    place = orjson.dumps({"geometry": item["geometry"]})
    collection, starts, ends = moment_of(item)
    return collection, item["id"], place.decode(), starts, ends, orjson.dumps(slim).decode(), Finished.of(item).text()


def _place_and_time(item: Item) -> tuple[Any, Moment]:
    return _rounded(item["geometry"]), moment_of(item)


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
