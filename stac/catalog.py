"""pgSTAC for writers: make ready, publish, supersede, remove, read back.

Writers need the role `pgstac_ingest`; `migrate` needs `pgstac_admin` (see `stac.prepare`).

Locks, always taken in this order, so that writers neither deadlock nor lose rows: first that of the catalogue's layout
(shared; exclusive where a new yearly partition has to be made, because that locks pgSTAC's table of items), then one
per collection in the order of names. All are advisory, end with the transaction, and do not hinder readers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson
import pystac
from psycopg.types.json import Jsonb
from pypgstac.hydration import dehydrate

from stac import blocks
from stac.collections import COLLECTION_IDS, EVERYWHERE
from stac.database import Connection, connect, transaction
from stac.errors import CatalogError, ExistsError, MissingError
from stac.items import timestamp
from stac.naming import ProductName
from stac.prepare import migrate
from stac.scene import StoredAsset
from stac.settings import Settings
from stac.supersede import mark_superseded

__all__ = [
    "existing",
    "find_ids",
    "get_item",
    "hold",
    "migrate",
    "products_held",
    "publish",
    "refresh_extents",
    "remove",
]

type Item = dict[str, Any]
type Key = tuple[str, str]
"""Collection and item id."""

_LOCKS = 0x53324550  # the number space of our advisory locks: "S2EP"
_LAYOUT = 0
# Sensing time of a tile against the start of its datatake: a datatake lasts half an hour at most.
_DATATAKE = timedelta(hours=2)
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


def publish(
    items: Sequence[pystac.Item | Item],
    settings: Settings,
    connection: Connection | None = None,
    *,
    assets: Iterable[StoredAsset] = (),
    expect: Literal["absent", "present"] | None = None,
) -> list[Key]:
    """Write `items` (a scene and its index product, say) in one transaction: all of them or none.

    An item that is there already is replaced; if nothing of it changed it is left untouched, `updated` included. Older
    products of the same acquisition become `deprecated`, also when they come after the newer one. The block index is
    written with them, from `assets`, the files that the items name. With `connection` the caller's transaction is used
    and the caller commits; publish once per transaction. Returns the keys of the items that changed, products that are
    superseded now included. `expect` says of all items that they are not there yet, or that they are; if that is not so
    nothing is written. Raises `CatalogError`, which then is an `ExistsError` or a `MissingError`.
    """
    incoming = {_key(document): document for document in map(_document, items)}
    if not incoming:
        return []
    what = f"cannot publish {_names(incoming)}"
    with transaction(settings, connection, what) as tx:
        _lock(tx, [(key[0], _moment(document)) for key, document in incoming.items()])
        stored = _siblings(tx, incoming)
        _check_expectation(expect, set(incoming), set(incoming) & set(stored))
        written = _write(tx, stored, {**stored, **incoming}, settings)
        blocks.write(tx, incoming.values(), assets)
        missing = set(incoming) - _present(tx, incoming)
        if missing:
            raise CatalogError(f"{what}: the catalogue lost {_names(missing)}")
    return written


def remove(items: Iterable[Key], settings: Settings, connection: Connection | None = None) -> int:
    """Take items (collection, id) out; returns how many were there. What they superseded counts again."""
    keys = set(items)
    with transaction(settings, connection, f"cannot remove {_names(keys)}") as tx:
        _lock(tx, [(collection, None) for collection, _ in keys])
        stored = _siblings(tx, keys)
        gone = keys & set(stored)
        for collection, ids in _by_collection(gone).items():
            tx.execute("DELETE FROM pgstac.items WHERE collection = %s AND id = ANY(%s)", (collection, ids))
            blocks.remove(tx, collection, ids)
        left = {key: item for key, item in stored.items() if key not in gone}
        _write(tx, left, left, settings)
        _set_extents(tx)
    return len(gone)


def get_item(settings: Settings, collection: str, item_id: str) -> Item | None:
    """The item as the STAC API serves it, but for the links that the API adds."""
    with connect(settings) as connection:
        row = connection.execute("SELECT pgstac.get_item(%s, %s)", (item_id, collection)).fetchone()
    return row[0] if row else None


def existing(tx: Connection, names: Iterable[str]) -> list[str]:
    """Those of the items called `collection/id` that the catalogue holds, sorted."""
    keys = [tuple(name.split("/", 1)) for name in names]
    return sorted("/".join(key) for key in _present(tx, [(collection, item_id) for collection, item_id in keys]))


def find_ids(
    settings: Settings,
    collection: str,
    *,
    tile: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[str]:
    """Ids in a collection, sorted; of one tile (`48PWU`), and sensed from `start` on and before `end`, if given."""
    with connect(settings) as connection:
        rows = connection.execute(
            "SELECT id FROM pgstac.items WHERE collection = %(collection)s "
            "AND (%(code)s::text IS NULL OR pgstac.to_text(content->'properties'->'grid:code') = %(code)s) "
            "AND (%(start)s::timestamptz IS NULL OR datetime >= %(start)s) "
            "AND (%(end)s::timestamptz IS NULL OR datetime < %(end)s) ORDER BY id",
            {"collection": collection, "code": f"MGRS-{tile}" if tile else None, "start": start, "end": end},
        ).fetchall()
    return [row[0] for row in rows]


def products_held(
    settings: Settings, collections: Sequence[str], tiles: Sequence[str], start: datetime, end: datetime
) -> list[tuple[str, str, str]]:
    """Collection, id and datastrip id (or "") of all items of `tiles` sensed from `start` to `end`, both included."""
    with connect(settings) as connection:
        rows = connection.execute(
            "SELECT collection, id, coalesce(content->'properties'->>'s2:datastrip_id', '') FROM pgstac.items "
            "WHERE collection = ANY(%s) AND datetime BETWEEN %s AND %s "
            "AND pgstac.to_text(content->'properties'->'grid:code') = ANY(%s) ORDER BY 1, 2",
            (list(collections), start, end, [f"MGRS-{tile}" for tile in tiles]),
        ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def refresh_extents(settings: Settings) -> None:
    """Set the extents of all collections by their items. `publish` and `remove` keep them true; this repairs them."""
    with connect(settings) as connection:
        _set_extents(connection)


def _document(item: pystac.Item | Item) -> Item:
    if isinstance(item, pystac.Item):
        item = item.to_dict(include_self_link=False, transform_hrefs=False)
    document: Item = orjson.loads(orjson.dumps(item))
    return document


def _key(document: Item) -> Key:
    return document["collection"], document["id"]


def hold(tx: Connection, collection: str) -> None:
    """Keep other writers off a collection until the transaction ends: what is read of it now is what is replaced."""
    _lock(tx, [(collection, None)])


def _check_expectation(expect: str | None, wanted: set[Key], there: set[Key]) -> None:
    if expect == "absent" and there:
        raise ExistsError(f"{_names(there)}: there already")
    if expect == "present" and wanted - there:
        raise MissingError(f"{_names(wanted - there)}: not there")


def _moment(document: Item) -> str | None:
    """What decides in which partition an item lies."""
    properties = document["properties"]
    moment: str | None = properties.get("datetime") or properties.get("start_datetime")
    return moment


def _by_collection(keys: Iterable[Key]) -> dict[str, list[str]]:
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for collection, item_id in sorted(keys):
        ids[collection].append(item_id)
    return ids


def _names(keys: Iterable[Key]) -> str:
    return ", ".join("/".join(key) for key in sorted(keys))


def _lock(tx: Connection, writes: Iterable[tuple[str, str | None]]) -> None:
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


def _siblings(tx: Connection, keys: Iterable[Key]) -> dict[Key, Item]:
    """The stored items of the acquisitions to which `keys` belong, those of `keys` included."""
    found: dict[Key, Item] = {}
    ours = [key for key in keys if key[0] in COLLECTION_IDS]
    for collection, ids in _by_collection(set(keys) - set(ours)).items():
        rows = tx.execute(
            "SELECT id, pgstac.get_item(id, collection) FROM pgstac.items WHERE collection = %s AND id = ANY(%s)",
            (collection, ids),
        ).fetchall()
        found |= {(collection, item_id): item for item_id, item in rows}
    for collection, name in {(collection, _datatake_and_tile(item_id)) for collection, item_id in ours}:
        pattern, start = name
        rows = tx.execute(
            "SELECT id, pgstac.get_item(id, collection) FROM pgstac.items "
            "WHERE collection = %s AND datetime BETWEEN %s AND %s AND id LIKE %s",
            (collection, start - _DATATAKE, start + _DATATAKE, pattern),
        ).fetchall()
        found |= {(collection, item_id): item for item_id, item in rows}
    return found


def _datatake_and_tile(item_id: str) -> tuple[str, datetime]:
    name = ProductName.parse(item_id)
    pattern = f"{name.unit}_MSI{name.level}_{name.datatake_start:%Y%m%dT%H%M%S}_N%_T{name.tile}_%"
    return pattern, name.datatake_start


def _write(tx: Connection, stored: Mapping[Key, Item], wanted: Mapping[Key, Item], settings: Settings) -> list[Key]:
    """Write what differs between `stored` and `wanted` once it is settled which product of an acquisition counts."""
    now = timestamp(datetime.now(UTC).replace(microsecond=0))
    changed = []
    for item in mark_superseded(wanted.values(), settings):
        before = stored.get(_key(item))
        if before is None or _comparable(before) != _comparable(item):
            created = before["properties"].get("created", now) if before else now
            item["properties"] |= {"created": created, "updated": now}
            changed.append(item)
    if changed:
        _store(tx, changed)
    return [_key(item) for item in changed]


def _store(tx: Connection, items: Sequence[Item]) -> None:
    """Put items into pgSTAC's table in place of those that are there, as its `upsert_items` does.

    What an item shares with its collection is taken out here, which in SQL costs milliseconds per item.
    """
    dates = [{"collection": item["collection"], "properties": _dates(item)} for item in items]
    tx.execute(_CHECK_PARTITIONS, (Jsonb(dates, dumps=orjson.dumps),))
    for collection, ids in _by_collection(map(_key, items)).items():
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


def _comparable(item: Item) -> Item:
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


def _present(tx: Connection, keys: Iterable[Key]) -> set[Key]:
    found: set[Key] = set()
    for collection, ids in _by_collection(keys).items():
        rows = tx.execute("SELECT id FROM pgstac.items WHERE collection = %s AND id = ANY(%s)", (collection, ids))
        found |= {(collection, row[0]) for row in rows}
    return found


def _set_extents(tx: Connection) -> None:
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
