"""The block index: where in each COG each block of its full-resolution image lies.

With it a pixel is read by one range request, without reading the header of the file. A row per image; its `spans` are
the places of its blocks from the upper left, in one of the two forms of `stac.spans`: row by row, where that tells them
all, else plain. Derived data: `ingest.block_index` makes it again from the bucket.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

from stac import spans
from stac.assets import object_key
from stac.database import Connection, connect
from stac.scene import Blocks, Grid, Radiometry, StoredAsset
from stac.settings import Settings

BLOCK = 256
"""Pixels per side of a block: images with others are not indexed."""
SPAN = spans.SPAN
"""Bytes per block of what `locate` and `look_up` tell, the plain form."""

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
# In the order of `_row`.
_WRITTEN: dict[LiteralString, LiteralString] = {
    "collection": "text", "item_id": "text", "asset": "text", "key": "text",
    "epsg": "int4", "origin_left": "float8", "origin_top": "float8", "pixel_size": "float8",
    "height": "int4", "width": "int4", "block_size": "int4", "data_type": "text", "codec": "text", "predictor": "int2",
    "scale": "float8", '"offset"': "float8", "nodata": "float8", "spans": "bytea",
    "rowwise": "bool",
}  # fmt: skip
_COPY = f"COPY sen2extract.blocks ({', '.join(_WRITTEN)}) FROM STDIN (FORMAT BINARY)"
# What is written anew, and what the items no longer name. OFFSET has each item looked up by the primary key.
_CLEAR = """
DELETE FROM sen2extract.blocks AS b USING (
  SELECT held.* FROM unnest(%b::text[], %b::text[]) AS i (collection, item_id) CROSS JOIN LATERAL (
    SELECT collection, item_id, asset, key FROM sen2extract.blocks
    WHERE collection = i.collection AND item_id = i.item_id OFFSET 0
  ) AS held
) AS held
WHERE (b.collection, b.item_id, b.asset) = (held.collection, held.item_id, held.asset) AND (
  held.key <> ALL(%b::text[]) OR (held.collection, held.item_id, held.asset) IN (
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[])
  )
)
"""
# Only the bytes asked for are read; of an image row by row, the rows of blocks that hold them.
_LOCATE = f"""
SELECT w.place, CASE WHEN b.rowwise THEN c.across END, CASE WHEN b.rowwise
  THEN substring(b.spans FROM c.top * c.size + 1 FOR (c.bottom - c.top + 1) * c.size)
  ELSE substring(b.spans FROM w.first * {SPAN} + 1 FOR w.count * {SPAN}) END
FROM unnest(%s::text[], %s::int[], %s::int[]) WITH ORDINALITY AS w (key, first, count, place)
JOIN sen2extract.blocks AS b USING (key)
CROSS JOIN LATERAL (
  SELECT across, {spans.START} + {spans.LENGTH} * across AS size,
    w.first / across AS top, (w.first + w.count - 1) / across AS bottom
  FROM (SELECT (b.width + b.block_size - 1) / b.block_size AS across) AS one
) AS c
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
    items, named, images = list(items), set(), []
    for item in items:
        keys = {name: key for name, asset in item["assets"].items() if (key := object_key(asset))}
        named |= set(keys.values())
        images += [(item, name, by_key[key]) for name, key in keys.items() if key in by_key]
    rows = [_row(*image, told) for image, told in zip(images, _told([image[2] for image in images]), strict=True)]
    places = [[item[name] for item in items] for name in ("collection", "id")]
    written = [[row[place] for row in rows] for place in range(3)]
    tx.execute(_CLEAR, (*places, list(named), *written))
    if rows:
        _copy(tx, rows)
    return len(rows)


def _told(images: Sequence[StoredAsset]) -> list[tuple[bytes, bool]]:
    """What `spans` says of each of `images`, and whether it is row by row. Those of one size are packed together."""
    alike: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    plain = []
    for place, asset in enumerate(images):
        blocks, grid, _ = _facts(asset)
        plain.append(blocks.spans)
        alike[-(-grid.width // BLOCK), len(blocks.spans)].append(place)
    told = [(one, False) for one in plain]
    for (columns, _), places in alike.items():
        for place, rows in zip(places, spans.row_by_row([plain[place] for place in places], columns), strict=True):
            if rows is not None:
                told[place] = rows, True
    return told


def _copy(tx: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    with tx.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(list(_WRITTEN.values()))
        for row in rows:
            copy.write_row(row)


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
    """The plain spans of each of `runs`, `SPAN` bytes per block; None for an image that the index does not hold."""
    arrays = [run.key for run in runs], [run.first for run in runs], [run.count for run in runs]
    found: list[bytes | None] = [None] * len(runs)
    for place, across, held in connection.execute(_LOCATE, arrays, binary=True).fetchall():
        found[place - 1] = _plain(runs[place - 1], across, bytes(held))
    return found


def look_up(connection: Connection, runs: Sequence[Run]) -> list[tuple[IndexedImage, bytes] | None]:
    """What `locate` finds for each of `runs`, with the image itself."""
    found: list[tuple[IndexedImage, bytes] | None] = [None] * len(runs)
    images: dict[str, IndexedImage] = {}
    arrays = [run.key for run in runs], [run.first for run in runs], [run.count for run in runs]
    for place, key, *facts, across, held in connection.execute(_LOOK_UP, arrays, binary=True).fetchall():
        if key not in images:
            images[key] = _image(key, *facts)
        found[place - 1] = images[key], _plain(runs[place - 1], across, bytes(held))
    return found


def _plain(run: Run, across: int | None, held: bytes) -> bytes:
    """Plain spans of `run`: what the index holds of it or, of an image row by row, of its rows of `across` blocks."""
    return held if across is None else spans.some(held, across, run.first % across, run.count)


def _image(key: str, epsg: int, left: float, top: float, size: float, *rest: Any) -> IndexedImage:
    height, width, data_type, codec, predictor, nodata = rest
    return IndexedImage(
        key=key, epsg=epsg, left=left, top=top, size=size, height=height, width=width, data_type=data_type,
        codec=codec, predictor=predictor, nodata=nodata,
    )  # fmt: skip


def _facts(asset: StoredAsset) -> tuple[Blocks, Grid, Radiometry]:
    if asset.blocks is None or asset.grid is None or asset.radiometry is None:
        raise ValueError(f"{asset.key}: an image without grid or radiometry cannot be indexed")
    return asset.blocks, asset.grid, asset.radiometry


def _row(item: Mapping[str, Any], name: str, asset: StoredAsset, told: tuple[bytes, bool]) -> tuple[Any, ...]:
    blocks, grid, radiometry = _facts(asset)
    return (
        item["collection"], item["id"], name, asset.key,
        grid.epsg, grid.left, grid.top, grid.pixel_width,
        grid.height, grid.width, BLOCK, blocks.data_type, blocks.codec, blocks.predictor,
        radiometry.scale, radiometry.offset, radiometry.nodata,
        *told,
    )  # fmt: skip
