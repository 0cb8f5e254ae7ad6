"""Windows of COGs from their blocks, by byte ranges that the block index gives: no header is read, GDAL has no part.

The values are GDAL's to the bit. That a range is a whole block is proven by the bytes around it: GDAL writes the
block's size before it and repeats its last four bytes after it.
"""

import struct
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import obstore
from numpy.typing import NDArray
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from stac.blocks import BLOCK, SPAN, IndexedImage, Run
from tiler.series.errors import SeriesError, UnreadableError
from tiler.series.grid import Image, Window

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GUARD = 4
_BEYOND = "416 Range Not Satisfiable"
_GAP = 32_768
"""Bytes between two blocks that are rather read than asked around."""

_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in ("uint8", "uint16", "int16")}

type Span = tuple[int, int]
"""Offset and length of a compressed block; length 0: never written."""


class StaleIndexError(SeriesError):
    """The block index does not describe the object as it is."""


@dataclass(frozen=True, kw_only=True)
class Located:
    """An image and the places of those of its blocks that a read needs, by number."""

    image: IndexedImage
    spans: Mapping[int, Span]

    @property
    def size(self) -> int:
        """Bytes to read, but for gaps."""
        return sum(length + 2 * _GUARD for _, length in self.spans.values() if length)


def runs(image: Image, windows: Iterable[Window]) -> list[Run]:
    """The blocks that `windows` touch, those side by side together."""
    columns = -(-image.grid.width // BLOCK)
    numbers = sorted({number for window in windows for number in _numbers(window, columns)})
    # Neighbours differ from their position in the list by the same number.
    chains = groupby(enumerate(numbers), key=lambda entry: (entry[1] - entry[0], entry[1] // columns))
    found = [[number for _, number in chain] for _, chain in chains]
    return [Run(key=image.key, first=chain[0], count=len(chain)) for chain in found]


def spans_of(run: Run, packed: bytes) -> dict[int, Span]:
    """Places of the blocks of `run`, from what the index holds."""
    return {run.first + i: struct.unpack_from("<QI", packed, i * SPAN) for i in range(len(packed) // SPAN)}


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
    numbers = {number for window in windows for number in _numbers(window, image.columns)}
    packed = _fetch(store, image.key, {number: located.spans[number] for number in numbers})
    last = max((window.bottom for window in windows), default=0)
    blocks = {number: _decode(image, content, number, last) for number, content in packed.items()}
    return [_assemble(image, blocks, window) for window in windows]


def _numbers(window: Window, columns: int) -> Iterable[int]:
    if 0 in window.shape:
        return ()
    rows = range(window.top // BLOCK, (window.bottom - 1) // BLOCK + 1)
    across = range(window.left // BLOCK, (window.right - 1) // BLOCK + 1)
    return (row * columns + column for row in rows for column in across)


def _fetch(store: S3Store, key: str, spans: Mapping[int, Span]) -> dict[int, memoryview]:
    """Compressed blocks by number; those never written are left out."""
    written = sorted((offset, length, number) for number, (offset, length) in spans.items() if length)
    ranges = _merged([(offset - _GUARD, offset + length + _GUARD) for offset, length, _ in written])
    contents = _ranges(store, key, ranges)
    found = {}
    place = 0
    for offset, length, number in written:
        while offset + length > ranges[place][1]:
            place += 1
        start = offset - _GUARD - ranges[place][0]
        found[number] = _proven(contents[place][start : start + length + 2 * _GUARD], length, number, key)
    return found


def _merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in ranges:
        if merged and start - merged[-1][1] <= _GAP:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


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
        raise UnreadableError(f"{key} could not be read from the object store") from error
    return [memoryview(content) for content in found]


def _proven(guarded: memoryview, length: int, number: int, key: str) -> memoryview:
    leader, trailer, last = guarded[:_GUARD], guarded[-_GUARD:], guarded[-2 * _GUARD : -_GUARD]
    if len(guarded) != length + 2 * _GUARD or leader != struct.pack("<I", length) or trailer != last:
        raise StaleIndexError(f"{key}: block {number} is not where the block index says: reconcile the archive")
    return guarded[_GUARD:-_GUARD]


def _decode(image: IndexedImage, packed: memoryview, number: int, bottom: int) -> NDArray[Any]:
    """The rows of a block above row `bottom` of the image: with predictor 2, differences to the left neighbour."""
    dtype = _DTYPES[image.data_type]
    size = min(BLOCK, bottom - number // image.columns * BLOCK) * BLOCK * dtype.itemsize
    try:
        raw = (
            zstd.ZstdDecompressor().decompress(packed, max_length=size)
            if image.codec == "zstd"
            else zlib.decompressobj().decompress(packed, size)
        )
    except (zstd.ZstdError, zlib.error) as error:
        raise UnreadableError(f"{image.key}: block {number} is damaged: ingest the product again") from error
    if len(raw) != size:
        raise UnreadableError(f"{image.key}: block {number} is damaged: ingest the product again")
    return np.frombuffer(raw, dtype=dtype).reshape(-1, BLOCK)


def _assemble(image: IndexedImage, blocks: Mapping[int, NDArray[Any]], window: Window) -> NDArray[Any]:
    numbers = list(_numbers(window, image.columns))
    if len(numbers) == 1 and numbers[0] in blocks:
        return _part(image, blocks[numbers[0]], numbers[0], window)[2]
    found = np.full(window.shape, image.nodata or 0, dtype=_DTYPES[image.data_type])
    for number in numbers:
        if number in blocks:
            rows, columns, part = _part(image, blocks[number], number, window)
            found[rows, columns] = part
    return found


def _part(image: IndexedImage, block: NDArray[Any], number: int, window: Window) -> tuple[slice, slice, NDArray[Any]]:
    """What a block gives to a window, and the rows and columns of the window where it goes."""
    row, column = divmod(number, image.columns)
    top, left = row * BLOCK, column * BLOCK
    first, last = max(window.top, top), min(window.bottom, top + BLOCK)
    start, stop = max(window.left, left), min(window.right, left + BLOCK)
    part = block[first - top : last - top, : stop - left]
    if image.predictor == 2:  # noqa: PLR2004
        part = part.cumsum(axis=1, dtype=part.dtype)  # wraps as the differences did
    rows, columns = slice(first - window.top, last - window.top), slice(start - window.left, stop - window.left)
    return rows, columns, part[:, start - left :]
