"""A tile, from the request to the bytes of its picture. Imports no web framework."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event

from psycopg_pool import ConnectionPool
from rio_tiler.errors import MissingAssets, NoAssetFoundError, TileOutsideBounds

from stac.masks import get_profile
from tiler.lanes import items, warp
from tiler.lanes.images import Images
from tiler.lanes.items import Found
from tiler.lanes.mosaic import Choices
from tiler.lanes.paint import Canvas, Subject, coded, coloured, encoded
from tiler.lanes.palette import Style
from tiler.lanes.request import TileRequest
from tiler.masking import source_of
from tiler.series.errors import GoneError, UnreadableError
from tiler.series.version import VERSION

_DRAWING = 2
"""To be counted up when the same request is to look different."""


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
    choices: Choices

    def plan(self, asked: TileRequest, item: str) -> Drawing | None:
        """The tile asked for, of `item`, before any pixel is read; None for one that TiTiler has to answer.

        Raises `TileOutsideBounds` where the item has nothing, as TiTiler does, `stac.errors.UnknownNameError` for an
        unknown mask, `rio_tiler.errors.MissingAssets` for one that the item lacks, and `psycopg.Error`.
        """
        with self.pool.connection() as connection:
            found = items.find(connection, asked.collection, [item], asked.assets, self.bucket).get(item)
        if found is None:
            return None
        square = warp.bounds(asked.zoom, asked.column, asked.row)
        if not _overlap(warp.degrees(square), found.box):
            place = f"x={asked.column}, y={asked.row}, z={asked.zoom}"
            raise TileOutsideBounds(f"Tile({place}) is outside bounds")
        subject = _subject(asked, found)
        if subject is None:
            return None
        canvas = Canvas(square=square, side=asked.side)

        def draw() -> bytes | None:
            try:
                return self._picture(asked, canvas, subject)
            except UnreadableError as error:
                raise BrokenTileError(f"{asked.shown} of {asked.collection}/{item}: {error}") from error

        return Drawing(tag=_tag(asked, [subject]), bounds=square, draw=draw)

    def plan_mosaic(self, asked: TileRequest, search: str, gone: Event) -> Drawing | None:
        """The tile of a mosaic of the items of a registered `search`; None for one that TiTiler has to answer.

        That are those with an item that cannot be shown: TiTiler leaves it out, looks beneath it, and names it. Raises
        `NoAssetFoundError` where there are no items, as TiTiler does, `stac.errors.UnknownNameError` for an unknown
        mask, and `psycopg.Error`; `draw` raises `GoneError` when `gone` is set.
        """
        place = asked.zoom, asked.column, asked.row
        names = self.choices.items(search, place, exactly=get_profile(asked.mask or "none").field is not None)
        if not names:
            raise NoAssetFoundError(f"No assets found for tile {asked.zoom}-{asked.column}-{asked.row}")
        with self.pool.connection() as connection:
            found = items.find(connection, asked.collection, names, asked.assets, self.bucket)
        square = warp.bounds(*place)
        here = warp.degrees(square)
        if len(found) < len(names) or any(one.deprecated for one in found.values()):
            return None
        try:
            subjects = [_subject(asked, found[name]) for name in names if _overlap(here, found[name].box)]
        except MissingAssets:
            return None
        usable = [subject for subject in subjects if subject is not None]
        if not usable or len(usable) < len(subjects):
            return None
        canvas = Canvas(square=square, side=asked.side)
        draw = partial(self._mosaic, asked, canvas, usable, gone)
        return Drawing(tag=_tag(asked, usable), bounds=square, draw=draw)

    def _mosaic(self, asked: TileRequest, canvas: Canvas, subjects: list[Subject], gone: Event) -> bytes | None:
        """The first of `subjects` that shows something at a pixel does so."""
        if isinstance(asked.style, Style):
            return None
        whole = None
        for subject in subjects:
            if gone.is_set():
                raise GoneError("nobody waits for the tile")
            try:
                one = coloured(self.images, canvas, subject, asked.style)
            except UnreadableError:
                return None
            if one is None:
                return None
            whole = one if whole is None else whole.over(one)
            if whole.shown.all():
                break
        return None if whole is None else encoded(whole, asked.format)

    def _picture(self, asked: TileRequest, canvas: Canvas, subject: Subject) -> bytes | None:
        if isinstance(asked.style, Style):
            return coded(self.images, canvas, subject, asked.style)
        picture = coloured(self.images, canvas, subject, asked.style)
        return None if picture is None else encoded(picture, asked.format)


def _subject(asked: TileRequest, found: Found) -> Subject | None:
    """What of an item is shown; None where its mask lies somewhere that we do not read."""
    profile = get_profile(asked.mask or "none")
    source = source_of(profile, found.fields, found.masks)
    mask = found.masks.get(source) if source else None
    if source and mask is None:
        return None
    return Subject(images=found.images, profile=profile, mask=mask)


def _overlap(one: warp.Bounds, other: warp.Bounds) -> bool:
    return one[0] < other[2] and one[2] > other[0] and one[1] < other[3] and one[3] > other[1]


def _tag(asked: TileRequest, subjects: list[Subject]) -> str:
    """Of all that a tile's pixels depend on: objects, which never change, what is asked of them, and this code."""
    images = [
        [(image.key, image.scale, image.offset) for image in subject.images] + [subject.mask and subject.mask.key]
        for subject in subjects
    ]
    return f'"{hashlib.sha256(repr((_DRAWING, VERSION, images, asked)).encode()).hexdigest()[:32]}"'
