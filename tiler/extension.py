"""The time-series endpoints, as an extension of the collections' tiler."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from itertools import chain
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import psycopg
from attrs import define
from fastapi import Path, Request
from fastapi.responses import JSONResponse, Response
from psycopg_pool import PoolTimeout
from titiler.core.factory import BaseFactory, FactoryExtension

from stac.problems import UNAVAILABLE
from tiler.answers import Explanation, TimeSeries, schema
from tiler.bodies import UNNAMED, read_files
from tiler.headers import counted, described, links_to, promised, reported, unless_complete
from tiler.presence import Lines, while_wanted
from tiler.series.cost import Cost
from tiler.series.engine import Engine, Plan
from tiler.series.errors import DatabaseAwayError, SeriesRequestError
from tiler.series.features import Feature, parse_features, point
from tiler.series.formats import FORMATS, choose_format
from tiler.series.lines import can_stream, stream
from tiler.series.refine import refine
from tiler.series.request import COLLECTIONS, PARAMETERS, SeriesRequest, parse_explain, parse_request
from tiler.series.rows import Row, Series, Told
from tiler.series.uploads import UploadLimits, read_upload
from tiler.timing import Stopwatch

if TYPE_CHECKING:
    from tiler.settings import TilerSettings

_PLACE = re.compile(
    r"(?P<lon>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?),(?P<lat>[+-]?(\d+\.?\d*?|\.\d+)([eE][+-]?\d+)?)(\.(?P<suffix>[a-zA-Z]\w*))?"
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As x-ndjson: a `SeriesRow` on each line, the last a `SeriesSummary`, or a `SeriesStop`",
        "content": {one.media_type: {} for one in FORMATS.values()}
        | {"application/json": {"schema": schema(TimeSeries, Explanation)}},
    },
    304: {"description": "Not modified"},
    503: {"description": "Database or object store is away: try again after Retry-After seconds"},
    413: {"description": "Over a limit: the answer gives the numbers and what to change"},
}
Collection = Annotated[str, Path(description=f"one of {', '.join(COLLECTIONS)}")]


@define
class SeriesExtension(FactoryExtension):
    """`/timeseries/point/…` and `/timeseries/statistics` below each collection."""

    def register(self, factory: BaseFactory) -> None:
        """Add the routes to the factory's router."""
        options = route_options(PARAMETERS, "Time series")
        factory.router.add_api_route("/timeseries/point/{place}", point_series, methods=["GET"], **options)
        factory.router.add_api_route("/timeseries/statistics", statistics, methods=["POST"], **options)
        factory.router.add_api_route(
            "/timeseries/statistics.{suffix}", statistics_as, methods=["POST"], name="statistics_as", **options
        )


