"""Windows of COGs from their blocks, by byte ranges that the block index gives: no header is read, GDAL has no part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import obstore
from numpy.typing import NDArray
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from stac import decode
from stac.blocks import BLOCK, IndexedImage, Run
from stac.decode import GUARD, Span
from stac.errors import DamagedBlockError, MisplacedBlockError
from tiler.series.errors import SeriesError, SilentStoreError, UnreadableError
from tiler.series.grid import Image, Window

_BEYOND = "416 Range Not Satisfiable"


class StaleIndexError(SeriesError):
    """The block index does not describe the object as it is."""


@dataclass(frozen=True, kw_only=True)
class Located:
    """An image and the places of those of its blocks that a read needs, by number."""

    image: IndexedImage
    spans: Mapping[int, Span]

    def holds(self, window: Window) -> bool:
        """Whether the places of all blocks that `window` touches are known."""
        return self.spans.keys() >= set(decode.numbers(window, self.image.columns, self.image.block))

    @property
    def size(self) -> int:
        """Bytes to read, but for gaps."""
        return sum(length + 2 * GUARD for _, length in self.spans.values() if length)


def runs(image: Image, windows: Iterable[Window]) -> list[Run]:
    """The blocks that `windows` touch, those side by side together."""
    columns = -(-image.grid.width // BLOCK)
    touched = (number for window in windows for number in decode.numbers(window, columns, BLOCK))
    return [Run(key=image.key, first=first, count=count) for first, count in decode.chains(touched, columns)]


def fits(image: Image, indexed: IndexedImage) -> bool:
    """Whether catalogue and index mean the same grid."""
    grid = image.grid
    return (indexed.epsg, indexed.left, indexed.top, indexed.size, indexed.height, indexed.width) == (
        grid.epsg, grid.left, grid.top, grid.size, grid.height, grid.width,
    )  # fmt: skip


def read(store: S3Store, located: Located, windows: Sequence[Window]) -> list[NDArray[Any]]:
    """Stored numbers of each of `windows`, which lie within the image.

    Raises `UnreadableError` naming the object, or `StaleIndexError` where another reader may do better.
    """
    image = located.image
    touched = {number for window in windows for number in decode.numbers(window, image.columns, image.block)}
    packed = fetch(store, image.key, {number: located.spans[number] for number in touched})
    return decoded(image, packed, windows)


def fetch(store: S3Store, key: str, spans: Mapping[int, Span]) -> dict[int, memoryview]:
    """Compressed blocks of the object at `key` by number, those never written left out; raises as `read`."""
    asked = decode.ranges(spans)
    contents = _ranges(store, key, asked)
    try:
        return decode.cut(key, spans, asked, contents)
    except MisplacedBlockError as error:
        raise StaleIndexError(str(error)) from error


def decoded(image: IndexedImage, packed: Mapping[int, memoryview], windows: Sequence[Window]) -> list[NDArray[Any]]:
    """Stored numbers of each of `windows` from compressed blocks; raises `UnreadableError`."""
    try:
        return decode.windows(image, packed, windows)
    except DamagedBlockError as error:
        raise UnreadableError(str(error)) from error


def _ranges(store: S3Store, key: str, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
    try:
        if len(ranges) == 1:
            ((start, end),) = ranges
            return [memoryview(obstore.get_range(store, key, start=start, end=end))]
        starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
        found = obstore.get_ranges(store, key, starts=starts, ends=ends, coalesce=0) if ranges else []
    except (FileNotFoundError, NotFoundError) as error:
        raise UnreadableError(f"{key} is not in the object store") from error
    except BaseError as error:
        if _BEYOND in str(error):
            raise StaleIndexError(f"{key} ends before the block index says: reconcile the archive") from error
        raise SilentStoreError(f"{key} could not be read from the object store") from error
    return [memoryview(content) for content in found]
