"""The index product of a scene: the stored indices and the cloud mask, from images already decoded."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import numexpr
import numpy as np
from numpy.typing import NDArray

from ingest.clouds import is_dark, mask_image
from ingest.errors import InvalidProductError
from ingest.omnicloudmask import BANDS as MODEL_BANDS
from ingest.omnicloudmask import CloudModel
from ingest.products.base import Raster
from stac.indices import NODATA, SCALE, Index, stored_indices, to_reflectance
from stac.masks import NODATA as MASK_NODATA
from stac.masks import fields_from
from stac.resample import double, repeat
from stac.scene import Grid, Radiometry

INDEX_RADIOMETRY = Radiometry(scale=SCALE, offset=0.0, nodata=NODATA)
MASK_RADIOMETRY = Radiometry(nodata=MASK_NODATA)

_MASK_IMAGES = ("SCL", "CLDPRB", "B11")
"""What the fields of a mask are made from, but for those of a cloud model."""

_STRIP, _CHUNK = 64, 16
"""Rows brought to 10 m at a time (an even number) and rows computed at a time: what is in hand stays in the cache."""


def needed_images(indices: Iterable[Index], *, modelled: bool) -> frozenset[str]:
    """Images that an index product is made from; `modelled`: what a cloud model wants included."""
    bands = {band for index in indices for band in index.bands}
    return frozenset({*_MASK_IMAGES, *bands, *(MODEL_BANDS if modelled else ())})


def derivable_indices(images: Collection[str], wanted: Iterable[Index] | None = None) -> tuple[Index, ...]:
    """Those of the indices `wanted` (by default the stored ones) whose bands are all among `images`."""
    choice = stored_indices() if wanted is None else wanted
    return tuple(index for index in choice if all(band in images for band in index.bands))


def index_image(index: Index, rasters: Mapping[str, Raster], radiometry: Mapping[str, Radiometry]) -> Raster:
    """The stored image of `index` (int16, 10 m grid) from the DN of its bands; 20 m bands are brought to 10 m.

    Equal to `encode(evaluate(index, to_reflectance(dn)))` to the bit: the same operations on doubles in the same order.
    """
    grid = _finest(rasters[band].grid for band in index.bands)
    for band in index.bands:
        _check_fits(rasters[band].grid, grid, band)
    out = np.full(grid.shape, NODATA, dtype=np.int16)
    for rows in _slices(grid.height, _STRIP):
        dn = {band: _onto(rasters[band], grid, rows) for band in index.bands}
        for part in _slices(rows.stop - rows.start, _CHUNK):
            _store(index, {band: values[part] for band, values in dn.items()}, radiometry, out[rows][part])
    return Raster(pixels=out, grid=grid)


def _store(
    index: Index,
    dn: Mapping[str, NDArray[np.uint16]],
    radiometry: Mapping[str, Radiometry],
    out: NDArray[np.int16],
) -> None:
    """Write the stored values of an index where it has one; `out` is left alone elsewhere."""
    good = np.logical_and.reduce([values != (radiometry[band].nodata or 0) for band, values in dn.items()])
    reflectance = {band: values * radiometry[band].scale + radiometry[band].offset for band, values in dn.items()}
    value: NDArray[np.float64] = numexpr.evaluate(index.formula, local_dict=reflectance, global_dict={})
    low, high = index.valid_range
    # What is not a number fails every comparison.
    good &= (value >= low - SCALE / 2) & (value <= high + SCALE / 2)
    value /= SCALE
    np.rint(value, out=value)
    good &= np.abs(value) <= np.iinfo(np.int16).max
    np.copyto(out, value, where=good, casting="unsafe")


def mask_sources(images: Iterable[str], model: CloudModel | None = None) -> frozenset[str]:
    """The images among `images` that a `MASK` is made from; empty where there is neither SCL nor CLDPRB."""
    sources = {*_MASK_IMAGES} & set(images)
    modelled = set(MODEL_BANDS) if model is not None and set(MODEL_BANDS) <= set(images) else set()
    return frozenset() if sources <= {"B11"} else frozenset(sources | modelled)


def cloud_image(
    rasters: Mapping[str, Raster], radiometry: Mapping[str, Radiometry], grid: Grid, model: CloudModel | None = None
) -> tuple[Raster, tuple[str, ...]]:
    """The `MASK` image on the 10 m `grid` and the names of the fields it holds; needs SCL or CLDPRB."""
    modelled = model.masked(rasters) if model is not None and set(MODEL_BANDS) <= set(rasters) else None
    classes, probability, b11 = (rasters.get(name) for name in _MASK_IMAGES)
    _check_same(rasters, _MASK_IMAGES)
    image = mask_image(
        None if classes is None else classes.pixels,
        None if probability is None else probability.pixels,
        None if b11 is None else _dark(b11.pixels, radiometry["B11"]),
        modelled,
    )
    coarse = next(raster.grid for raster in (classes, probability) if raster is not None)
    fields = fields_from([name for name in _MASK_IMAGES if name in rasters])
    pixels = image if coarse.shape == grid.shape else _doubled(image, coarse, grid, "the cloud mask")
    held = (*(field.name for field in fields), *(() if modelled is None else ("ocm",)))
    return Raster(pixels=pixels, grid=grid), held


def _check_same(rasters: Mapping[str, Raster], names: tuple[str, ...]) -> None:
    shapes = {name: rasters[name].grid.shape for name in names if name in rasters}
    if len(set(shapes.values())) > 1:
        raise InvalidProductError(f"the images of the cloud mask differ in size: {shapes}")


def _onto(raster: Raster, grid: Grid, rows: slice) -> NDArray[np.uint16]:
    """Rows of the fine grid (from an even one on) of an image that may be half as fine."""
    if raster.grid.shape == grid.shape:
        return np.asarray(raster.pixels[rows])
    start, stop = rows.start // 2, -(-rows.stop // 2)
    above = max(0, start - 1)
    # One more row on either side: what is interpolated there must not see the strip's border.
    return double(raster.pixels[above : stop + 1])[2 * (start - above) :][: rows.stop - rows.start]


def _doubled(image: NDArray[np.uint16], coarse: Grid, fine: Grid, name: str) -> NDArray[np.uint16]:
    _check_double(coarse, fine, name)
    return np.asarray(repeat(image))


def _check_fits(grid: Grid, finest: Grid, name: str) -> None:
    if grid.shape != finest.shape:
        _check_double(grid, finest, name)


def _check_double(coarse: Grid, fine: Grid, name: str) -> None:
    if (2 * coarse.height, 2 * coarse.width) != fine.shape:
        raise InvalidProductError(f"{name} has {coarse.shape} pixels, which do not double to the grid of {fine.shape}")


def _dark(dn: NDArray[np.uint16], radiometry: Radiometry) -> NDArray[np.bool_]:
    """Where B11 is dark, by a table of all digital numbers: an eighth of the memory of reflectances."""
    numbers = np.arange(1 << 16, dtype=np.uint16)
    table = to_reflectance(numbers, scale=radiometry.scale, offset=radiometry.offset, nodata=radiometry.nodata or 0)
    dark, out = is_dark(table), np.empty(dn.shape, np.bool_)
    for rows in _slices(len(dn), _STRIP):
        out[rows] = dark[dn[rows]]
    return out


def _finest(grids: Iterator[Grid]) -> Grid:
    return max(grids, key=lambda grid: grid.height)


def _slices(rows: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
