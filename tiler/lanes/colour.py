"""Stored numbers to red, green and blue, by tables of rio-tiler's own making, as `palette` has them for one band."""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rio_tiler.models import ImageData

from tiler.lanes.palette import Meaning, numbers_of, physical

COLOURS = 3
_LOOKS = 32
_MIXES = "saturation"
"""The one operation of a formula that looks at several bands of a pixel at once."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a picture of three bands is to look: the range stretched to 0..255 (None: as stored), a colour formula."""

    stretch: tuple[float, float] | None
    formula: str | None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Red, green and blue, (3, rows, columns), and which pixels are `shown`, (rows, columns)."""

    colors: NDArray[np.uint8]
    shown: NDArray[np.bool_]

    def over(self, beneath: "Picture") -> "Picture":
        """This one, and `beneath` where it shows nothing."""
        through = ~self.shown & beneath.shown
        return Picture(colors=np.where(through, beneath.colors, self.colors), shown=self.shown | through)


@lru_cache(maxsize=_LOOKS)
def table(look: Look, meaning: Meaning) -> NDArray[np.uint8] | None:
    """Of every number that may be stored (its bits read as unsigned) the shade of each band, (3, numbers).

    None where TiTiler would not make 8 bits of them, where its formula looks at several bands at once, and where it
    refuses the formula.
    """
    if _MIXES in (look.formula or "").lower():
        return None
    numbers = numbers_of(meaning)
    hidden = np.zeros(numbers.shape, dtype=np.bool_) if meaning.nodata is None else numbers == meaning.nodata
    band = np.ma.MaskedArray(physical(numbers, meaning), mask=hidden)
    image = ImageData(np.ma.stack([band[np.newaxis]] * COLOURS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if look.stretch is not None:
                image.rescale([look.stretch])
            if look.formula:
                image.apply_color_formula(look.formula)
        except (ValueError, KeyError, IndexError, TypeError):
            return None
    shades: NDArray[np.uint8] = image.array.data[:, 0]
    return shades.copy() if shades.dtype == np.uint8 else None
