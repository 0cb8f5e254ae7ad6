"""Pixels of an item's images at those of a tile, and the pictures made of them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rio_tiler.utils import render
from titiler.core.resources.enums import ImageType

from stac.masks import NODATA, Profile
from tiler.lanes import png, warp
from tiler.lanes.colour import COLOURS, Look, Picture, table
from tiler.lanes.images import Directory, Images
from tiler.lanes.palette import TRANSPARENT, Meaning, Style, palette, reduced
from tiler.series.errors import UnreadableError
from tiler.series.grid import Image

_NOTHING = np.zeros((1, 4), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A tile: its square in Web Mercator, and the pixels of its side."""

    square: warp.Bounds
    side: int


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What of an item is shown: its images, and the image in which `profile` finds what is to be left out."""

    images: tuple[Image, ...]
    profile: Profile
    mask: Image | None


@dataclass(frozen=True, kw_only=True)
class _Pixels:
    """Stored numbers, (bands, side, side), their bits as unsigned; those `outside` the image mean nothing."""

    numbers: NDArray[Any]
    outside: NDArray[np.bool_] | None


def coded(held: Images, canvas: Canvas, subject: Subject, style: Style) -> bytes | None:
    """A picture with a palette as PNG, None for one that TiTiler has to draw; raises `UnreadableError`."""
    (image,) = subject.images
    directory = _directory(held, image)
    if directory is None or directory.layouts[0].bands > 1:
        return None
    colors = palette(style, _meaning(image, directory))
    if colors is None:
        return None
    pixels = _sampled(held, canvas, image, directory)
    if pixels is None:
        return png.encode(np.zeros((canvas.side, canvas.side), dtype=np.uint8), _NOTHING)
    codes = colors.codes[pixels.numbers[0]]
    for out in (pixels.outside, _left_out(held, canvas, subject)):
        if out is not None:
            codes[out] = TRANSPARENT
    shown = reduced(codes, colors)
    return None if shown is None else png.encode(*shown)


def coloured(held: Images, canvas: Canvas, subject: Subject, look: Look) -> Picture | None:
    """A picture of three bands, None for one that TiTiler has to draw; raises `UnreadableError`."""
    shape = COLOURS, canvas.side, canvas.side
    colors, shown = np.empty(shape, dtype=np.uint8), np.zeros(shape[1:], dtype=np.bool_)
    blanks, first = [], 0
    for image in subject.images:
        directory = _directory(held, image)
        if directory is None or directory.layouts[0].bands * len(subject.images) != COLOURS:
            return None
        meaning = _meaning(image, directory)
        shades, blank = table(look, meaning), _blank(meaning)
        if shades is None or blank is None:
            return None
        pixels = _sampled(held, canvas, image, directory)
        numbers = np.full((directory.layouts[0].bands, 1, 1), blank) if pixels is None else pixels.numbers
        if pixels is not None and pixels.outside is not None:
            numbers[:, pixels.outside] = blank
        for band, stored in enumerate(numbers, start=first):
            colors[band] = shades[band][stored]
            shown |= stored != blank
            blanks.append(shades[band][blank])
        first += len(numbers)
    out = _left_out(held, canvas, subject) if shown.any() else None
    if out is not None:
        shown &= ~out
        if look.stretch is not None:  # which TiTiler does after masking, seen where a format has no transparency
            colors[:, out] = np.array(blanks, dtype=np.uint8)[:, np.newaxis]
    return Picture(colors=colors, shown=shown)


def encoded(picture: Picture, form: str) -> bytes:
    """The picture as `form` says; all but PNG by the functions that TiTiler has for it."""
    if form == "png":
        return png.encode_colours(picture.colors, picture.shown)
    opacity = picture.shown * np.uint8(255)
    return bytes(render(picture.colors, opacity, img_format=ImageType[form].driver, **ImageType[form].profile))


def _directory(held: Images, image: Image) -> Directory | None:
    """None for an image that is not stored as its item says, or in a way that we do not read."""
    directory = held.directory(image.key)
    if directory is None or image.grid.shape != (directory.layouts[0].height, directory.layouts[0].width):
        return None
    return directory


def _meaning(image: Image, directory: Directory) -> Meaning:
    first = directory.layouts[0]
    return Meaning(data_type=first.data_type, scale=image.scale, offset=image.offset, nodata=first.nodata)


def _blank(meaning: Meaning) -> int | None:
    """Nodata as it is stored, its bits read as unsigned; None without one."""
    if meaning.nodata is None:
        return None
    return int(np.array(meaning.nodata).astype(meaning.data_type).view(f"u{np.dtype(meaning.data_type).itemsize}"))


def _sampled(held: Images, canvas: Canvas, image: Image, directory: Directory) -> _Pixels | None:
    """The pixels of an image at those of a tile; None where it has none."""
    *_, ratio = warp.pixels(image.grid, canvas.square, canvas.side)
    number = warp.level(ratio, canvas.side, directory.widths)
    layout = directory.layouts[number]
    places = warp.gather(image.grid, canvas.square, canvas.side, (layout.height, layout.width))
    if places is None:
        return None
    stored = held.read(image.key, number, layout, places.window)
    unsigned = stored.view(f"u{stored.itemsize}").reshape(layout.bands, -1)
    return _Pixels(numbers=np.take(unsigned, places.places, axis=1), outside=places.outside)


def _left_out(held: Images, canvas: Canvas, subject: Subject) -> NDArray[np.bool_] | None:
    """Which pixels of a tile the mask leaves out; None: none of them."""
    if subject.mask is None:
        return None
    directory = held.directory(subject.mask.key)
    if directory is None:
        name = subject.mask.key
        raise UnreadableError(f"{name} is not stored as ingestion stores images: ingest the product again")
    pixels = _sampled(held, canvas, subject.mask, directory)
    if pixels is None:
        return np.ones((canvas.side, canvas.side), dtype=np.bool_)
    out: NDArray[np.bool_] = _hidden(subject.profile)[pixels.numbers[0]]
    if pixels.outside is not None:
        out |= pixels.outside
    return out


@lru_cache(maxsize=16)
def _hidden(profile: Profile) -> NDArray[np.bool_]:
    """Of every number that a mask may hold, whether `profile` leaves it out."""
    bits = np.arange(2**16, dtype=np.uint16)
    hidden: NDArray[np.bool_] = profile.masked(bits) | (bits == NODATA)
    return hidden
