"""A whole L2A product of real size into COGs, indices, mask, statistics and thumbnail, beside the pure decoding of it.

`ours` and `peer` are CPU seconds of the conversion and of decoding the same images once with OpenJPEG through rasterio:
a ratio of 0.8 meets the target (no more than 1.25 times the decoding). Two peers make COGs only, neither indices nor
mask: `cog_driver` by GDAL's driver straight from the JPEG 2000 files, with the same options; `rio_cogeo` by `rio cogeo
create`, which refuses georeferenced JPEG 2000 files ("Cannot invert geotransform"), from a plain GeoTIFF of each.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import rasterio
from measure import Cost, measure
from products import full_size_product
from rasterio.shutil import copy
from rio_cogeo.cogeo import cog_translate
from rio_cogeo.profiles import cog_profiles

from ingest.convert import convert
from ingest.products import open_product

SIZE = int(os.environ.get("BENCH_SIZE", "10980"))
COG_OPTIONS = {
    "BLOCKSIZE": 256,
    "COMPRESS": "ZSTD",
    "LEVEL": 1,
    "PREDICTOR": "YES",
    "OVERVIEWS": "IGNORE_EXISTING",
    "NUM_THREADS": 1,
}


def run() -> dict[str, Any]:
    product = full_size_product(SIZE)
    files = _files(product)
    ours = _told("ours", measure(_convert, product))
    decode = _told("decode", measure(_decode, files))
    driver = _told("cog_driver", measure(_cog_driver, files))
    cogeo = _told("rio_cogeo", measure(_rio_cogeo, files))
    return {
        "ours": ours["cpu_s"],
        "peer": decode["cpu_s"],
        "unit": "CPU s",
        "times_decode": ours["cpu_s"] / decode["cpu_s"],
        "size": SIZE,
        "images": len(files),
        "ours_full": ours,
        "decode": decode,
        "cog_driver": driver,
        "rio_cogeo": cogeo,
    }


def _files(product: Path) -> list[Path]:
    opened: Any = open_product(str(product))
    return [product / member for member in opened.files.values()]


def _convert(product: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        convert(open_product(str(product)), Path(folder), {"scene": "scene/x", "indices": "indices/x"}, lambda _: None)


def _decode(files: list[Path]) -> None:
    with rasterio.Env(GDAL_NUM_THREADS=1):
        for file in files:
            with rasterio.open(file) as dataset:
                dataset.read()


def _cog_driver(files: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder, rasterio.Env(GDAL_NUM_THREADS=1):
        for file in files:
            target = Path(folder) / "peer.tif"
            copy(str(file), str(target), driver="COG", **COG_OPTIONS)
            target.unlink()


def _rio_cogeo(files: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder, rasterio.Env(GDAL_NUM_THREADS=1):
        for file in files:
            plain, target = Path(folder) / "plain.tif", Path(folder) / "peer.tif"
            copy(str(file), str(plain), driver="GTiff", TILED=True)
            cog_translate(
                plain,
                target,
                {**cog_profiles["zstd"], "blockxsize": 256, "blockysize": 256, "predictor": 2, "zstd_level": 1},
                overview_resampling="average",
                in_memory=False,
                quiet=True,
            )
            plain.unlink()
            target.unlink()


def _told(name: str, cost: Cost) -> dict[str, Any]:
    told = {"wall_s": cost.wall, "cpu_s": cost.cpu, "peak_mb": cost.memory}
    print(f"  {name}: {told}", flush=True)
    return told
