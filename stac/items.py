"""A scene's metadata and its written files -> STAC items. Pure: no I/O, no clock, the same input gives the same item.

Dates of the record itself (`created`, `updated`) and what other products decide (`deprecated`, version links) are
added by `stac.catalog` when it publishes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pystac

from stac import extensions
from stac.assets import COG, MASK, shared_fields
from stac.collections import INDICES, L2A, collection_href, item_href, scene_collection
from stac.masks import USUAL_FIELDS, bitfields
from stac.scene import Footprint, Scene, StoredAsset
from stac.settings import Settings

_COMMON = (
    extensions.GRID,
    extensions.MGRS,
    extensions.SATELLITE,
    extensions.SENTINEL_2,
    extensions.PROCESSING,
    extensions.PROJECTION,
    extensions.FILE,
    extensions.ALTERNATE,
    extensions.VERSION,
)
QUALITY = frozenset(
    f"s2:{name}"
    for name in (
        "cloud_shadow_percentage",
        "dark_features_percentage",
        "datatake_type",
        "degraded_msi_data_percentage",
        "high_proba_clouds_percentage",
        "medium_proba_clouds_percentage",
        "nodata_pixel_percentage",
        "not_vegetated_percentage",
        "reflectance_conversion_factor",
        "saturated_defective_pixel_percentage",
        "snow_ice_percentage",
        "thin_cirrus_percentage",
        "unclassified_percentage",
        "vegetation_percentage",
        "water_percentage",
    )
)
"""What of `Scene.quality` becomes a property: the fields that the schema of the sentinel-2 extension allows."""


def scene_item(scene: Scene, assets: Sequence[StoredAsset], footprint: Footprint, settings: Settings) -> pystac.Item:
    """Item of an L1C or L2A product; raises `UnknownNameError` for another level."""
    properties = _properties(scene, assets) | {"product:type": f"S2MSI{scene.name.level[1:]}"}
    bare = _Bare(collection=scene_collection(scene.name.level), properties=properties)
    return _item(bare, scene, assets, footprint, settings)


def index_item(scene: Scene, assets: Sequence[StoredAsset], footprint: Footprint, settings: Settings) -> pystac.Item:
    """Item of the index product of the L2A product `scene`: the same id, derived from the scene's own item.

    An imported index product has no such item: its scene may be long gone.
    """
    properties = _properties(scene, assets)
    if scene.source == "sen2chain":
        return _item(_Bare(collection=INDICES, properties=properties), scene, assets, footprint, settings)
    properties["processing:lineage"] = "Spectral indices and cloud masks from surface reflectance by Sen2Extract"
    derived_from = {
        "rel": "derived_from",
        "href": item_href(settings, L2A, scene.item_id),
        "type": "application/geo+json",
    }
    bare = _Bare(collection=INDICES, properties=properties, links=(derived_from,))
    return _item(bare, scene, assets, footprint, settings)


@dataclass(frozen=True, kw_only=True)
class _Bare:
    """What the two kinds of items differ in."""

    collection: str
    properties: dict[str, Any]
    links: tuple[dict[str, str], ...] = ()


def _item(
    bare: _Bare, scene: Scene, assets: Sequence[StoredAsset], footprint: Footprint, settings: Settings
) -> pystac.Item:
    stac_assets = {asset.name: _asset(asset, settings) for asset in assets}
    collection_link = {
        "rel": "collection",
        "href": collection_href(settings, bare.collection),
        "type": "application/json",
    }
    via = ({"rel": "via", "href": scene.via},) if scene.via else ()
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": sorted((*_COMMON, *_used(bare.properties, stac_assets.values()))),
        "id": scene.item_id,
        "collection": bare.collection,
        "geometry": dict(footprint.geometry),
        "bbox": list(footprint.bbox),
        "properties": bare.properties,
        "links": [collection_link, *bare.links, *via],
        "assets": stac_assets,
    }
    return pystac.Item.from_dict(document)


def _properties(scene: Scene, assets: Sequence[StoredAsset]) -> dict[str, Any]:
    name = scene.name
    generated = None if scene.generated is None else timestamp(scene.generated)
    optional: dict[str, Any] = {
        "eo:cloud_cover": scene.cloud_cover,
        "eo:snow_cover": scene.snow_cover,
        "sat:absolute_orbit": scene.absolute_orbit,
        "sat:orbit_state": scene.orbit_state,
        "view:sun_azimuth": scene.sun_azimuth,
        "view:sun_elevation": scene.sun_elevation,
        "view:azimuth": scene.view_azimuth,
        "view:incidence_angle": scene.view_incidence,
        "processing:software": dict(scene.software) or None,
        "processing:lineage": scene.lineage,
        "processing:datetime": generated,
        "s2:generation_time": generated,
        "s2:datatake_id": scene.datatake_id,
        "s2:datastrip_id": scene.datastrip_id,
        "s2:tile_id": scene.granule_id,
        "proj:code": _projection(assets),
        "sen2extract:offset_applied": scene.offset_applied or None,
    }
    return {
        "datetime": timestamp(scene.acquired),
        "platform": name.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": _gsd(assets),
        "processing:level": name.level,
        "processing:version": str(name.baseline),
        "sat:relative_orbit": name.relative_orbit,
        "grid:code": f"MGRS-{name.tile}",
        "mgrs:utm_zone": name.tile.zone,
        "mgrs:latitude_band": name.tile.band,
        "mgrs:grid_square": name.tile.square,
        "s2:product_uri": f"{name}.SAFE",
        "s2:product_type": f"S2MSI{name.level[1:]}",
        "s2:processing_baseline": str(name.baseline),
        "sen2extract:fingerprint": scene.fingerprint,
        "sen2extract:source": scene.source,
        **{key: value for key, value in scene.quality.items() if key in QUALITY},
        **{key: value for key, value in optional.items() if value is not None},
        **scene.remarks,
    }


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with as many decimals as the moment has, at most six."""
    text = moment.isoformat(timespec="auto")
    return text.replace("+00:00", "Z")


