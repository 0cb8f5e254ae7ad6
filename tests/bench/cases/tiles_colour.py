"""True colour as the page asks for it (TCI, brightened), ours beside titiler-pgstac's; see `tiles`."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import obstore
import series
import tiles
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from servers import servers

from ingest import cog
from ingest.store import Store
from stac import catalog
from stac.assets import COG
from stac.collections import L2A
from stac.items import scene_item
from stac.naming import asset_key, item_prefix
from stac.scene import Radiometry, StoredAsset
from stac.settings import Settings
from tiler.series import objects

STYLE = os.environ.get("BENCH_TILE_STYLE", "?assets=TCI&color_formula=gamma%20RGB%201.5")
VARIANTS = 2
"""Pictures, each of several items."""
_VISUAL = Radiometry(nodata=0)


def run() -> dict[str, Any]:
    with servers() as settings:
        ids = _fill(settings, tiles.ITEMS)
        return tiles.compare(settings, ids, L2A, ours=STYLE, peer=STYLE)


def _fill(settings: Settings, count: int) -> list[str]:
    """Store and register `count` scenes that have nothing but a true-colour image; returns their ids."""
    store, names = Store.connect(settings), [series._name(series.FIRST + series.STEP * day) for day in range(count)]
    items, stored = [], []
    with TemporaryDirectory() as folder:
        files = [_write(Path(folder) / f"{variant}.tif", variant) for variant in range(min(VARIANTS, count))]
        for place, name in enumerate(names):
            file = files[place % len(files)]
            prefix = item_prefix(L2A, str(name), name.tile, name.datatake_start)
            key = asset_key(prefix, "TCI", file.sha256, ".tif")
            store.put(key, file.path, sha256=file.sha256, media_type=COG)
            asset = StoredAsset(
                name="TCI", key=key, size=file.size, sha256=file.sha256, media_type=COG, grid=series.GRID,
                data_type="uint8", radiometry=_VISUAL,
            )  # fmt: skip
            stored.append(asset)
            items.append(scene_item(series._scene(name), [asset], series._footprint(), settings))
    catalog.publish(items, settings, assets=stored)
    _touch(settings, [asset.key for asset in stored])
    return [str(name) for name in names]


def _write(path: Path, variant: int) -> cog.LocalFile:
    pixels = np.full((3, series.SIZE, series.SIZE), 60, dtype=np.uint8)
    corner = slice(series.CORNER, series.CORNER + series.PATCH)
    pixels[:, corner, corner] = _landscape(variant)
    return cog.write_cog(pixels, series.GRID, path, radiometry=_VISUAL)


def _landscape(variant: int) -> NDArray[np.uint8]:
    """Fields and woods of several scales, alike in the three bands, with noise of each band."""
    random, shape = np.random.default_rng(variant), (series.PATCH, series.PATCH)
    common = sum(gaussian_filter(random.normal(size=shape), scale, mode="wrap") * scale for scale in (1, 3, 9, 30))
    bands = [
        level + share * common + random.normal(0, 2, shape) for level, share in ((62, 14.0), (60, 10.0), (48, 8.0))
    ]
    return np.clip(np.stack(bands), 1, 255).astype(np.uint8)


def _touch(settings: Settings, keys: list[str]) -> None:
    """Have the store deliver each object once."""
    store = objects.connect(settings, seconds=60)
    for key in keys:
        obstore.get(store, key).bytes()
