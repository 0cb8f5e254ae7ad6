"""The time-series endpoints, as an extension of the collections' tiler."""

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from attrs import define
from fastapi import Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from titiler.core.factory import BaseFactory, FactoryExtension

from tiler.series.engine import Engine, Plan, Stopwatch
from tiler.series.errors import SeriesRequestError, SeriesTooLargeError
from tiler.series.features import Feature, parse_features, point
from tiler.series.formats import FORMATS, Format, choose_format, file_name
from tiler.series.request import COLLECTIONS, PARAMETERS, SeriesRequest, parse_request
from tiler.series.rows import Series
from tiler.settings import TilerSettings

_PLACE = re.compile(
    r"(?P<lon>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?),(?P<lat>[+-]?(\d+\.?\d*?|\.\d+)([eE][+-]?\d+)?)(\.(?P<suffix>[a-zA-Z]\w*))?"
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {one.media_type: {} for one in FORMATS.values()}},
    304: {"description": "Not modified"},
    413: {"description": "Over a limit: the answer gives the numbers and what to change"},
}
_QUERY = [
    {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in PARAMETERS
]  # parsed in tiler.series.request, so that every client of the engine has the same rules

Collection = Annotated[str, Path(description=f"one of {', '.join(COLLECTIONS)}")]


@define
class SeriesExtension(FactoryExtension):
    """`/timeseries/point/…` and `/timeseries/statistics` below each collection."""

    def register(self, factory: BaseFactory) -> None:
        """Add the routes to the factory's router."""
        options: dict[str, Any] = {
            "response_class": Response,
            "responses": _RESPONSES,
            "tags": ["Time series"],
            "openapi_extra": {"parameters": _QUERY},
        }
        factory.router.add_api_route("/timeseries/point/{place}", point_series, methods=["GET"], **options)
        factory.router.add_api_route("/timeseries/statistics", statistics, methods=["POST"], **options)
        factory.router.add_api_route(
            "/timeseries/statistics.{suffix}", statistics_as, methods=["POST"], name="statistics_as", **options
        )


def point_series(
    request: Request,
    collection_id: Collection,
    place: Annotated[str, Path(description="{lon},{lat} in degrees, with .csv or .json if wanted")],
) -> Response:
    """Series of the pixel that contains a place."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise SeriesRequestError(f"{place[:100]!r} is no place: write longitude,latitude in degrees, as 104.9,11.5")
    feature = point(float(match["lon"]), float(match["lat"]))
    return _answer(request, collection_id, match["suffix"], [feature])


async def statistics(request: Request, collection_id: Collection) -> Response:
    """Series of the features of a GeoJSON body."""
    return await statistics_as(request, collection_id, None)


async def statistics_as(request: Request, collection_id: Collection, suffix: str | None) -> Response:
    """Series of the features of a GeoJSON body, in the format that the suffix names."""
    tiler: TilerSettings = request.app.state.tiler
    body = await _body(request, tiler.max_body_bytes)
    return await run_in_threadpool(_of_body, request, collection_id, suffix, body)


def _of_body(request: Request, collection: str, suffix: str | None, body: bytes) -> Response:
    tiler: TilerSettings = request.app.state.tiler
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SeriesRequestError(f"the body is no JSON: {str(error)[:200]}") from error
    features = parse_features(document, max_features=tiler.max_features, max_vertices=tiler.max_vertices)
    return _answer(request, collection, suffix, features)


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise SeriesTooLargeError(f"the body is over {limit} bytes: send fewer features or simpler outlines")
    return bytes(body)


def _answer(request: Request, collection: str, suffix: str | None, features: Sequence[Feature]) -> Response:
    engine: Engine = request.app.state.series
    tiler: TilerSettings = request.app.state.tiler
    watch = Stopwatch()
    parameters = _parameters(request)
    wanted = choose_format(suffix, parameters.get("f"), request.headers.get("accept", ""))
    asked = parse_request(collection, parameters, default_mask=tiler.default_mask)
    plan = engine.plan(asked, features)
    watch.lap("acquisitions")
    tag = f'"{plan.digest}-{wanted.name}"'
    headers = _headers(asked, wanted, plan, tag, tiler)
    if tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").replace("W/", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    series = engine.run(plan)
    watch.lap("read")
    content = wanted.encode(series, _links(request))
    watch.lap("format")
    return Response(
        content,
        media_type=wanted.media_type,
        headers={**headers, **_unless_complete(series), **_unindexed(series), "Server-Timing": watch.header},
    )


def _parameters(request: Request) -> Mapping[str, str]:
    """The query's parameters; one given several times is a list."""
    query = request.query_params
    return {name: ",".join(query.getlist(name)) for name in query}


def _headers(asked: SeriesRequest, wanted: Format, plan: Plan, tag: str, tiler: TilerSettings) -> dict[str, str]:
    headers = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={tiler.cache_seconds}",
        "Vary": "Accept",
    }
    if wanted.name != "json":
        headers["Content-Disposition"] = f'attachment; filename="{file_name(asked, wanted.name)}"'
    if plan.nearest is not None:
        headers["X-Nearest-Tile"] = plan.nearest.tile
    return headers


def _unless_complete(series: Series) -> dict[str, str]:
    """What failed may succeed next time: an answer with failures is not to be kept."""
    return {} if series.is_complete else {"Cache-Control": "no-store"}


def _unindexed(series: Series) -> dict[str, str]:
    """How many images were read the slow way, because the block index does not hold them."""
    return {"X-Unindexed-Images": str(series.unindexed)} if series.unindexed else {}


def _links(request: Request) -> list[dict[str, str]]:
    links = [{"rel": "self", "type": "application/json", "href": str(request.url)}]
    if request.method == "GET":
        path = request.url.path.removesuffix(".json")
        csv = request.url.replace(path=f"{path}.csv").remove_query_params("f")
        links.append({"rel": "alternate", "type": FORMATS["csv"].media_type, "href": str(csv)})
    return links
