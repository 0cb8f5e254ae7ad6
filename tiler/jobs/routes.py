"""The endpoints of jobs, as an extension of the collections' tiler."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from attrs import define
from fastapi import FastAPI, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from titiler.core.factory import BaseFactory, FactoryExtension

from stac.jobs import Job
from tiler.answers import Job as JobDocument
from tiler.answers import Jobs, schema
from tiler.bodies import UNNAMED, read_files
from tiler.errors import problem
from tiler.extension import Collection, parameters_of, places, route_options
from tiler.headers import reported
from tiler.jobs.airflow import Airflow, AirflowAwayError
from tiler.jobs.desk import Desk, Order, UnknownJobError
from tiler.jobs.documents import job_document, limits_document, results_document
from tiler.series.batch.shelf import ShelfError
from tiler.series.errors import SeriesRequestError
from tiler.series.request import PARAMETERS, parse_explain, parse_request
from tiler.series.uploads import UploadLimits

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_IDS = 100
_RETRY_AFTER = "30"
_UNPACKED = 4
"""Uploads may unpack to so many times what a body may have."""
_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Accepted: ask the address in `Location` how the job is",
        "content": {"application/json": {"schema": schema(JobDocument)}},
    },
    413: {"description": "Over a limit of jobs: the answer gives the numbers"},
    503: {"description": "Airflow, which runs jobs, is away: nothing is left behind, try again"},
}


def _told(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"schema": schema(model)}}}}


JobId = Annotated[str, Path(description="id of a job, as its document has it")]


class NoJobsError(Exception):
    """A server without Airflow."""


@define
class JobsExtension(FactoryExtension):
    """`/timeseries/jobs` below each collection."""

    def register(self, factory: BaseFactory) -> None:
        """Add the routes to the factory's router."""
        add, path = factory.router.add_api_route, "/timeseries/jobs"
        options = {**route_options(PARAMETERS, "Jobs"), "responses": _RESPONSES}
        add(path, create_job, methods=["POST"], status_code=HTTPStatus.ACCEPTED, **options)
        add(path, list_jobs, methods=["GET"], tags=["Jobs"], responses=_told(Jobs))
        add(f"{path}/{{job_id}}", get_job, methods=["GET"], tags=["Jobs"], responses=_told(JobDocument))
        add(f"{path}/{{job_id}}", delete_job, methods=["DELETE"], tags=["Jobs"])
        add(f"{path}/{{job_id}}/results", get_results, methods=["GET"], tags=["Jobs"])


def add_job_errors(app: FastAPI) -> None:
    """What can be wrong with jobs, as users see it."""
    app.add_exception_handler(UnknownJobError, lambda _, error: problem(HTTPStatus.NOT_FOUND, str(error)))
    app.add_exception_handler(AirflowAwayError, _away)
    app.add_exception_handler(ShelfError, _away)
    app.add_exception_handler(NoJobsError, _none)


async def create_job(request: Request, collection_id: Collection) -> Response:
    """A job for the features of a GeoJSON body or an uploaded file; `{"again": "<id>"}` goes on with an earlier one."""
    files = await read_files(request, request.app.state.tiler.job_max_body_bytes)
    return await run_in_threadpool(_create, request, collection_id, files)


def list_jobs(
    request: Request,
    collection_id: Collection,
    ids: Annotated[str, Query(description="ids of jobs, comma-separated")] = "",
) -> dict[str, Any]:
    """The jobs of these ids, and how large a job may be."""
    wanted = [one for one in (part.strip().lower() for part in ids.split(",")) if one]
    if len(wanted) > _MOST_IDS:
        raise SeriesRequestError(f"{len(wanted)} ids: at most {_MOST_IDS} at once")
    found = _desk(request).get_many(collection_id, [one for one in wanted if _ID.fullmatch(one)]) if wanted else []
    return {
        "jobs": [_document(request, job) for job in found],
        "limits": limits_document(request.app.state.tiler),
        "links": [{"rel": "self", "type": "application/json", "href": str(request.url)}],
    }


