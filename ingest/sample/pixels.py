"""The exact pixels of a sample product: what `write_product` writes and what tests may expect."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.sample.clouds import Sky, sky
from ingest.sample.grid import Grid, TileGrid, centres
from ingest.sample.landscape import Terrain, cover, terrain
from ingest.sample.noise import F32
from ingest.sample.spec import SWATH_SLOPE, ProductSpec
from ingest.sample.spectra import CLOUD, MATERIALS, PATH, SPECTRA, TRANSMITTANCE
from stac.bands import BANDS

QUANTIFICATION = 10_000
LAYER_QUANTIFICATION = 1_000
"""Of AOT and WVP."""

TCI_BANDS = ("B04", "B03", "B02")
TCI_WHITE = 0.355
"""Reflectance shown as 255 in the true-colour image."""

PREVIEW_PIXEL = 320
PREVIEW_SIZE = 343

type Index = slice | NDArray[np.integer[Any]] | int | EllipsisType
type Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_STRIP_PIXELS = 1_300_000
_SHADE = np.float32(0.62)

CLOUD_HIGH, CLOUD_MEDIUM, UNSURE = 80, 40, 25
"""Per cent of cloud probability from which the scene classes 9, 8 and 7 are given."""

_CIRRUS_SEEN, _SHADOW_SEEN, _DARK_SEEN, _WATER_SEEN, _GREEN_SEEN = 0.25, 0.40, 0.20, 0.5, 0.42


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything an acquisition's pixels follow from, on one grid."""

    cover: dict[str, F32]
    texture: F32
    sky: Sky
    valid: NDArray[np.bool_]


def expected(
    spec: ProductSpec, layer: str, rows: Index = slice(None), cols: Index = slice(None), *, gsd: int | None = None
) -> Pixels:
    """The pixels of an image of a product, without reading it; `rows` and `cols` index like numpy's.

    `layer` is a band, `SCL`, `CLDPRB`, `SNWPRB`, `AOT`, `WVP` or `TCI` (3, rows, columns); `gsd` is the nominal
    resolution (10, 20 or 60), by default the finest the image comes in. Raises `ValueError` for an unknown layer.
    """
    resolution = gsd or native_gsd(layer)
    return image(spec, layer, resolution)[..., rows, cols]


def image(spec: ProductSpec, layer: str, gsd: int) -> Pixels:
    """All pixels of a layer at a nominal resolution: uint16 for bands, AOT and WVP, uint8 for the rest."""
    return images(spec, (layer,), gsd)[layer]


def images(spec: ProductSpec, layers: Sequence[str], gsd: int) -> dict[str, Pixels]:
    """All pixels of several layers of one resolution; the scene, which costs most, is made once for all of them."""
    parts: dict[str, list[Pixels]] = {layer: [] for layer in layers}
    for scene in _scenes(spec, gsd):
        for layer in layers:
            parts[layer].append(_maker(layer)(spec, scene))
    joined: dict[str, Any] = {}
    for layer in layers:
        joined[layer] = np.concatenate(parts.pop(layer), axis=-2)
    return joined


def reflectance(spec: ProductSpec, band: str, *, gsd: int | None = None) -> F32:
    """Reflectance of a band before it is quantised, NaN outside the swath; rows, columns."""
    parts = [
        np.where(scene.valid, _reflectance(spec, scene, band), np.float32(np.nan))
        for scene in _scenes(spec, gsd or native_gsd(band))
    ]
    return np.concatenate(parts)


def scl(spec: ProductSpec, *, gsd: int = 20) -> NDArray[np.uint8]:
    """Scene classification, uint8."""
    return image(spec, "SCL", gsd).astype(np.uint8, copy=False)


def cloud_probability(spec: ProductSpec, *, gsd: int = 20) -> NDArray[np.uint8]:
    """Cloud probability in per cent, uint8."""
    return image(spec, "CLDPRB", gsd).astype(np.uint8, copy=False)


def valid_mask(spec: ProductSpec, *, gsd: int = 10) -> NDArray[np.bool_]:
    """True inside the swath."""
    return _valid(spec, spec.grid.grid(gsd))


def preview(spec: ProductSpec) -> NDArray[np.uint8]:
    """The quick-look (3, 343, 343) with pixels of 320 m."""
    grid = centres(spec.grid.origin, PREVIEW_PIXEL, PREVIEW_SIZE)
    return _true_colour(spec, _scene(spec, grid, terrain(grid, spec.seed)))


def native_gsd(layer: str) -> int:
    """Finest nominal resolution of a layer in the lean product; raises `ValueError` for an unknown layer."""
    if layer in BANDS:
        return BANDS[layer].gsd
    _maker(layer)
    return 10 if layer == "TCI" else 20


def _maker(layer: str) -> Callable[[ProductSpec, Scene], Pixels]:
    if layer in BANDS:
        return lambda spec, scene: _digital_numbers(spec, scene, layer)
    makers: dict[str, Callable[[ProductSpec, Scene], Pixels]] = {
        "TCI": _true_colour,
        "SCL": _scene_classes,
        "CLDPRB": lambda _, scene: np.rint(scene.sky.probability * scene.valid).astype(np.uint8),
        "SNWPRB": lambda _, scene: np.zeros(scene.valid.shape, np.uint8),
        "AOT": lambda spec, scene: _layer(scene, 0.12 + 0.25 * spec.cloud_cover),
        "WVP": lambda spec, scene: _layer(scene, 4.8 if spec.wet_season else 2.6),
    }
    if layer not in makers:
        raise ValueError(f"no layer {layer!r}: use one of {', '.join((*BANDS, *makers))}")
    return makers[layer]


