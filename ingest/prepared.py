"""A file ready for upload, and the asset that it becomes: an image as COG, or a document."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest import cog
from ingest.products.base import Document, Raster
from stac.assets import COG, MASK
from stac.bands import Resampling
from stac.masks import FIELDS
from stac.naming import asset_key
from stac.scene import Radiometry, StoredAsset

_CLASSES = ("SCL", MASK, *FIELDS)
"""Images whose mean would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where files go: a local folder first, then the item's folder in the bucket."""

    folder: Path
    prefix: str

    def beside(self, prefix: str) -> "Target":
        """The same folder, for another item."""
        return Target(folder=self.folder, prefix=prefix)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A local file and the asset that it becomes once uploaded."""

    file: cog.LocalFile
    asset: StoredAsset


def write_image(
    raster: Raster,
    name: str,
    radiometry: Radiometry,
    target: Target,
    *,
    overviews: Resampling = "average",
    fields: tuple[str, ...] = (),
) -> Prepared:
    """Write an image as COG, with its statistics in the file's own tags; `fields` are those that a `MASK` holds.

    Raises as `cog.write_cog` does.
    """
    single = raster.pixels.ndim == 2  # noqa: PLR2004
    statistics = cog.statistics(raster.pixels, radiometry.nodata) if single else None
    path = target.folder / f"{target.prefix.split('/', 1)[0]}-{name}.tif"
    file = cog.write_cog(
        raster.pixels,
        raster.grid,
        path,
        radiometry=radiometry,
        overviews=overviews,
        statistics=None if name in _CLASSES else statistics,
    )
    asset = StoredAsset(
        name=name,
        key=asset_key(target.prefix, name, file.sha256, ".tif"),
        size=file.size,
        sha256=file.sha256,
        media_type=COG,
        grid=raster.grid,
        data_type=np.dtype(raster.pixels.dtype).name,
        radiometry=radiometry,
        statistics=statistics,
        mask_fields=fields,
        blocks=cog.block_table(path) if single else None,
    )
    return Prepared(file=file, asset=asset)


def write_document(document: Document, target: Target) -> Prepared:
    """Write a metadata file; raises `IngestError` if the disk takes no more."""
    path = target.folder / document.filename
    with cog.writing(path):
        path.write_bytes(document.content)
    return describe_file(cog.describe(path), document.name, target, document.media_type)


def describe_file(file: cog.LocalFile, name: str, target: Target, media_type: str) -> Prepared:
    """A file that is written already, and its asset."""
    key = asset_key(target.prefix, name, file.sha256, file.path.suffix)
    asset = StoredAsset(name=name, key=key, size=file.size, sha256=file.sha256, media_type=media_type)
    return Prepared(file=file, asset=asset)
