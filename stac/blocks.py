"""The block index: where in each COG each block of its full-resolution image lies.

With it a pixel is read by one range request, without reading the header of the file. A row per image; its `spans` are
12 bytes per block, row by row from the upper left: offset (8 bytes) and length (4 bytes) of the compressed block,
little-endian; length 0 means a block that was never written, all nodata. Derived data: `ingest.block_index` makes it
again from the bucket.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stac.database import Connection, connect
from stac.scene import StoredAsset
from stac.settings import Settings

BLOCK = 256
"""Pixels per side of a block: images with others are not indexed."""
SPAN = 12
"""Bytes per block in `spans`."""

type Codec = Literal["zstd", "deflate"]


@dataclass(frozen=True, kw_only=True)
class IndexedImage:
    """A row of the index but for its spans: the image at `key`, in metres of zone `epsg`, `size` metres per pixel.

    `block` is the pixels per side of its blocks; several `bands` are stored pixel by pixel.
    """

    key: str
    epsg: int
    left: float
    top: float
    size: float
    height: int
    width: int
    data_type: str
    codec: Codec
    predictor: int
    nodata: float | None
    block: int = BLOCK
    bands: int = 1

    @property
    def columns(self) -> int:
        """Blocks per row of blocks."""
        return -(-self.width // self.block)


@dataclass(frozen=True, kw_only=True)
class Run:
    """`count` blocks of the image at `key`, side by side from number `first` on."""

    key: str
    first: int
    count: int


_COLUMNS = (
    "key", "epsg", "origin_left", "origin_top", "pixel_size", "height", "width", "data_type", "codec", "predictor",
    "nodata",
)  # fmt: skip
_SHOWN = ", ".join(f"b.{name}" for name in _COLUMNS)
_INSERT = """
INSERT INTO sen2extract.blocks (
    collection, item_id, asset, key, epsg, origin_left, origin_top, pixel_size, height, width, block_size, data_type,
    codec, predictor, scale, "offset", nodata, spans
) VALUES (
    %(collection)s, %(item_id)s, %(asset)s, %(key)s, %(epsg)s, %(left)s, %(top)s, %(size)s, %(height)s, %(width)s,
    %(block)s, %(data_type)s, %(codec)s, %(predictor)s, %(scale)s, %(offset)s, %(nodata)s, %(spans)s
) ON CONFLICT (collection, item_id, asset) DO UPDATE SET
    key = excluded.key, epsg = excluded.epsg, origin_left = excluded.origin_left, origin_top = excluded.origin_top,
    pixel_size = excluded.pixel_size, height = excluded.height, width = excluded.width,
    block_size = excluded.block_size, data_type = excluded.data_type, codec = excluded.codec,
    predictor = excluded.predictor, scale = excluded.scale, "offset" = excluded."offset", nodata = excluded.nodata,
    spans = excluded.spans
