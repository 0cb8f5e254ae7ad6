"""Array in, Cloud-Optimized GeoTIFF out, by GDAL's COG driver, validated by rio-cogeo.

The driver, not `rio_cogeo.cog_translate`, writes: that would copy an array we already hold through a warped VRT and an
intermediate file, and refuses JP2 sources.
"""

import hashlib
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.shutil import copy as gdal_copy
from rasterio.transform import Affine
from rio_cogeo.cogeo import cog_validate

from ingest import tiff
from ingest.errors import InvalidProductError
from stac.bands import Resampling
from stac.scene import Blocks, Grid, Radiometry, Statistics

MEDIA_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

_ZSTD_LEVEL = 1
"""Decoding dominates ingestion; level 9 costs four times the CPU of level 1 for a few per cent of size."""

_CHUNK = 1 << 22
"""Pixels counted at a time: bincount works on 8-byte copies."""


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A file ready for upload: `sha256` in hex, `size` in bytes."""

    path: Path
    size: int
    sha256: str


def write_cog(
    pixels: NDArray[Any],
    grid: Grid,
    path: Path,
    *,
    radiometry: Radiometry,
    overviews: Resampling = "average",
    tags: dict[str, str] | None = None,
) -> LocalFile:
    """Write `pixels`, (rows, columns) or (bands, rows, columns), as a COG with 256 x 256 blocks, ZSTD, predictor 2.

    Scale, offset, nodata and unit go into the file's own tags. Raises `InvalidProductError` if the file is not valid.
    """
    stack = pixels if pixels.ndim == 3 else pixels[np.newaxis]  # noqa: PLR2004
    options = {
        "BLOCKSIZE": 256,
        "COMPRESS": "ZSTD",
        "LEVEL": _ZSTD_LEVEL,
        "PREDICTOR": "YES",
        "OVERVIEWS": "IGNORE_EXISTING",
        "OVERVIEW_RESAMPLING": overviews.upper(),
        "INTERLEAVE": "TILE" if len(stack) > 1 else "BAND",
        "NUM_THREADS": 1,
    }
    with rasterio.Env(GDAL_NUM_THREADS=1), MemoryFile() as memory:
        with memory.open(driver="GTiff", **_profile(stack, grid, radiometry)) as dataset:
            dataset.write(stack)
            dataset.scales = [radiometry.scale] * len(stack)
            dataset.offsets = [radiometry.offset] * len(stack)
            if radiometry.unit:
                dataset.units = [radiometry.unit] * len(stack)
            dataset.update_tags(**(tags or {}))
        with memory.open() as dataset:
            gdal_copy(dataset, path, driver="COG", **options)
    return _validated(path)


def describe(path: Path) -> LocalFile:
    """Size and checksum of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return LocalFile(path=path, size=path.stat().st_size, sha256=digest)


def block_table(path: Path) -> Blocks | None:
    """Where the blocks of a COG lie, proven by their own bytes; None for a file that is not stored as ours are.

    Raises `InvalidProductError` if a block is not where the file's directory says.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:

        def read(start: int, length: int) -> bytes:
            return bytes(content[start : start + length])

        blocks = tiff.blocks(read)
        if blocks is not None:
            tiff.verify(read, blocks.spans, path.name)
    return blocks


def statistics(pixels: NDArray[np.integer[Any]], nodata: int | None) -> Statistics:
    """Exact statistics of the valid pixels of an integer image of at most 16 bits, from its histogram."""
    low = int(np.iinfo(pixels.dtype).min)
    counts = np.zeros(1 << (8 * pixels.dtype.itemsize), dtype=np.int64)
    flat = pixels.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        counts += np.bincount(flat[start : start + _CHUNK].astype(np.int32) - low, minlength=len(counts))
    if nodata is not None:
        counts[nodata - low] = 0
    total = int(counts.sum())
    if total == 0:
        return Statistics(minimum=None, maximum=None, mean=None, stddev=None, valid_percent=0.0)
    values = np.flatnonzero(counts)
    weights = counts[values]
    numbers = values + float(low)
    mean = float(np.average(numbers, weights=weights))
    return Statistics(
        minimum=float(numbers[0]),
        maximum=float(numbers[-1]),
        mean=mean,
        stddev=float(np.sqrt(np.average((numbers - mean) ** 2, weights=weights))),
        valid_percent=100.0 * total / pixels.size,
    )


def _profile(stack: NDArray[Any], grid: Grid, radiometry: Radiometry) -> dict[str, Any]:
    return {
        "count": stack.shape[0],
        "height": stack.shape[1],
        "width": stack.shape[2],
        "dtype": stack.dtype,
        "crs": CRS.from_epsg(grid.epsg),
        "transform": Affine(*grid.transform),
        "nodata": radiometry.nodata,
    }


def _validated(path: Path) -> LocalFile:
    valid, errors, _ = cog_validate(path, quiet=True)
    if not valid:
        raise InvalidProductError(f"{path.name}: not a valid Cloud-Optimized GeoTIFF: {'; '.join(errors)}")
    return describe(path)
