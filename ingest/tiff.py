"""The directory of a TIFF (6.0 or BigTIFF; little-endian, as GDAL writes): where the blocks of its first image lie."""

import struct
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ingest.errors import InvalidProductError
from stac.blocks import BLOCK, SPAN
from stac.decode import GUARD
from stac.scene import Blocks

type Read = Callable[[int, int], bytes]
"""Bytes of the file: from a place, so many (fewer at its end)."""

_SPAN = np.dtype([("offset", "<u8"), ("length", "<u4")])
_FORMATS = {1: "B", 3: "H", 4: "I", 12: "d", 16: "Q"}
_CODECS: Mapping[int, Literal["zstd", "deflate"]] = {8: "deflate", 32946: "deflate", 50000: "zstd"}
_TYPES = {(8, 1): "uint8", (16, 1): "uint16", (16, 2): "int16"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PREDICTOR = 256, 257, 258, 259, 277, 317
_TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _LENGTHS, _SIGN = 322, 323, 324, 325, 339
_PLANES, _PIXEL_BY_PIXEL = 284, 1
_LEADER, _TRAILER = b"BLOCK_LEADER=SIZE_AS_UINT4", b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED"
_CLASSIC, _BIG = 42, 43

type _Field = tuple[str, int, int]


def blocks(read: Read, *, block: int = BLOCK, bands: int = 1) -> Blocks | None:
    """How the first image is stored; None unless it has so many bands, blocks of `block` pixels and GDAL's COG guards.

    Several bands have to be stored pixel by pixel.
    """
    head = read(0, 1024)
    if _LEADER not in head or _TRAILER not in head:
        return None
    fields = _directory(read, head)

    def one(tag: int, default: int = 1) -> int:
        return int(_values(read, fields[tag])[0]) if tag in fields else default

    kind = _TYPES.get((one(_BITS), one(_SIGN)))
    codec = _CODECS.get(one(_COMPRESSION))
    layout = one(_TILE_WIDTH, 0), one(_TILE_HEIGHT, 0), one(_SAMPLES)
    planes = bands == 1 or one(_PLANES) == _PIXEL_BY_PIXEL
    if kind is None or codec is None or layout != (block, block, bands) or not planes or one(_PREDICTOR) not in (1, 2):
        return None
    offsets, lengths = _values(read, fields[_OFFSETS]), _values(read, fields[_LENGTHS])
    if len(offsets) != -(-one(_WIDTH) // block) * -(-one(_HEIGHT) // block):
        return None
    spans = np.empty(len(offsets), dtype=_SPAN)
    spans["offset"], spans["length"] = offsets, lengths
    return Blocks(data_type=kind, codec=codec, predictor=one(_PREDICTOR), spans=spans.tobytes())


def verify(read: Read, spans: bytes, name: str, *, every: int = 1) -> None:
    """Check that each block (or each `every`-th) stands where `spans` say; raises `InvalidProductError`."""
    for number in range(0, len(spans) // SPAN, every):
        offset, length = struct.unpack_from("<QI", spans, number * SPAN)
        if length == 0:
            continue
        leader = read(offset - GUARD, GUARD)
        tail = read(offset + length - GUARD, 2 * GUARD)
        if leader != struct.pack("<I", length) or tail[:GUARD] != tail[GUARD:]:
            raise InvalidProductError(f"{name}: block {number} is not where the file's directory says")


def _directory(read: Read, head: bytes) -> dict[int, _Field]:
    """Fields of the first directory by tag: format of one value, how many, and where they stand."""
    order, magic = struct.unpack_from("<2sH", head)
    if order != b"II" or magic not in (_CLASSIC, _BIG):
        raise InvalidProductError("not a little-endian TIFF")
    big = magic == _BIG
    start = struct.unpack_from("<Q" if big else "<I", head, 8 if big else 4)[0]
    entry, inline, skip = ("<HHQ", 8, 8) if big else ("<HHI", 4, 2)
    size = struct.calcsize(entry) + inline
    (count,) = struct.unpack("<Q" if big else "<H", read(start, skip))
    table = read(start + skip, count * size)
    fields = {}
    for number in range(count):
        tag, kind, length = struct.unpack_from(entry, table, number * size)
        if kind not in _FORMATS:
            continue
        place = start + skip + number * size + struct.calcsize(entry)
        if struct.calcsize(_FORMATS[kind]) * length > inline:
            (place,) = struct.unpack("<Q" if big else "<I", read(place, inline))
        fields[tag] = _FORMATS[kind], length, place
    return fields


def _values(read: Read, field: _Field) -> NDArray[np.generic]:
    kind, count, place = field
    return np.frombuffer(read(place, struct.calcsize(kind) * count), dtype=f"<{np.dtype(kind).str[1:]}")
