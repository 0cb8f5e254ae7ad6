"""Stored numbers to colours, by a table that TiTiler's own functions make: so that colours are those of its tiles."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from rio_tiler.colormap import apply_cmap, cmap
from rio_tiler.errors import InvalidColorMapName
from rio_tiler.models import rescale_image
from titiler.core.dependencies import ColorMapParams

from tiler.rendering import default_colors

COLORS = 256
"""Most colours of a picture with a palette."""
TRANSPARENT = 0
"""Code of what is not shown."""
_STYLES = 128
_NUMBERS = {"uint8": 2**8, "uint16": 2**16, "int16": 2**16}


@dataclass(frozen=True, kw_only=True)
class Style:
    """How an asset is to look: the range stretched to 0..255, the name of a colormap, or one in JSON.

    Neither name nor JSON: the colours of the asset's table.
    """

    asset: str
    stretch: tuple[float, float] | None
    name: str | None
    custom: str | None


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What the numbers of an image stand for: `value = stored * scale + offset`, but for `nodata`."""

    data_type: str
    scale: float
    offset: float
    nodata: float | None


@dataclass(frozen=True, kw_only=True)
class Palette:
    """`codes`: by stored number (its bits read as unsigned) the row of `colors`, (n, 4) red, green, blue, opacity.

    Row 0 is transparent.
    """

    codes: NDArray[np.uint16]
    colors: NDArray[np.uint8]


@lru_cache(maxsize=_STYLES)
def palette(style: Style, meaning: Meaning) -> Palette | None:
    """The colours of every number that may be stored; None where TiTiler would not make 8-bit colours of them.

    Raises `HTTPException` as TiTiler does for a colormap that cannot be read.
    """
    colors = _colormap(style)
    if colors is None:
        return None
    stored = numbers_of(meaning)
    order = np.argsort(stored, kind="stable")
    rgba = _rgba(stored, meaning, style, colors)
    if rgba is None:
        return None
    rgba[rgba[:, 3] == 0] = 0
    # Numbered along the values, so that neighbours in the picture have neighbouring codes: these compress well.
    packed = np.ascontiguousarray(rgba[order]).view(np.uint32).ravel()
    packed = np.concatenate([np.zeros(1, dtype=np.uint32), packed])
    unique, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    rank = np.empty(len(unique), dtype=np.uint16)
    rank[np.argsort(first)] = np.arange(len(unique))
    codes = np.empty(len(stored), dtype=np.uint16)
    codes[order] = rank[inverse[1:]]
    return Palette(codes=codes, colors=unique[np.argsort(first)].view(np.uint8).reshape(-1, 4))


def numbers_of(meaning: Meaning) -> NDArray[Any]:
    """Every number that may be stored, in the order of its bits read as unsigned."""
    bits = np.arange(_NUMBERS[meaning.data_type]).astype(f"u{np.dtype(meaning.data_type).itemsize}")
    return bits.view(meaning.data_type)


def physical(numbers: NDArray[Any], meaning: Meaning) -> NDArray[Any]:
    """What stored `numbers` stand for, as `AssetReader` has it: a copy that may be written to."""
    if (meaning.scale, meaning.offset) == (1, 0):
        return numbers.copy()
    return cast("NDArray[Any]", numbers.astype(np.float32) * np.float32(meaning.scale) + np.float32(meaning.offset))


def reduced(codes: NDArray[np.uint16], found: Palette) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """`codes` of a picture and the colours that they number, at most `COLORS`; None where the picture has more."""
    if len(found.colors) <= COLORS:
        return codes.astype(np.uint8), found.colors
    used = np.bincount(codes.ravel(), minlength=len(found.colors)) > 0
    used[TRANSPARENT] |= used.sum() < COLORS
    if used.sum() > COLORS:
        return None
    renumbered = (np.cumsum(used) - 1).astype(np.uint8)
    return renumbered[codes], found.colors[used]


def _colormap(style: Style) -> Any:
    if style.name:
        try:
            return cmap.get(style.name)
        except InvalidColorMapName:
            return None
    if style.custom:
        return ColorMapParams(colormap_name=None, colormap=style.custom)
    return default_colors([style.asset])


def _rgba(numbers: NDArray[Any], meaning: Meaning, style: Style, colors: Any) -> NDArray[np.uint8] | None:
    """Colours (n, 4) of stored `numbers`, as `AssetReader` and `titiler.core.utils.render_image` make them."""
    mask = np.zeros(numbers.shape, dtype=np.bool_) if meaning.nodata is None else numbers == meaning.nodata
    values = physical(numbers, meaning)  # stretched in place
    array = np.ma.MaskedArray(values.reshape(1, 1, -1), mask=mask.reshape(1, 1, -1))
    if style.stretch is not None:
        array = rescale_image(array, in_range=[style.stretch])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shades, opacity = apply_cmap(array.data, colors)
    if shades.dtype != np.uint8 or len(shades) != 3:  # noqa: PLR2004
        return None
    opacity = np.where(mask, 0, opacity.reshape(-1)).astype(np.uint8)
    return cast("NDArray[np.uint8]", np.column_stack([*shades.reshape(3, -1), opacity]))
