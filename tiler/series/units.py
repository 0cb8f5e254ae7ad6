"""What is read together: one overpass over several features, so that a block they share is fetched once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any

from numpy.typing import NDArray
from obstore.store import S3Store
from psycopg import Connection
from shapely.geometry import Point

from stac import blocks as index
from stac.blocks import BLOCK, Run
from stac.decode import spans_of
from tiler.series import blocks
from tiler.series.blocks import Located, StaleIndexError
from tiler.series.errors import SeriesError, UnreadableError
from tiler.series.grid import Image, Window
from tiler.series.patience import Patience
from tiler.series.pieces import is_large, pixels_at_once
from tiler.series.reading import read_window
from tiler.series.sampling import Acquisition, Sampler

_PIXELS = 1_000_000
_FEATURES = 500
_BLOCKS = 64

type Read = tuple[Image, Window]
type Windows = Mapping[Window, NDArray[Any]]


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


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """A source for one unit and one thread: what was fetched for it, what can be fetched still, GDAL for the rest.

    `unindexed` gathers the objects that GDAL has to read, which `gdal` lets it do only so many at once.
    """

    store: S3Store
    unit: Unit
    fetched: dict[str, Future[Windows]]
    unindexed: set[str]
    gdal: BoundedSemaphore
    patience: Patience = field(default_factory=Patience)
    _read: dict[str, Windows | SeriesError] = field(default_factory=dict)

    def read(self, image: Image, window: Window) -> NDArray[Any]:
        """Stored numbers of `window` on the image's own grid; raises `UnreadableError` naming the object.

        Raises `StoreAwayError` or `GoneError` where there is no use in reading on.
        """
        self.patience.check()
        located, want = self.unit.located.get(image.key), self.unit.wants.get(image.key)
        if want is not None and window in want.delivered:
            return want.delivered[window]
        if located is None or want is None:
            counted = image.is_in_full and (want is None or want.is_left)
            return self._by_gdal(image, window, counted=counted)
        if not blocks.fits(image, located.image):
            raise UnreadableError(f"{image.key} is not of the size that the catalogue says: reconcile the archive")
        try:
            if want.in_pieces and located.holds(window):
                return self._piece(located, window)
            if window not in want.windows:  # where a tile that failed left its ground to this one
                return self._by_gdal(image, window, counted=False)
            return self._windows(want, located)[window]
        except StaleIndexError:
            return self._by_gdal(image, window)

    def _piece(self, located: Located, window: Window) -> NDArray[Any]:
        """One window, nothing of which is kept."""
        try:
            (found,) = blocks.read(self.store, located, [window])
        except (UnreadableError, StaleIndexError) as error:
            self.patience.failed(self.store, located.image.key, error)
            raise
        self.patience.answered()
        return found

    def _windows(self, want: Want, located: Located) -> Windows:
        """All windows of an image, read once; what failed once is not tried again for each feature and index."""
        key = want.image.key
        if key not in self._read:
            future = self.fetched.pop(key, None)
            try:
                self._read[key] = future.result() if future else _windows(self.store, located, want.left)
                self.patience.answered()
            except (UnreadableError, StaleIndexError) as error:
                self._read[key] = error
                self.patience.failed(self.store, key, error)
        found = self._read[key]
        if isinstance(found, SeriesError):
            raise found
        return found

    def _by_gdal(self, image: Image, window: Window, *, counted: bool = True) -> NDArray[Any]:
        if counted:
            self.unindexed.add(image.key)
        with self.gdal:
            self.patience.check_gdal(image)
            try:
                found = read_window(image, window)
            except UnreadableError as error:
                self.patience.failed(self.store, image.key, error)
                raise
        self.patience.answered()
        return found


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a request comes to: dates of features, objects, blocks and bytes to read, objects without block index.

    `packed` are the images that packs answer for: their objects are those of the packs. `overviews` are images read
    from an overview, of whose blocks and bytes nothing is known beforehand.
    """

    acquisitions: int = 0
    packed: int = 0
    objects: int = 0
    blocks: int = 0
    bytes: int = 0
    unindexed: int = 0
    overviews: int = 0

    @property
    def seconds(self) -> float:
        """A rough estimate for a store nearby: a millisecond per object and block, thirty where GDAL reads."""
        by_gdal = self.unindexed + self.overviews
        return 0.05 + 0.001 * (self.objects + self.blocks) + 0.03 * by_gdal + self.bytes / 100e6


def total(found: Iterable[Unit], before: Cost | None = None) -> Cost:
    """The cost of all units, added to that of others; an object that several read counts for each.

    Of unindexed ones no bytes are known.
    """
    cost = before or Cost()
    for unit in found:
        known = unit.located.values()
        left = [key for key, want in unit.wants.items() if want.is_left]
        cost = Cost(
            acquisitions=cost.acquisitions + len(unit.acquisitions),
            packed=cost.packed + len(unit.wants) - len(left),
            objects=cost.objects + len(left),
            blocks=cost.blocks + sum(len(located.spans) for located in known),
            bytes=cost.bytes + sum(located.size for located in known),
            unindexed=cost.unindexed + sum(unit.wants[key].is_indexed and key not in unit.located for key in left),
            overviews=cost.overviews + sum(not unit.wants[key].is_indexed for key in left),
        )
    return cost


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
        for run in _runs(want)
    ]
    places_known = index.look_up(connection, [run for _, run in asked]) if asked else []
    for (unit, run), found_there in zip(asked, places_known, strict=True):
        if found_there is None:
            continue
        image, spans = found_there
        known = unit.located.get(run.key)
        places = spans_of(run.first, spans)
        unit.located[run.key] = Located(image=image, spans={**known.spans, **places} if known else places)


def fetch(store: S3Store, unit: Unit, executor: Executor) -> dict[str, Future[Windows]]:
    """Begin to read what the unit surely needs, an object each."""
    return {
        key: executor.submit(_windows, store, unit.located[key], want.left)
        for key, want in unit.wants.items()
        if not (want.later or want.in_pieces)
        and key in unit.located
        and blocks.fits(want.image, unit.located[key].image)
    }


def _windows(store: S3Store, located: Located, windows: Sequence[Window]) -> Windows:
    return dict(zip(windows, blocks.read(store, located, windows), strict=True))


def _runs(want: Want) -> list[Run]:
    return blocks.runs(want.image, want.left)


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
