"""Array in, Cloud-Optimized GeoTIFF out, by GDAL's COG driver, validated by rio-cogeo.

The driver, not `rio_cogeo.cog_translate`, writes: that would copy an array we already hold through a warped VRT and an
intermediate file, and refuses JP2 sources. Nor does the driver make the overviews: it would write them to a temporary
file, compressed, and read them back; they are made in memory and cost a third.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling as Averaging
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.shutil import copy as gdal_copy
from rasterio.transform import Affine
from rio_cogeo.cogeo import cog_validate

from ingest import tiff
from ingest.errors import IngestError, InvalidProductError
from stac.bands import Resampling
from stac.blocks import BLOCK
from stac.scene import Blocks, Grid, Radiometry, Statistics

_ZSTD_LEVEL = 1
"""Decoding dominates ingestion; level 9 costs four times the CPU of level 1 for a few per cent of size."""

_GDAL_TYPES = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16"}

_CHUNK = 1 << 20
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
    statistics: Statistics | None = None,
    tags: dict[str, str] | None = None,
) -> LocalFile:
    """Write `pixels`, (rows, columns) or (bands, rows, columns), as a COG with 256 x 256 blocks, ZSTD, predictor 2.

    Scale, offset, nodata, unit and `statistics` go into the file's own tags, as GDAL names them. Raises `IngestError`
    if the disk takes no more, and `InvalidProductError` if the file is not valid.
    """
    stack = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[np.newaxis])  # noqa: PLR2004
    options = {
        "BLOCKSIZE": BLOCK,
        "COMPRESS": "ZSTD",
        "LEVEL": _ZSTD_LEVEL,
        "PREDICTOR": "YES",
        "OVERVIEWS": "FORCE_USE_EXISTING",
        "INTERLEAVE": "TILE" if len(stack) > 1 else "BAND",
        "NUM_THREADS": 1,
    }
    with writing(path), rasterio.Env(GDAL_NUM_THREADS=1), _in_place(stack, grid) as dataset:
        # Averaging takes half the time where GDAL need not look for nodata.
        if radiometry.nodata is not None and int(stack.min()) <= radiometry.nodata:
            dataset.nodata = radiometry.nodata
        dataset.build_overviews(_levels(stack.shape), Averaging[overviews])
        _describe_bands(dataset, radiometry)
        dataset.update_tags(**(tags or {}))
        if statistics is not None:
            dataset.update_tags(1, **_statistics_tags(statistics))
        gdal_copy(dataset, path, driver="COG", **options)
    return _validated(path)


def write_stack(
    stack: NDArray[Any], grid: Grid, path: Path, *, radiometry: Radiometry, block: int, names: Sequence[str]
) -> LocalFile:
    """Write `stack`, (bands, rows, columns), as a COG that stores all bands of a pixel together, without overviews.

    Blocks in which all is nodata are not written. `names` describe the bands. Raises as `write_cog`.
    """
    options = {
        "BLOCKSIZE": block,
        "COMPRESS": "ZSTD",
        "LEVEL": _ZSTD_LEVEL,
        "PREDICTOR": "YES",
        "OVERVIEWS": "NONE",
        "INTERLEAVE": "PIXEL",
        "SPARSE_OK": "YES",
        "NUM_THREADS": 1,
    }
    # The driver writes any block that TIFF allows, but warns of those smaller than 128 pixels.
    environment = rasterio.Env(GDAL_NUM_THREADS=1, GDAL_VALIDATE_CREATION_OPTIONS="NO")
    with writing(path), environment, _in_place(stack, grid) as dataset:
        _describe_bands(dataset, radiometry)
        dataset.descriptions = tuple(names)
        gdal_copy(dataset, path, driver="COG", **options)
    return _validated(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors on writing `path` into an `IngestError` that tells the space left; no half file stays."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        path.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free // 10**6
        raise IngestError(
            f"{path.name} cannot be written to {path.parent}, where {free} MB are free: {error}; "
            "make room there, or set TMPDIR to a larger disk"
        ) from error


def describe(path: Path) -> LocalFile:
    """Size and checksum of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return LocalFile(path=path, size=path.stat().st_size, sha256=digest)


def block_table(path: Path, *, block: int = BLOCK, bands: int = 1) -> Blocks | None:
    """Where the blocks of a COG lie, proven by their own bytes; None for a file that is not stored so.

    Raises `InvalidProductError` if a block is not where the file's directory says.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:

        def read(start: int, length: int) -> bytes:
            return bytes(content[start : start + length])

        blocks = tiff.blocks(read, block=block, bands=bands)
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


def _in_place(stack: NDArray[Any], grid: Grid) -> DatasetWriter:
    """Dataset over the array's own memory: neither copied nor compressed before the COG is written."""
    layout = {
        "DATAPOINTER": stack.__array_interface__["data"][0],
        "PIXELS": stack.shape[2],
        "LINES": stack.shape[1],
        "BANDS": stack.shape[0],
        "DATATYPE": _GDAL_TYPES[stack.dtype.name],
        "GEOTRANSFORM": "/".join(repr(float(value)) for value in Affine(*grid.transform).to_gdal()),
        "SPATIALREFERENCE": f"EPSG:{grid.epsg}",
    }
    name = ",".join(f"{key}={value}" for key, value in layout.items())
    with rasterio.Env(GDAL_MEM_ENABLE_OPEN=True):
        return rasterio.open(f"MEM:::{name}", "r+")


def _describe_bands(dataset: DatasetWriter, radiometry: Radiometry) -> None:
    dataset.nodata = radiometry.nodata
    dataset.scales = [radiometry.scale] * dataset.count
    dataset.offsets = [radiometry.offset] * dataset.count
    if radiometry.unit:
        dataset.units = [radiometry.unit] * dataset.count


def _statistics_tags(statistics: Statistics) -> dict[str, str]:
    """As GDAL and QGIS look for them, in stored numbers."""
    values = {
        "MINIMUM": statistics.minimum,
        "MAXIMUM": statistics.maximum,
        "MEAN": statistics.mean,
        "STDDEV": statistics.stddev,
        "VALID_PERCENT": statistics.valid_percent,
    }
    return {f"STATISTICS_{name}": f"{value:.6g}" for name, value in values.items() if value is not None}


def _levels(shape: tuple[int, ...]) -> list[int]:
    """Factors of the overviews, down to one that fits into a block; the last row or column may cover less ground."""
    halvings = (-(-max(shape[1:]) // BLOCK) - 1).bit_length()
    return [2**level for level in range(1, halvings + 1)]


def _validated(path: Path) -> LocalFile:
    with writing(path):
        valid, errors, _ = cog_validate(path, quiet=True)
        if valid:
            _check_end(path)
    if not valid:
        raise InvalidProductError(f"{path.name}: not a valid Cloud-Optimized GeoTIFF: {'; '.join(errors)}")
    return describe(path)


def _check_end(path: Path) -> None:
    """Read the last block, which ends the file: GDAL is silent where the disk is full only when it closes the file."""
    with rasterio.open(path) as dataset:
        *_, (_, window) = dataset.block_windows(1)
        dataset.read(window=window)
