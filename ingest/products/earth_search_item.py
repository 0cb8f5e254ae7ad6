"""What an Earth Search item says: JSON -> scene and images. No I/O.

Both collections are read: `sentinel-2-l2a`, where `earthsearch:boa_offset_applied` tells whether the offset has already
been subtracted from the pixels, and `sentinel-2-c1-l2a`, which keeps the product's numbers.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, Literal, cast

from ingest.errors import InvalidProductError
from ingest.products.images import Extent
from ingest.products.manifest import Listed
from ingest.products.metadata import parse_time
from ingest.products.safe_metadata import QUALITY_PERCENTAGES
from stac.bands import LAYERS
from stac.errors import NameFormatError
from stac.naming import Baseline, ProductName
from stac.scene import Radiometry, Scene

IMAGES: Mapping[str, str] = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06",
    "rededge3": "B07", "nir": "B08", "nir08": "B8A", "nir09": "B09", "cirrus": "B10", "swir16": "B11", "swir22": "B12",
    "scl": "SCL", "aot": "AOT", "wvp": "WVP", "visual": "TCI", "cloud": "CLDPRB", "snow": "SNWPRB",
}  # fmt: skip
"""Asset keys of Earth Search v1 and our names."""

_METADATA = ("product_metadata", "granule_metadata")
_SHA256 = re.compile(r"1220([0-9a-f]{64})", re.IGNORECASE)
"""A multihash: 0x12 is sha2-256, 0x20 its length in bytes."""

_OFFSET_SINCE = Baseline((4, 0))
_ORBIT_OF_DATATAKE = re.compile(r"_(\d{6})_N")


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of the item; `extent` is None where the item does not place it, `listed` where it tells no checksum."""

    href: str
    radiometry: Radiometry
    extent: Extent | None
    listed: Listed | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item as read; the scene's fingerprint is still to be filled in. `metadata` are hrefs of documents by key."""

    scene: Scene
    images: Mapping[str, Image]
    metadata: Mapping[str, str]

    def scene_with(self, *, fingerprint: str) -> Scene:
        """The scene with its fingerprint."""
        return dataclasses.replace(self.scene, fingerprint=fingerprint)


def read_item(document: Any, label: str) -> Item:
    """Read an item; raises `InvalidProductError` naming `label` and the member at fault."""
    if not is_item(document):
        raise InvalidProductError(f"{label}: no Earth Search item: a GeoJSON feature with s2:product_uri and assets")
    scene = _scene(_Properties(document["properties"], label), document)
    assets = {IMAGES[key]: asset for key, asset in document["assets"].items() if key in IMAGES}
    held = [key for key in _METADATA if document["assets"].get(key) is not None]
    return Item(
        scene=scene,
        images={name: _image(name, asset, scene, document, label) for name, asset in assets.items()},
        metadata={key: _href(document["assets"][key], key, label) for key in held},
    )


def is_item(document: Any) -> bool:
    """Whether a JSON document is an item of a Sentinel-2 product as Earth Search writes it."""
    return (
        isinstance(document, dict)
        and document.get("type") == "Feature"
        and isinstance(document.get("properties"), dict)
        and isinstance(document.get("assets"), dict)
        and isinstance(document["properties"].get("s2:product_uri"), str)
    )


class _Properties:
    """Typed access to an item's properties."""

    def __init__(self, values: Mapping[str, Any], label: str) -> None:
        self.values = values
        self.label = label

    def text(self, *names: str) -> str | None:
        return next((v for name in names if isinstance(v := self.values.get(name), str) and v), None)

    def need(self, *names: str) -> str:
        text = self.text(*names)
        if text is None:
            raise InvalidProductError(f"{self.label}: no property {' or '.join(names)}")
        return text

    def number(self, name: str) -> float | None:
        value = self.values.get(name)
        if value is None:
            return None
        return _number(value, f"{self.label}: {name}")

    def time(self, name: str) -> datetime:
        return parse_time(self.need(name), f"{self.label}: {name}")


