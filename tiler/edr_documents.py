"""What an OGC API - EDR client reads before it asks for data: conformance, collections, their parameters. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from stac.bands import BANDS, LAYERS
from stac.collections import INDICES as INDICES_COLLECTION
from stac.indices import INDICES
from tiler.series.formats import FORMATS
from tiler.series.request import assets_of

_EDR = "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf"
CONFORMANCE = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    *(f"{_EDR}/{name}" for name in ("core", "collections", "json", "covjson", "queries")),
)
QUERIES = ("position", "area")
_CRS = "CRS84"
_DEFAULT = "covjson"
_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]]'
)


def landing_links(base: str) -> list[dict[str, str]]:
    """Links from the landing page."""
    return [
        {"rel": "conformance", "type": "application/json", "href": f"{base}/conformance"},
        {"rel": "data", "type": "application/json", "href": f"{base}/collections"},
    ]


def collections_document(found: Iterable[Mapping[str, Any]], base: str) -> dict[str, Any]:
    """All collections of which there are series; `found` are their STAC documents, `base` the service's address."""
    return {
        "links": [{"rel": "self", "type": "application/json", "href": f"{base}/collections"}],
        "collections": [collection_document(one, base) for one in found],
    }


def collection_document(collection: Mapping[str, Any], base: str) -> dict[str, Any]:
    """One collection, with what may be asked of it and how."""
    name = collection["id"]
    address = f"{base}/collections/{name}"
    return {
        "id": name,
        "title": collection.get("title"),
        "description": collection.get("description"),
        "links": [
            {"rel": "self", "type": "application/json", "href": address},
            *({"rel": "data", "type": _media_type(), "href": f"{address}/{query}"} for query in QUERIES),
        ],
        "extent": _extent(collection["extent"]),
        "data_queries": {query: {"link": _query(query, address)} for query in QUERIES},
        "crs": [_CRS],
        "output_formats": list(FORMATS),
        "parameter_names": _parameters(name),
    }


def _media_type() -> str:
    return FORMATS[_DEFAULT].media_type


def _query(query: str, address: str) -> dict[str, Any]:
    variables = {
        "title": f"Series of {'points' if query == 'position' else 'polygons'}",
        "query_type": query,
        "output_formats": list(FORMATS),
        "default_output_format": _DEFAULT,
        "crs_details": [{"crs": _CRS, "wkt": _WGS84}],
    }
    return {"rel": "data", "type": _media_type(), "href": f"{address}/{query}", "variables": variables}


def _extent(extent: Mapping[str, Any]) -> dict[str, Any]:
    """That of the STAC collection; an archive that holds nothing has no times."""
    told: dict[str, Any] = {"spatial": {"bbox": extent["spatial"]["bbox"], "crs": _CRS}}
    interval = extent["temporal"]["interval"][0]
    if None not in interval:
        told["temporal"] = {
            "interval": [interval],
            "values": ["/".join(interval)],
            "trs": 'TIMECRS["DateTime",TDATUM["Gregorian Calendar"],CS[TemporalDateTime,1],AXIS["Time (T)",future]]',
        }
    return told


def _parameters(collection: str) -> dict[str, Any]:
    """Indices, of each collection; bands and layers, where they are stored."""
    parameters = {name: _parameter(name, index.title, index.meaning) for name, index in INDICES.items()}
    if collection != INDICES_COLLECTION:
        parameters |= {name: _of_asset(name) for name in assets_of(collection)}
    return parameters


def _of_asset(name: str) -> dict[str, Any]:
    if name in BANDS:
        return _parameter(name, BANDS[name].common_name, BANDS[name].description)
    layer = LAYERS[name]
    return _parameter(name, layer.title, layer.description, layer.unit or "1")


def _parameter(name: str, label: str, description: str, unit: str = "1") -> dict[str, Any]:
    return {
        "type": "Parameter",
        "id": name,
        "label": label,
        "description": description,
        "data-type": "float",
        "unit": {"label": unit, "symbol": {"value": unit, "type": "http://www.opengis.net/def/uom/UCUM/"}},
        "observedProperty": {"id": name, "label": label},
    }
