"""Packs: one asset of one tile at many dates, so that a pixel's thousand dates cost a dozen requests.

A pack is derived from the COGs of an asset, a *slot* (a band) for each image, and says by object key which image each
slot was made from. Keys never change their content, so that a slot is right for ever: it answers for an image if, and
only if, the catalogue names that very key. A tile is cut into square *parts*, each an object of its own: a plain
GeoTIFF of many bands, stored pixel by pixel. A part's `spans` are those of the block index (see `stac.blocks`).
`ingest.packs` makes packs, `tiler.series.packs` reads them; without any, all is read from the COGs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stac.blocks import SPAN, IndexedImage
from stac.database import Connection, connect
from stac.naming import pack_document_key
from stac.settings import Settings

SLOTS = 64
"""Images of a full pack."""
PART = 1024
"""Pixels per side of a part."""
PACK_BLOCK = 32
"""Pixels per side of a block: as many numbers in a block of a full pack as in one of a COG."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """What a pack holds: `keys` of its images by slot; `image`, the grid of the whole tile and how parts are stored.

    `id` is the folder of its objects. The blocks of `image` are numbered over the whole tile.
    """

    id: str
    series: str
    keys: tuple[str, ...]
    image: IndexedImage
    part: int = PART

    @property
    def parts(self) -> list[tuple[int, int]]:
        """Row and column of each of its parts."""
        down, across = -(-self.image.height // self.part), -(-self.image.width // self.part)
        return [(row, column) for row in range(down) for column in range(across)]

    @property
    def blocks_across(self) -> int:
        """Blocks per side of a part."""
        return self.part // self.image.block

    def columns(self, column: int) -> int:
        """Blocks per row of blocks in the parts of a column: fewer in the last one."""
        return min(self.blocks_across, self.image.columns - column * self.blocks_across)

    def place(self, number: int) -> tuple[int, int, int]:
        """Part (row, column) that holds a block, and the number of the block in it."""
        row, column = divmod(number, self.image.columns)
        (part_row, down), (part_column, across) = divmod(row, self.blocks_across), divmod(column, self.blocks_across)
        return part_row, part_column, down * self.columns(part_column) + across

    def number(self, part_row: int, part_column: int, local: int) -> int:
        """The other way round: number of a block in the whole tile."""
        down, across = divmod(local, self.columns(part_column))
        row, column = part_row * self.blocks_across + down, part_column * self.blocks_across + across
        return row * self.image.columns + column


@dataclass(frozen=True, kw_only=True)
class Part:
    """An object of a pack."""

    pack: str
    row: int
    column: int
    key: str
    size: int
    spans: bytes


@dataclass(frozen=True, kw_only=True)
class PartRun:
    """`count` blocks of a part of a pack, side by side from number `first` (in that part) on."""

    pack: str
    row: int
    column: int
    first: int
    count: int


_COLUMNS = (
    "id", "series", "keys", "part_size", "epsg", "origin_left", "origin_top", "pixel_size", "height", "width",
    "data_type", "codec", "predictor", "nodata", "block_size",
)  # fmt: skip
_OF_SERIES = f"SELECT {', '.join(_COLUMNS)} FROM sen2extract.packs WHERE series = ANY(%s) ORDER BY id"  # noqa: S608
_OF_IDS = f"SELECT {', '.join(_COLUMNS)} FROM sen2extract.packs WHERE id = ANY(%s) ORDER BY id"  # noqa: S608
_ADD = f"""
INSERT INTO sen2extract.packs ({", ".join(_COLUMNS)}) VALUES ({", ".join(["%s"] * len(_COLUMNS))})
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants only
_ADD_PART = """
INSERT INTO sen2extract.pack_parts (pack, part_row, part_column, key, size, spans)
VALUES (%(pack)s, %(row)s, %(column)s, %(key)s, %(size)s, %(spans)s)
ON CONFLICT (pack, part_row, part_column) DO UPDATE
SET key = excluded.key, size = excluded.size, spans = excluded.spans
"""
_LOCATE = f"""
SELECT w.place, p.key, substring(p.spans FROM w.first * {SPAN} + 1 FOR w.count * {SPAN})
FROM unnest(%s::text[], %s::int[], %s::int[], %s::int[], %s::int[]) WITH ORDINALITY
AS w (pack, part_row, part_column, first, count, place)
JOIN sen2extract.pack_parts AS p USING (pack, part_row, part_column)
"""  # noqa: S608 - constants only