def route_options(names: Sequence[str], tag: str) -> dict[str, Any]:
    """What the documentation says of a route; `names` are parsed in the engine: all its clients have one rule."""
    query = [{"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in names]
    return {
        "response_class": Response,
        "responses": _RESPONSES,
        "tags": [tag],
        "openapi_extra": {"parameters": query},
    }


async def point_series(
    request: Request,
    collection_id: Collection,
    place: Annotated[str, Path(description="{lon},{lat} in degrees, with .csv or .json if wanted")],
) -> Response:
    """Series of the pixel that contains a place."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise SeriesRequestError(f"{place[:100]!r} is no place: write longitude,latitude in degrees, as 104.9,11.5")
    feature = point(float(match["lon"]), float(match["lat"]))
    return await while_wanted(
        request, lambda gone: answer(request, collection_id, match["suffix"], [feature], gone=gone)
    )


async def statistics(request: Request, collection_id: Collection) -> Response:
    """Series of the features of a GeoJSON body, or of an uploaded file."""
    return await statistics_as(request, collection_id, None)


async def statistics_as(request: Request, collection_id: Collection, suffix: str | None) -> Response:
    """Series of the features of a GeoJSON body or an uploaded file, in the format that the suffix names."""
    tiler: TilerSettings = request.app.state.tiler
    files = await read_files(request, tiler.max_body_bytes)
    return await while_wanted(request, partial(_of_files, request, collection_id, suffix, files))


def _of_files(
    request: Request, collection: str, suffix: str | None, files: Mapping[str, bytes], gone: Event
) -> Response:
    tiler: TilerSettings = request.app.state.tiler
    features, report = places(files, UploadLimits(features=tiler.max_features, vertices=tiler.max_vertices))
    return answer(request, collection, suffix, features, report, gone=gone)


def places(files: Mapping[str, bytes], limits: UploadLimits) -> tuple[Sequence[Feature], Mapping[str, Any] | None]:
    """GeoJSON of this request is taken as it is or refused; files that users have are repaired, with a report."""
    body = files.get(UNNAMED, b"")
    if body.lstrip()[:1] in (b"", b"{", b"[") and set(files) == {UNNAMED}:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise SeriesRequestError(f"the body is no JSON: {str(error)[:200]}") from error
        if not (isinstance(document, dict) and "crs" in document):
            found = parse_features(document, max_features=limits.features, max_vertices=limits.vertices)
            return found, None
    return read_upload(files, limits)


def answer(
    request: Request,
    collection: str,
    suffix: str | None,
    features: Sequence[Feature],
    report: Mapping[str, Any] | None = None,
    *,
    parameters: Mapping[str, str] | None = None,
    default: str = "json",
    gone: Event | None = None,
) -> Response:
    """The series of `features` in the format asked for, by the request's own parameters or those given instead.

    Raises `GoneError` soon after `gone` is set.
    """
    engine: Engine = request.app.state.series
    tiler: TilerSettings = request.app.state.tiler
    watch = Stopwatch()
    parameters = parameters_of(request) if parameters is None else parameters
    wanted = choose_format(suffix, parameters.get("f"), request.headers.get("accept", ""), default)
    asked = parse_request(collection, parameters, default_mask=tiler.default_mask)
    plan = engine.plan(asked, features)
    watch.lap("acquisitions")
    if parse_explain(parameters):
        return JSONResponse(_told(engine.explain(plan), asked, plan), headers={"Server-Timing": watch.header})
    tag = f'"{plan.digest}-{wanted.name}"'
    headers = described(plan, wanted, tag, tiler) | reported(report)
    if tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").replace("W/", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if wanted.name == "ndjson" and can_stream(plan.request):
        return _stream(engine, plan, _frame(plan, report), headers, gone or Event())
    series = refine(engine.run(plan, gone), features, report)
    watch.lap("read")
    content = wanted.encode(series, links_to(request, wanted))
    watch.lap("format")
    return Response(
        content,
        media_type=wanted.media_type,
        headers={
            **headers,
            **unless_complete(series),
            **counted(series.unindexed, series.packed, series.broken),
            "Server-Timing": watch.header,
        },
    )


def _stream(engine: Engine, plan: Plan, frame: Series, headers: Mapping[str, str], gone: Event) -> Response:
    """Rows as they are read. What cannot be read shows only at the end: such an answer is never kept.

    The answer begins with the first row that could be read, so that a store that is away is still an error.
    """
    told = Told()
    rows = engine.stream(plan, told, gone)
    first = list(_until_read(rows))
    kept = {name: value for name, value in headers.items() if name != "ETag"} | {"Cache-Control": "no-store"}
    kept |= counted(unindexed=told.lacking) | promised(plan)
    return Lines(
        stream(frame, chain(first, _while_there(rows)), told),
        media_type=FORMATS["ndjson"].media_type,
        headers=kept,
        gone=gone,
    )


def _while_there(batches: Iterator[Sequence[Row]]) -> Iterator[Sequence[Row]]:
    """The batches; once an answer has begun, a database that goes away can only be told on its last line."""
    try:
        yield from batches
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise DatabaseAwayError(UNAVAILABLE) from error


def _frame(plan: Plan, report: Mapping[str, Any] | None) -> Series:
    """The series without its rows, which are not known yet."""
    return Series(
        request=plan.request,
        rows=(),
        attributes={feature.id: feature.attributes for feature in plan.features},
        acquisitions=len(plan.acquisitions),
        nearest=plan.nearest,
        lossy=sum(found.lossy for found in plan.observations),
        report=report,
    )


def _until_read(batches: Iterator[Sequence[Row]]) -> Iterator[Sequence[Row]]:
    """Batches until there is one with a row that could be read, that included."""
    for rows in batches:
        yield rows
        if any(row.status != "unreadable" for row in rows):
            return


def parameters_of(request: Request) -> Mapping[str, str]:
    """The query's parameters; one given several times is a list."""
    query = request.query_params
    return {name: ",".join(query.getlist(name)) for name in query}


def _told(cost: Cost, asked: SeriesRequest, plan: Plan) -> dict[str, Any]:
    """What a request would read; the estimate is of one client on a store nearby."""
    return {
        "query": asked.echo(),
        "features": len(plan.features),
        "dates": len({observation.acquired for observation in plan.observations}),
        **asdict(cost),
        "estimated_seconds": round(cost.seconds, 2),
    }
