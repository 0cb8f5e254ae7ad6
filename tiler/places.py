"""A user's file as places: what the page, or a script, asks before it asks for series."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from shapely.geometry import mapping
from starlette.concurrency import run_in_threadpool
from titiler.core.resources.responses import GeoJSONResponse

from tiler.answers import Places, schema
from tiler.bodies import read_files
from tiler.series.features import Feature
from tiler.series.uploads import UploadLimits, read_upload
from tiler.settings import TilerSettings

router = APIRouter(tags=["Time series"])
_KINDS = (
    "application/geo+json",
    "application/zip",
    "application/geopackage+sqlite3",
    "text/csv",
    "multipart/form-data",
)
_BODY = {"requestBody": {"required": True, "content": {kind: {"schema": {"type": "object"}} for kind in _KINDS}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/geo+json": {"schema": schema(Places)}}},
    400: {"description": "The file holds no places that can be read: the answer says what to send"},
    413: {"description": "Over a limit: the answer gives the numbers"},
}


@router.post(
    "/places",
    summary="Read a file of places",
    response_class=GeoJSONResponse,
    responses=_RESPONSES,
    openapi_extra=_BODY,
)
async def places(request: Request) -> GeoJSONResponse:
    """GeoJSON of the places in an uploaded file, in degrees, and a report of what was repaired, moved or left out.

    Takes a zipped shapefile, GeoPackage, KML, KMZ, GPX, GeoJSON or CSV with longitude and latitude, as the body or as
    a form. Posted to `/collections/{collection}/timeseries/statistics`, the answer yields the file's series.
    """
    tiler: TilerSettings = request.app.state.tiler
    files = await read_files(request, tiler.max_body_bytes)
    return GeoJSONResponse(await run_in_threadpool(_read, files, tiler))


def _read(files: Mapping[str, bytes], tiler: TilerSettings) -> dict[str, Any]:
    limits = UploadLimits(features=tiler.max_features, vertices=tiler.max_vertices)
    features, report = read_upload(files, limits)
    return {"type": "FeatureCollection", "features": [_entry(feature) for feature in features], "report": report}


def _entry(feature: Feature) -> dict[str, Any]:
    geometry = mapping(feature.geometry)
    return {"type": "Feature", "id": feature.id, "geometry": geometry, "properties": dict(feature.attributes)}
