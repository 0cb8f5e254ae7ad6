"""Where the blocks of an image lie, in few bytes: pure functions, without I/O.

*Plain*, a block takes 12 bytes: offset (8) and length (4), little-endian; length 0 means a block that was never
written, all nodata. *Row by row*, a block takes 3, its length, and each row of blocks 8 more before them, the offset of
the first block written in it: in a COG the blocks of a row follow one another, with a guard on either side of each. An
image of which that is not so, or with a block of 16 MB, has no such form. Both can be read a part at a time.
"""

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
_PLAIN = np.dtype([("offset", "<u8"), ("length", "<u4")])


def row_size(columns: int) -> int:
    """Bytes of a row of so many blocks."""
    return START + LENGTH * columns


def row_by_row(plain: bytes, columns: int) -> bytes | None:
    """The places `plain` of all blocks of an image, row by row; None where that would not give them back."""
    count = len(plain) // SPAN
    if not count or count % columns:
        return None
    spans = np.frombuffer(plain, dtype=_PLAIN).reshape(-1, columns)
    # Copies, which numpy reckons with several times faster than with fields of 12 bytes.
    offsets, lengths = spans["offset"].astype(np.uint64), spans["length"].astype("<u4")
    if lengths.max() > _LONGEST or offsets.max() > _FARTHEST:
        return None
    if lengths.all():
        starts = offsets[:, :1]
        same = np.array_equal(offsets[:, 1:], offsets[:, :-1] + lengths[:, :-1] + _GUARDS)
    else:
        starts = np.take_along_axis(offsets, np.argmax(lengths > 0, axis=1)[:, np.newaxis], axis=1)
        same = np.array_equal(offsets, _offsets(starts, lengths))
    if not same:
        return None
    packed = np.empty((len(spans), row_size(columns)), dtype=np.uint8)
    packed[:, :START] = starts.astype("<u8").view(np.uint8)
    single = lengths.view(np.uint8).reshape(len(spans), columns, 4)
    for byte in range(LENGTH):
        packed[:, START + byte :: LENGTH] = single[..., byte]
    return packed.tobytes()


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
    """Offsets of blocks of `lengths` (rows, columns) that follow one another from `starts` (rows, 1) on."""
    taken = np.where(lengths > 0, lengths + _GUARDS, np.uint64(0))
    return np.where(lengths > 0, starts + np.cumsum(taken, axis=1) - taken, np.uint64(0))
