"""The three STAC collections, built from the tables of bands, indices and masks."""

from typing import Any, Final

from stac import extensions
from stac.assets import index_assets, reflectance_bands, scene_assets
from stac.bands import SCENE_CLASSES, Level
from stac.errors import UnknownNameError
from stac.indices import stored_indices
from stac.masks import described_bitfields
from stac.settings import Settings

L1C: Final = "sentinel-2-l1c"
L2A: Final = "sentinel-2-l2a"
INDICES: Final = "sentinel-2-indices"
COLLECTION_IDS = (L1C, L2A, INDICES)
BY_LEVEL = {"l1c": L1C, "l2a": L2A, "indices": INDICES}
"""The collections by what users call them."""

ATTRIBUTION = "Contains modified Copernicus Sentinel data"
EVERYWHERE: dict[str, Any] = {
    "spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]},
    "temporal": {"interval": [["2015-06-27T00:00:00Z", None]]},
}
"""Extent of a collection without items: the whole Earth since the first Sentinel-2 image."""

_LEGAL_NOTICE = "https://sentinel.esa.int/documents/247904/690755/Sentinel_Data_Legal_Notice"
_PLATFORMS = ["sentinel-2a", "sentinel-2b", "sentinel-2c", "sentinel-2d"]
_KEYWORDS = ["Copernicus", "Sentinel-2", "MSI", "COG"]


def collections(settings: Settings) -> list[dict[str, Any]]:
    """The collections of the catalogue, with the whole Earth as extent until there are items."""
    return [_scenes(settings, "L1C"), _scenes(settings, "L2A"), _indices(settings)]


def scene_collection(level: str) -> str:
    """Id of the collection of scenes of `level` (`L1C` or `L2A`); raises `UnknownNameError`."""
    try:
        return {"L1C": L1C, "L2A": L2A}[level]
    except KeyError:
        raise UnknownNameError(f"no collection holds products of level {level!r}: L1C and L2A are known") from None


def item_href(settings: Settings, collection: str, item_id: str) -> str:
    """Address of an item in the STAC API."""
    return f"{collection_href(settings, collection)}/items/{item_id}"


def collection_href(settings: Settings, collection: str) -> str:
    """Address of a collection in the STAC API."""
    return f"{settings.public_url.rstrip('/')}/stac/collections/{collection}"


def _scenes(settings: Settings, level: Level) -> dict[str, Any]:
    what, where = {
        "L1C": ("top-of-atmosphere reflectance", "orthorectified, as delivered by ESA"),
        "L2A": ("surface reflectance", "atmospherically corrected by Sen2Cor, with scene classification"),
    }[level]
    return _collection(settings, scene_collection(level)) | {
        "title": f"Sentinel-2 Level-{level[1:]}",
        "description": (
            f"Sentinel-2 {what}, {where}: one item per product and tile, one Cloud-Optimized GeoTIFF per band, in the "
            "digital numbers of the product. Reflectance = number x `raster:scale` + `raster:offset`; 0 is no data."
        ),
        "keywords": [*_KEYWORDS, level, "reflectance"],
        "item_assets": scene_assets(level),
        "renders": _scene_renders(level),
        "bands": reflectance_bands(level),
        "summaries": _summaries(level) | {"gsd": [10, 20, 60], "product:type": [f"S2MSI{level[1:]}"]},
    }


def _indices(settings: Settings) -> dict[str, Any]:
    names = ", ".join(index.name for index in stored_indices())
    return _collection(settings, INDICES) | {
        "title": "Sentinel-2 spectral indices",
        "description": (
            f"Spectral indices ({names}) of Sentinel-2 surface reflectance on the 10 m grid: one item per Level-2A "
            "product and tile, one Cloud-Optimized GeoTIFF per index (value = number x 0.0001; -32768 is no data), and "
            "a bit mask of scene class, cloud masks and cloud probability. No mask is burnt in."
        ),
        "keywords": [*_KEYWORDS, *(index.name for index in stored_indices())],
        "item_assets": index_assets(),
        "renders": {
            index.name.lower(): {
                "title": index.title,
                "assets": [index.name],
                "rescale": [list(index.display_range)],
                "colormap_name": index.colormap,
            }
            for index in stored_indices()
        },
        "summaries": _summaries("L2A") | {"gsd": [10], "classification:bitfields": described_bitfields()},
    }


def _collection(settings: Settings, collection: str) -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": list(extensions.OF_INDICES if collection == INDICES else extensions.OF_SCENES),
        "id": collection,
        "license": "other",
        "providers": _providers(settings),
        "extent": EVERYWHERE,
        "links": [
            {
                "rel": "license",
                "href": _LEGAL_NOTICE,
                "type": "application/pdf",
                "title": "Legal notice on the use of Copernicus Sentinel data",
            }
        ],
        "attribution": ATTRIBUTION,
    }


def _providers(settings: Settings) -> list[dict[str, Any]]:
    return [
        {"name": "ESA", "roles": ["producer", "licensor"], "url": "https://sentinels.copernicus.eu"},
        {"name": "Sen2Extract", "roles": ["processor", "host"], "url": settings.public_url},
    ]


def _summaries(level: Level) -> dict[str, Any]:
    return {
        "platform": _PLATFORMS,
        "constellation": ["sentinel-2"],
        "instruments": ["msi"],
        "processing:level": [level],
        "eo:cloud_cover": {"minimum": 0, "maximum": 100},
        "view:sun_elevation": {"minimum": -90, "maximum": 90},
    }


def _scene_renders(level: Level) -> dict[str, dict[str, Any]]:
    """Ready-made views; `rescale` is in reflectance, which is what the tiler's reader yields."""
    renders: dict[str, dict[str, Any]] = {
        "true_color": {
            "title": "True colour",
            "assets": ["B04", "B03", "B02"],
            "rescale": [[0.0, 0.3]] * 3,
        },
        "false_color": {
            "title": "False colour: near infrared, red, green",
            "assets": ["B08", "B04", "B03"],
            "rescale": [[0.0, 0.5], [0.0, 0.3], [0.0, 0.3]],
        },
    }
    if level == "L2A":
        renders["scl"] = {
            "title": "Scene classification",
            "assets": ["SCL"],
            "resampling": "nearest",
            "colormap": {str(c.value): _rgba(c.color, opaque=c.value != 0) for c in SCENE_CLASSES},
        }
    return renders


def _rgba(color: str, *, opaque: bool) -> list[int]:
    return [*bytes.fromhex(color), 255 if opaque else 0]
