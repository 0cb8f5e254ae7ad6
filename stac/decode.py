"""What the blocks of a COG hold: bytes to windows of stored numbers, without GDAL. The values are GDAL's to the bit.

That bytes are a whole block is proven by those around it: GDAL's COG layout writes a block's size before it and repeats
its last four bytes after it. An image of several bands (a pack, see `stac.packs`) is stored pixel by pixel: its windows
have a third axis.
"""

import struct
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stac import spans
from stac.blocks import IndexedImage
from stac.errors import DamagedBlockError, MisplacedBlockError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GUARD = spans.GUARD
"""Bytes before a block that hold its size, and after it that repeat its last."""
_GAP = 32_768
"""Bytes between two blocks that are rather read than asked around."""
_DIFFERENCES = 2
"""TIFF's predictor that stores each number as its difference to the one on its left, of the same band."""
_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in ("uint8", "uint16", "int16")}

type Span = tuple[int, int]
"""Offset and length of a compressed block; length 0: never written."""


class Area(Protocol):
    """Rows and columns of an image, half open."""

    @property
    def top(self) -> int:
        """First row."""

    @property
    def left(self) -> int:
        """First column."""

    @property
    def bottom(self) -> int:
        """Row after the last."""

    @property
    def right(self) -> int:
        """Column after the last."""


def numbers(area: Area, columns: int, block: int) -> Iterable[int]:
    """The blocks that `area` touches, of an image with `columns` blocks of `block` pixels per row of blocks."""
    if area.bottom <= area.top or area.right <= area.left:
        return ()
    rows = range(area.top // block, (area.bottom - 1) // block + 1)
    across = range(area.left // block, (area.right - 1) // block + 1)
    return (row * columns + column for row in rows for column in across)


def chains(found: Iterable[int], columns: int) -> list[tuple[int, int]]:
    """First and count of the blocks that stand side by side in one row of blocks."""
    # Neighbours differ from their position in the list by the same number.
    grouped = groupby(enumerate(sorted(set(found))), key=lambda entry: (entry[1] - entry[0], entry[1] // columns))
    chained = [[number for _, number in chain] for _, chain in grouped]
    return [(chain[0], len(chain)) for chain in chained]


def spans_of(first: int, packed: bytes) -> dict[int, Span]:
    """Places of the blocks from number `first` on, from what an index holds: `SPAN` bytes each."""
    places = struct.iter_unpack("<QI", packed)
    return {first + place: (offset, length) for place, (offset, length) in enumerate(places)}


def ranges(spans: Mapping[int, Span]) -> list[tuple[int, int]]:
    """Start and end of the byte ranges to ask for, guards included; what lies close together is asked for at once."""
    merged: list[tuple[int, int]] = []
    for offset, length in sorted(spans.values()):
        if not length:
            continue
        start, end = offset - GUARD, offset + length + GUARD
        if merged and start - merged[-1][1] <= _GAP:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def cut(
    key: str, spans: Mapping[int, Span], asked: Sequence[tuple[int, int]], contents: Sequence[memoryview]
) -> dict[int, memoryview]:
    """Compressed blocks by number, from the `contents` of the ranges `asked` for; those never written are left out.

    Raises `MisplacedBlockError` where the bytes are not those of the block.
    """
    found = {}
    place = 0
    for offset, length, number in sorted((offset, length, number) for number, (offset, length) in spans.items()):
        if not length:
            continue
        while offset + length > asked[place][1]:
            place += 1
        start = offset - GUARD - asked[place][0]
        found[number] = _proven(contents[place][start : start + length + 2 * GUARD], length, number, key)
    return found


def windows(image: IndexedImage, packed: Mapping[int, memoryview], areas: Sequence[Area]) -> list[NDArray[Any]]:
    """Stored numbers of each of `areas`, (rows, columns) or (rows, columns, bands), from compressed blocks.

    A block that is not among them is nodata. Raises `DamagedBlockError`.
    """
    last = max((area.bottom for area in areas), default=0)
    blocks = {number: _decode(image, content, number, last) for number, content in packed.items()}
    return [_assemble(image, blocks, area) for area in areas]


def _proven(guarded: memoryview, length: int, number: int, key: str) -> memoryview:
    leader, trailer, last = guarded[:GUARD], guarded[-GUARD:], guarded[-2 * GUARD : -GUARD]
    if len(guarded) != length + 2 * GUARD or leader != struct.pack("<I", length) or trailer != last:
        raise MisplacedBlockError(f"{key}: block {number} is not where the block index says: reconcile the archive")
    return guarded[GUARD:-GUARD]


def _bands(image: IndexedImage) -> tuple[int, ...]:
    return (image.bands,) if image.bands > 1 else ()


def _decode(image: IndexedImage, packed: memoryview, number: int, bottom: int) -> NDArray[Any]:
    """The rows of a block above row `bottom` of the image, still as the predictor left them."""
    dtype = _DTYPES[image.data_type]
    rows = min(image.block, bottom - number // image.columns * image.block)
    size = rows * image.block * image.bands * dtype.itemsize
    try:
        raw = (
            zstd.ZstdDecompressor().decompress(packed, max_length=size)
            if image.codec == "zstd"
            else zlib.decompressobj().decompress(packed, size)
        )
    except (zstd.ZstdError, zlib.error) as error:
        raise DamagedBlockError(f"{image.key}: block {number} is damaged: ingest the product again") from error
    if len(raw) != size:
        raise DamagedBlockError(f"{image.key}: block {number} is damaged: ingest the product again")
    return np.frombuffer(raw, dtype=dtype).reshape(-1, image.block, *_bands(image))


def _assemble(image: IndexedImage, blocks: Mapping[int, NDArray[Any]], area: Area) -> NDArray[Any]:
    touched = list(numbers(area, image.columns, image.block))
    if len(touched) == 1 and touched[0] in blocks:
        return _part(image, blocks[touched[0]], touched[0], area)[2]
    shape = max(0, area.bottom - area.top), max(0, area.right - area.left), *_bands(image)
    found = np.full(shape, image.nodata or 0, dtype=_DTYPES[image.data_type])
    for number in touched:
        if number in blocks:
            rows, columns, part = _part(image, blocks[number], number, area)
            found[rows, columns] = part
    return found


def _part(image: IndexedImage, block: NDArray[Any], number: int, area: Area) -> tuple[slice, slice, NDArray[Any]]:
    """What a block gives to an area, and the rows and columns of the area where it goes."""
    row, column = divmod(number, image.columns)
    top, left = row * image.block, column * image.block
    first, last = max(area.top, top), min(area.bottom, top + image.block)
    start, stop = max(area.left, left), min(area.right, left + image.block)
    part = block[first - top : last - top, : stop - left]
    if image.predictor == _DIFFERENCES:
        part = part.cumsum(axis=1, dtype=part.dtype)  # wraps as the differences did
    rows, columns = slice(first - area.top, last - area.top), slice(start - area.left, stop - area.left)
    return rows, columns, part[:, start - left :]
