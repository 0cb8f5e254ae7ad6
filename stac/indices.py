"""The index table: the one place that defines a spectral index, and the arithmetic that every part uses for it.

Formulas are those of the predecessor, Sen2Chain, on surface reflectance (so that its offset handling follows the
product's metadata). They are expressions over band names, evaluated by numexpr; reflectance is unitless.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numexpr
import numpy as np
from numpy.typing import NDArray

from stac.bands import BANDS
from stac.errors import UnknownNameError

SCALE = 0.0001
NODATA = -32768
_LIMIT = 32767


@dataclass(frozen=True, kw_only=True)
class Index:
    """A spectral index.

    `valid_range` bounds what the stored int16 may hold (values outside become nodata, never wrap); `display_range` is
    what a legend shows; `aliases` are names by which other tools know the same formula.
    """

    name: str
    title: str
    formula: str
    meaning: str
    colormap: str
    display_range: tuple[float, float]
    valid_range: tuple[float, float] = (-1.0, 1.0)
    stored: bool = False
    aliases: tuple[str, ...] = ()

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """Bands that the formula uses, in the order of the band table."""
        return tuple(name for name in BANDS if name in self.formula)

    @cached_property
    def gsd(self) -> int:
        """Metres per pixel of the index: every index is made on the 10 m grid."""
        return 10


_WIDE = (-3.2767, 3.2767)

_INDICES = (
    Index(
        name="NDVI",
        title="Normalized difference vegetation index",
        formula="(B08 - B04) / (B08 + B04)",
        meaning="How green: bare ground is near 0.1, dense vegetation above 0.7, water below 0.",
        colormap="rdylgn",
        display_range=(-0.2, 0.9),
        stored=True,
    ),
    Index(
        name="NDWIGAO",
        title="Normalized difference water index (Gao), vegetation water content",
        formula="(B08 - B11) / (B08 + B11)",
        meaning="How much water plants hold: dry vegetation is below 0, moist canopy above 0.3.",
        colormap="rdylbu",
        display_range=(-0.4, 0.6),
        stored=True,
        aliases=("NDMI",),
    ),
    Index(
        name="NDWIMCF",
        title="Normalized difference water index (McFeeters), open water",
        formula="(B03 - B08) / (B03 + B08)",
        meaning="Open water: water is above 0, land below.",
        colormap="gnbu",
        display_range=(-0.8, 0.6),
        stored=True,
        aliases=("NDWI",),
    ),
    Index(
        name="MNDWI",
        title="Modified normalized difference water index, open water and wet ground",
        formula="(B03 - B11) / (B03 + B11)",
        meaning="Open water and flooded ground: water is above 0; sharper than NDWI beside buildings.",
        colormap="brbg",
        display_range=(-0.8, 0.8),
        stored=True,
    ),
    Index(
        name="NDRE",
        title="Normalized difference red edge index",
        formula="(B08 - B05) / (B08 + B05)",
        meaning="Chlorophyll in dense vegetation, where NDVI saturates.",
        colormap="spectral",
        display_range=(-0.2, 0.8),
    ),
    Index(
        name="IRECI",
        title="Inverted red edge chlorophyll index",
        formula="(B07 - B04) * B06 / B05",
        meaning="Amount of chlorophyll in the canopy.",
        colormap="spectral",
        display_range=(-0.1, 1.0),
        valid_range=_WIDE,
    ),
    Index(
        name="BIGR",
        title="Brightness index, green and red",
        formula="sqrt((B03 * B03 + B04 * B04) / 2)",
        meaning="Brightness of bare soil in the visible.",
        colormap="pink",
        display_range=(0.0, 0.4),
        valid_range=_WIDE,
    ),
    Index(
        name="BIRNIR",
        title="Brightness index, red and near infrared",
        formula="sqrt((B08 * B08 + B04 * B04) / 2)",
        meaning="Brightness of soil and vegetation.",
        colormap="afmhot",
        display_range=(0.0, 0.5),
        valid_range=_WIDE,
    ),
    Index(
        name="BIBG",
        title="Brightness index, blue and green",
        formula="sqrt((B02 * B02 + B03 * B03) / 2)",
        meaning="Brightness in the blue and green.",
        colormap="bone",
        display_range=(0.0, 0.3),
        valid_range=_WIDE,
    ),
    Index(
        name="EVI",
        title="Enhanced vegetation index",
        formula="2.5 * (B08 - B04) / (B08 + 6 * B04 - 7.5 * B02 + 1)",
        meaning="How green, corrected for haze and soil; does not saturate over forest.",
        colormap="rdylgn",
        display_range=(-0.2, 0.9),
        valid_range=_WIDE,
    ),
    Index(
        name="NBR",
        title="Normalized burn ratio",
        formula="(B08 - B12) / (B08 + B12)",
        meaning="Burnt ground: healthy vegetation is above 0.4, a fresh burn below 0.",
        colormap="rdylbu",
        display_range=(-0.5, 0.9),
    ),
    Index(
        name="NDBI",
        title="Normalized difference built-up index",
        formula="(B11 - B08) / (B11 + B08)",
        meaning="Built-up and bare surfaces: above 0.",
        colormap="coolwarm",
        display_range=(-0.6, 0.4),
    ),
)
INDICES: Mapping[str, Index] = MappingProxyType({index.name: index for index in _INDICES})


def get_index(name: str) -> Index:
    """The index called `name` or an alias of it, in any case; raises `UnknownNameError` naming the choices."""
    wanted = name.strip().upper()
    for index in INDICES.values():
        if wanted == index.name or wanted in index.aliases:
            return index
    raise UnknownNameError(f"unknown index {name[:40]!r}: choose from {', '.join(INDICES)}")


def stored_indices() -> tuple[Index, ...]:
    """The indices that ingestion computes and stores."""
    return tuple(index for index in INDICES.values() if index.stored)


def evaluate(index: Index, reflectance: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Value of `index` from the reflectance of its bands (arrays of one shape, NaN where nodata).

    The result is NaN where any band is, where the ratio is undefined (zero denominator), and where the value is outside
    the index's valid range.
    """
    bands = {name: reflectance[name] for name in index.bands}
    with np.errstate(divide="ignore", invalid="ignore"):
        value: NDArray[np.float64] = numexpr.evaluate(index.formula, local_dict=bands, global_dict={})
    low, high = index.valid_range
    # Rounding of float reflectances may push a ratio of exactly 1 a hair outside.
    tolerance = SCALE / 2
    outside = ~((value >= low - tolerance) & (value <= high + tolerance))
    return np.where(outside, np.nan, value)


def encode(value: NDArray[np.floating]) -> NDArray[np.int16]:
    """Index values as they are stored: round(value / 0.0001) as int16, NaN as nodata; nothing wraps."""
    scaled = np.rint(value / SCALE)
    bad = ~(np.abs(scaled) <= _LIMIT)
    return np.where(bad, NODATA, scaled).astype(np.int16)


def decode(stored: NDArray[np.int16]) -> NDArray[np.float64]:
    """Index values from what is stored; nodata becomes NaN."""
    return np.where(stored == NODATA, np.nan, stored * SCALE)


def to_reflectance(dn: NDArray[Any], *, scale: float, offset: float, nodata: int = 0) -> NDArray[np.float64]:
    """Reflectance (unitless) from digital numbers: `dn * scale + offset`, NaN where `dn` is nodata.

    Negative reflectance is legal (DN 1..999 from baseline 04.00 on) and kept.
    """
    return np.where(dn == nodata, np.nan, dn * scale + offset)
