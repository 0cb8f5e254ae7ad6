"""The directories of a TIFF (6.0 or BigTIFF; little-endian, as GDAL writes): how its images are stored, and where."""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stac.blocks import Codec
from stac.errors import DamagedImageError

type Read = Callable[[int, int], bytes]
"""Bytes of the file: from a place, so many (fewer at its end)."""
type Field = tuple[str, int, int]
"""Format of one value, how many there are, and where they stand."""

HEAD = 1024
"""Bytes at the beginning that hold GDAL's marks of its COG layout."""

_FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 12: "d", 16: "Q"}
_CODECS: Mapping[int, Codec] = {8: "deflate", 32946: "deflate", 50000: "zstd"}
_TYPES = {(8, 1): "uint8", (16, 1): "uint16", (16, 2): "int16"}
_KIND, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PREDICTOR = 254, 256, 257, 258, 259, 277, 317
_TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _LENGTHS, _SIGN = 322, 323, 324, 325, 339
_PLANES, _PLANE_BY_PLANE = 284, 2
_NODATA = 42113
_MASK = 4
_LEADER, _TRAILER = b"BLOCK_LEADER=SIZE_AS_UINT4", b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED"
_CLASSIC, _BIG = 42, 43
_MOST = 32
"""Directories of a file: more would be a chain that bites its tail."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How an image of a file is stored: its blocks of `block` x `block` pixels from the upper left, row by row.

    `planes`: each band has blocks of its own, those of the first band first; else a block holds all bands of a pixel.
    Length 0 is a block that was never written. `nodata` is what the file says of this image, in GDAL's way.
    """

    height: int
    width: int
    bands: int
    planes: bool
    block: int
    data_type: str
    codec: Codec
    predictor: int
    nodata: float | None
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint32]


def is_guarded(read: Read) -> bool:
    """Whether blocks have their size before them and their last bytes repeated after them, as GDAL's COGs do."""
    head = read(0, HEAD)
    return _LEADER in head and _TRAILER in head


def layouts(read: Read) -> Iterator[Layout | None]:
    """The images of a file, the largest first; None for one that is stored in a way that we do not read, or is a mask.

    Raises `DamagedImageError` for what is no little-endian TIFF.
    """
    try:
        for fields in _directories(read):
            yield _layout(read, fields)
    except (struct.error, KeyError) as error:
        raise DamagedImageError("its directory is cut off or lacks what every TIFF has") from error


def _layout(read: Read, fields: Mapping[int, Field]) -> Layout | None:
    def one(tag: int, default: int = 1) -> int:
        return int(_values(read, fields[tag])[0]) if tag in fields else default

    kind, codec = _TYPES.get((one(_BITS), one(_SIGN))), _CODECS.get(one(_COMPRESSION))
    height, width, block, bands = one(_HEIGHT), one(_WIDTH), one(_TILE_WIDTH, 0), one(_SAMPLES)
    square = block > 0 and one(_TILE_HEIGHT, 0) == block
    if kind is None or codec is None or not square or one(_PREDICTOR) not in (1, 2) or one(_KIND, 0) & _MASK:
        return None
    offsets, lengths = _values(read, fields[_OFFSETS]), _values(read, fields[_LENGTHS])
    planes = bands > 1 and one(_PLANES) == _PLANE_BY_PLANE
    expected = -(-width // block) * -(-height // block) * (bands if planes else 1)
    if not len(offsets) == len(lengths) == expected:
        return None
    return Layout(
        height=height, width=width, bands=bands, planes=planes, block=block, data_type=kind, codec=codec,
        predictor=one(_PREDICTOR), nodata=_nodata(read, fields),
        offsets=offsets.astype(np.uint64), lengths=lengths.astype(np.uint32),
    )  # fmt: skip


def _nodata(read: Read, fields: Mapping[int, Field]) -> float | None:
    if _NODATA not in fields:
        return None
    text = bytes(_values(read, fields[_NODATA]).tobytes()).rstrip(b"\0 ")
    try:
        return float(text)
    except ValueError as error:
        raise DamagedImageError("its nodata is no number") from error


def _directories(read: Read) -> Iterator[dict[int, Field]]:
    """Fields of each directory by tag."""
    head = read(0, HEAD)
    order, magic = struct.unpack_from("<2sH", head)
    if order != b"II" or magic not in (_CLASSIC, _BIG):
        raise DamagedImageError("not a little-endian TIFF")
    big = magic == _BIG
    (start,) = struct.unpack_from("<Q" if big else "<I", head, 8 if big else 4)
    for _ in range(_MOST):
        fields, start = _directory(read, start, big=big)
        yield fields
        if not start:
            return


def _directory(read: Read, start: int, *, big: bool) -> tuple[dict[int, Field], int]:
    """The fields of the directory at `start`, and where the next one is (0: there is none)."""
    entry, inline, skip = ("<HHQ", 8, 8) if big else ("<HHI", 4, 2)
    size = struct.calcsize(entry) + inline
    (count,) = struct.unpack("<Q" if big else "<H", read(start, skip))
    table = read(start + skip, count * size + inline)
    fields = {}
    for number in range(count):
        tag, kind, length = struct.unpack_from(entry, table, number * size)
        if kind not in _FORMATS:
            continue
        place = start + skip + number * size + struct.calcsize(entry)
        if struct.calcsize(_FORMATS[kind]) * length > inline:
            (place,) = struct.unpack_from("<Q" if big else "<I", table, place - start - skip)
        fields[tag] = _FORMATS[kind], length, place
    (following,) = struct.unpack_from("<Q" if big else "<I", table, count * size)
    return fields, following


def _values(read: Read, field: Field) -> NDArray[np.generic]:
    kind, count, place = field
    held = read(place, struct.calcsize(kind) * count)
    if len(held) != struct.calcsize(kind) * count:
        raise DamagedImageError("its directory is cut off")
    return np.frombuffer(held, dtype=f"<{np.dtype(kind).str[1:]}")
