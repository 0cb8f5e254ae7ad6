"""Is a JPEG 2000 file whole? GDAL decodes a cut one without an error when it uses threads, so we look ourselves.

Walks the boxes to the codestream and its tile-parts to the end marker (ISO/IEC 15444-1, annexes A and I); no pixel is
decoded, and a few hundred bytes are read.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

SIGNATURES = (b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")
"""How a JP2 file and a bare codestream begin."""

_START_OF_CODESTREAM = 0xFF4F
_START_OF_TILE_PART = 0xFF90
_END_OF_CODESTREAM = 0xFFD9
_IMAGE_AND_TILE_SIZE = 0xFF51


class BrokenCodestreamError(ValueError):
    """The file is no whole JPEG 2000 file; the message says what is wrong."""


@dataclass
class _Window:
    """The codestream's place in the file: from `start` to `end`, in bytes."""

    stream: BinaryIO
    start: int
    end: int

    def take(self, position: int, layout: str) -> tuple[int, ...]:
        length = struct.calcsize(layout)
        if position + length > self.end:
            raise BrokenCodestreamError(f"it is cut short at byte {self.end}")
        self.stream.seek(position)
        content = self.stream.read(length)
        if len(content) < length:
            raise BrokenCodestreamError(f"it is cut short at byte {position + len(content)}")
        return struct.unpack(layout, content)


def check_whole(stream: BinaryIO, size: int) -> None:
    """Check that every tile-part and the end marker are there; raises `BrokenCodestreamError`."""
    window = _codestream(_Window(stream, 0, size))
    tiles, seen, position = 0, set[int](), window.start
    while True:
        (marker,) = window.take(position, ">H")
        if marker == _END_OF_CODESTREAM:
            break
        if marker == _START_OF_CODESTREAM:
            position += 2
        elif marker == _START_OF_TILE_PART:
            tile, length = window.take(position + 4, ">HI")
            seen.add(tile)
            position = _next_part(window, position, length)
        elif marker >> 8 == 0xFF:  # noqa: PLR2004 - every marker begins with FF
            if marker == _IMAGE_AND_TILE_SIZE:
                tiles = _tile_count(window.take(position + 6, ">8I"))
            position += 2 + window.take(position + 2, ">H")[0]
        else:
            raise BrokenCodestreamError(f"no marker where one belongs, at byte {position}")
    if len(seen) != tiles:
        raise BrokenCodestreamError(f"it holds {len(seen)} of {tiles} tiles")


def _codestream(file: _Window) -> _Window:
    """Find the contiguous codestream box, or take the whole file where it is a bare codestream."""
    if file.take(0, ">H")[0] == _START_OF_CODESTREAM:
        return file
    position = 0
    while True:
        length, kind = file.take(position, ">II")
        header = 8
        if length == 1:
            (length,) = file.take(position + 8, ">Q")
            header = 16
        end = file.end if length == 0 else position + length
        if end < position + header:
            raise BrokenCodestreamError(f"a box of {length} bytes at byte {position}")
        if end > file.end:
            raise BrokenCodestreamError(f"it is cut short at byte {file.end} of {end}")
        if kind == int.from_bytes(b"jp2c"):
            return _Window(file.stream, position + header, end)
        position = end


def _next_part(window: _Window, position: int, length: int) -> int:
    """Where the marker after a tile-part stands; a length of 0 means up to the end marker."""
    following = window.end - 2 if length == 0 else position + length
    if following <= position or following > window.end:
        raise BrokenCodestreamError(
            f"a tile-part of {length} bytes at byte {position}, where {window.end} end the file"
        )
    return following


def _tile_count(size: tuple[int, ...]) -> int:
    """Tiles in the image, from the SIZ segment (ISO/IEC 15444-1, equation B-5)."""
    right, bottom, _, _, width, height, left, top = size
    if not width or not height:
        raise BrokenCodestreamError("a tile of no size")
    return -(-(right - left) // width) * -(-(bottom - top) // height)
