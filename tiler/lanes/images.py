"""Pixels of stored images at any of their overviews: directories and blocks are read by ranges, and kept.

Objects never change their content, so that neither is ever out of date; both are bounded by their bytes. Images of
several bands are those that ingestion writes (TCI): each band has blocks of its own, side by side in the file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import obstore
from cachetools import LRUCache
from numpy.typing import NDArray
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from stac import decode, tiff
from stac.blocks import IndexedImage
from stac.errors import DamagedImageError
from stac.tiff import Layout
from tiler.series import blocks
from tiler.series.errors import SilentStoreError, UnreadableError
from tiler.series.grid import Window

_FIRST_READ = 65_536
"""Bytes that hold the directories of a whole tile's image and its overviews, 32 kB, and those of smaller ones."""
_SHARE = 4
"""Of what is kept, one in so many bytes are directories."""
_OVERHEAD = 500
"""Bytes of what surrounds an array that is kept."""

type _Block = tuple[str, int, int]
"""Object, number of the image in it, number of the block among those of all bands."""


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The images of an object, full resolution first."""

    layouts: tuple[Layout, ...]

    @property
    def widths(self) -> list[int]:
        """Columns of each."""
        return [layout.width for layout in self.layouts]


class Images:
    """The images of a bucket; at most `most` bytes of them are kept. Any number of threads may read at once."""

    def __init__(self, store: S3Store, most: int) -> None:
        self._store = store
        self._lock = Lock()
        self._directories: LRUCache[str, Directory | None] = LRUCache(most // _SHARE, getsizeof=_size_of_directory)
        self._blocks: LRUCache[_Block, NDArray[Any]] = LRUCache(most - most // _SHARE, getsizeof=_size_of_block)

    def directory(self, key: str) -> Directory | None:
        """How the object at `key` is stored; None where it is stored in a way that we do not read.

        Raises `UnreadableError` naming the object.
        """
        with self._lock:
            if key in self._directories:
                held: Directory | None = self._directories[key]
                return held
        try:
            found = _directory(self._store, key)
        except DamagedImageError as error:
            raise UnreadableError(f"{key} is no image any more ({error}): ingest the product again") from error
        with self._lock:
            self._keep(self._directories, key, found)
        return found

    def forget(self) -> None:
        """Keep nothing of what was read so far."""
        with self._lock:
            self._directories.clear()
            self._blocks.clear()

    def read(self, key: str, number: int, layout: Layout, window: Window) -> NDArray[Any]:
        """Stored numbers, (bands, rows, columns), of `window` of the image `number` of the object at `key`.

        Raises `UnreadableError`.
        """
        image = _image(key, layout)
        touched = list(decode.numbers(window, image.columns, image.block))
        plane = len(layout.offsets) // layout.bands
        wanted = [band * plane + one for band in range(layout.bands) for one in touched]
        held = self._held(key, number, wanted)
        missing = [one for one in wanted if one not in held]
        if missing:
            fresh = self._fetched(image, layout, missing, plane)
            with self._lock:
                for one, block in fresh.items():
                    self._keep(self._blocks, (key, number, one), block)
            held |= fresh
        found = np.empty((layout.bands, *window.shape), dtype=image.data_type)
        for one in wanted:
            band, place = divmod(one, plane)
            _put(found[band], held[one], _square(image, place), window)
        return found

    def _held(self, key: str, number: int, wanted: Iterable[int]) -> dict[int, NDArray[Any]]:
        with self._lock:
            found = {one: self._blocks.get((key, number, one)) for one in wanted}
        return {one: block for one, block in found.items() if block is not None}

    def _fetched(self, image: IndexedImage, layout: Layout, numbers: list[int], plane: int) -> dict[int, NDArray[Any]]:
        """Whole blocks by number; one that was never written is nodata. A band has `plane` blocks."""
        spans = {one: (int(layout.offsets[one]), int(layout.lengths[one])) for one in numbers}
        try:
            packed = blocks.fetch(self._store, image.key, spans)
        except blocks.StaleIndexError as error:
            raise UnreadableError(f"{image.key} is damaged: ingest the product again") from error
        found = {}
        for one in numbers:
            own = {one % plane: packed[one]} if one in packed else {}
            found[one] = blocks.decoded(image, own, [_square(image, one % plane)])[0]
        return found

    @staticmethod
    def _keep(cache: LRUCache[Any, Any], key: Any, value: Any) -> None:
        if cache.getsizeof(value) <= cache.maxsize:
            cache[key] = value


def _directory(store: S3Store, key: str) -> Directory | None:
    """The images of the object, read from its first bytes, and from elsewhere only where these are not enough."""
    head = _range(store, key, 0, _FIRST_READ)

    def read(start: int, length: int) -> bytes:
        if start + length <= len(head) or len(head) < _FIRST_READ:
            return head[start : start + length]
        return _range(store, key, start, length)

    if not tiff.is_guarded(read):
        return None
    found = list(tiff.layouts(read))
    read_by_us = [layout for layout in found if layout is not None and (layout.bands == 1 or layout.planes)]
    return Directory(layouts=tuple(read_by_us)) if found and len(read_by_us) == len(found) else None


def _range(store: S3Store, key: str, start: int, length: int) -> bytes:
    try:
        return bytes(obstore.get_range(store, key, start=start, length=length))
    except (FileNotFoundError, NotFoundError) as error:
        raise UnreadableError(f"{key} is not in the object store") from error
    except BaseError as error:
        raise SilentStoreError(f"{key} could not be read from the object store") from error


def _image(key: str, layout: Layout) -> IndexedImage:
    """As the decoder wants it, for which the place on earth does not matter."""
    return IndexedImage(
        key=key, epsg=0, left=0, top=0, size=0, height=layout.height, width=layout.width,
        data_type=layout.data_type, codec=layout.codec, predictor=layout.predictor, nodata=layout.nodata,
        block=layout.block,
    )  # fmt: skip


def _square(image: IndexedImage, number: int) -> Window:
    """The whole of a block, beyond the image's edge where the block is."""
    row, column = divmod(number, image.columns)
    top, left = row * image.block, column * image.block
    return Window(top, left, top + image.block, left + image.block)


def _put(found: NDArray[Any], block: NDArray[Any], square: Window, window: Window) -> None:
    """Write what the block of `square` has of `window` into `found`, which is that window."""
    top, left = max(window.top, square.top), max(window.left, square.left)
    bottom, right = min(window.bottom, square.bottom), min(window.right, square.right)
    found[top - window.top : bottom - window.top, left - window.left : right - window.left] = block[
        top - square.top : bottom - square.top, left - square.left : right - square.left
    ]


def _size_of_directory(directory: Directory | None) -> int:
    layouts = directory.layouts if directory else ()
    return _OVERHEAD + sum(_OVERHEAD + layout.offsets.nbytes + layout.lengths.nbytes for layout in layouts)


def _size_of_block(block: NDArray[Any]) -> int:
    return _OVERHEAD + block.nbytes