"""
_LOCATE = f"""
SELECT w.place, substring(b.spans FROM w.first * {SPAN} + 1 FOR w.count * {SPAN})
FROM unnest(%s::text[], %s::int[], %s::int[]) WITH ORDINALITY AS w (key, first, count, place)
JOIN sen2extract.blocks AS b USING (key)
"""  # noqa: S608 - constants only
_LOOK_UP = _LOCATE.replace("SELECT w.place,", f"SELECT w.place, {_SHOWN},")
_LACKING = """
SELECT i.collection, i.id FROM pgstac.items AS i
WHERE EXISTS (
    SELECT FROM jsonb_each(i.content->'assets') AS a
    WHERE jsonb_typeof(a.value->'proj:transform') = 'array' AND a.key <> ALL(%s) AND NOT EXISTS (
        SELECT FROM sen2extract.blocks AS b WHERE b.collection = i.collection AND b.item_id = i.id AND b.asset = a.key
        AND right(a.value->'alternate'->'s3'->>'href', length(b.key) + 1) = '/' || b.key
    )
) ORDER BY 1, 2
"""
_ORPHANS = """
DELETE FROM sen2extract.blocks AS b
WHERE NOT EXISTS (SELECT FROM pgstac.items AS i WHERE i.collection = b.collection AND i.id = b.item_id)
"""
_PICTURES = ["TCI", "thumbnail"]
"""Images of several bands, of which there are no series."""


def write(tx: Connection, items: Iterable[Mapping[str, Any]], assets: Iterable[StoredAsset]) -> int:
    """Make the index of `items` (STAC documents) say what their assets are now; returns how many images it gained.

    `assets` are the files among which those of the items are; what an item no longer names is taken out.
    """
    by_key = {asset.key: asset for asset in assets if asset.blocks is not None}
    rows = []
    for item in items:
        keys = {name: _key(asset) for name, asset in item["assets"].items()}
        tx.execute(
            "DELETE FROM sen2extract.blocks WHERE collection = %s AND item_id = %s AND key <> ALL(%s)",
            (item["collection"], item["id"], [key for key in keys.values() if key]),
        )
        found = {name: by_key[key] for name, key in keys.items() if key in by_key}
        rows += [_row(item, name, asset) for name, asset in found.items()]
    if rows:
        with tx.cursor() as cursor:
            cursor.executemany(_INSERT, rows)
    return len(rows)


def remove(tx: Connection, collection: str, ids: Sequence[str]) -> None:
    """Take the images of items out of the index."""
    tx.execute("DELETE FROM sen2extract.blocks WHERE collection = %s AND item_id = ANY(%s)", (collection, list(ids)))


def remove_orphans(settings: Settings) -> int:
    """Take out images whose items the catalogue does not hold; returns how many there were."""
    with connect(settings) as connection:
        return connection.execute(_ORPHANS).rowcount


def lacking(settings: Settings) -> list[tuple[str, str]]:
    """Items (collection, id) of which an image is not in the index, sorted."""
    with connect(settings) as connection:
        return [(row[0], row[1]) for row in connection.execute(_LACKING, (_PICTURES,)).fetchall()]


def locate(connection: Connection, runs: Sequence[Run]) -> list[bytes | None]:
    """The spans of each of `runs`, `SPAN` bytes per block; None for an image that the index does not hold."""
    arrays = [run.key for run in runs], [run.first for run in runs], [run.count for run in runs]
    found: list[bytes | None] = [None] * len(runs)
    for place, spans in connection.execute(_LOCATE, arrays, binary=True).fetchall():
        found[place - 1] = bytes(spans)
    return found


def look_up(connection: Connection, runs: Sequence[Run]) -> list[tuple[IndexedImage, bytes] | None]:
    """What `locate` finds for each of `runs`, with the image itself."""
    found: list[tuple[IndexedImage, bytes] | None] = [None] * len(runs)
    images: dict[str, IndexedImage] = {}
    arrays = [run.key for run in runs], [run.first for run in runs], [run.count for run in runs]
    for place, key, *facts, spans in connection.execute(_LOOK_UP, arrays, binary=True).fetchall():
        if key not in images:
            images[key] = _image(key, *facts)
        found[place - 1] = images[key], bytes(spans)
    return found


def _image(key: str, epsg: int, left: float, top: float, size: float, *rest: Any) -> IndexedImage:
    height, width, data_type, codec, predictor, nodata = rest
    return IndexedImage(
        key=key, epsg=epsg, left=left, top=top, size=size, height=height, width=width, data_type=data_type,
        codec=codec, predictor=predictor, nodata=nodata,
    )  # fmt: skip


def _key(asset: Mapping[str, Any]) -> str | None:
    href = ((asset.get("alternate") or {}).get("s3") or {}).get("href")
    return href.removeprefix("s3://").partition("/")[2] if href else None


def _row(item: Mapping[str, Any], name: str, asset: StoredAsset) -> dict[str, Any]:
    blocks, grid, radiometry = asset.blocks, asset.grid, asset.radiometry
    if blocks is None or grid is None or radiometry is None:
        raise ValueError(f"{asset.key}: an image without grid or radiometry cannot be indexed")
    return {
        "collection": item["collection"], "item_id": item["id"], "asset": name, "key": asset.key,
        "epsg": grid.epsg, "left": grid.left, "top": grid.top, "size": grid.pixel_width,
        "height": grid.height, "width": grid.width, "block": BLOCK,
        "data_type": blocks.data_type, "codec": blocks.codec, "predictor": blocks.predictor,
        "scale": radiometry.scale, "offset": radiometry.offset, "nodata": radiometry.nodata, "spans": blocks.spans,
    }  # fmt: skip
