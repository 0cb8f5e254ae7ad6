"""A thin OGC API - EDR (19-086r6) way in to the series: `position` and `area` queries, answered by the same engine."""

import json
from collections.abc import Mapping
from functools import partial
from threading import Event
from typing import Any

import shapely
from attrs import define
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from shapely.geometry import mapping
from titiler.core.factory import BaseFactory, FactoryExtension

from stac.collections import INDICES as INDICES_COLLECTION
from stac.errors import UnknownNameError
from stac.indices import get_index
from tiler.edr_documents import CONFORMANCE, collection_document, collections_document
from tiler.extension import Collection, answer, parameters_of, route_options
from tiler.presence import while_wanted
from tiler.series.errors import SeriesRequestError
from tiler.series.features import parse_features
from tiler.series.request import COLLECTIONS, PARAMETERS

_OWN = ("coords", "parameter-name", "crs")
_CRS = ("CRS84", "OGC:CRS84", "http://www.opengis.net/def/crs/OGC/1.3/CRS84")
_KINDS = {"position": ("Point", "MultiPoint"), "area": ("Polygon", "MultiPolygon")}
_LONGEST = 100_000


router = APIRouter(tags=["OGC API - EDR"])


@router.get("/conformance")
def conformance() -> dict[str, list[str]]:
    """The classes of OGC standards that hold here."""
    return {"conformsTo": list(CONFORMANCE)}


@router.get("/collections")
def collections(request: Request) -> dict[str, Any]:
    """The collections of which there are series."""
    found = _held(request)
    return collections_document([found[name] for name in COLLECTIONS if name in found], _base(request))


@router.get("/collections/{collection_id}")
def collection(request: Request, collection_id: Collection) -> dict[str, Any]:
    """What may be asked of a collection, and how."""
    found = _held(request)
    if collection_id not in found:
        raise HTTPException(404, f"no series of collection {collection_id!r}: choose from {', '.join(COLLECTIONS)}")
    return collection_document(found[collection_id], _base(request))


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _held(request: Request) -> dict[str, dict[str, Any]]:
    """The STAC documents of our collections, by id."""
    with request.app.state.dbpool.connection() as connection:
        rows = connection.execute("SELECT id, content FROM pgstac.collections WHERE id = ANY(%s)", (list(COLLECTIONS),))
        return dict(rows.fetchall())


@define
class EdrExtension(FactoryExtension):
    """`/position` and `/area` below each collection."""

    def register(self, factory: BaseFactory) -> None:
        """Add the routes to the factory's router."""
        names = (*_OWN, *(name for name in PARAMETERS if name not in ("index", "assets")))
        options = route_options(names, "OGC API - EDR")
        factory.router.add_api_route("/position", position, methods=["GET"], **options)
        factory.router.add_api_route("/area", area, methods=["GET"], **options)


async def position(request: Request, collection_id: Collection) -> Response:
    """Series of the pixels that contain the points of `coords` (WKT); CoverageJSON unless `f` says otherwise."""
    return await while_wanted(request, partial(_query, request, collection_id, "position"))


async def area(request: Request, collection_id: Collection) -> Response:
    """Series of the polygon of `coords` (WKT); CoverageJSON unless `f` says otherwise."""
    return await while_wanted(request, partial(_query, request, collection_id, "area"))


def _query(request: Request, collection: str, kind: str, gone: Event) -> Response:
    given = dict(parameters_of(request))
    coords, names, crs = (given.pop(name, "") for name in _OWN)
    if crs and crs not in _CRS:
        raise SeriesRequestError(f"crs={crs[:80]!r} is not served: choose from {', '.join(_CRS)}")
    document = {"type": "Feature", "id": "0", "geometry": _geometry(coords, kind), "properties": {}}
    features = parse_features(document, max_features=1, max_vertices=request.app.state.tiler.max_vertices)
    parameters = given | _chosen(names, collection)
    return answer(request, collection, None, features, parameters=parameters, default="covjson", gone=gone)


def _geometry(coords: str, kind: str) -> Mapping[str, object]:
    if len(coords) > _LONGEST:
        raise SeriesRequestError(
            f"coords has {len(coords)} characters, at most {_LONGEST}: post the outline as GeoJSON"
        )
    example = "POINT(105.5 11.3)" if kind == "position" else "POLYGON((105 11,105.1 11,105.1 11.1,105 11))"
    try:
        geometry = shapely.force_2d(shapely.from_wkt(coords))
    except shapely.errors.ShapelyError as error:
        raise SeriesRequestError(f"coords={coords[:80]!r} is no WKT: write {example}, longitude first") from error
    if geometry.geom_type not in _KINDS[kind] or geometry.is_empty:
        raise SeriesRequestError(f"coords of {kind} must be {' or '.join(_KINDS[kind])}: write {example}")
    found: Mapping[str, object] = json.loads(json.dumps(mapping(geometry)))
    return found


def _chosen(names: str, collection: str) -> dict[str, str]:
    """`parameter-name` as the series' own parameters: indices, or else bands; which of them exist is checked there."""
    if not names:
        return {}
    return {"index" if collection == INDICES_COLLECTION or _are_indices(names) else "assets": names}


def _are_indices(names: str) -> bool:
    try:
        for name in names.split(","):
            get_index(name.strip())
    except UnknownNameError:
        return False
    return True
