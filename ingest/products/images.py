"""Decode an image whole, and check that it is what the metadata say: format, type, place on the ground."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from ingest.errors import InvalidProductError
from ingest.products.base import Raster
from ingest.products.jpeg2000 import SIGNATURES, BrokenCodestreamError, check_whole
from stac.bands import BANDS, LAYERS, Level, bands_of, layers_of
from stac.indices import INDICES
from stac.masks import FIELDS
from stac.scene import Grid

_TIFF_SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_SIDE_LIMIT = 20_000
"""Rows or columns that no Sentinel-2 image exceeds (10980 at 10 m); a larger one is refused before it is decoded."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Where the metadata place an image: bounds in metres of the projection `epsg`."""

    epsg: int
    left: float
    bottom: float
    right: float
    top: float


def required_images(level: Level) -> frozenset[str]:
    """Images without which a product of `level` is incomplete."""
    layers = (layer.name for layer in layers_of(level) if layer.required)
    return frozenset((*(band.name for band in bands_of(level)), *layers))


def sample_type(image: str) -> tuple[str, int]:
    """Type of an image's numbers and count of its channels; indices and masks as Sen2Chain writes them."""
    if image in BANDS:
        return "uint16", 1
    if image in INDICES or image in FIELDS:
        return ("int16" if image in INDICES else "uint8"), 1
    return LAYERS[image].data_type, 3 if image == "TCI" else 1


def decode(payload: Path | bytes, image: str, label: str) -> Raster:
    """Decode an image whole, from a local file or from a file's bytes.

    Errors name `label`: `InvalidProductError` for a file that is broken or holds something else than `image`.
    """
    driver = _check_file(payload, label)
    try:
        # One thread: GDAL's own drop the errors of JPEG 2000 tiles that cannot be decoded. Images go side by side.
        with rasterio.Env(GDAL_NUM_THREADS=1), _dataset(payload, driver) as dataset:
            grid = check_dataset(dataset, image, label)
            pixels = np.empty((dataset.count, *dataset.shape), dataset.dtypes[0])
            dataset.read(out=pixels)
            sparse = driver == "GTiff" and dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1) is None
    except RasterioError as error:
        raise InvalidProductError(f"{label}: cannot be decoded: {error.__cause__ or error}") from error
    return Raster(pixels=flatten(pixels), grid=grid, hollow=sparse and not pixels.any())


def check_dataset(dataset: Any, image: str, label: str) -> Grid:
    """The grid of an open dataset; raises `InvalidProductError` where it cannot be `image`."""
    _check_type(dataset, image, label)
    return grid_of(dataset, label)


def flatten(pixels: NDArray[Any]) -> NDArray[Any]:
    """Pixels (channels, rows, columns) without the first axis where there is one channel only."""
    return pixels[0] if pixels.shape[0] == 1 else pixels


def check_extent(grid: Grid, extent: Extent, label: str) -> None:
    """Check an image's projection, origin (to a hundredth) and extent (to one pixel) against the metadata's.

    The pixel size is free, so that down-sampled copies pass. Raises `InvalidProductError` naming both values.
    """
    if grid.epsg != extent.epsg:
        raise InvalidProductError(f"{label}: its projection is EPSG:{grid.epsg}, the metadata say EPSG:{extent.epsg}")
    left, bottom, right, top = grid.bounds
    if max(abs(left - extent.left), abs(top - extent.top)) > 0.01 * min(grid.pixel_width, grid.pixel_height):
        raise InvalidProductError(
            f"{label}: its upper left corner is ({left}, {top}), the metadata say ({extent.left}, {extent.top})"
        )
    if abs(right - extent.right) > grid.pixel_width or abs(bottom - extent.bottom) > grid.pixel_height:
        raise InvalidProductError(
            f"{label}: its lower right corner is ({right}, {bottom}), "
            f"the metadata say ({extent.right}, {extent.bottom})"
        )


def _check_file(payload: Path | bytes, label: str) -> str:
    """Name the GDAL driver by the file's first bytes; raises `InvalidProductError` for anything else or a cut file."""
    size = len(payload) if isinstance(payload, bytes) else payload.stat().st_size
    if size == 0:
        raise InvalidProductError(f"{label}: the file is empty")
    with io.BytesIO(payload) if isinstance(payload, bytes) else payload.open("rb") as stream:
        start = stream.read(8)
        if start.startswith(_TIFF_SIGNATURES):
            return "GTiff"
        if not start.startswith(SIGNATURES):
            raise InvalidProductError(f"{label}: neither JPEG 2000 nor TIFF, it begins with {start.hex(' ')}")
        try:
            check_whole(stream, size)
        except BrokenCodestreamError as error:
            raise InvalidProductError(f"{label}: broken JPEG 2000 file: {error}; fetch it again") from error
    return "JP2OpenJPEG"


@contextmanager
def _dataset(payload: Path | bytes, driver: str) -> Iterator[Any]:
    if isinstance(payload, bytes):
        with MemoryFile(payload) as memory, memory.open(driver=driver) as dataset:
            yield dataset
    else:
        # A bare codestream is placed by the side-car file beside it, which an environment tuned for remote COGs hides.
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"), rasterio.open(payload, driver=driver) as dataset:
            yield dataset


def _check_type(dataset: Any, image: str, label: str) -> None:
    if max(dataset.shape) > _SIDE_LIMIT:
        raise InvalidProductError(f"{label}: {dataset.height} x {dataset.width} pixels, more than any Sentinel-2 image")
    expected = sample_type(image)
    found = dataset.dtypes[0], dataset.count
    if len(set(dataset.dtypes)) > 1 or found != expected:
        raise InvalidProductError(
            f"{label}: holds {found[1]} channels of {found[0]}, {image} must have {expected[1]} of {expected[0]}"
        )


def grid_of(dataset: Any, label: str) -> Grid:
    """The grid of an open dataset; raises `InvalidProductError` where it has no projection or is not north-up."""
    transform = dataset.transform
    epsg = dataset.crs.to_epsg() if dataset.crs else None
    if epsg is None:
        raise InvalidProductError(f"{label}: no projection with an EPSG code")
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise InvalidProductError(f"{label}: no north-up grid, its transform is {tuple(transform)[:6]}")
    return Grid(
        epsg=epsg,
        width=dataset.width,
        height=dataset.height,
        left=transform.c,
        top=transform.f,
        pixel_width=transform.a,
        pixel_height=-transform.e,
    )