def _scenes(spec: ProductSpec, gsd: int) -> Iterator[Scene]:
    """The scene in strips of rows, so that a full-size product fits into memory."""
    count = spec.grid.count(gsd)
    height = max(1, _STRIP_PIXELS // count)
    for start in range(0, count, height):
        yield _strip(spec, gsd, start, min(start + height, count))


# Three scenes: one per resolution while a product is written. Six terrains: two tiles at each resolution.
@lru_cache(maxsize=3)
def _strip(spec: ProductSpec, gsd: int, start: int, stop: int) -> Scene:
    grid = spec.grid.grid(gsd, slice(start, stop))
    return _scene(spec, grid, _terrain(spec.grid, spec.seed, gsd, start, stop))


@lru_cache(maxsize=6)
def _terrain(ground: TileGrid, seed: int, gsd: int, start: int, stop: int) -> Terrain:
    return terrain(ground.grid(gsd, slice(start, stop)), seed)


def _scene(spec: ProductSpec, grid: Grid, ground: Terrain) -> Scene:
    return Scene(
        cover=cover(ground, spec.sensing.date()),
        texture=ground.texture,
        sky=sky(spec, grid),
        valid=_valid(spec, grid),
    )


def _valid(spec: ProductSpec, grid: Grid) -> NDArray[np.bool_]:
    if spec.swath_edge is None:
        return np.ones(grid.shape, np.bool_)
    easting, northing = spec.swath_edge
    return grid.x[None, :] < easting + (grid.y[:, None] - northing) * SWATH_SLOPE


def _surface(scene: Scene, band: str) -> F32:
    spectrum = SPECTRA[band]
    total = np.zeros(scene.valid.shape, np.float32)
    for material in MATERIALS:
        total += scene.cover[material] * np.float32(spectrum[material])
    return total * scene.texture


def _reflectance(spec: ProductSpec, scene: Scene, band: str) -> F32:
    """Of the surface (L2A, clouds are not corrected away) or at the top of the atmosphere (L1C)."""
    seen: F32 = _surface(scene, band) * (1 - _SHADE * scene.sky.shadow)
    if spec.level == "L1C":
        seen = seen * np.float32(TRANSMITTANCE[band]) + np.float32(PATH[band])
    veil = np.float32(0.22) * scene.sky.cirrus
    high = 0.06 if band == "B10" else CLOUD[band]
    seen = seen * (1 - veil) + np.float32(high) * veil
    shown: F32 = seen * (1 - scene.sky.opacity) + np.float32(CLOUD[band]) * scene.sky.opacity
    return shown


def _digital_numbers(spec: ProductSpec, scene: Scene, band: str) -> NDArray[np.uint16]:
    counts = np.rint(_reflectance(spec, scene, band) * np.float32(QUANTIFICATION)) - np.float32(spec.offset)
    # 0 is nodata and 65535 saturated: no measured value may become either.
    return np.where(scene.valid, np.clip(counts, 1, 65_534), 0).astype(np.uint16)


def _true_colour(spec: ProductSpec, scene: Scene) -> NDArray[np.uint8]:
    bands = [_reflectance(spec, scene, band) for band in TCI_BANDS]
    shown = np.clip(np.rint(np.stack(bands) * np.float32(255 / TCI_WHITE)), 1, 255)
    return np.where(scene.valid, shown, 0).astype(np.uint8)


def _layer(scene: Scene, mean: float) -> NDArray[np.uint16]:
    """AOT and WVP: nearly even over the tile, a little higher under cloud."""
    values = np.float32(mean) * (1 + np.float32(0.15) * scene.sky.probability / 100)
    return np.where(scene.valid, np.rint(values * LAYER_QUANTIFICATION), 0).astype(np.uint16)


def _scene_classes(_: ProductSpec, scene: Scene) -> NDArray[np.uint8]:
    """As Sen2Cor would see it: clouds by probability, then shadows, then what the surface is."""
    overhead = scene.sky
    red, nir = _surface(scene, "B04"), _surface(scene, "B08")
    water = scene.cover["river"] + scene.cover["lake"]
    # The first condition that holds decides.
    rules: list[tuple[NDArray[np.bool_], int]] = [
        (~scene.valid, 0),
        (overhead.probability >= CLOUD_HIGH, 9),
        (overhead.probability >= CLOUD_MEDIUM, 8),
        (overhead.cirrus > _CIRRUS_SEEN, 10),
        (overhead.shadow > _SHADOW_SEEN, 3),
        (overhead.probability >= UNSURE, 7),
        (water > _WATER_SEEN, 6),
        (overhead.shadow > _DARK_SEEN, 2),
        ((nir - red) / (nir + red) > _GREEN_SEEN, 4),
    ]
    return np.select([rule for rule, _ in rules], [np.uint8(code) for _, code in rules], np.uint8(5))
