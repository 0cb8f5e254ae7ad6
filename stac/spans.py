"""Where the blocks of an image lie, in few bytes: pure functions, without I/O.

*Plain*, a block takes 12 bytes: offset (8) and length (4), little-endian; length 0 means a block that was never
written, all nodata. *Row by row*, a block takes 3, its length, and each row of blocks 8 more before them, the offset of
the first block written in it: in a COG the blocks of a row follow one another, with a guard on either side of each. An
image of which that is not so, or with a block of 16 MB, has no such form. Both can be read a part at a time.
"""

from collections.abc import Sequence
from itertools import batched

import numpy as np
from numpy.typing import NDArray

SPAN = 12
"""Bytes per block, plain."""
GUARD = 4
"""Bytes before a block that hold its size, and after it that repeat its last."""
START, LENGTH = 8, 3
"""Bytes of the offset of a row of blocks, and of the length of a block, row by row."""

_GUARDS = np.uint64(2 * GUARD)
_LONGEST = 2 ** (8 * LENGTH) - 1
_FARTHEST = 2**62  # beyond it sums might overflow: what no file says that is whole
_AT_ONCE = 16  # images: fewer cost numpy's calls, more do not fit into the processor's cache
_PLAIN = np.dtype([("offset", "<u8"), ("length", "<u4")])


def row_size(columns: int) -> int:
    """Bytes of a row of so many blocks."""
    return START + LENGTH * columns


def row_by_row(images: Sequence[bytes], columns: int) -> list[bytes | None]:
    """The places of all blocks of each of `images`, plain and of one length, row by row.

    None for an image where that would not give them back.
    """
    count = len(images[0]) // SPAN if images else 0
    if not count or count % columns:
        return [None] * len(images)
    found: list[bytes | None] = []
    for some_images in batched(images, _AT_ONCE):
        found += _packed(np.frombuffer(b"".join(some_images), dtype=_PLAIN).reshape(-1, count // columns, columns))
    return found


def _packed(spans: NDArray[np.void]) -> list[bytes | None]:
    """Row by row, of images (image, row, column)."""
    # Copies, which numpy reckons with several times faster than with fields of 12 bytes.
    offsets, lengths = spans["offset"].astype(np.uint64), spans["length"].astype("<u4")
    starts = _starts(offsets, lengths)
    same = (
        (offsets == _offsets(starts, lengths)).all(axis=(1, 2))
        & (lengths.max(axis=(1, 2)) <= _LONGEST)
        & (offsets.max(axis=(1, 2)) <= _FARTHEST)
    )
    packed = np.empty((*spans.shape[:2], row_size(spans.shape[2])), dtype=np.uint8)
    packed[..., :START] = starts.astype("<u8").view(np.uint8)
    single = lengths.view(np.uint8).reshape(*spans.shape, 4)
    for byte in range(LENGTH):
        packed[..., START + byte :: LENGTH] = single[..., byte]
    return [image.tobytes() if whole else None for image, whole in zip(packed, same.tolist(), strict=True)]


def _starts(offsets: NDArray[np.uint64], lengths: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """The offset of the first block written in each row."""
    if lengths[..., 0].all():
        return offsets[..., :1]
    return np.take_along_axis(offsets, np.argmax(lengths > 0, axis=-1)[..., np.newaxis], axis=-1)


def some(rows: bytes, columns: int, first: int, count: int) -> bytes:
    """Plain places of `count` blocks from `first` on, which is counted from the start of `rows`."""
    found = bytearray()
    for number in range(first // columns, -(-(first + count) // columns)):
        row = rows[number * row_size(columns) : (number + 1) * row_size(columns)]
        left, right = max(first - number * columns, 0), min(first + count - number * columns, columns)
        found += _part(row, left, right)
    return bytes(found)


def _part(row: bytes, left: int, right: int) -> bytes:
    """Plain places of the blocks of a row from `left` to before `right`: a series needs few of them, so no numpy."""
    found, offset = bytearray(), int.from_bytes(row[:START], "little")
    for place in range(right):
        at = START + LENGTH * place
        length = int.from_bytes(row[at : at + LENGTH], "little")
        if place >= left:
            found += (offset if length else 0).to_bytes(8, "little") + length.to_bytes(4, "little")
        if length:
            offset += length + 2 * GUARD
    return bytes(found)


def _offsets(starts: NDArray[np.uint64], lengths: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Offsets of blocks of `lengths` (…, columns) that follow one another from `starts` (…, 1) on."""
    if lengths.all():
        ends = np.cumsum(lengths + _GUARDS, axis=-1)
        ends += starts
        return np.concatenate((starts, ends[..., :-1]), axis=-1)
    taken = np.where(lengths > 0, lengths + _GUARDS, np.uint64(0))
    return np.where(lengths > 0, starts + np.cumsum(taken, axis=-1) - taken, np.uint64(0))
