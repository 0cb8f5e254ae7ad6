"""Watched areas over the STAC API: anyone may see them and ask for one, the writer edits them."""

import json
from enum import Enum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from stac_fastapi.types.requests import get_base_url
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from stac import areas
from stac.api_writer import REFUSALS, writer
from stac.areas_rules import Rule
from stac.errors import InvalidDocumentError
from stac.problems import MEDIA_TYPE, problem
from stac.settings import Settings, WriterSettings

LARGEST_BODY = 256_000
"""Bytes in the body of a request: some thousand points."""

_TAGS: list[str | Enum] = ["Watched areas"]
_Writer = Annotated[str, Depends(writer)]
_GEOJSON = {"application/geo+json": {"schema": {"type": "object"}}, "application/json": {"schema": {"type": "object"}}}
_TOO_MANY: dict[int | str, dict[str, Any]] = {
    413: {"description": "The body is too large", "content": {MEDIA_TYPE: {}}},
    429: {"description": "Too many areas were asked for just now", "content": {MEDIA_TYPE: {}}},
}


class PublicArea(BaseModel):
    """A watched area, as anyone may see it."""

    name: str
    tiles: list[str]
    geometry: dict[str, Any] | None = Field(description="GeoJSON, WGS 84")
    first_day: str
    last_day: str
    max_cloud: float | None
    provider: areas.Provider
    levels: list[areas.Level]
    orbits: list[int]
    baseline: str | None
    newest_only: bool
    indices: list[str]
    masks: list[str]
    retention: list[Rule] | None
    enabled: bool
    state: areas.State


class AreaPage(BaseModel):
    """The areas that are watched, by name."""

    areas: list[PublicArea]
    links: list[dict[str, str]]


class Noted(BaseModel):
    """A request that was noted."""

    name: str
    state: areas.State = "requested"
    known: bool = Field(description="whether this very place was asked for before")


def add_areas(app: FastAPI, settings: Settings, writers: WriterSettings) -> None:
    """Add the routes; those that edit only where there is a writer."""
    app.include_router(_public(settings))
    if writers.enabled:
        app.include_router(_edits(writers.applied_to(settings)))


def _public(settings: Settings) -> APIRouter:
    router = APIRouter(prefix="/areas", tags=_TAGS)

    @router.get("", summary="The watched areas")
    async def list_areas(request: Request) -> AreaPage:
        """What the archive is kept up to date for. Requests that wait for the operator are not listed."""
        found = await run_in_threadpool(areas.areas, settings, state="approved")
        here = f"{get_base_url(request)}areas"
        return AreaPage(
            areas=[PublicArea.model_validate(one.model_dump()) for one in found],
            links=[{"rel": "self", "href": here, "type": "application/json"}],
        )

    @router.post(
        "/requests",
        summary="Ask for an area",
        status_code=HTTPStatus.ACCEPTED,
        response_model=Noted,
        responses=_TOO_MANY,
        openapi_extra={"requestBody": {"required": True, "content": _GEOJSON}},
    )
    async def request_area(request: Request) -> Any:
        """Note for the operator that a place is wanted: a GeoJSON geometry, or a feature, whose properties are ignored.

        It may span ten degrees. Nothing is fetched until the operator approves it.
        """
        sent = await _document(request)
        geometry = sent.get("geometry") if sent.get("type") == "Feature" else sent
        try:
            noted = await run_in_threadpool(areas.request, settings, geometry)
        except areas.TooManyRequestsError as error:
            refusal = problem(HTTPStatus.TOO_MANY_REQUESTS, str(error))
            return JSONResponse(refusal, refusal["status"], {"Retry-After": "3600"}, media_type=MEDIA_TYPE)
        return Noted(name=noted.name, known=noted.known)

    return router


def _edits(settings: Settings) -> APIRouter:
    """POST, PATCH (merge patch, RFC 7396) and DELETE; they answer with the operator's comment."""
    router = APIRouter(prefix="/areas", tags=_TAGS, responses=REFUSALS | {413: _TOO_MANY[413]})
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
    unknown: dict[int | str, dict[str, Any]] = {404: {"description": "No such area", "content": {MEDIA_TYPE: {}}}}
    taken: dict[int | str, dict[str, Any]] = {409: {"description": "The name is taken", "content": {MEDIA_TYPE: {}}}}

    @router.post("", summary="Watch an area", status_code=HTTPStatus.CREATED, responses=taken, openapi_extra=body)
    async def add_area(request: Request, _: _Writer) -> areas.Area:
        """Store a new area."""
        area = areas.checked(await _document(request))
        await run_in_threadpool(areas.add, settings, area)
        return area

    @router.patch("/{name}", summary="Change an area", responses=unknown, openapi_extra=body)
    async def change_area(request: Request, name: str, _: _Writer) -> areas.Area:
        """Change the fields that are sent; `{"state": "approved", "enabled": true}` accepts a request."""
        return await run_in_threadpool(areas.change, settings, name, await _document(request))

    @router.delete("/{name}", summary="Watch an area no more", status_code=HTTPStatus.NO_CONTENT, responses=unknown)
    async def remove_area(name: str, _: _Writer) -> Response:
        """Forget an area; what is held of it stays."""
        await run_in_threadpool(areas.remove, settings, name)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


async def _document(request: Request) -> dict[str, Any]:
    """The JSON object that was sent; more than `LARGEST_BODY` is not read."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > LARGEST_BODY:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have {LARGEST_BODY} bytes")
    try:
        document = json.loads(read)
    except (ValueError, RecursionError) as error:
        raise InvalidDocumentError(f"the body is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidDocumentError("the body has to be a JSON object")
    return document
