"""Images on other servers, read over http(s) or s3 without our credentials: an item names them, and is not trusted."""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from ingest.errors import StoreError
from ingest.products.base import Raster
from ingest.products.images import check_dataset, flatten

SCHEMES = ("http", "https", "s3")

_OPTIONS = {
    "AWS_NO_SIGN_REQUEST": True,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": 5,
    "GDAL_HTTP_TIMEOUT": 60,
    "GDAL_HTTP_MAX_RETRY": 2,
    "GDAL_HTTP_RETRY_DELAY": 1,
    "GDAL_INGESTED_BYTES_AT_OPEN": 32768,
    "GDAL_NUM_THREADS": 1,
}
_DRIVERS = ("GTiff", "JP2OpenJPEG")
"""The formats allowed. Others, such as VRT, could make GDAL read files of this machine."""

_FINAL = re.compile(r"\b(403|404|410)\b|does not exist|not recognized")


def remote_faults(places: Mapping[str, str]) -> dict[str, str]:
    """Open the header of every remote image, several at a time: what went wrong, for those that cannot be opened."""
    with ThreadPoolExecutor(max_workers=6) as pool:
        faults = zip(places, pool.map(_fault, places.values()), strict=True)
        return {name: fault for name, fault in faults if fault is not None}


def is_final(fault: str) -> bool:
    """Whether trying again is in vain: the server does not have the image, or not for us, or it is no image."""
    return _FINAL.search(fault) is not None


def read_remote(address: str, image: str, label: str) -> Raster:
    """Decode a remote image whole.

    Raises `StoreError` where its server fails, `InvalidProductError` where it is another image.
    """
    try:
        with _open(address) as dataset:
            grid = check_dataset(dataset, image, label)
            return Raster(pixels=flatten(dataset.read()), grid=grid)
    except RasterioError as error:
        raise StoreError(f"{label}: cannot be read now: {error.__cause__ or error}") from error


@contextmanager
def _open(address: str) -> Iterator[Any]:
    with rasterio.Env(**_OPTIONS):
        try:
            dataset = rasterio.open(address, driver=_DRIVERS[0])
        except RasterioError as error:
            if "not recognized" not in str(error):
                raise
            dataset = rasterio.open(address, driver=_DRIVERS[1])
        with dataset:
            yield dataset


def _fault(address: str) -> str | None:
    try:
        with _open(address):
            return None
    except RasterioError as error:
        return str(error)
