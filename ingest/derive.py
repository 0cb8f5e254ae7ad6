"""The index product of a scene: the stored indices and the cloud mask, from images already decoded."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.clouds import mask_image
from ingest.errors import InvalidProductError
from ingest.products.base import Raster
from stac.indices import NODATA, SCALE, Index, encode, evaluate, stored_indices, to_reflectance
from stac.masks import NODATA as MASK_NODATA
from stac.masks import fields_from
from stac.resample import double, repeat
from stac.scene import Grid, Radiometry

INDEX_RADIOMETRY = Radiometry(scale=SCALE, offset=0.0, nodata=NODATA)
MASK_RADIOMETRY = Radiometry(nodata=MASK_NODATA)

_STRIP = 512
"""Rows computed at a time, so that the float arrays of a full-size scene stay small."""


def needed_images() -> frozenset[str]:
    """Images that the index product is made from."""
    return frozenset({"SCL", "CLDPRB", "B11"}.union(*(index.bands for index in stored_indices())))


def derivable_indices(images: Mapping[str, Any]) -> tuple[Index, ...]:
    """The stored indices whose bands are all among `images`."""
    return tuple(index for index in stored_indices() if all(band in images for band in index.bands))


def index_image(index: Index, rasters: Mapping[str, Raster], radiometry: Mapping[str, Radiometry]) -> Raster:
    """The stored image of `index` (int16, 10 m grid) from the DN of its bands; 20 m bands are brought to 10 m."""
    grid = _finest(rasters[band].grid for band in index.bands)
    dn = {band: _onto(rasters[band], grid, band) for band in index.bands}
    out = np.empty(grid.shape, dtype=np.int16)
    for rows in _strips(grid.height):
        reflectance = {band: _reflectance(dn[band][rows], radiometry[band]) for band in index.bands}
        out[rows] = encode(evaluate(index, reflectance))
    return Raster(pixels=out, grid=grid)


def cloud_image(
    rasters: Mapping[str, Raster], radiometry: Mapping[str, Radiometry], grid: Grid
) -> tuple[Raster, tuple[str, ...]] | None:
    """The `MASK` image on the 10 m `grid` and the names of the fields it holds; None without SCL and CLDPRB."""
    classes, probability, b11 = (rasters.get(name) for name in ("SCL", "CLDPRB", "B11"))
    if classes is None and probability is None:
        return None
    _check_same(rasters, ("SCL", "CLDPRB", "B11"))
    image = mask_image(
        None if classes is None else classes.pixels,
        None if probability is None else probability.pixels,
        None if b11 is None else _reflectance(b11.pixels, radiometry["B11"]),
    )
    coarse = next(raster.grid for raster in (classes, probability) if raster is not None)
    fields = fields_from([name for name in ("SCL", "CLDPRB", "B11") if name in rasters])
    pixels = image if coarse.shape == grid.shape else _doubled(image, coarse, grid, "the cloud mask")
    return Raster(pixels=pixels, grid=grid), tuple(field.name for field in fields)


def _check_same(rasters: Mapping[str, Raster], names: tuple[str, ...]) -> None:
    shapes = {name: rasters[name].grid.shape for name in names if name in rasters}
    if len(set(shapes.values())) > 1:
        raise InvalidProductError(f"the images of the cloud mask differ in size: {shapes}")


def _onto(raster: Raster, grid: Grid, name: str) -> NDArray[np.uint16]:
    if raster.grid.shape == grid.shape:
        return np.asarray(raster.pixels)
    _check_double(raster.grid, grid, name)
    return double(raster.pixels)


def _doubled(image: NDArray[np.uint16], coarse: Grid, fine: Grid, name: str) -> NDArray[np.uint16]:
    _check_double(coarse, fine, name)
    return np.asarray(repeat(image))


def _check_double(coarse: Grid, fine: Grid, name: str) -> None:
    if (2 * coarse.height, 2 * coarse.width) != fine.shape:
        raise InvalidProductError(f"{name} has {coarse.shape} pixels, which do not double to the grid of {fine.shape}")


def _reflectance(dn: NDArray[Any], radiometry: Radiometry) -> NDArray[np.float64]:
    return to_reflectance(dn, scale=radiometry.scale, offset=radiometry.offset, nodata=radiometry.nodata or 0)


def _finest(grids: Iterator[Grid]) -> Grid:
    return max(grids, key=lambda grid: grid.height)


def _strips(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + _STRIP, rows)) for start in range(0, rows, _STRIP))
