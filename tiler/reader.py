"""Items and COGs as TiTiler reads them: scale, offset and nodata applied once, here, and nowhere else."""

import logging
from typing import Any, cast

import attr
import numpy as np
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError
from rasterio.warp import transform_bounds
from rio_tiler.constants import WGS84_CRS
from rio_tiler.errors import EmptyMosaicError, InvalidAssetName, MissingAssets, PointOutsideBounds, TileOutsideBounds
from rio_tiler.io import BaseReader, Reader
from rio_tiler.models import ImageData, Info, PointData
from rio_tiler.types import AssetInfo, AssetType, BBox
from titiler.pgstac.backend import PGSTACBackend
from titiler.pgstac.reader import PgSTACReader, SimpleSTACReader

from tiler.errors import ImageTooLargeError
from tiler.hrefs import gdal_path
from tiler.masking import masked_image
from tiler.sane import LARGEST_SIDE

logger = logging.getLogger(__name__)

_EVERYTHING = {"exitwhenfull": False, "skipcovered": False}
_TOLERATED = (TileOutsideBounds, InvalidAssetName, MissingAssets, RasterioIOError)


@attr.s
class AssetReader(Reader):
    """A COG whose values come out physical: `dn * scale + offset` as float32, masked where nodata.

    Scale and offset are those given (from the item), else the file's own tags. `unscale=false` asks for stored numbers.
    """

    scale: float | None = attr.ib(default=None, kw_only=True)
    offset: float | None = attr.ib(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()  # type: ignore[no-untyped-call]
        source: Any = self.dataset
        if self.scale is None:
            self.scale = source.scales[0]
        if self.offset is None:
            self.offset = source.offsets[0]

    def part(self, bbox: BBox, *args: Any, unscale: bool | None = None, **kwargs: Any) -> ImageData:
        """Part of the image, in physical values. Raises `ImageTooLargeError`, before anything is read."""
        raw = unscale is False
        if not any(kwargs.get(name) for name in ("max_size", "width", "height")):
            self._check_size(bbox, kwargs.get("bounds_crs", WGS84_CRS))
        image = super().part(bbox, *args, unscale=False, post_process=self._process(raw=raw), **kwargs)
        return self._told(image, raw=raw)

    def _check_size(self, bbox: BBox, crs: CRS | None) -> None:
        source: Any = self.dataset
        left, bottom, right, top = transform_bounds(crs, source.crs, *bbox) if crs else bbox
        across, down = source.res
        pixels = (right - left) / across * ((top - bottom) / down)
        if not pixels <= LARGEST_SIDE**2:
            raise ImageTooLargeError(
                f"that place has more than {LARGEST_SIDE**2:,} pixels: set max_size, or width and height, "
                "or read the asset itself by ranges"
            )

    def preview(self, *args: Any, unscale: bool | None = None, **kwargs: Any) -> ImageData:
        """The whole image, reduced, in physical values."""
        return super().preview(*args, unscale=unscale, **kwargs)

    def read(self, *args: Any, unscale: bool | None = None, **kwargs: Any) -> ImageData:
        """The image, in physical values."""
        raw = unscale is False
        return self._told(super().read(*args, unscale=False, post_process=self._process(raw=raw), **kwargs), raw=raw)

    def point(self, *args: Any, unscale: bool | None = None, **kwargs: Any) -> PointData:
        """The pixel at a place, in physical values."""
        raw = unscale is False
        return super().point(*args, unscale=False, post_process=self._process(raw=raw), **kwargs)

    @property
    def _plain(self) -> bool:
        return self.scale == 1 and self.offset == 0

    def _process(self, *, raw: bool) -> Any:
        return None if raw or self._plain else self._to_physical

    def _to_physical(self, stored: np.ma.MaskedArray[Any, Any]) -> np.ma.MaskedArray[Any, Any]:
        values = stored.data.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)
        return np.ma.MaskedArray(values, mask=stored.mask)

    def _told(self, image: ImageData, *, raw: bool) -> ImageData:
        """Statistics of the stored numbers would mislead a renderer of physical values."""
        if not raw and not self._plain:
            image.dataset_statistics = None
            image.scales, image.offsets = [1.0] * image.count, [0.0] * image.count
        return image