def get_job(request: Request, collection_id: Collection, job_id: JobId) -> dict[str, Any]:
    """How a job is."""
    return _document(request, _desk(request).get(collection_id, _checked(job_id)))


def get_results(request: Request, collection_id: Collection, job_id: JobId) -> dict[str, Any]:
    """Where the results of a job are: nowhere, until it has ended."""
    job = _desk(request).get(collection_id, _checked(job_id))
    return results_document(job, _address(request, job), request.app.state.settings)


def delete_job(request: Request, collection_id: Collection, job_id: JobId) -> Response:
    """Cancel a job that waits or runs; remove one that has ended, with its files."""
    desk = _desk(request)
    left = desk.cancel(desk.get(collection_id, _checked(job_id)))
    return Response(status_code=HTTPStatus.NO_CONTENT) if left is None else JSONResponse(_document(request, left))


def _create(request: Request, collection: str, files: Mapping[str, bytes]) -> Response:
    desk = _desk(request)
    parameters = parameters_of(request)
    order = _order(desk, collection, parameters, files)
    if parse_explain(parameters):
        told = {"query": order.request.echo(), "estimate": desk.weigh(order), "limits": limits_document(desk.tiler)}
        return JSONResponse(told, headers={"Cache-Control": "no-store", **reported(order.report)})
    if not desk.tiler.airflow_url:
        raise NoJobsError
    job = desk.accept(order)
    headers = {"Location": _address(request, job), "Cache-Control": "no-store", **reported(order.report)}
    return JSONResponse(_document(request, job), status_code=HTTPStatus.ACCEPTED, headers=headers)


def _order(desk: Desk, collection: str, parameters: Mapping[str, str], files: Mapping[str, bytes]) -> Order:
    again = _again(files)
    if again is not None:
        given = sorted(set(parameters) - {"explain"})
        if given:
            raise SeriesRequestError(f"{given[0]} cannot be changed: `again` repeats the earlier job as it was asked")
        return desk.again(collection, _checked(again))
    asked = parse_request(collection, parameters, default_mask=desk.tiler.default_mask)
    limits = UploadLimits(
        features=desk.tiler.job_max_features,
        vertices=desk.tiler.job_max_vertices,
        unpacked_bytes=_UNPACKED * desk.tiler.job_max_body_bytes,
    )
    features, report = places(files, limits)
    return Order(request=asked, features=features, report=report)


def _again(files: Mapping[str, bytes]) -> str | None:
    """The id in a body `{"again": "…"}`; None for any other, which holds places."""
    body = files.get(UNNAMED, b"") if set(files) == {UNNAMED} else b""
    if not body.lstrip().startswith(b"{") or b'"again"' not in body[:1000]:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if set(document) != {"again"}:
        return None
    if not isinstance(document["again"], str):
        raise SeriesRequestError('"again" has to be the id of a job')
    return document["again"]


def _desk(request: Request) -> Desk:
    state = request.app.state
    airflow: Airflow = state.airflow
    return Desk(engine=state.series, airflow=airflow, tiler=state.tiler)


def _checked(job_id: str) -> str:
    if not _ID.fullmatch(job_id.lower()):
        raise UnknownJobError(f"no job {job_id[:50]!r}: an id looks like 0f8fad5b-d9cb-469f-a165-70867728950e")
    return job_id.lower()


def _document(request: Request, job: Job) -> dict[str, Any]:
    return job_document(job, _address(request, job), request.app.state.settings, request.app.state.tiler)


def _address(request: Request, job: Job) -> str:
    return f"{str(request.base_url).rstrip('/')}/collections/{job.collection}/timeseries/jobs/{job.id}"


def _away(_: Request, error: Exception) -> JSONResponse:
    answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}: try again in half a minute")
    answer.headers["Retry-After"] = _RETRY_AFTER
    return answer


def _none(_: Request, __: Exception) -> JSONResponse:
    told = "this server runs no jobs: ask for less at once, or tell its operator to set TILER_AIRFLOW_URL"
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, told)
