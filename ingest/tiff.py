"""Where the blocks of the first image of a COG lie."""

import struct

import numpy as np

from ingest.errors import InvalidProductError
from stac import tiff
from stac.blocks import BLOCK, SPAN
from stac.decode import GUARD
from stac.errors import DamagedImageError
from stac.scene import Blocks
from stac.tiff import Read

_SPAN = np.dtype([("offset", "<u8"), ("length", "<u4")])


def blocks(read: Read, *, block: int = BLOCK, bands: int = 1) -> Blocks | None:
    """How the first image is stored; None unless it has so many bands, blocks of `block` pixels and GDAL's COG guards.

    Several bands have to be stored pixel by pixel. Raises `InvalidProductError` for what is no little-endian TIFF.
    """
    if not tiff.is_guarded(read):
        return None
    try:
        found = next(tiff.layouts(read))
    except DamagedImageError as error:
        raise InvalidProductError(str(error)) from error
    if found is None or (found.block, found.bands) != (block, bands) or found.planes:
        return None
    spans = np.empty(len(found.offsets), dtype=_SPAN)
    spans["offset"], spans["length"] = found.offsets, found.lengths
    return Blocks(data_type=found.data_type, codec=found.codec, predictor=found.predictor, spans=spans.tobytes())


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
