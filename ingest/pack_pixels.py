"""A part of a pack: the same window of many images, by the ranges that hold it, and the file that holds them all."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest import cog
from ingest.cog import LocalFile
from ingest.errors import IngestError
from ingest.pack_plan import Source
from ingest.store import Store
from stac import blocks, decode
from stac.blocks import BLOCK, IndexedImage, Run
from stac.database import Connection
from stac.errors import DamagedBlockError, MisplacedBlockError
from stac.packs import Pack
from stac.scene import Grid, Radiometry

_READERS = 8
"""Images read at a time: most of it is decoding, which lets other threads run."""


def part_grid(pack: Pack, row: int, column: int) -> Grid:
    """The grid of a part: that of the tile, cut out."""
    image = pack.image
    top, left = row * pack.part, column * pack.part
    return Grid(
        epsg=image.epsg,
        width=min(pack.part, image.width - left),
        height=min(pack.part, image.height - top),
        left=image.left + left * image.size,
        top=image.top - top * image.size,
        pixel_width=image.size,
        pixel_height=image.size,
    )


@dataclass(frozen=True, kw_only=True)
class _Area:
    top: int
    left: int
    bottom: int
    right: int


def read(store: Store, connection: Connection, group: Sequence[Source], grid: Grid, pack: Pack) -> NDArray[Any]:
    """Stored numbers of a part of each image, (slots, rows, columns)."""
    top, left = (
        round((pack.image.top - grid.top) / grid.pixel_height),
        round((grid.left - pack.image.left) / grid.pixel_width),
    )
    area = _Area(top=top, left=left, bottom=top + grid.height, right=left + grid.width)
    columns = group[0].image.columns
    chains = decode.chains(decode.numbers(area, columns, BLOCK), columns)
    runs = [Run(key=one.image.key, first=first, count=count) for one in group for first, count in chains]
    found = blocks.locate(connection, runs)
    stack = np.empty((len(group), grid.height, grid.width), dtype=pack.image.data_type)

    def read(slot: int) -> None:
        mine = slice(slot * len(chains), (slot + 1) * len(chains))
        stack[slot] = _window(store, group[slot].image, runs[mine], found[mine], area)

    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(read, range(len(group))))
    return stack


def _window(
    store: Store, image: IndexedImage, runs: Sequence[Run], found: Sequence[bytes | None], area: _Area
) -> NDArray[Any]:
    spans: dict[int, decode.Span] = {}
    for run, packed in zip(runs, found, strict=True):
        if packed is None:
            raise IngestError(f"{image.key} is no longer in the block index: pack again")
        spans |= decode.spans_of(run.first, packed)
    asked = decode.ranges(spans)
    contents = [memoryview(store.get_range(image.key, start, end - start)) for start, end in asked]
    try:
        (window,) = decode.windows(image, decode.cut(image.key, spans, asked, contents), [area])
    except (MisplacedBlockError, DamagedBlockError) as error:
        raise IngestError(str(error)) from error
    return window


def write(stack: NDArray[Any], pack: Pack, group: Sequence[Source], grid: Grid, path: Path) -> tuple[LocalFile, bytes]:
    """Write a part; returns the file and the places of its blocks. Raises `IngestError`."""
    image = pack.image
    radiometry = Radiometry(nodata=None if image.nodata is None else int(image.nodata))
    names = [f"{one.acquired:%Y-%m-%dT%H:%M:%SZ} {one.item_id}" for one in group]
    file = cog.write_stack(stack, grid, path, radiometry=radiometry, block=image.block, names=names)
    table = cog.block_table(path, block=image.block, bands=len(group))
    if table is None or (table.codec, table.predictor) != (image.codec, image.predictor):
        raise IngestError(f"{pack.id}: GDAL stored a part otherwise than asked: install the GDAL of the lock file")
    return file, table.spans
