"""Each collection as one stac-geoparquet file in the bucket, for who wants all of it: linked as a collection asset.

rustac writes the file, some items at a time. The columns have to be known before: they are those of samples, an item of
each form that the collection holds. A file is made only when an item was written or removed since the last. Objects
never change, so that each has a name of its own; `reconcile` takes away those that are linked no more.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import file_digest
from itertools import batched
from pathlib import Path
from typing import Any

import orjson
import rustac
from psycopg.types.json import Jsonb

from ingest.store import Store
from stac import catalog, extensions
from stac.assets import object_key
from stac.database import Connection, connect, transaction
from stac.hydration import Base, base
from stac.served import BaseKey, Item, Row
from stac.settings import Settings

ASSET = "geoparquet"
MEDIA_TYPE = "application/vnd.apache.parquet"
_FOLDER = "exports"
_STATE_FIELD = "sen2extract:state"
_BATCH = 500
"""Items held at a time."""

# Numbers are doubles in the file, but for these.
_WHOLE = frozenset(
    {"file:size", "proj:shape", "mgrs:utm_zone", "sat:absolute_orbit", "sat:relative_orbit", "offset", "length"}
)
# What tells two states of a collection apart: every change of an item moves its `updated`.
_STATE = """
SELECT count(*), sum(hashtextextended(id || ' ' || coalesce(content->'properties'->>'updated', ''), 0))::text
FROM pgstac.items WHERE collection = %s
"""
# An item of each form: of the same properties, links and assets, each with the same fields.
_SAMPLES = """
SELECT DISTINCT ON (form) id FROM pgstac.items, LATERAL (
  SELECT jsonb_build_array(
    content->'pgstac:base_item',
    (SELECT jsonb_agg(k ORDER BY k) FROM jsonb_object_keys(content->'properties') AS k),
    (SELECT jsonb_agg(DISTINCT (SELECT jsonb_agg(k ORDER BY k) FROM jsonb_object_keys(l) AS k))
      FROM jsonb_array_elements(content->'links') AS l),
    (SELECT jsonb_object_agg(a.key, (SELECT jsonb_agg(k ORDER BY k) FROM jsonb_object_keys(a.value) AS k))
      FROM jsonb_each(content->'assets') AS a WHERE jsonb_typeof(a.value) = 'object')
  ) AS form
) AS f WHERE collection = %s ORDER BY form, id
"""
_ROWS = """
SELECT id, collection, ST_AsGeoJSON(geometry, 20), content::text FROM pgstac.items
WHERE collection = %s AND (id = ANY(%s)) = %s ORDER BY datetime, id
"""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What became of a collection's export: `key` of its object, None where there is nothing to export."""

    collection: str
    items: int
    key: str | None
    changed: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def export_all(settings: Settings) -> list[Exported]:
    """Export every collection of the catalogue; raises `StoreError`, `CatalogError`."""
    with connect(settings) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM pgstac.collections ORDER BY id").fetchall()]
    return [export(collection, settings) for collection in ids]


def export(collection: str, settings: Settings) -> Exported:
    """Write the items of `collection` to a file and link it, unless the one that is linked holds them as they are."""
    with connect(settings) as connection:
        # One moment for state, samples and items.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        items, state = _state(connection, collection)
        linked = _linked(connection, collection)
        if (linked or {}).get(_STATE_FIELD) == state or not (items or linked):
            return Exported(collection=collection, items=items, key=object_key(linked or {}), changed=False)
        if not items:
            _link(collection, None, settings)
            return Exported(collection=collection, items=0, key=None, changed=True)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "items.parquet"
            asyncio.run(_write(connection, collection, path))
            asset = _upload(collection, path, settings) | {_STATE_FIELD: state}
    _link(collection, asset, settings)
    return Exported(collection=collection, items=items, key=object_key(asset), changed=True)


async def _write(connection: Connection, collection: str, path: Path) -> None:
    samples = [row[0] for row in connection.execute(_SAMPLES, (collection,)).fetchall()]
    bases: dict[BaseKey, Base] = {}
    first = list(_items(connection, (collection, samples, True), bases))
    writer = await rustac.GeoparquetWriter.open([_as_doubles(item) for item in first], str(path))
    for batch in batched(_items(connection, (collection, samples, False), bases), _BATCH):
        await writer.write(list(batch))
    await writer.finish()


def _items(connection: Connection, which: tuple[str, list[str], bool], bases: dict[BaseKey, Base]) -> Iterator[Item]:
    with connection.cursor(name="items") as cursor:
        cursor.itersize = _BATCH
        for found in cursor.execute(_ROWS, which):
            row = Row.read(*found)
            if row.base not in bases:
                bases[row.base] = _base(connection, row.base)
            item = {name: orjson.loads(text) for name, text in bases[row.base].members(row.content).items()}
            yield item | {
                "type": "Feature",
                "id": row.id,
                "collection": row.collection,
                "geometry": orjson.loads(row.geometry),
            }


def _base(connection: Connection, key: BaseKey) -> Base:
    row = connection.execute("SELECT pgstac.collection_base_item(%s, %s)::text", key).fetchone()
    return base(row[0] if row and row[0] else "{}")


def _as_doubles(value: Any, name: str = "") -> Any:
    """`value` with doubles for numbers: one that is whole in a sample need not be in others."""
    if isinstance(value, dict):
        return {key: _as_doubles(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_doubles(each, name) for each in value]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and name not in _WHOLE else value


def _state(connection: Connection, collection: str) -> tuple[int, str]:
    """How many items there are, and what changes when one of them does."""
    row = connection.execute(_STATE, (collection,)).fetchone()
    count, text = row or (0, None)
    return count, f"{count}:{text}"


def _linked(connection: Connection, collection: str) -> dict[str, Any] | None:
    row = connection.execute(
        "SELECT content->'assets'->%s FROM pgstac.collections WHERE id = %s", (ASSET, collection)
    ).fetchone()
    return row[0] if row else None


def _upload(collection: str, path: Path, settings: Settings) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    key = f"{_FOLDER}/{collection}/{collection}-{digest[:8]}.parquet"
    Store.connect(settings).put(key, path, sha256=digest, media_type=MEDIA_TYPE)
    return {
        "href": settings.public_href(key),
        "type": MEDIA_TYPE,
        "title": "All items, as stac-geoparquet",
        "roles": ["collection-mirror"],
        "file:size": path.stat().st_size,
        "file:checksum": f"1220{digest}",
        "alternate": {"s3": {"href": settings.s3_href(key)}},
    }


def _link(collection: str, asset: dict[str, Any] | None, settings: Settings) -> None:
    """Make `asset` the collection's, or take away the one it has."""
    with transaction(settings, None, f"collection {collection}: its export cannot be linked") as tx:
        catalog.hold(tx, collection)
        row = tx.execute("SELECT content FROM pgstac.collections WHERE id = %s", (collection,)).fetchone()
        if row is None:
            return
        content = row[0]
        others = {name: value for name, value in content.get("assets", {}).items() if name != ASSET}
        assets = others | ({ASSET: asset} if asset else {})
        used = {extensions.FILE, extensions.ALTERNATE}
        known = set(content.get("stac_extensions", ())) - used
        content = {**content, "assets": assets, "stac_extensions": sorted(known | (used if assets else set()))}
        tx.execute("UPDATE pgstac.collections SET content = %s WHERE id = %s", (Jsonb(content), collection))