def _physical_options(asset: dict[str, Any]) -> dict[str, Any]:
    """Reader options from an asset's STAC fields; absent fields leave it to the file's tags."""
    bands = asset.get("bands") or asset.get("raster:bands") or [{}]
    found = {
        name: asset.get(f"raster:{name}", bands[0].get(f"raster:{name}", bands[0].get(name)))
        for name in ("scale", "offset")
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _read_from_store(info: AssetInfo, asset: dict[str, Any]) -> AssetInfo:
    alternate = (asset.get("alternate") or {}).get("s3") or {}
    info["url"] = gdal_path(alternate.get("href") or info["url"])
    info["reader_options"] = {**info.get("reader_options", {}), **_physical_options(asset)}
    info.pop("dataset_statistics", None)
    return info


@attr.s
class ItemReader(PgSTACReader):
    """One item, read from the store directly."""

    reader: type[BaseReader] = attr.ib(default=AssetReader)

    mask: str | None = attr.ib(default=None, kw_only=True)

    def tile(self, *args: Any, **kwargs: Any) -> ImageData:
        """A tile, without what the mask leaves out."""
        return masked_image(super().tile, self.mask, self._described(), *args, **kwargs)

    def part(self, *args: Any, **kwargs: Any) -> ImageData:
        """A part, without what the mask leaves out."""
        return masked_image(super().part, self.mask, self._described(), *args, **kwargs)

    def preview(self, *args: Any, **kwargs: Any) -> ImageData:
        """The whole image, reduced, without what the mask leaves out."""
        return masked_image(super().preview, self.mask, self._described(), *args, **kwargs)

    def feature(self, *args: Any, **kwargs: Any) -> ImageData:
        """What lies within a geometry, without what the mask leaves out."""
        return masked_image(super().feature, self.mask, self._described(), *args, **kwargs)

    def _described(self) -> dict[str, Any]:
        return {name: self.item.assets[name].to_dict() for name in self.assets}

    def info(self, assets: Any = None, **kwargs: Any) -> dict[str, Info]:
        """What GDAL says of each asset; of all, unasked."""
        return super().info(assets=assets or self.assets, **kwargs)

    def statistics(self, assets: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Statistics of each asset; of all, unasked."""
        return cast("dict[str, Any]", super().statistics(assets=assets or self.assets, **kwargs))

    def _get_asset_info(self, asset: AssetType) -> AssetInfo:
        # Not the parent's: it warns of STAC statistics that are not per band, and would stretch by those of stored
        # numbers.
        options: Any = {"name": asset} if isinstance(asset, str) else asset
        name = options.get("name")
        if name not in self.assets:
            raise InvalidAssetName(f"item {self.item.id} has no asset {name!r}: choose from {', '.join(self.assets)}")
        stored = self.item.assets[name]
        reader_options, method_options = self._get_options(options, stored)
        info = AssetInfo(
            url=stored.href,
            name=name,
            media_type=stored.media_type,
            reader_options=reader_options,
            method_options=method_options,
            metadata=stored.extra_fields,
        )
        return _read_from_store(info, stored.to_dict())


@attr.s
class MosaicItemReader(SimpleSTACReader):
    """An item of a mosaic, read from the store directly."""

    reader: type[BaseReader] = attr.ib(default=AssetReader)

    mask: str | None = attr.ib(default=None, kw_only=True)

    def tile(self, *args: Any, **kwargs: Any) -> ImageData:
        """A tile, without what the mask leaves out."""
        return masked_image(super().tile, self.mask, self._described(), *args, **kwargs)

    def part(self, *args: Any, **kwargs: Any) -> ImageData:
        """A part, without what the mask leaves out."""
        return masked_image(super().part, self.mask, self._described(), *args, **kwargs)

    def _described(self) -> dict[str, Any]:
        return self.input["assets"]

    def _get_asset_info(self, asset: AssetType) -> AssetInfo:
        try:
            info = super()._get_asset_info(asset)
        except InvalidAssetName as error:
            wanted = asset if isinstance(asset, str) else asset["name"]
            held = ", ".join(self.assets)
            raise InvalidAssetName(f"item {self.input['id']} has no asset {wanted!r}: choose from {held}") from error
        return _read_from_store(info, self.input["assets"][info["name"]])


@attr.s
class MosaicBackend(PGSTACBackend):
    """A mosaic that leaves out superseded items, tolerates items it cannot read, and names these in `unreadable`."""

    reader: type[MosaicItemReader] = attr.ib(default=MosaicItemReader)
    unreadable: list[str] = attr.ib(factory=list)

    def __attrs_post_init__(self) -> None:
        parent = getattr(super(), "__attrs_post_init__", None)
        if parent is not None:
            parent()
        self._failures: list[Exception] = []
        self.reader = self._watched(self.reader)

    def get_assets(self, geom: Any, fields: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """Items that intersect `geom`, fresh from the catalogue, without superseded ones and without empty ones."""
        wanted = fields or {"include": ["assets", "id", "bbox", "collection", "properties.deprecated"]}
        found = PGSTACBackend.get_assets.__wrapped__(self, geom, wanted, **kwargs)
        current = [item for item in found if not (item.get("properties") or {}).get("deprecated")]
        self.unreadable.extend(f"{item['collection']}/{item['id']}" for item in current if not item.get("assets"))
        return [item for item in current if item.get("assets")]

    def tile(self, *args: Any, **kwargs: Any) -> tuple[ImageData, list[str]]:  # type: ignore[override]
        """A tile of what can be read."""
        return cast("tuple[ImageData, list[str]]", self._tolerant(super().tile, *args, **kwargs))

    def part(self, *args: Any, **kwargs: Any) -> tuple[ImageData, list[str]]:  # type: ignore[override]
        """A part of what can be read."""
        return cast("tuple[ImageData, list[str]]", self._tolerant(super().part, *args, **kwargs))

    def point(self, *args: Any, **kwargs: Any) -> list[tuple[str, PointData]]:  # type: ignore[override]
        """Values of the items that can be read."""
        found = super().point(*args, allowed_exceptions=(*_TOLERATED, PointOutsideBounds), **kwargs)
        if not found and self._failures:
            raise self._failures[0]
        return found

    def _tolerant(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        search = kwargs.get("search_options")
        try:
            found = method(*args, allowed_exceptions=_TOLERATED, **kwargs)
        except EmptyMosaicError:
            if not self._failures:
                raise
            found = None
        if not self._failures or search == _EVERYTHING:
            if found is None:
                raise self._failures[0]
            return found
        # pgSTAC stops at items that cover the place: where one of these failed, those beneath it are wanted after all.
        return self._tolerant(method, *args, **{**kwargs, "search_options": _EVERYTHING})

    def _watched(self, reader: type[MosaicItemReader]) -> Any:
        """`reader` as a function that notes which items fail, and why."""

        def note(item: dict[str, Any], error: Exception) -> None:
            name = f"{item['collection']}/{item['id']}"
            if name not in self.unreadable:
                logger.warning("left out of the mosaic: %s: %s", name, error)
                self.unreadable.append(name)
            self._failures.append(error)

        @attr.s
        class Watched(reader):  # type: ignore[misc,valid-type]
            def tile(self, *args: Any, **kwargs: Any) -> ImageData:
                return cast("ImageData", self._note(super().tile, *args, **kwargs))

            def part(self, *args: Any, **kwargs: Any) -> ImageData:
                return cast("ImageData", self._note(super().part, *args, **kwargs))

            def point(self, *args: Any, **kwargs: Any) -> PointData:
                return cast("PointData", self._note(super().point, *args, **kwargs))

            def _note(self, method: Any, *args: Any, **kwargs: Any) -> Any:
                try:
                    return method(*args, **kwargs)
                except (InvalidAssetName, MissingAssets, RasterioIOError) as error:
                    note(self.input, error)
                    raise

        return Watched
