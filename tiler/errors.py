"""Errors as users see them: `application/problem+json` with `detail`, `code` and `description`."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolClosed, PoolTimeout
from pydantic import ValidationError
from rasterio.errors import RasterioError
from rio_tiler.errors import (
    EmptyMosaicError,
    InvalidAssetName,
    NoAssetFoundError,
    PointOutsideBounds,
    RioTilerError,
    TileOutsideBounds,
)
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import NoMatchFound
from titiler.core.errors import BadRequestError, TileNotFoundError, TilerError
from titiler.pgstac.errors import MosaicNotFoundError, ReadOnlyPgSTACError

from stac.collections import INDICES
from stac.errors import SearchError, UnknownNameError
from stac.problems import INTERNAL, MEDIA_TYPE, UNAVAILABLE, database_problem
from tiler.series.errors import SeriesRequestError, SeriesTooLargeError, StoreAwayError, UnknownCrsError

logger = logging.getLogger(__name__)


class HrefNotAllowedError(Exception):
    """An address that lies outside our own bucket."""


class ImageTooLargeError(Exception):
    """An image of more pixels than are served at once."""


_TOO_BIG = "the image would be too large: ask for a smaller place, or set max_size, or width and height"
_STATUS: dict[type[Exception], HTTPStatus] = {
    SeriesRequestError: HTTPStatus.BAD_REQUEST,
    UnknownNameError: HTTPStatus.BAD_REQUEST,
    SearchError: HTTPStatus.BAD_REQUEST,
    HrefNotAllowedError: HTTPStatus.BAD_REQUEST,
    ImageTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BadRequestError: HTTPStatus.BAD_REQUEST,
    RioTilerError: HTTPStatus.BAD_REQUEST,
    TilerError: HTTPStatus.BAD_REQUEST,
    ValidationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TileOutsideBounds: HTTPStatus.NOT_FOUND,
    PointOutsideBounds: HTTPStatus.NOT_FOUND,
    TileNotFoundError: HTTPStatus.NOT_FOUND,
    InvalidAssetName: HTTPStatus.NOT_FOUND,
    MosaicNotFoundError: HTTPStatus.NOT_FOUND,
    NoAssetFoundError: HTTPStatus.NOT_FOUND,
    EmptyMosaicError: HTTPStatus.NOT_FOUND,
    ReadOnlyPgSTACError: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreAwayError: HTTPStatus.SERVICE_UNAVAILABLE,
}
# What numpy and rasterio say of a request's numbers: their words tell it from an error of ours.
_TELLING: dict[type[Exception], tuple[str, HTTPStatus, str]] = {
    OverflowError: ("", HTTPStatus.BAD_REQUEST, "a number is too large for this request"),
    IndexError: ("band index", HTTPStatus.BAD_REQUEST, "the image has no such band: see its /info"),
    TypeError: ("Cannot convert fill_value", HTTPStatus.BAD_REQUEST, "nodata is no value that this image can hold"),
    MemoryError: ("", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_BIG),
    ValueError: ("array is too big", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_BIG),
}
_CODES = {
    HTTPStatus.BAD_REQUEST: "InvalidParameterValue",
    HTTPStatus.UNPROCESSABLE_ENTITY: "InvalidParameterValue",
    HTTPStatus.NOT_FOUND: "NotFound",
    HTTPStatus.METHOD_NOT_ALLOWED: "MethodNotAllowed",
    HTTPStatus.NOT_ACCEPTABLE: "NotAcceptable",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "TooLarge",
    HTTPStatus.INTERNAL_SERVER_ERROR: "InternalError",
    HTTPStatus.BAD_GATEWAY: "ObjectUnreadable",
    HTTPStatus.SERVICE_UNAVAILABLE: "ServiceUnavailable",
}


_AWAY = HTTPStatus.SERVICE_UNAVAILABLE
_RETRY_SECONDS = "5"


def problem(status: int, detail: str, **more: Any) -> JSONResponse:
    """The one shape of an error answer."""
    known = HTTPStatus(status)
    body = {
        "type": "about:blank",
        "title": known.phrase,
        "status": int(status),
        "detail": detail,
        "code": _CODES.get(known, known.phrase.replace(" ", "")),
        "description": detail,
        **more,
    }
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": _RETRY_SECONDS} if known == _AWAY else {})
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def too_large(reason: str) -> JSONResponse:
    """The answer to a body over its limit."""
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)


def add_error_handlers(app: FastAPI) -> None:
    """Translate every error that a request may cause; nothing about our inside is told on an unforeseen one."""
    for error, status in _STATUS.items():
        app.add_exception_handler(error, _say(status))
    app.add_exception_handler(SeriesTooLargeError, _too_large)
    app.add_exception_handler(UnknownCrsError, _unknown_crs)
    for telling in _TELLING:
        app.add_exception_handler(telling, _told)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(psycopg.Error, _database_error)
    app.add_exception_handler(PoolTimeout, _database_away)
    app.add_exception_handler(PoolClosed, _database_away)
    app.add_exception_handler(RasterioError, _unreadable)
    app.add_exception_handler(Exception, _unforeseen)


def _say(status: HTTPStatus) -> Callable[[Request, Exception], JSONResponse]:
    def handler(_: Request, error: Exception) -> JSONResponse:
        return problem(status, str(error))

    return handler


def _unknown_crs(_: Request, error: Exception) -> JSONResponse:
    """With a code of its own: whoever sent the file can be asked."""
    return problem(HTTPStatus.BAD_REQUEST, str(error), code="UnknownCoordinateSystem")


def _too_large(request: Request, error: Exception) -> JSONResponse:
    """Over a limit; with a link to jobs where one would be taken, and the resolution in which it could be answered."""
    if not isinstance(error, SeriesTooLargeError):
        raise TypeError(type(error).__name__)
    path = _jobs_path(request, error)
    base = str(request.base_url).rstrip("/")
    more: dict[str, Any] = {} if error.resolution is None else {"resolution": error.resolution}
    if path:
        more["links"] = [{"rel": "jobs", "href": f"{base}{path}", "method": "POST"}]
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error), **more)


def _jobs_path(request: Request, error: SeriesTooLargeError) -> str | None:
    """Where a job could be made of what was refused, or None: there are none, or it is too large for one as well.

    Of a file that was to be read only, which names no collection, one of indices.
    """
    tiler = request.app.state.tiler
    if not tiler.airflow_url or error.pixels > tiler.job_max_feature_pixels:
        return None
    try:
        collection = request.path_params.get("collection_id", INDICES)
        path = str(request.app.url_path_for("create_job", collection_id=collection))
    except NoMatchFound:
        return None
    return None if request.url.path.endswith(path) else path


def _told(request: Request, error: Exception) -> JSONResponse:
    words, status, said = next(meant for kind, meant in _TELLING.items() if isinstance(error, kind))
    if words not in str(error):
        return _unforeseen(request, error)
    logger.warning("%s: %s", request.url.path, error)
    return problem(status, said)


def _http_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, StarletteHTTPException):
        raise TypeError(type(error).__name__)
    return problem(error.status_code, str(error.detail))


def _invalid_request(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise TypeError(type(error).__name__)
    errors = [{"loc": list(entry["loc"]), "msg": entry["msg"], "type": entry["type"]} for entry in error.errors()]
    said = "; ".join(f"{'.'.join(str(part) for part in entry['loc'])}: {entry['msg']}" for entry in errors)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, said, errors=errors)


def _database_error(request: Request, error: Exception) -> JSONResponse:
    """What the database refuses to compute is the fault of the request; its own state is ours."""
    logger.warning("database: %s: %s", request.url.path, error)
    told = database_problem(error.sqlstate if isinstance(error, psycopg.Error) else None)
    return problem(told["status"], told["detail"])


def _database_away(_: Request, error: Exception) -> JSONResponse:
    logger.error("database away: %s", type(error).__name__)
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE)


def _unreadable(_: Request, error: Exception) -> JSONResponse:
    logger.error("object unreadable: %s", error)
    return problem(HTTPStatus.BAD_GATEWAY, "an image could not be read from the object store")


def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    logger.error("unforeseen error at %s", request.url.path, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL)
