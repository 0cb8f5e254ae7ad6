"""Lossless JPEG 2000 files, georeferenced by GML as ESA's are."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine

_OPTIONS = {"QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO", "GMLJP2": "YES", "GeoJP2": "NO"}


def write_jp2(path: Path, pixels: NDArray[Any], *, epsg: int, transform: Affine) -> None:
    """Write (rows, columns) or (bands, rows, columns) of uint8 or uint16, without loss."""
    bands = np.atleast_3d(pixels).transpose(2, 0, 1) if pixels.ndim == 2 else pixels  # noqa: PLR2004
    count, height, width = bands.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        width=width,
        height=height,
        count=count,
        dtype=bands.dtype,
        crs=f"EPSG:{epsg}",
        transform=transform,
        **_OPTIONS,
    ) as target:
        target.write(bands)
