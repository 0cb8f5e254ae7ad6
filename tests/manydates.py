"""Index products of few pixels at many dates, stored and registered as ingestion does, without converting products."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

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

FIRST = datetime(2024, 1, 3, 3, 11, 21, tzinfo=UTC)
SIZE = 600
GRID = Grid(epsg=32648, width=SIZE, height=SIZE, left=499_980.0, top=1_400_040.0, pixel_width=10.0, pixel_height=10.0)
NODATA = -32768


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One index product: `day` counts from the first, `strip` tells datastrips of one datatake apart."""

    day: int
    tile: str = "48PWU"
    strip: int = 0
    baseline: str = "0511"
    grid: Grid = GRID
    empty: tuple[slice, slice] | None = None

    @property
    def name(self) -> str:
        start = FIRST + timedelta(days=self.day)
        made = start + timedelta(hours=3 + self.strip + int(self.baseline[1:]))
        return f"S2A_MSIL2A_{start:%Y%m%dT%H%M%S}_N{self.baseline}_R075_T{self.tile}_{made:%Y%m%dT%H%M%S}"

    def images(self) -> dict[str, NDArray[Any]]:
        """NDVI and MASK, different for each product; a quarter is cloud."""
        random = np.random.default_rng([self.day, self.strip, int(self.baseline), sum(self.tile.encode())])
        ndvi = random.integers(-2000, 9000, (self.grid.height, self.grid.width)).astype(np.int16)
        cloud = random.random(ndvi.shape) < 0.25
        mask = FIELDS["scl"].write(np.where(cloud, 9, 4)) | FIELDS["cloud_probability"].write(cloud * 70)
        if self.empty is not None:
            ndvi[self.empty], mask[self.empty] = NODATA, 0
        return {"NDVI": ndvi, "MASK": mask}


def publish(settings: Settings, shots: Sequence[Shot]) -> dict[str, dict[str, str]]:
    """Store and register; returns the object keys of each item's images."""
    store = Store.connect(settings)
    items, stored = [], []
    with tempfile.TemporaryDirectory() as folder:
        for shot in shots:
            assets = [_stored(store, shot, name, pixels, Path(folder)) for name, pixels in shot.images().items()]
            items.append(index_item(_scene(shot), assets, _footprint(shot.grid), settings))
            stored.append(assets)
    catalog.publish(items, settings, assets=[asset for assets in stored for asset in assets])
    return {shot.name: {asset.name: asset.key for asset in assets} for shot, assets in zip(shots, stored, strict=True)}


def _stored(store: Store, shot: Shot, name: str, pixels: NDArray[Any], folder: Path) -> StoredAsset:
    path = folder / f"{shot.name}-{name}.tif"
    radiometry = MASK_RADIOMETRY if name == "MASK" else INDEX_RADIOMETRY
    file = cog.write_cog(pixels, shot.grid, path, radiometry=radiometry)
    product = ProductName.parse(shot.name)
    prefix = item_prefix(INDICES, shot.name, product.tile, product.datatake_start)
    asset = StoredAsset(
        name=name, key=asset_key(prefix, name, file.sha256, ".tif"), size=file.size, sha256=file.sha256,
        media_type=COG, grid=shot.grid, data_type=pixels.dtype.name, radiometry=radiometry,
        blocks=cog.block_table(path), mask_fields=("scl", "cloud_probability") if name == "MASK" else (),
    )  # fmt: skip
    store.put(asset.key, path, sha256=asset.sha256, media_type=asset.media_type)
    return asset


def _scene(shot: Shot) -> Scene:
    name = ProductName.parse(shot.name)
    start = f"{name.datatake_start:%Y%m%dT%H%M%S}"
    sensed = f"{name.datatake_start + timedelta(seconds=30 * shot.strip):%Y%m%dT%H%M%S}"
    version = f"N{shot.baseline[:2]}.{shot.baseline[2:]}"
    return Scene(
        name=name, acquired=name.datatake_start, generated=name.discriminator,
        datatake_id=f"GS2A_{start}_049836_{version}",
        datastrip_id=f"S2A_OPER_MSI_L2A_DS_2APS_{start}_S{sensed}_{version}",
        granule_id=f"S2A_OPER_MSI_L2A_TL_2APS_{start}_A049836_T{shot.tile}_{version}",
        fingerprint="ab" * 32, source="safe", cloud_cover=20.0,
    )  # fmt: skip


def _footprint(grid: Grid) -> Footprint:
    right, bottom = grid.left + grid.width * grid.pixel_width, grid.top - grid.height * grid.pixel_height
    move = Transformer.from_crs(grid.epsg, 4326, always_xy=True).transform
    ring = [
        list(move(x, y)) for x, y in ((grid.left, grid.top), (right, grid.top), (right, bottom), (grid.left, bottom))
    ]
    xs, ys = zip(*ring, strict=True)
    # A little larger: a footprint is a superset of the pixels.
    west, south, east, north = min(xs) - 1e-4, min(ys) - 1e-4, max(xs) + 1e-4, max(ys) + 1e-4
    box = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return Footprint(geometry={"type": "Polygon", "coordinates": [box]}, bbox=(west, south, east, north))