def _number(value: Any, label: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise InvalidProductError(f"{label} is {value!r}, no finite number")
    return float(value)


def _scene(properties: _Properties, document: Mapping[str, Any]) -> Scene:
    try:
        name = ProductName.parse(properties.need("s2:product_uri"))
    except NameFormatError as error:
        raise InvalidProductError(f"{properties.label}: s2:product_uri: {error}") from error
    datatake = properties.need("s2:datatake_id")
    orbit = _ORBIT_OF_DATATAKE.search(datatake)
    state = properties.text("sat:orbit_state")
    geometry = document.get("geometry")
    return Scene(
        name=name,
        # The item's own datetime is the tile's sensing time; ours is the start of the datatake, whatever the source.
        acquired=name.datatake_start,
        generated=properties.time("s2:generation_time"),
        datatake_id=datatake,
        datastrip_id=properties.need("s2:datastrip_id"),
        granule_id=properties.need("s2:granule_id", "s2:tile_id"),
        fingerprint="",
        source="earth-search",
        absolute_orbit=int(orbit[1]) if orbit else None,
        orbit_state=cast("Literal['ascending', 'descending']", state) if state in ("ascending", "descending") else None,
        sun_azimuth=properties.number("view:sun_azimuth"),
        sun_elevation=properties.number("view:sun_elevation"),
        view_azimuth=properties.number("view:azimuth"),
        view_incidence=properties.number("view:incidence_angle"),
        cloud_cover=properties.number("eo:cloud_cover"),
        snow_cover=_first(properties.number("eo:snow_cover"), properties.number("s2:snow_ice_percentage")),
        quality=_quality(properties),
        outline=geometry
        if isinstance(geometry, dict) and geometry.get("type") in ("Polygon", "MultiPolygon")
        else None,
        offset_applied=properties.values.get("earthsearch:boa_offset_applied") is True,
        via=_via(document),
        software=_software(properties.values.get("processing:software")),
    )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _quality(properties: _Properties) -> dict[str, float | str]:
    quality: dict[str, float | str] = {}
    for name in (*(f"s2:{q}_percentage" for q in QUALITY_PERCENTAGES), "s2:reflectance_conversion_factor"):
        if (value := properties.number(name)) is not None:
            quality[name] = value
    for name in ("s2:product_type", "s2:datatake_type"):
        if text := properties.text(name):
            quality[name] = text
    return quality


def _software(value: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _via(document: Mapping[str, Any]) -> str | None:
    links = document.get("links")
    hrefs = {
        link.get("rel"): link.get("href")
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict) and str(link.get("href")).startswith(("https://", "http://", "s3://"))
    }
    return hrefs.get("canonical") or hrefs.get("self")


def _href(asset: Any, key: str, label: str) -> str:
    href = asset.get("href") if isinstance(asset, dict) else None
    if not isinstance(href, str) or not href:
        raise InvalidProductError(f"{label}: asset {key} has no href")
    return href


def _image(name: str, asset: Any, scene: Scene, document: Mapping[str, Any], label: str) -> Image:
    where = f"{label}: asset of {name}"
    return Image(
        href=_href(asset, name, label),
        radiometry=_radiometry(name, asset, scene, where),
        extent=_extent(asset, document["properties"], where),
        listed=_listed(asset),
    )


def _listed(asset: Mapping[str, Any]) -> Listed | None:
    """Size and checksum, which Collection 1 tells of its images."""
    size, checksum = asset.get("file:size"), asset.get("file:checksum")
    match = _SHA256.fullmatch(checksum) if isinstance(checksum, str) else None
    if match is None or not isinstance(size, int):
        return None
    return Listed(size=size, algorithm="sha256", digest=match[1].lower())


def _radiometry(name: str, asset: Mapping[str, Any], scene: Scene, where: str) -> Radiometry:
    """Scale and offset as the item gives them for the pixels as they are: none where it was already applied."""
    bands = asset.get("raster:bands") or asset.get("bands")
    raster = bands[0] if isinstance(bands, list) and isinstance(bands[0], dict) else {}
    scale, offset = (
        asset.get(f"raster:{key}", raster.get(key, raster.get(f"raster:{key}"))) for key in ("scale", "offset")
    )
    if name in LAYERS:
        layer = LAYERS[name]
        scaled = name in ("AOT", "WVP") and scale is not None
        return Radiometry(scale=_number(scale, where) if scaled else 1.0, nodata=layer.nodata, unit=layer.unit)
    if scale is None:
        raise InvalidProductError(f"{where} has no raster scale: what its numbers mean is unknown")
    return Radiometry(scale=_number(scale, f"{where}: scale"), offset=_offset(offset, scene, where), nodata=0)


def _offset(offset: Any, scene: Scene, where: str) -> float:
    if scene.offset_applied:
        return 0.0
    since = scene.name.baseline >= _OFFSET_SINCE
    if offset is None and since:
        raise InvalidProductError(f"{where} has no raster offset, which baseline {scene.name.baseline} needs")
    value = 0.0 if offset is None else _number(offset, f"{where}: offset")
    if value and not since:
        raise InvalidProductError(f"{where} has the offset {value}, baseline {scene.name.baseline} has none")
    return value


def _extent(asset: Mapping[str, Any], properties: Mapping[str, Any], where: str) -> Extent | None:
    shape = asset.get("proj:shape", properties.get("proj:shape"))
    transform = asset.get("proj:transform", properties.get("proj:transform"))
    epsg = _epsg(asset, properties)
    if shape is None or transform is None or epsg is None:
        return None
    try:
        (rows, columns), (a, b, left, d, e, top) = shape, transform[:6]
        size = [_number(value, where) for value in (rows, columns, a, b, left, d, e, top)]
    except (TypeError, ValueError) as error:
        raise InvalidProductError(
            f"{where}: proj:shape {shape!r} and proj:transform {transform!r} are no grid"
        ) from error
    rows, columns, a, _, left, _, e, top = size
    return Extent(epsg=epsg, left=left, top=top, right=left + columns * a, bottom=top + rows * e)


def _epsg(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> int | None:
    for holder in (asset, properties):
        if isinstance(code := holder.get("proj:epsg"), int):
            return code
        if isinstance(text := holder.get("proj:code"), str) and (match := re.fullmatch(r"EPSG:(\d{4,5})", text)):
            return int(match[1])
    return None
