"""The sky of a datatake as a function of ground coordinates: clouds, their shadows and thin cirrus.

All tiles of a datatake see the same sky, and another processing of the datatake sees it again.
"""

from dataclasses import dataclass
from math import cos, radians, sin, tan
from statistics import NormalDist

import numpy as np

from ingest.sample.grid import Grid
from ingest.sample.noise import F32, fractal, seed_of, step, uniform
from ingest.sample.spec import ProductSpec
from ingest.sample.sun import sun_angles
from ingest.tiling import LATITUDE_BANDS

CLOUD_HEIGHT = 2_200.0
"""Metres above the ground, for the shadows."""

_DECK = (23_000.0, 19_000.0)
_CIRRUS = (14_000.0, 42_000.0)
_CIRRUS_CHANCE = 0.3


@dataclass(frozen=True, kw_only=True)
class Sky:
    """Fields of 0..1 with the shape of the grid; `probability` in per cent, as `MSK_CLDPRB` has it."""

    opacity: F32
    shadow: F32
    cirrus: F32
    probability: F32


def sky(spec: ProductSpec, grid: Grid) -> Sky:
    """The datatake's sky over a grid."""
    seed = seed_of(spec.seed, "sky", f"{spec.sensing:%Y%m%dT%H%M%S}")
    if spec.cloud_cover <= 0:
        clear = np.zeros(grid.shape, np.float32)
        return Sky(opacity=clear, shadow=clear, cirrus=clear, probability=clear)
    margin = _margin(spec, grid, seed)
    opacity = _opacity(margin)
    towards_sun = shadow_shift(spec)
    shadow = _opacity(_margin(spec, grid.shifted(*towards_sun), seed)) * (1 - opacity)
    cirrus = _cirrus(grid, seed) * (1 - opacity)
    deck = 100 * step(margin, -0.35, 0.35)
    return Sky(opacity=opacity, shadow=shadow, cirrus=cirrus, probability=np.maximum(deck, 38 * cirrus))


def shadow_shift(spec: ProductSpec) -> tuple[float, float]:
    """Metres (east, north) from a shadow to the cloud that throws it.

    One sun for the tiles of a UTM zone and latitude band: shadows must not jump at a tile's border.
    """
    lon, lat = spec.grid.mgrs.zone * 6 - 183, 8 * LATITUDE_BANDS.index(spec.grid.mgrs.band) - 76
    angles = sun_angles(spec.datastrip_start, np.array(lon), np.array(lat))
    reach = CLOUD_HEIGHT * tan(radians(float(angles.zenith)))
    azimuth = radians(float(angles.azimuth))
    return reach * sin(azimuth), reach * cos(azimuth)


def _margin(spec: ProductSpec, grid: Grid, seed: int) -> F32:
    """How far, in standard deviations, the cloud field lies above the level that gives the wanted cover."""
    share = min(max(spec.cloud_cover, 1e-4), 1 - 1e-4)
    return fractal(grid, _DECK, 6, seed, gain=0.66) - np.float32(NormalDist().inv_cdf(1 - share))


def _opacity(margin: F32) -> F32:
    return step(margin, -0.20, 0.45)


def _cirrus(grid: Grid, seed: int) -> F32:
    if uniform(seed + 77) > _CIRRUS_CHANCE:
        return np.zeros(grid.shape, np.float32)
    return step(fractal(grid, _CIRRUS, 3, seed + 78), 0.8, 3.0)