def _asset(asset: StoredAsset, settings: Settings) -> dict[str, Any]:
    shared = shared_fields(asset.name)
    own: dict[str, Any] = {
        "href": settings.public_href(asset.key),
        "type": asset.media_type,
        "file:size": asset.size,
        # A multihash: 0x12 is sha2-256, 0x20 its length in bytes.
        "file:checksum": f"1220{asset.sha256}",
        "alternate": {"s3": {"href": settings.s3_href(asset.key)}},
    }
    return shared | own | _raster_fields(asset) | _mask_fields(asset)


def _raster_fields(asset: StoredAsset) -> dict[str, Any]:
    """Grid and data values of an image, as it is written; its statistics stand in the file's own tags."""
    fields: dict[str, Any] = {}
    if asset.grid is not None:
        fields["proj:shape"] = list(asset.grid.shape)
        fields["proj:transform"] = [_short(value) for value in asset.grid.transform]
    if asset.data_type is not None:
        fields["data_type"] = asset.data_type
    if asset.radiometry is not None:
        meaning = asset.radiometry
        if (meaning.scale, meaning.offset) != (1.0, 0.0):
            fields |= {"raster:scale": meaning.scale, "raster:offset": _short(meaning.offset)}
        fields |= {} if meaning.nodata is None else {"nodata": meaning.nodata}
        fields |= {} if meaning.unit is None else {"unit": meaning.unit}
    return fields


def _short(value: float) -> float:
    """The same number, without a fraction of zero."""
    return int(value) if float(value).is_integer() else value


def _mask_fields(asset: StoredAsset) -> dict[str, Any]:
    if asset.name != MASK:
        return {}
    held = asset.mask_fields or USUAL_FIELDS
    return {"classification:bitfields": bitfields(held)}


def _projection(assets: Sequence[StoredAsset]) -> str | None:
    """`proj:code` that all images share; a product lies on one UTM grid."""
    codes = sorted({asset.grid.epsg for asset in assets if asset.grid is not None})
    return f"EPSG:{codes[0]}" if codes else None


def _gsd(assets: Sequence[StoredAsset]) -> float:
    """Finest ground sampling distance of the images, in metres."""
    return min((shared_fields(asset.name).get("gsd", 10) for asset in assets if asset.media_type == COG), default=10)


def _used(properties: Mapping[str, Any], assets: Iterable[Mapping[str, Any]]) -> set[str]:
    """Extensions that are in use only if one of their fields is."""
    prefixes = {
        "eo:": extensions.EO,
        "view:": extensions.VIEW,
        "product:": extensions.PRODUCT,
        "raster:": extensions.RASTER,
        "classification:": extensions.CLASSIFICATION,
    }
    names = {*properties}.union(*assets)
    bands = {name for asset in assets for band in asset.get("bands", ()) for name in band}
    return {uri for prefix, uri in prefixes.items() if any(n.startswith(prefix) for n in names | bands)}
