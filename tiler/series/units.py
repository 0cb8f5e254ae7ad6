"""What is read together: one overpass over several features, so that a block they share is fetched once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from psycopg import Connection
from shapely.geometry import Point

from stac import blocks as index
from stac.blocks import BLOCK
from stac.decode import spans_of
from tiler.series import blocks
from tiler.series.blocks import Located
from tiler.series.grid import Image, Window
from tiler.series.overpasses import Acquisition
from tiler.series.pieces import is_large, pixels_at_once
from tiler.series.sampling import Sampler

_PIXELS = 1_000_000
_FEATURES = 500
_BLOCKS = 64


@dataclass(kw_only=True)
class Want:
    """The windows wanted of one image; `later`, if they may turn out not to be needed.

    Those `promised` are read from packs, and `delivered` before the unit is worked on; the others are `left`. With
    `in_pieces` each window is read by itself when it is asked for, and packs are left alone.
    """

    image: Image
    windows: dict[Window, None] = field(default_factory=dict)
    later: bool = True
    in_pieces: bool = False
    promised: set[Window] = field(default_factory=set)
    delivered: dict[Window, NDArray[Any]] = field(default_factory=dict)

    @property
    def is_indexed(self) -> bool:
        """Whether packs and the block index may know where it lies: they know nothing of overviews."""
        return self.image.is_in_full

    @property
    def is_packed(self) -> bool:
        """Whether packs may answer for it."""
        return self.is_indexed and not self.in_pieces

    @property
    def is_left(self) -> bool:
        """Whether anything is to be read from the image itself."""
        return len(self.promised) < len(self.windows)

    @property
    def left(self) -> list[Window]:
        """Windows to be read from the image itself."""
        return [window for window in self.windows if window not in self.promised] if self.is_left else []


@dataclass(kw_only=True)
class Unit:
    """Acquisitions of one overpass, and what they read, by object key."""

    acquisitions: Sequence[Acquisition]
    wants: dict[str, Want] = field(default_factory=dict)
    located: dict[str, Located] = field(default_factory=dict)

    @property
    def is_delivered(self) -> bool:
        """Whether packs have delivered all that it reads."""
        return not any(want.is_left for want in self.wants.values())

    @property
    def is_large(self) -> bool:
        """Whether it is one area that is read in pieces."""
        return is_large(self.acquisitions[0])

    @property
    def numbers(self) -> int:
        """Numbers in the blocks that are decoded for it at once, wanted or not."""
        if self.is_large:
            return self.pixels * len(self.wants)
        return sum(len(located.spans) for located in self.located.values()) * BLOCK**2

    @property
    def pixels(self) -> int:
        """Pixels of one image of it that are held at once, at most."""
        return sum(pixels_at_once(acquisition) for acquisition in self.acquisitions)


def units(sampler: Sampler, acquisitions: Iterable[Acquisition]) -> Iterator[Unit]:
    """The acquisitions, those of one overpass together as far as memory allows, with what they will read."""
    together: dict[tuple[int, ...], list[Acquisition]] = {}
    for acquisition in acquisitions:
        together.setdefault(tuple(map(id, acquisition.bare)), []).append(acquisition)
    for group in together.values():
        for part in _chunks(group) if len(group) > 1 else (group,):
            yield _unit(sampler, part)


def locate(connection: Connection[Any], found: Sequence[Unit]) -> None:
    """Look up, for all units in one query, where the blocks lie."""
    asked = [
        (unit, run)
        for unit in found
        for want in unit.wants.values()
        if want.is_indexed and want.is_left
        for run in blocks.runs(want.image, want.left)
    ]
    places_known = index.look_up(connection, [run for _, run in asked]) if asked else []
    for (unit, run), found_there in zip(asked, places_known, strict=True):
        if found_there is None:
            continue
        image, spans = found_there
        known = unit.located.get(run.key)
        places = spans_of(run.first, spans)
        unit.located[run.key] = Located(image=image, spans={**known.spans, **places} if known else places)


def _chunks(group: Sequence[Acquisition]) -> Iterator[list[Acquisition]]:
    """In the order given; neighbours share blocks, so that blocks are counted and not features.

    An area that is read in pieces is alone.
    """
    chunk: list[Acquisition] = []
    pixels, touched = 0, set[tuple[str, int, int]]()
    for acquisition in group:
        if is_large(acquisition):
            yield [acquisition]
            continue
        more = touched | acquisition.blocks
        if chunk and (pixels + acquisition.pixels > _PIXELS or len(more) > _BLOCKS or len(chunk) == _FEATURES):
            yield chunk
            chunk, pixels, more = [], 0, acquisition.blocks
        chunk.append(acquisition)
        pixels += acquisition.pixels
        touched = more
    if chunk:
        yield chunk


def _unit(sampler: Sampler, acquisitions: Sequence[Acquisition]) -> Unit:
    unit = Unit(acquisitions=acquisitions)
    for acquisition in acquisitions:
        for position, reads in enumerate(sampler.reads(acquisition)):
            later = position > 0 and isinstance(acquisition.feature.geometry, Point)
            for image, window in reads:
                want = unit.wants.setdefault(image.key, Want(image=image))
                want.windows[window] = None
                want.later &= later
                want.in_pieces |= is_large(acquisition)
    return unit
