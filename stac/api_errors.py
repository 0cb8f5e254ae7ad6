"""Errors of the STAC API as problem documents: which exception is answered with which status."""

import logging
from http import HTTPStatus
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from pydantic import ValidationError
from stac_fastapi.types import errors
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from stac.errors import CatalogAwayError, CatalogError, ExistsError, InvalidDocumentError, MissingError, SearchError
from stac.problems import INTERNAL, MEDIA_TYPE, UNAVAILABLE, UNFIT, database_problem, problem

log = logging.getLogger(__name__)

_STATUS: dict[type[Exception], HTTPStatus] = {
    SearchError: HTTPStatus.BAD_REQUEST,
    InvalidDocumentError: HTTPStatus.BAD_REQUEST,
    ExistsError: HTTPStatus.CONFLICT,
    MissingError: HTTPStatus.NOT_FOUND,
    errors.InvalidQueryParameter: HTTPStatus.BAD_REQUEST,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.ForeignKeyError: HTTPStatus.FAILED_DEPENDENCY,
    errors.DatabaseError: HTTPStatus.FAILED_DEPENDENCY,
    orjson.JSONDecodeError: HTTPStatus.BAD_REQUEST,
    UnicodeError: HTTPStatus.BAD_REQUEST,
}
_PREFIX: dict[type[Exception], str] = {orjson.JSONDecodeError: "query or intersects is no JSON: "}
_AWAY = (OSError, TimeoutError, asyncpg.InterfaceError, CatalogAwayError)


def handle_errors(app: FastAPI) -> None:
    """Have every error leave the application as a problem document."""
    for kind in _STATUS:
        app.add_exception_handler(kind, _on_known)
    for away in _AWAY:
        app.add_exception_handler(away, _on_away)
    app.add_exception_handler(CatalogError, _on_catalog)
    app.add_exception_handler(asyncpg.DataError, _on_database)
    app.add_exception_handler(asyncpg.exceptions.DataError, _on_database)
    app.add_exception_handler(asyncpg.PostgresError, _on_database)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ValidationError, _on_invalid)
    app.add_exception_handler(ResponseValidationError, _on_unforeseen)
    app.add_exception_handler(Exception, _on_unforeseen)


def _respond(document: dict[str, Any], headers: Any = None) -> Response:
    return JSONResponse(document, status_code=document["status"], headers=headers, media_type=MEDIA_TYPE)


async def _on_known(_: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    return _respond(problem(status, _PREFIX.get(type(error), "") + str(error), type(error).__name__))


async def _on_away(_: Request, error: Exception) -> Response:
    log.warning("database away: %r", error)
    return _respond(problem(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, "DatabaseUnavailable"), {"Retry-After": "5"})


async def _on_database(_: Request, error: Exception) -> Response:
    log.warning("refused by the database: %r", error)
    return _respond(database_problem(getattr(error, "sqlstate", None)))


async def _on_catalog(_: Request, error: Exception) -> Response:
    log.warning("refused by the catalogue: %s", error)
    return _respond(problem(HTTPStatus.BAD_REQUEST, UNFIT, "InvalidDocument"))


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error.__cause__, ValidationError):
        return await _on_invalid(request, error.__cause__)
    return _respond(problem(error.status_code, str(error.detail)), error.headers)


async def _on_invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError | ValidationError):
        raise error
    detail = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return _respond(problem(HTTPStatus.BAD_REQUEST, detail, "InvalidParameterValue"))


async def _on_unforeseen(_: Request, error: Exception) -> Response:
    log.error("unforeseen", exc_info=error)
    return _respond(problem(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL))
