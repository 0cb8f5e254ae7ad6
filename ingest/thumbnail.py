"""A small picture of a scene: its true colour image, or one made from red, green and blue."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from ingest.cog import LocalFile, describe, writing
from ingest.products.base import Raster
from stac.scene import Radiometry

_SIDE = 343
"""Pixels per side, as the quicklooks that other catalogues serve."""

_BRIGHT = 0.3
"""Reflectance that becomes white."""


def write_thumbnail(
    picture: Raster | None, rasters: Mapping[str, Raster], images: Mapping[str, Radiometry], path: Path
) -> LocalFile | None:
    """Write a JPEG of at most 343 x 343 pixels; None where there is neither a picture nor the bands to make one."""
    rgb = _pixels(picture, rasters, images)
    if rgb is None:
        return None
    _, rows, columns = rgb.shape
    # The transform only keeps rasterio from warning: a thumbnail is not georeferenced, nor may a side-car file say so.
    with (
        writing(path),
        rasterio.Env(GDAL_PAM_ENABLED=False),
        rasterio.open(
            path,
            "w",
            driver="JPEG",
            count=3,
            height=rows,
            width=columns,
            dtype="uint8",
            transform=Affine.translation(0.0, rows),
        ) as dataset,
    ):
        dataset.write(rgb)
    return describe(path)


def _pixels(
    picture: Raster | None, rasters: Mapping[str, Raster], images: Mapping[str, Radiometry]
) -> NDArray[np.uint8] | None:
    if picture is not None:
        return np.asarray(_thin(picture.pixels))
    bands = [name for name in ("B04", "B03", "B02") if name in rasters]
    if len(bands) != 3:  # noqa: PLR2004
        return None
    return np.stack([_stretch(_thin(rasters[name].pixels), images[name]) for name in bands])


def thin(raster: Raster) -> Raster:
    """A copy of the pixels that a thumbnail shows: all that need be kept of an image for it."""
    return Raster(pixels=_thin(raster.pixels).copy(), grid=raster.grid)


def _thin(pixels: NDArray[Any]) -> NDArray[Any]:
    step = -(-pixels.shape[-1] // _SIDE)
    return pixels[..., step // 2 :: step, step // 2 :: step]


def _stretch(dn: NDArray[np.uint16], radiometry: Radiometry) -> NDArray[np.uint8]:
    bright = (dn * radiometry.scale + radiometry.offset) / _BRIGHT
    grey = np.clip(np.rint(254 * bright), 0, 254) + 1
    return np.where(dn == radiometry.nodata, 0, grey).astype(np.uint8)
