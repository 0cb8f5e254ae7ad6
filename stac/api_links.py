"""Links that the API adds to what it serves: maps, previews and series, which are the tiler's. None of them is stored.

Templates: `{z}/{x}/{y}` is a tile, `{lon},{lat}` a place in degrees.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from stac.collections import COLLECTION_IDS
from stac.extensions import WEB_MAP_LINKS
from stac.indices import INDICES

type Link = dict[str, Any]

GRID = "WebMercatorQuad"
LAYERS = f"Sen2Extract_{GRID}"
"""What the names of the tiler's WMTS layers begin with."""

_TRUE_COLOR = ("B04", "B03", "B02")
_PREVIEW_PIXELS = 512

_AROUND = ("next", "prev")
_TITLES = {"self": "This collection", "root": "Catalogue", "parent": "Catalogue", "items": "Its items"}

STAC_BROWSER: dict[str, Any] = {
    "apiCatalogPriority": "collections",
    "cardViewMode": "cards",
    "crossOriginMedia": "anonymous",
    "showThumbnailsAsAssets": True,
}
"""How STAC Browser is to show the catalogue."""


def shown(assets: Collection[str]) -> tuple[str, ...]:
    """The assets that make the picture of an item: its true colours, else an index; none if there is neither."""
    if "TCI" in assets:
        return ("TCI",)
    if set(assets).issuperset(_TRUE_COLOR):
        return _TRUE_COLOR
    return next(((name,) for name in ("NDVI", *INDICES) if name in assets), ())


def add_item_links(item: dict[str, Any], public_url: str) -> None:
    """Add links to an item, unless it lacks what they rest on."""
    if not {"id", "collection", "assets", "links"} <= set(item):
        return
    address = f"{_collection(public_url, item['collection'])}/items/{item['id']}"
    asked = _query(shown(item["assets"]))
    maps = []
    if asked:
        maps = _maps(address, asked, f"{LAYERS}_default")
        preview = f"{address}/preview.png?{asked}&max_size={_PREVIEW_PIXELS}"
        maps.append(_link("preview", preview, "image/png", "Preview"))
    _add(item, maps, _series(public_url, item["collection"])[:1])


def add_collection_links(collection: dict[str, Any], public_url: str) -> None:
    """Add links to a collection: a mosaic of its newest items, and series."""
    if not {"id", "item_assets", "links"} <= set(collection):
        return
    asked = _query(shown(collection["item_assets"]))
    collection["links"] = [_titled(link) for link in collection["links"]]
    renders: Mapping[str, Any] = collection.get("renders", {})
    maps = []
    if asked:
        layers = [f"{LAYERS}_{name}" for name in (*renders, "default")]
        maps = _maps(_collection(public_url, collection["id"]), asked, layers)
    _add(collection, maps, _series(public_url, collection["id"]))


def _titled(link: Link) -> Link:
    return {"title": _TITLES[link["rel"]], **link} if link["rel"] in _TITLES else link


def _add(document: dict[str, Any], maps: list[Link], others: list[Link]) -> None:
    document["links"] = [*document["links"], *maps, *others]
    if maps and WEB_MAP_LINKS not in document.get("stac_extensions", (WEB_MAP_LINKS,)):
        document["stac_extensions"] = [*document["stac_extensions"], WEB_MAP_LINKS]


def _maps(address: str, asked: str, layers: str | list[str]) -> list[Link]:
    capabilities = _link("wmts", f"{address}/WMTSCapabilities.xml?{asked}", "application/xml", "WMTS, as QGIS takes it")
    return [
        _link("xyz", f"{address}/tiles/{GRID}/{{z}}/{{x}}/{{y}}.png?{asked}", "image/png", "Map tiles"),
        _link("tilejson", f"{address}/{GRID}/tilejson.json?{asked}", "application/json", "Map tiles, as TileJSON"),
        capabilities | {"wmts:layer": layers},
    ]


def _series(public_url: str, collection: str) -> list[Link]:
    if collection not in COLLECTION_IDS:
        return []
    address = f"{_collection(public_url, collection)}/timeseries"
    at_place = _link("timeseries", f"{address}/point/{{lon}},{{lat}}.csv?index=NDVI", "text/csv", "Series at a place")
    in_features = _link("timeseries", f"{address}/statistics.csv?index=NDVI", "text/csv", "Series of GeoJSON features")
    return [at_place | {"templated": True}, in_features | {"method": "POST"}]


def _collection(public_url: str, collection: str) -> str:
    return f"{public_url.rstrip('/')}/raster/collections/{collection}"


def _query(assets: Collection[str]) -> str:
    return urlencode([("assets", name) for name in assets])


def _link(rel: str, href: str, media_type: str, title: str) -> Link:
    return {"rel": rel, "href": href, "type": media_type, "title": title}


def paging(links: Iterable[Link], media_type: str | None = None) -> list[Link]:
    """Links of a page: the one before is `prev`, as STAC and OGC have it; stac-fastapi calls it `previous`.

    `media_type` is that of the pages around, where stac-fastapi has it wrong.
    """
    told = [link | {"rel": "prev"} if link["rel"] == "previous" else link for link in links]
    if media_type is None:
        return told
    return [link | {"type": media_type} if link["rel"] in _AROUND else link for link in told]


def area_links(base_url: str) -> list[Link]:
    """Links of the landing page to the watched areas, and to where one asks for another one (by POST)."""
    return [
        _link("areas", f"{base_url}areas", "application/json", "Watched areas"),
        {
            **_link("area-requests", f"{base_url}areas/requests", "application/json", "Ask for an area"),
            "method": "POST",
        },
    ]
