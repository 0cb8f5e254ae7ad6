"""A product's images become files ready for upload: each is decoded once; all that is made from it is made then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ingest import cog, derive, footprint
from ingest.errors import InvalidProductError
from ingest.products.base import Product, Raster
from ingest.thumbnail import write_thumbnail
from stac.bands import BANDS, LAYERS, Resampling
from stac.naming import asset_key
from stac.scene import Footprint, Grid, Radiometry, StoredAsset

Step = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where files go: a local folder first, then the item's folder in the bucket."""

    folder: Path
    prefix: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A local file and the asset that it becomes once uploaded."""

    file: cog.LocalFile
    asset: StoredAsset


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """All files of a product's items; `warning` says what a user should know of them."""

    scene: tuple[Prepared, ...]
    indices: tuple[Prepared, ...]
    footprint: Footprint
    warning: str | None = None


@dataclass(kw_only=True)
class _Gathered:
    """What later steps need of the images that have gone by."""

    rasters: dict[str, Raster] = field(default_factory=dict)
    picture: Raster | None = None
    footprint: Footprint | None = None
    grid: Grid | None = None
    coarsest: int = 0


def convert(product: Product, folder: Path, prefixes: Mapping[str, str], step: Step) -> Conversion:
    """Write the COGs of `product` and of its index product below `folder`.

    `prefixes` gives the bucket folder of the items: `scene` and `indices`. `step` hears the name of each image.
    Raises `InvalidProductError`.
    """
    gathered = _Gathered()
    target = Target(folder=folder, prefix=prefixes["scene"])
    scene = []
    for name in _order(product):
        step(name)
        raster = product.read(name)
        _gather(name, raster, product.images[name], gathered)
        scene.append(_write_raster(raster, name, product.images[name], target, overviews=_overviews(name)))
    scene += _documents(product, target)
    thumbnail = write_thumbnail(gathered.picture, gathered.rasters, product.images, folder / "thumbnail.jpg")
    if thumbnail is not None:
        scene.append(_prepared(thumbnail, "thumbnail", target, "image/jpeg"))
    indices = write_indices(product, gathered.rasters, Target(folder=folder, prefix=prefixes["indices"]), step)
    outline, warning = _outline(product, gathered)
    return Conversion(scene=tuple(scene), indices=indices, footprint=outline, warning=warning)


def write_indices(product: Product, rasters: Mapping[str, Raster], target: Target, step: Step) -> tuple[Prepared, ...]:
    """The COGs of the index product, as far as the images at hand allow; nothing for L1C."""
    if product.scene.name.level != "L2A":
        return ()
    written = []
    grid = None
    for index in derive.derivable_indices(rasters):
        step(index.name)
        raster = derive.index_image(index, rasters, product.images)
        grid = raster.grid
        written.append(_write_raster(raster, index.name, derive.INDEX_RADIOMETRY, target))
    clouds = None if grid is None else derive.cloud_image(rasters, product.images, grid)
    if clouds is not None:
        step("MASK")
        raster, fields = clouds
        written.append(_write_raster(raster, "MASK", derive.MASK_RADIOMETRY, target, overviews="mode", fields=fields))
    return tuple(written)


def _overviews(name: str) -> Resampling:
    layer = LAYERS.get(name)
    return layer.overviews if layer else "average"


def _gather(name: str, raster: Raster, radiometry: Radiometry, gathered: _Gathered) -> None:
    if name in derive.needed_images() | {"B02", "B04"}:
        gathered.rasters[name] = raster
    if name == "TCI":
        gathered.picture = raster
    # The footprint is drawn from the coarsest spectral band: its pixels are the union of finer ones.
    gathered.grid = raster.grid
    if name in BANDS and BANDS[name].gsd > gathered.coarsest:
        gathered.coarsest = BANDS[name].gsd
        gathered.footprint = footprint.from_pixels(raster.pixels != (radiometry.nodata or 0), raster.grid)


def _outline(product: Product, gathered: _Gathered) -> tuple[Footprint, str | None]:
    if gathered.footprint is not None:
        return gathered.footprint, None
    warning = "every pixel is nodata; the footprint is the one that the metadata declares"
    if product.scene.outline is not None:
        return footprint.from_outline(product.scene.outline), warning
    if gathered.grid is None:
        raise InvalidProductError(f"{product.scene.item_id}: holds no image")
    return footprint.from_grid(gathered.grid), "every pixel is nodata; the footprint is the whole tile"


def _order(product: Product) -> list[str]:
    known = [*BANDS, *LAYERS]
    return sorted(product.images, key=known.index)


def _write_raster(
    raster: Raster,
    name: str,
    radiometry: Radiometry,
    target: Target,
    *,
    overviews: Resampling = "average",
    fields: tuple[str, ...] = (),
) -> Prepared:
    path = target.folder / f"{target.prefix.split('/', 1)[0]}-{name}.tif"
    file = cog.write_cog(raster.pixels, raster.grid, path, radiometry=radiometry, overviews=overviews)
    described = StoredAsset(
        name=name,
        key=asset_key(target.prefix, name, file.sha256, ".tif"),
        size=file.size,
        sha256=file.sha256,
        media_type=cog.MEDIA_TYPE,
        grid=raster.grid,
        data_type=np.dtype(raster.pixels.dtype).name,
        radiometry=radiometry,
        statistics=None if raster.pixels.ndim == 3 else cog.statistics(raster.pixels, radiometry.nodata),  # noqa: PLR2004
        mask_fields=fields,
        blocks=None if raster.pixels.ndim == 3 else cog.block_table(path),  # noqa: PLR2004
    )
    return Prepared(file=file, asset=described)


def _documents(product: Product, target: Target) -> list[Prepared]:
    prepared = []
    for document in product.documents:
        path = target.folder / document.filename
        path.write_bytes(document.content)
        prepared.append(_prepared(cog.describe(path), document.name, target, document.media_type))
    return prepared


def _prepared(file: cog.LocalFile, name: str, target: Target, media_type: str) -> Prepared:
    key = asset_key(target.prefix, name, file.sha256, file.path.suffix)
    asset = StoredAsset(name=name, key=key, size=file.size, sha256=file.sha256, media_type=media_type)
    return Prepared(file=file, asset=asset)
