"""pgSTAC for writers: make ready, publish, supersede, remove, read back.

Writers need the role `pgstac_ingest`; `migrate` needs `pgstac_admin` (see `stac.prepare`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import orjson
import pystac

from stac import blocks, extents
from stac.collections import COLLECTION_IDS
from stac.database import Connection, connect, transaction
from stac.errors import ExistsError, MissingError
from stac.holdings import existing, find_ids, get_item, products_held
from stac.items import timestamp
from stac.locks import hold, lock
from stac.naming import ProductName
from stac.prepare import migrate
from stac.rows import Item, Key, by_collection, comparable, key_of, moment_of, store
from stac.scene import StoredAsset
from stac.settings import Settings
from stac.supersede import mark_superseded

__all__ = [
    "existing",
    "find_ids",
    "get_item",
    "hold",
    "hold_items",
    "migrate",
    "products_held",
    "publish",
    "refresh_extents",
    "remove",
]

# Unit, level and start of the datatake, and the tile, within a product's name; in SQL from 1 on.
_TAKE, _TILE = slice(0, 26), slice(38, 44)
# Within two hours: a datatake, whose start a product is named by, lasts half an hour at most. OFFSET keeps the planner
# from reading what it can find by the index on datetime.
_ACQUIRED = """
WITH wanted AS MATERIALIZED (
  SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::text[]) AS w (collection, start, name)
), takes AS (SELECT DISTINCT collection, start FROM wanted)
SELECT i.collection, i.id, pgstac.get_item(i.id, i.collection) FROM takes AS t CROSS JOIN LATERAL (
  SELECT collection, id FROM pgstac.items
  WHERE collection = t.collection AND datetime BETWEEN t.start - interval '2 hours' AND t.start + interval '2 hours'
  OFFSET 0
) AS i WHERE (i.collection, left(i.id, 26) || substr(i.id, 39, 6)) IN (SELECT collection, name FROM wanted)
"""
_NAMED = """
SELECT collection, id, pgstac.get_item(id, collection) FROM pgstac.items WHERE collection = %s AND id = ANY(%s)
"""


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
    incoming = {key_of(document): document for document in map(_document, items)}
    if not incoming:
        return []
    what = f"cannot publish {_names(incoming)}"
    with transaction(settings, connection, what) as tx:
        hold_items(tx, incoming.values())
        stored = _siblings(tx, incoming)
        _check_expectation(expect, set(incoming), set(incoming) & set(stored))
        blocks.write(tx, incoming.values(), assets)
        return _write(tx, stored, {**stored, **incoming}, settings)


def hold_items(tx: Connection, items: Collection[Item]) -> None:
    """Keep other writers off these items, and all that they may supersede, until the transaction ends.

    The partitions that they need are made, which has to come before any other lock is taken.
    """
    keys = [key_of(item) for item in items]
    lock(tx, _collections(keys), map(moment_of, items), map(_acquisition, keys))


def remove(items: Iterable[Key], settings: Settings, connection: Connection | None = None) -> int:
    """Take items (collection, id) out; returns how many were there. What they superseded counts again."""
    keys = set(items)
    with transaction(settings, connection, f"cannot remove {_names(keys)}") as tx:
        lock(tx, _collections(keys))
        stored = _siblings(tx, keys)
        gone = keys & set(stored)
        for collection, ids in by_collection(gone).items():
            tx.execute("DELETE FROM pgstac.items WHERE collection = %s AND id = ANY(%s)", (collection, ids))
            blocks.remove(tx, collection, ids)
        left = {key: item for key, item in stored.items() if key not in gone}
        _write(tx, left, left, settings)
        extents.forget(tx, _collections(keys))
        extents.tell(tx, _collections(keys))
    return len(gone)


def refresh_extents(settings: Settings) -> None:
    """Set the extents of all collections by their items. `publish` and `remove` keep them true; this repairs them."""
    with connect(settings) as connection:
        collections = [row[0] for row in connection.execute("SELECT id FROM pgstac.collections").fetchall()]
        lock(connection, collections)
        extents.forget(connection, collections)
        extents.tell(connection, collections)


def _document(item: pystac.Item | Item) -> Item:
    if isinstance(item, pystac.Item):
        item = item.to_dict(include_self_link=False, transform_hrefs=False)
    document: Item = orjson.loads(orjson.dumps(item))
    return document


def _check_expectation(expect: str | None, wanted: set[Key], there: set[Key]) -> None:
    if expect == "absent" and there:
        raise ExistsError(f"{_names(there)}: there already")
    if expect == "present" and wanted - there:
        raise MissingError(f"{_names(wanted - there)}: not there")


def _collections(keys: Iterable[Key]) -> set[str]:
    return {collection for collection, _ in keys}


def _names(keys: Iterable[Key]) -> str:
    return ", ".join("/".join(key) for key in sorted(keys))


def _acquisition(key: Key) -> str:
    """Name of what may not be written by two at once: an item with all that it may supersede, and that may it."""
    collection, item_id = key
    return f"{collection}/{_take_and_tile(item_id) if collection in COLLECTION_IDS else item_id}"


def _take_and_tile(item_id: str) -> str:
    return item_id[_TAKE] + item_id[_TILE]


def _siblings(tx: Connection, keys: Iterable[Key]) -> dict[Key, Item]:
    """The stored items of the acquisitions to which `keys` belong, those of `keys` included."""
    keys = set(keys)
    ours = sorted(key for key in keys if key[0] in COLLECTION_IDS)
    others = keys - set(ours)
    rows = []
    if ours:
        starts = [ProductName.parse(item_id).datatake_start for _, item_id in ours]
        names = [_take_and_tile(item_id) for _, item_id in ours]
        rows += tx.execute(_ACQUIRED, ([collection for collection, _ in ours], starts, names)).fetchall()
    for collection, ids in by_collection(others).items():
        rows += tx.execute(_NAMED, (collection, ids)).fetchall()
    return {(collection, item_id): item for collection, item_id, item in rows}


def _write(tx: Connection, stored: Mapping[Key, Item], wanted: Mapping[Key, Item], settings: Settings) -> list[Key]:
    """Write what differs between `stored` and `wanted` once it is settled which product of an acquisition counts."""
    now = timestamp(datetime.now(UTC).replace(microsecond=0))
    changed = []
    for item in mark_superseded(wanted.values(), settings):
        before = stored.get(key_of(item))
        if before is None or comparable(before) != comparable(item):
            created = before["properties"].get("created", now) if before else now
            item["properties"] |= {"created": created, "updated": now}
            changed.append(item)
    if changed:
        store(tx, changed, stored)
    return [key_of(item) for item in changed]
