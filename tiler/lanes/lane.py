"""A tile, from the request to the bytes of its PNG. Imports no web framework."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg_pool import ConnectionPool
from rio_tiler.errors import TileOutsideBounds

from stac.masks import NODATA, Profile, get_profile
from tiler.lanes import items, png, warp
from tiler.lanes.images import Images
from tiler.lanes.items import Found
from tiler.lanes.palette import TRANSPARENT, Meaning, Palette, palette, reduced
from tiler.lanes.request import SIDE, TileRequest
from tiler.masking import source_of
from tiler.series.errors import UnreadableError
from tiler.series.grid import Image
from tiler.series.version import VERSION

_DRAWING = 1
"""To be counted up when the same request is to look different."""
_EMPTY = np.zeros((SIDE, SIDE), dtype=np.uint8), np.zeros((1, 4), dtype=np.uint8)


class BrokenTileError(Exception):
    """An image of which a tile cannot be made; the message names item, asset and object."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A tile that can be drawn: `tag` tells it from all others, `draw` reads its pixels.

    `draw` returns None for one that TiTiler has to draw, and raises `BrokenTileError`.
    """

    tag: str
    bounds: warp.Bounds
    draw: Callable[[], bytes | None]


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Tiles of the items of a catalogue and a bucket."""

    pool: ConnectionPool
    bucket: str
    images: Images

    def plan(self, asked: TileRequest) -> Drawing | None:
        """The tile asked for, before any pixel is read; None for one that TiTiler has to answer.

        Raises `TileOutsideBounds` where the item has nothing, as TiTiler does, `stac.errors.UnknownNameError` for an
        unknown mask, `rio_tiler.errors.MissingAssets` for one that the item lacks, and `psycopg.Error`.
        """
        with self.pool.connection() as connection:
            found = items.find(connection, asked.collection, asked.item, asked.asset, self.bucket)
        if found is None:
            return None
        square = warp.bounds(asked.zoom, asked.column, asked.row)
        if not _overlap(warp.degrees(square), found.box):
            place = f"x={asked.column}, y={asked.row}, z={asked.zoom}"
            raise TileOutsideBounds(f"Tile({place}) is outside bounds")
        profile = get_profile(asked.mask or "none")
        source = source_of(profile, found.fields, found.masks)
        mask = found.masks.get(source) if source else None
        if source and mask is None:
            return None

        def draw() -> bytes | None:
            return self._drawn(asked, square, found, profile, mask)

        return Drawing(tag=_tag(asked, found, mask), bounds=square, draw=draw)

    def _drawn(
        self, asked: TileRequest, square: warp.Bounds, found: Found, profile: Profile, mask: Image | None
    ) -> bytes | None:
        try:
            return self._picture(asked, square, found, profile, mask)
        except UnreadableError as error:
            raise BrokenTileError(f"{asked.asset} of {asked.collection}/{asked.item}: {error}") from error

    def _picture(
        self, asked: TileRequest, square: warp.Bounds, found: Found, profile: Profile, mask: Image | None
    ) -> bytes | None:
        colors = self._palette(asked, found.image)
        if colors is None:
            return None
        codes = self._sampled(found.image, square, colors.codes, TRANSPARENT)
        if codes is None:
            return png.encode(*_EMPTY)
        if mask is not None:
            hidden = self._sampled(mask, square, _hidden(profile), 1)
            codes = np.where(True if hidden is None else hidden, np.uint16(TRANSPARENT), codes)
        shown = reduced(codes, colors)
        return None if shown is None else png.encode(*shown)

    def _palette(self, asked: TileRequest, image: Image) -> Palette | None:
        directory = self.images.directory(image.key)
        if directory is None or (image.grid.shape != (directory.layouts[0].height, directory.layouts[0].width)):
            return None
        first = directory.layouts[0]
        meaning = Meaning(data_type=first.data_type, scale=image.scale, offset=image.offset, nodata=first.nodata)
        return palette(asked.style, meaning)

    def _sampled(self, image: Image, square: warp.Bounds, table: NDArray[Any], beside: int) -> NDArray[Any] | None:
        """What `table` says of the stored numbers (as unsigned) at a tile's pixels, `beside` where the image ends.

        None where there is nothing but that.
        """
        directory = self.images.directory(image.key)
        if directory is None:
            raise UnreadableError(f"{image.key} is not stored as ingestion stores images: ingest the product again")
        *_, ratio = warp.pixels(image.grid, square, SIDE)
        number = warp.level(ratio, SIDE, directory.widths)
        layout = directory.layouts[number]
        places = warp.gather(image.grid, square, SIDE, (layout.height, layout.width))
        if places is None:
            return None
        stored = self.images.read(image.key, number, layout, places.window)
        unsigned = stored.view(f"u{stored.itemsize}")
        found: NDArray[Any] = table[unsigned.ravel()[places.places]]
        if places.outside is not None:
            found[places.outside] = beside
        return found


@lru_cache(maxsize=16)
def _hidden(profile: Profile) -> NDArray[np.bool_]:
    """Of every number that a mask may hold, whether `profile` leaves it out."""
    bits = np.arange(2**16, dtype=np.uint16)
    hidden: NDArray[np.bool_] = profile.masked(bits) | (bits == NODATA)
    return hidden


def _overlap(one: warp.Bounds, other: warp.Bounds) -> bool:
    return one[0] < other[2] and one[2] > other[0] and one[1] < other[3] and one[3] > other[1]


def _tag(asked: TileRequest, found: Found, mask: Image | None) -> str:
    """Of all that a tile's pixels depend on: objects, which never change, what is asked of them, and this code."""
    image = found.image
    parts = (_DRAWING, VERSION, image.key, image.scale, image.offset, mask and mask.key, asked)
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'
