"""An archive of many dates to measure series on: an NDVI and a MASK of one tile for each date.

The images have the size of real ones, so that their headers do (most of what reading a pixel costs); only `PATCH`
pixels around the place hold a landscape, the rest is uniform and takes no space.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ingest import cog
from ingest.derive import INDEX_RADIOMETRY, MASK_RADIOMETRY
from ingest.store import Store
from stac import catalog
from stac.assets import COG
from stac.collections import INDICES
from stac.items import index_item
from stac.masks import FIELDS
from stac.naming import ProductName, asset_key, item_prefix
from stac.scene import Footprint, Grid, Scene, StoredAsset
from stac.settings import Settings
from tiler.series import objects
from tiler.series.engine import Engine

SIZE = 10_980
PATCH = 768
CORNER = 5120
"""First row and column of the patch."""
GRID = Grid(epsg=32648, width=SIZE, height=SIZE, left=499980.0, top=1400040.0, pixel_width=10.0, pixel_height=10.0)
FIRST = datetime(2018, 1, 3, 3, 11, 21, tzinfo=UTC)
STEP = timedelta(days=5)
VARIANTS = 16
"""Images of each kind, in random order over the dates: so many that no compressor finds a date again in a pack."""
WEST, SOUTH, EAST, NORTH = 104.9998, 11.66, 106.02, 12.67
"""Longitudes and latitudes of the grid, a little larger than it."""


def fill(settings: Settings, dates: int) -> list[str]:
    """Store and register `dates` index products, five days apart; returns their ids, oldest first."""
    store = Store.connect(settings)
    names = [_name(FIRST + STEP * number) for number in range(dates)]
    with tempfile.TemporaryDirectory() as folder:
        with ThreadPoolExecutor(2) as pool:
            files = list(pool.map(lambda variant: _write(Path(folder), variant), range(min(VARIANTS, dates))))
        order = np.random.default_rng(0).integers(len(files), size=dates)
        jobs = [(name, files[variant]) for name, variant in zip(names, order, strict=True)]
        with ThreadPoolExecutor(8) as pool:
            assets = list(pool.map(lambda job: _upload(store, *job), jobs))
    footprint = _footprint()
    items = [index_item(_scene(name), stored, footprint, settings) for name, stored in zip(names, assets, strict=True)]
    catalog.publish(items, settings, assets=[asset for stored in assets for asset in stored])
    return [str(name) for name in names]


def paths(settings: Settings, ids: list[str], asset: str) -> list[str]:
    """Addresses for GDAL of an asset of each item."""
    items = [catalog.get_item(settings, INDICES, item_id) or {} for item_id in ids]
    hrefs = [item["assets"][asset]["alternate"]["s3"]["href"] for item in items]
    return [f"/vsis3/{href.removeprefix('s3://')}" for href in hrefs]


def engine(settings: Settings, pool: Any) -> Engine:
    """The engine as the service makes it."""
    return Engine(pool=pool, bucket=settings.s3_bucket, store=objects.connect(settings, seconds=10))


def _name(day: datetime) -> ProductName:
    return ProductName.parse(f"S2A_MSIL2A_{day:%Y%m%dT%H%M%S}_N0511_R075_T48PWU_{day:%Y%m%d}T062233")


def _images(variant: int) -> dict[str, NDArray[Any]]:
    """Vegetation of several scales with noise; a quarter of it under cloud."""
    random, shape = np.random.default_rng(variant), (PATCH, PATCH)
    smooth = sum(gaussian_filter(random.normal(size=shape), scale, mode="wrap") * scale for scale in (2, 8, 30))
    ndvi = np.clip(4500 + 1200 * smooth + random.normal(0, 150, shape), -10_000, 10_000).astype(np.int16)
    cloud = gaussian_filter(random.normal(size=shape), 25, mode="wrap")
    share = np.clip((cloud - np.quantile(cloud, 0.75)) * 2000, 0, 100).astype(np.uint16)
    classes = np.where(share > 25, np.uint16(9), np.uint16(4))
    mask = FIELDS["scl"].write(classes) | FIELDS["cloud_probability"].write(share)
    return {"NDVI": _framed(ndvi, 3000), "MASK": _framed(mask, 4)}


def _framed(patch: NDArray[Any], rest: int) -> NDArray[Any]:
    whole = np.full((SIZE, SIZE), rest, dtype=patch.dtype)
    whole[CORNER : CORNER + PATCH, CORNER : CORNER + PATCH] = patch
    return whole


def _write(folder: Path, variant: int) -> dict[str, StoredAsset]:
    found = {}
    for name, pixels in _images(variant).items():
        radiometry = MASK_RADIOMETRY if name == "MASK" else INDEX_RADIOMETRY
        path = folder / f"{name}{variant}.tif"
        overviews: Any = "mode" if name == "MASK" else "average"
        file = cog.write_cog(pixels, GRID, path, radiometry=radiometry, overviews=overviews)
        found[str(path)] = StoredAsset(
            name=name, key="", size=file.size, sha256=file.sha256, media_type=COG, grid=GRID,
            data_type=pixels.dtype.name, radiometry=radiometry, blocks=cog.block_table(path),
            mask_fields=("scl", "cloud_probability") if name == "MASK" else (),
        )  # fmt: skip
    return found


def _upload(store: Store, name: ProductName, files: dict[str, StoredAsset]) -> list[StoredAsset]:
    prefix = item_prefix(INDICES, str(name), name.tile, name.datatake_start)
    found = []
    for path, asset in files.items():
        key = asset_key(prefix, asset.name, asset.sha256, ".tif")
        store.put(key, Path(path), sha256=asset.sha256, media_type=asset.media_type)
        found.append(replace(asset, key=key))
    return found


def _scene(name: ProductName) -> Scene:
    start = f"{name.datatake_start:%Y%m%dT%H%M%S}"
    return Scene(
        name=name, acquired=name.datatake_start, generated=name.discriminator,
        datatake_id=f"GS2A_{start}_049836_N05.11", datastrip_id=f"S2A_OPER_MSI_L2A_DS_2APS_{start}_S{start}_N05.11",
        granule_id=f"S2A_OPER_MSI_L2A_TL_2APS_{start}_A049836_T48PWU_N05.11",
        fingerprint="ab" * 32, source="safe", cloud_cover=20.0,
    )  # fmt: skip


def _footprint() -> Footprint:
    ring = [[WEST, SOUTH], [EAST, SOUTH], [EAST, NORTH], [WEST, NORTH], [WEST, SOUTH]]
    return Footprint(geometry={"type": "Polygon", "coordinates": [ring]}, bbox=(WEST, SOUTH, EAST, NORTH))
