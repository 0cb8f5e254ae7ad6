"""What every asset of a kind has in common: the part of an item's assets that stands in its collection's `item_assets`.

pgSTAC stores an item without what its collection says already, so that a band costs an item its address, size and
checksum, and nothing else. What is of no use for opening a file (titles, formulas, wavelengths, the meaning of classes)
stands in the collection only, so that an item stays small when it is served. Field names are those of STAC 1.1
(`bands`, data values) and of the extensions eo 2, raster 2 and classification 2.
"""

from collections.abc import Mapping
from typing import Any

from stac.bands import BANDS, LAYERS, SCENE_CLASSES, Band, Layer, Level, bands_of, by_common_name, layers_of
from stac.errors import UnknownNameError
from stac.indices import INDICES, NODATA, SCALE, Index, stored_indices
from stac.masks import NODATA as MASK_NODATA
from stac.masks import USUAL_FIELDS, bitfields

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
MASK = "MASK"
THUMBNAIL = "thumbnail"

_REFLECTANCE_SCALE = 0.0001
_COLLECTION_ONLY = frozenset({"title", "processing:expression"})


def shared_fields(name: str) -> dict[str, Any]:
    """The fields that items too carry of the asset called `name`: what a reader needs to choose and open it."""
    return {field: value for field, value in describe_asset(name).items() if field not in _COLLECTION_ONLY}


def describe_asset(name: str) -> dict[str, Any]:
    """What the collection says of the asset called `name`; of a file that no table holds, that it is metadata."""
    if name in BANDS:
        return _band_asset(BANDS[name])
    if name in LAYERS:
        return _layer_asset(LAYERS[name])
    if name in INDICES:
        return _index_asset(INDICES[name])
    if name == MASK:
        return _mask_asset()
    if name == THUMBNAIL:
        return {"title": "Preview", "roles": ["thumbnail"]}
    return {"title": name.replace("_", " ").replace("-", " ").capitalize(), "roles": ["metadata"]}


def object_key(asset: Mapping[str, Any]) -> str | None:
    """Key of the object that an item's asset names by its s3 address; None where it has none."""
    href = ((asset.get("alternate") or {}).get("s3") or {}).get("href")
    return href.removeprefix("s3://").partition("/")[2] if href else None


def scene_assets(level: Level) -> dict[str, dict[str, Any]]:
    """`item_assets` of a collection of scenes."""
    names = [band.name for band in bands_of(level)] + [layer.name for layer in layers_of(level)] + [THUMBNAIL]
    shared = {name: describe_asset(name) for name in names}
    if "SCL" in shared:
        shared["SCL"]["classification:classes"] = scene_classes()
    return shared


def index_assets() -> dict[str, dict[str, Any]]:
    """`item_assets` of the collection of indices."""
    names = [index.name for index in stored_indices()] + [MASK, THUMBNAIL]
    return {name: describe_asset(name) for name in names}


def band_object(band: Band) -> dict[str, Any]:
    """STAC band object: wavelength and full width at half maximum in micrometres."""
    return {
        "name": band.name,
        "eo:common_name": band.common_name,
        "eo:center_wavelength": band.wavelength,
        "eo:full_width_half_max": band.width,
    }


def reflectance_bands(level: Level) -> list[dict[str, Any]]:
    """Band objects of a whole product, with their ground sampling distance, for the collection."""
    return [band_object(band) | {"description": band.description, "gsd": band.gsd} for band in bands_of(level)]


def index_formula(name: str) -> dict[str, str]:
    """`processing:expression` of an index; raises `UnknownNameError`."""
    if name not in INDICES:
        raise UnknownNameError(f"unknown index {name[:40]!r}: choose from {', '.join(INDICES)}")
    return {"format": "numexpr", "expression": INDICES[name].formula}


def _band_asset(band: Band) -> dict[str, Any]:
    return {
        "type": COG,
        "title": f"{band.description} ({band.name})",
        "roles": ["data", "reflectance"],
        "gsd": band.gsd,
        "bands": [{"name": band.name, "eo:common_name": band.common_name}],
        "data_type": "uint16",
        "nodata": 0,
        "raster:scale": _REFLECTANCE_SCALE,
    }


def _layer_asset(layer: Layer) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "type": COG,
        "title": layer.title,
        "roles": list(layer.roles),
        "gsd": layer.gsd,
        "data_type": layer.data_type,
    }
    if layer.nodata is not None:
        asset["nodata"] = layer.nodata
    if layer.unit is not None:
        asset["unit"] = layer.unit
    if layer.name == "TCI":
        asset["bands"] = [
            {"name": by_common_name(color).name, "eo:common_name": color} for color in ("red", "green", "blue")
        ]
    return asset


def scene_classes() -> list[dict[str, Any]]:
    """`classification:classes` of SCL; of the collection, since no item differs."""
    return [
        {"value": c.value, "name": c.name, "color_hint": c.color.upper()} | ({"nodata": True} if c.value == 0 else {})
        for c in SCENE_CLASSES
    ]


def _index_asset(index: Index) -> dict[str, Any]:
    return {
        "type": COG,
        "title": index.title,
        "roles": ["data", "index"],
        "gsd": index.gsd,
        "data_type": "int16",
        "nodata": NODATA,
        "raster:scale": SCALE,
        "processing:expression": index_formula(index.name),
    }


def _mask_asset() -> dict[str, Any]:
    return {
        "type": COG,
        "title": "Scene class, cloud masks and cloud probability",
        "roles": ["data", "cloud", "cloud-shadow"],
        "gsd": 10,
        "data_type": "uint16",
        "nodata": MASK_NODATA,
        "classification:bitfields": bitfields(USUAL_FIELDS),
    }
