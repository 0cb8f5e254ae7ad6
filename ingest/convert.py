"""A product's images become files ready for upload: each is decoded once; all that is made from it is made then."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import rasterio

from ingest import derive, footprint
from ingest.errors import InvalidProductError
from ingest.omnicloudmask import CloudModel
from ingest.prepared import Prepared, Target, describe_file, write_document, write_image
from ingest.products.base import Product, Raster
from ingest.schedule import Task, run_tasks
from ingest.thumbnail import thin, write_thumbnail
from stac.assets import MASK
from stac.bands import BANDS, LAYERS, Resampling
from stac.indices import INDICES, Index
from stac.scene import Footprint, Grid

Step = Callable[[str], None]

_CACHE = 64 * 2**20
"""Bytes of decoded blocks that GDAL keeps, for all threads: rows of a large image. Its own limit would keep all."""

_NEARLY_ALL = 99.0
"""Per cent of nodata from which on a product without any valid pixel in its coarsest band keeps what it promises."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """All files of a product's items; `warning` says what a user should know of them."""

    scene: tuple[Prepared, ...]
    indices: tuple[Prepared, ...]
    footprint: Footprint
    warning: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What an image has become, and what little of it the item still needs."""

    prepared: Prepared
    grid: Grid
    footprint: Footprint | None = None
    small: Raster | None = None
    hollow: bool = False


type _Task = Task[_Made, Raster]


def convert(
    product: Product,
    folder: Path,
    prefixes: Mapping[str, str],
    step: Step,
    model: CloudModel | None = None,
    *,
    indices: Sequence[Index] | None = None,
) -> Conversion:
    """Write the COGs of `product` and of its index product below `folder`.

    `prefixes` gives the bucket folder of the items: `scene` and `indices`. `step` hears the name of each image, in the
    calling thread; `model` adds its clouds to the mask; `indices` are those wanted, by default the stored ones. Raises
    `InvalidProductError`, and `IngestError` where the disk takes no more.
    """
    target = Target(folder=folder, prefix=prefixes["scene"])
    made: dict[str, _Made] = {}

    def finished(name: str, image: _Made) -> None:
        made[name] = image
        if name in product.images:
            _check_place(name, {other: made[other].grid for other in made if other in product.images}, product)

    tasks = [*_image_tasks(product, target), *_index_tasks(product, target.beside(prefixes["indices"]), model, indices)]
    with rasterio.Env(GDAL_CACHEMAX=_CACHE):
        run_tasks(tasks, {}, started=step, finished=finished)
    scene = {name: made.pop(name) for name in _order(product.images)}
    small = {name: image.small for name, image in scene.items() if image.small is not None}
    thumbnail = write_thumbnail(small.pop("TCI", None), small, product.images, folder / "thumbnail.jpg")
    files = [image.prepared for image in scene.values()] + [
        write_document(document, target) for document in product.documents
    ]
    if thumbnail is not None:
        files.append(describe_file(thumbnail, "thumbnail", target, "image/jpeg"))
    outline, told = _outline(product, scene)
    warning = "; ".join((*product.warnings, *told)) or None
    return Conversion(scene=tuple(files), indices=_in_order(made), footprint=outline, warning=warning)


def write_indices(
    product: Product,
    rasters: Mapping[str, Raster],
    target: Target,
    step: Step,
    model: CloudModel | None = None,
    *,
    indices: Sequence[Index] | None = None,
) -> tuple[Prepared, ...]:
    """The COGs of the index product, as far as the images at hand allow; nothing for L1C."""
    made: dict[str, _Made] = {}
    run_tasks(_index_tasks(product, target, model, indices), rasters, started=step, finished=made.__setitem__)
    return _in_order(made)


def _image_tasks(product: Product, target: Target) -> Iterator[_Task]:
    """Each image to its COG: first those that indices are made from, and of the rest the large ones."""
    bands = [name for name in _order(product.images) if name in BANDS]
    coarsest = max(bands, key=lambda name: BANDS[name].gsd, default=None)

    def run(name: str, _: Mapping[str, Raster]) -> tuple[_Made, Raster]:
        raster = product.read(name)
        radiometry = product.images[name]
        outline = None
        if name == coarsest:
            # The footprint is drawn from the coarsest spectral band: its pixels are the union of finer ones.
            outline = footprint.from_pixels(raster.pixels != (radiometry.nodata or 0), raster.grid)
        prepared = write_image(raster, name, radiometry, target, overviews=_overviews(name))
        shown = thin(raster) if name in ("TCI", "B02", "B03", "B04") else None
        return _Made(prepared=prepared, grid=raster.grid, footprint=outline, small=shown, hollow=raster.hollow), raster

    for name in sorted(_order(product.images), key=_turn):
        yield Task(name=name, run=partial(run, name))


def _index_tasks(
    product: Product, target: Target, model: CloudModel | None, wanted: Sequence[Index] | None
) -> Iterator[_Task]:
    """Each index that is wanted, and the cloud mask, to its COG; none for L1C."""
    indices = derive.derivable_indices(product.images, wanted) if product.scene.name.level == "L2A" else ()

    def run_index(index: Index, rasters: Mapping[str, Raster]) -> tuple[_Made, Raster]:
        raster = derive.index_image(index, rasters, product.images)
        prepared = write_image(raster, index.name, derive.INDEX_RADIOMETRY, target)
        return _Made(prepared=prepared, grid=raster.grid), raster

    def run_mask(fine: str, rasters: Mapping[str, Raster]) -> tuple[_Made, Raster]:
        raster, fields = derive.cloud_image(rasters, product.images, rasters[fine].grid, model)
        radiometry = derive.MASK_RADIOMETRY
        prepared = write_image(raster, MASK, radiometry, target, overviews="mode", fields=fields)
        return _Made(prepared=prepared, grid=raster.grid), raster

    for index in indices:
        yield Task(name=index.name, run=partial(run_index, index), needs=frozenset(index.bands))
    sources = derive.mask_sources(product.images, model)
    if indices and sources:
        fine = min(reversed(indices[0].bands), key=lambda band: BANDS[band].gsd)
        yield Task(name=MASK, run=partial(run_mask, fine), needs=sources | {fine})


def _turn(name: str) -> tuple[int, int]:
    """When an image is read: B08 first, which most indices need, so that B04 and B03 stay in memory the least."""
    first = ("B08", "B04", "B03", "B11", "CLDPRB", "SCL", "TCI")
    return (first.index(name), 0) if name in first else (len(first), BANDS[name].gsd if name in BANDS else 20)


def _in_order(made: Mapping[str, _Made]) -> tuple[Prepared, ...]:
    names = [*INDICES, MASK]
    return tuple(made[name].prepared for name in sorted(made, key=names.index))


def _check_place(name: str, grids: Mapping[str, Grid], product: Product) -> None:
    """Refuse an image that does not cover the ground of the first one read, to a pixel; the origin to a hundredth."""
    first, grid = next(iter(grids.items()))
    other = grids[name]
    finest, coarsest = sorted((grid.pixel_width, other.pixel_width))
    apart = [abs(a - b) for a, b in zip(grid.bounds, other.bounds, strict=True)]
    left, bottom, right, top = apart
    if grid.epsg != other.epsg or max(left, top) > 0.01 * finest or max(right, bottom) > coarsest:
        raise InvalidProductError(
            f"{product.scene.item_id}: images lie in different places: {first} on EPSG:{grid.epsg} at {grid.bounds}, "
            f"{name} on EPSG:{other.epsg} at {other.bounds}; fetch the product again"
        )


def _overviews(name: str) -> Resampling:
    layer = LAYERS.get(name)
    return layer.overviews if layer else "average"


def _outline(product: Product, images: Mapping[str, _Made]) -> tuple[Footprint, Sequence[str]]:
    """The footprint, and what a user should know of it."""
    if not images:
        raise InvalidProductError(f"{product.scene.item_id}: holds no image")
    bands = {name: image for name, image in images.items() if name in BANDS}
    empty = [name for name, image in bands.items() if _is_empty(image)]
    for image in images.values():
        if image.footprint is not None:
            return image.footprint, [f"every pixel of {', '.join(empty)} is nodata"] if empty else ()
    what = "no spectral band was read" if not bands else f"every pixel of {', '.join(empty)} is nodata"
    if bands and len(empty) == len(bands):
        _check_promise(product, bands)
        what = "every pixel is nodata"
    if product.scene.outline is not None:
        return footprint.from_outline(product.scene.outline), [
            f"{what}; the footprint is the one that the metadata declares"
        ]
    grid = next(iter(images.values())).grid
    return footprint.from_grid(grid), [f"{what}; the footprint is the whole tile"]


def _is_empty(image: _Made) -> bool:
    statistics = image.prepared.asset.statistics
    return statistics is not None and statistics.valid_percent == 0


def _check_promise(product: Product, bands: Mapping[str, _Made]) -> None:
    """Refuse a product without a valid pixel whose metadata say that it has many.

    At the edge of a swath a product may hold next to nothing, and says so. Sparse files hold nothing to be damaged:
    they stand in for images that were left out, so that the metadata are all there is and are worth publishing.
    """
    share = product.scene.quality.get("s2:nodata_pixel_percentage")
    if isinstance(share, float) and share < _NEARLY_ALL and not all(image.hollow for image in bands.values()):
        raise InvalidProductError(
            f"{product.scene.item_id}: every pixel of {', '.join(bands)} is nodata, though the metadata say that "
            f"{share:g} % are; fetch the product again"
        )


def _order(images: Iterable[str]) -> list[str]:
    known = [*BANDS, *LAYERS]
    return sorted(images, key=known.index)