def of_series(connection: Connection, series: Iterable[str]) -> list[Pack]:
    """All packs of some series (see `stac.naming.series_of`), finished or not, in the order of their ids."""
    return [_pack(*row) for row in connection.execute(_OF_SERIES, (list(series),), binary=True).fetchall()]


def of_ids(connection: Connection, ids: Iterable[str]) -> list[Pack]:
    """Those of the packs called `ids` that there are."""
    return [_pack(*row) for row in connection.execute(_OF_IDS, (list(ids),), binary=True).fetchall()]


def locate(connection: Connection, runs: Sequence[PartRun]) -> list[tuple[str, bytes] | None]:
    """Object key and spans of each of `runs`, `SPAN` bytes per block; None for a part that is not there."""
    arrays = (
        [run.pack for run in runs], [run.row for run in runs], [run.column for run in runs],
        [run.first for run in runs], [run.count for run in runs],
    )  # fmt: skip
    found: list[tuple[str, bytes] | None] = [None] * len(runs)
    for place, key, spans in connection.execute(_LOCATE, arrays, binary=True).fetchall():
        found[place - 1] = key, bytes(spans)
    return found


def add(tx: Connection, pack: Pack) -> None:
    """Enter a pack, still without parts; one that is there already stays as it is."""
    image = pack.image
    values = (
        pack.id, pack.series, list(pack.keys), pack.part, image.epsg, image.left, image.top, image.size, image.height,
        image.width, image.data_type, image.codec, image.predictor, image.nodata, image.block,
    )  # fmt: skip
    tx.execute(_ADD, values)


def add_part(tx: Connection, part: Part) -> None:
    """Enter a part whose object is in the store."""
    tx.execute(_ADD_PART, vars(part))


def parts_held(connection: Connection, pack: str) -> set[tuple[int, int]]:
    """Row and column of the parts that a pack has."""
    rows = connection.execute("SELECT part_row, part_column FROM sen2extract.pack_parts WHERE pack = %s", (pack,))
    return {(row, column) for row, column in rows.fetchall()}


def remove(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Take packs out; returns the keys of their objects, which the caller removes once this is committed."""
    rows = tx.execute("SELECT key FROM sen2extract.pack_parts WHERE pack = ANY(%s)", (list(ids),)).fetchall()
    gone = tx.execute("DELETE FROM sen2extract.packs WHERE id = ANY(%s) RETURNING id", (list(ids),)).fetchall()
    return [row[0] for row in rows] + [pack_document_key(row[0]) for row in gone]


def remove_parts(tx: Connection, keys: Iterable[str]) -> int:
    """Take out parts by their object keys, so that they are made again; returns how many there were."""
    return tx.execute("DELETE FROM sen2extract.pack_parts WHERE key = ANY(%s)", (list(keys),)).rowcount


def objects(settings: Settings) -> dict[str, int | None]:
    """Keys of all objects of all packs, with the size that they have to have where that is known."""
    with connect(settings) as connection:
        parts = connection.execute("SELECT key, size FROM sen2extract.pack_parts").fetchall()
        ids = connection.execute("SELECT id FROM sen2extract.packs").fetchall()
    return {row[0]: int(row[1]) for row in parts} | {pack_document_key(row[0]): None for row in ids}


def _pack(pack: str, series: str, keys: Sequence[str], part: int, *stored: Any) -> Pack:
    epsg, left, top, size, height, width, data_type, codec, predictor, nodata, block = stored
    image = IndexedImage(
        key=pack, epsg=epsg, left=left, top=top, size=size, height=height, width=width, data_type=data_type,
        codec=codec, predictor=predictor, nodata=nodata, block=block, bands=len(keys),
    )  # fmt: skip
    return Pack(id=pack, series=series, keys=tuple(keys), image=image, part=part)
