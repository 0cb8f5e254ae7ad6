"""The index images of a Sen2Chain archive become COGs like our own, with a `MASK` from what the archive kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest import footprint
from ingest.clouds import mask_image
from ingest.convert import Conversion, Step
from ingest.derive import INDEX_RADIOMETRY, MASK_RADIOMETRY
from ingest.errors import InvalidProductError
from ingest.prepared import Target, write_image
from ingest.products.base import Raster
from ingest.products.sen2chain import NODATA as ARCHIVE_NODATA
from ingest.products.sen2chain import IndexArchiveProduct
from stac.assets import MASK
from stac.indices import INDICES, NODATA, SCALE, Index
from stac.masks import FIELDS, UNKNOWN_CLASS, UNKNOWN_PROBABILITY, fields_from
from stac.resample import repeat
from stac.scene import Grid

_NO_DATA_AT_ALL = "every pixel is nodata; the footprint is the whole tile"


def convert_indices(product: IndexArchiveProduct, folder: Path, prefix: str, step: Step) -> Conversion:
    """Write the COGs of an archive's index product below `folder`; `prefix` is the item's folder in the bucket.

    Raises `InvalidProductError` naming the file that is broken or lies elsewhere than the others.
    """
    target = Target(folder=folder, prefix=prefix)
    prepared = []
    valid: NDArray[np.bool_] | None = None
    grid: Grid | None = None
    for name in sorted(product.images, key=list(INDICES).index):
        step(name)
        raster = product.read(name)
        grid = grid or raster.grid
        _check_grid(raster.grid, grid, product, name)
        pixels = index_pixels(INDICES[name], raster.pixels)
        valid = pixels != NODATA if valid is None else valid | (pixels != NODATA)
        prepared.append(write_image(Raster(pixels=pixels, grid=grid), name, INDEX_RADIOMETRY, target))
    if grid is None or valid is None:
        raise InvalidProductError(f"{product.scene.item_id}: holds no index")
    if product.selection.masks or product.selection.sides:
        step(MASK)
        mask, fields = archive_mask(product, grid)
        prepared.append(write_image(mask, MASK, MASK_RADIOMETRY, target, overviews="mode", fields=fields))
    outline = footprint.from_pixels(valid, grid)
    return Conversion(
        scene=(),
        indices=tuple(prepared),
        footprint=outline or footprint.from_grid(grid),
        warning=None if outline else _NO_DATA_AT_ALL,
    )


def index_pixels(index: Index, stored: NDArray[np.int16]) -> NDArray[np.int16]:
    """Our int16 from the predecessor's: 16383, and what leaves the index's range, is nodata; the scale is the same.

    Its quotients of dark pixels wrapped round at 16 bits and were kept, so that values out of range mean nothing.
    """
    low, high = (round(bound / SCALE) for bound in index.valid_range)
    known = (stored != ARCHIVE_NODATA) & (stored >= low) & (stored <= high)
    return np.where(known, stored, np.int16(NODATA))


def archive_mask(product: IndexArchiveProduct, grid: Grid) -> tuple[Raster, tuple[str, ...]]:
    """The `MASK` image on `grid` and the fields it holds: from SCL and CLDPRB where kept, else the stored masks."""
    sides = {name: _onto(product, name, grid) for name in product.selection.sides}
    stored = {name: _onto(product, name, grid, lambda pixels: pixels > 0) for name in product.selection.masks}
    if sides:
        image = mask_image(sides.get("SCL"), sides.get("CLDPRB"), None)
    else:
        shape = next(iter(stored.values())).shape
        unknown = {"scl": UNKNOWN_CLASS, "cloud_probability": UNKNOWN_PROBABILITY}
        image = np.full(shape, sum(value << FIELDS[name].offset for name, value in unknown.items()), np.uint16)
    for name, masked in stored.items():
        if masked.shape != image.shape:
            raise InvalidProductError(
                f"{product.selection.masks[name]}: {masked.shape} pixels, other images of the cloud mask {image.shape}"
            )
        image |= FIELDS[name].write(masked)
    if (classes := sides.get("SCL")) is not None:
        image[classes == 0] = 0
    held = {field.name for field in fields_from(tuple(sides))} | set(stored)
    pixels = image if image.shape == grid.shape else np.asarray(repeat(image))
    return Raster(pixels=pixels, grid=grid), tuple(name for name in FIELDS if name in held)


def _onto(
    product: IndexArchiveProduct,
    name: str,
    grid: Grid,
    change: Callable[[NDArray[Any]], NDArray[Any]] = lambda pixels: pixels,
) -> NDArray[Any]:
    """An image of the mask, of the pixels of `grid` or of twice their size; it must cover the same ground."""
    raster = product.read(name)
    factor = round(grid.height / raster.grid.height) or 1
    fitting = (raster.grid.height * factor, raster.grid.width * factor) == grid.shape and factor in (1, 2)
    if not fitting or _corner(raster.grid) != _corner(grid):
        raise InvalidProductError(
            f"{product.scene.item_id}: {name} has {raster.grid.shape} pixels from {_corner(raster.grid)}, "
            f"the indices {grid.shape} from {_corner(grid)}: they do not lie on one another"
        )
    return change(raster.pixels)


def _check_grid(found: Grid, expected: Grid, product: IndexArchiveProduct, name: str) -> None:
    if found != expected:
        raise InvalidProductError(f"{product.selection.indices[name]}: its grid {found} is not that of the others")


def _corner(grid: Grid) -> tuple[float, float]:
    return grid.left, grid.top
