"""The STAC API: stac-fastapi-pgstac, read-only, with errors that say what to change.

Run it behind the gateway with `uvicorn stac.api:create_app --factory --root-path /stac`; the forwarded host and scheme
go into the links. The database role needs `pgstac_read`, no more.
"""

import html
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import asyncpg
import attr
import orjson
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError
from stac_fastapi.extensions.query import QueryConformanceClasses, QueryExtension
from stac_fastapi.pgstac.app import instantiate_api
from stac_fastapi.pgstac.config import Settings as ApiSettings
from stac_fastapi.pgstac.core import CoreCrudClient
from stac_fastapi.pgstac.db import con_init, get_connection
from stac_fastapi.pgstac.models.extensions import Extensions
from stac_fastapi.types import errors
from stac_fastapi.types.requests import get_base_url
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from stac.collections import ATTRIBUTION
from stac.database import PGSTAC_PATH
from stac.problems import INTERNAL, MEDIA_TYPE, UNAVAILABLE, database_problem, problem
from stac.search import (
    SearchError,
    across_antimeridian,
    all_of,
    check_fields,
    check_properties,
    check_text,
    check_token,
    current_only,
    properties,
    query_to_cql2,
)
from stac.settings import Settings
from stac.status_routes import router as status_router

log = logging.getLogger(__name__)

TITLE = "Sen2Extract"
DESCRIPTION = (
    "Sentinel-2 scenes and spectral indices as Cloud-Optimized GeoTIFFs. Superseded products are left out of searches "
    f"unless they are asked for by id or by `deprecated`. {ATTRIBUTION}."
)
_MORE_CONFORMANCE = (
    "https://api.stacspec.org/v1.0.0/browseable",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#sort",
)
_CONNECT_SECONDS = 5
_STATEMENT_MILLISECONDS = "30000"
_LARGEST_POOL = 10

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; `settings` default to the environment. It starts, and says 503, without a database."""
    settings = settings or Settings()
    api_settings = ApiSettings(
        stac_fastapi_title=TITLE,
        stac_fastapi_description=DESCRIPTION,
        stac_fastapi_landing_id="sen2extract",
        stac_fastapi_version=version("sen2extract"),
        openapi_url="/api",
        docs_url="",
        enable_transactions_extensions=False,
        enable_response_models=False,
        cors_headers=("*",),
    )
    api = instantiate_api(
        client=CatalogueClient,
        extensions=_extensions(api_settings),
        lifespan=_lifespan(settings),
        settings=api_settings,
    )
    api.add_route_dependencies([{"path": "/search", "method": "POST"}], [Depends(_json_object)])
    app: FastAPI = api.app
    _handle_errors(app)
    _add_probes(app)
    app.include_router(status_router)
    app.add_middleware(PlainOptions)
    return app


@attr.s
class CatalogueClient(CoreCrudClient):  # type: ignore[misc]
    """pgSTAC's client, with searches checked before the database sees them."""

    landing_page_id: str = attr.ib(default="sen2extract")
    title: str = attr.ib(default=TITLE)
    description: str = attr.ib(default=DESCRIPTION)

    async def landing_page(self, **kwargs: Any) -> Any:
        """The landing page, with a link to each collection."""
        page = await super().landing_page(**kwargs)
        base = get_base_url(kwargs["request"])
        async with kwargs["request"].app.state.get_connection(kwargs["request"], "r") as connection:
            rows = await connection.fetch("SELECT id, content->>'title' AS title FROM collections ORDER BY key")
        for row in rows:
            href = f"{base}collections/{quote(row['id'])}"
            page["links"].append({"rel": "child", "href": href, "type": "application/json", "title": row["title"]})
        return page

    def conformance_classes(self) -> list[str]:
        """What the API keeps to; sorting also by the name under which clients know it."""
        return sorted({*super().conformance_classes(), *_MORE_CONFORMANCE})

    async def all_collections(self, request: Request, **kwargs: Any) -> Any:
        """Collection search; a `query` becomes a filter, an offset below 0 is refused."""
        if (kwargs.get("offset") or 0) < 0:
            raise SearchError("offset has to be 0 or more")
        check_fields(kwargs.get("fields"))
        if query := kwargs.get("query"):
            query_to_cql2(_parsed("query", query))
        return await super().all_collections(request, **kwargs)

    async def get_search(self, request: Request, **kwargs: Any) -> Any:
        """Item search by GET."""
        check_fields(kwargs.get("fields"))
        return _as_geojson(await super().get_search(request, **kwargs))

    async def post_search(self, search_request: Any, request: Request, **kwargs: Any) -> Any:
        """Item search by POST."""
        return _as_geojson(await super().post_search(search_request, request, **kwargs))

    async def item_collection(self, collection_id: str, request: Request, **kwargs: Any) -> Any:
        """Items of a collection."""
        check_fields(kwargs.get("fields"))
        return _as_geojson(await super().item_collection(collection_id, request, **kwargs))

    async def _search_base(self, search_request: Any, request: Request) -> Any:
        _settle(search_request)
        return await super()._search_base(search_request, request)


async def _json_object(request: Request) -> None:
    """Refuse a body that is no JSON object, over which the search model stumbles."""
    try:
        is_object = isinstance(await request.json(), dict)
    except ValueError:
        is_object = False
    if not is_object or "json" not in request.headers.get("content-type", ""):
        raise SearchError("the body has to be a JSON object, with content type application/json")


def _settle(search: Any) -> None:
    """Put a search into the form that pgSTAC answers; raises `SearchError`."""
    search.conf = None  # pgSTAC's settings are ours to choose
    check_text(search.model_dump(mode="python"))
    check_token(search.token)
    if search.query is not None and search.filter_expr is not None:
        raise SearchError("query and filter exclude each other: say it all in filter")
    filter_ = search.filter_expr if search.query is None else query_to_cql2(search.query)
    check_properties(properties(filter_), "query" if search.query else "filter")
    check_properties((sort.field for sort in search.sortby or ()), "sortby")
    if not search.ids:
        filter_ = current_only(filter_)
    search.query, search.filter_expr = None, filter_ or None
    halves = across_antimeridian(search.bbox)
    if halves:
        search.bbox = None
        search.filter_expr = all_of(
            (search.filter_expr, {"op": "s_intersects", "args": [{"property": "geometry"}, halves]})
        )


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise SearchError(f"{name} is no JSON: {text[:80]!r}") from None


def _as_geojson(result: Any) -> Any:
    """Give a ready response, which `fields` leads to, the media type it ought to have."""
    if isinstance(result, Response):
        result.headers["content-type"] = "application/geo+json"
    return result


def _extensions(api_settings: ApiSettings) -> Extensions:
    """The standard set, with the query extension's own operators, which `_settle` turns into CQL2."""
    return Extensions(
        search_map={"query": QueryExtension()},
        item_collection_map={"query": QueryExtension(conformance_classes=[QueryConformanceClasses.ITEMS])},
        collection_search_map={"query": QueryExtension(conformance_classes=[QueryConformanceClasses.COLLECTIONS])},
        settings=api_settings,
    )


def _lifespan(settings: Settings) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            **_connection_arguments(settings.pg_dsn),
            # None at the start, so that the service starts before its database does.
            min_size=0,
            max_size=_LARGEST_POOL,
            timeout=_CONNECT_SECONDS,
            init=con_init,
            server_settings={
                "search_path": PGSTAC_PATH,
                "application_name": "sen2extract-stac",
                "statement_timeout": _STATEMENT_MILLISECONDS,
                "TimeZone": "UTC",
                # Searches leave no trace in pgSTAC's tables: a read-only role will do.
                "pgstac.readonly": "true",
            },
        ) as pool:
            app.state.readpool = pool
            app.state.get_connection = get_connection
            yield

    return lifespan


def _connection_arguments(dsn: str) -> dict[str, Any]:
    """A libpq connection string as asyncpg takes it; what it leaves out, asyncpg too takes from `PG*`."""
    names = {"dbname": "database", "sslmode": "ssl"}
    known = {"host", "port", "user", "password", "dbname", "sslmode"}
    return {names.get(key, key): value for key, value in conninfo_to_dict(dsn).items() if key in known}


def _add_probes(app: FastAPI) -> None:
    async def alive() -> dict[str, str]:
        return {"status": "UP"}

    async def ready(request: Request) -> dict[str, str]:
        async with request.app.state.get_connection(request, "r") as connection:
            return {"status": "UP", "pgstac": await connection.fetchval("SELECT pgstac.get_version()")}

    async def documentation(request: Request) -> HTMLResponse:
        return HTMLResponse(_documentation(request.app.openapi(), str(request.url_for("openapi"))))

    app.add_api_route("/livez", alive, tags=["Health"], summary="The process answers")
    for path in ("/readyz", "/_mgmt/health"):
        app.add_api_route(path, ready, tags=["Health"], summary="The database answers, else 503")
        # Before the stock check of that path, which passes on the driver's words.
        app.router.routes.insert(0, app.router.routes.pop())
    # The landing page links to the route of this name.
    app.add_api_route("/api.html", documentation, name="swagger_ui_html", include_in_schema=False)


def _documentation(openapi: dict[str, Any], openapi_url: str) -> str:
    """The endpoints on a plain page: no script, nothing from elsewhere."""
    rows = "".join(
        f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(operation.get('summary', ''))}</td></tr>"
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{TITLE} STAC API</title>'
        f'<h1>{TITLE} STAC API</h1><p>OpenAPI: <a href="{html.escape(openapi_url)}">{html.escape(openapi_url)}</a></p>'
        f"<table>{rows}</table></html>"
    )


_STATUS: dict[type[Exception], HTTPStatus] = {
    SearchError: HTTPStatus.BAD_REQUEST,
    errors.InvalidQueryParameter: HTTPStatus.BAD_REQUEST,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.ForeignKeyError: HTTPStatus.FAILED_DEPENDENCY,
    errors.DatabaseError: HTTPStatus.FAILED_DEPENDENCY,
    orjson.JSONDecodeError: HTTPStatus.BAD_REQUEST,
    UnicodeError: HTTPStatus.BAD_REQUEST,
}
_PREFIX: dict[type[Exception], str] = {orjson.JSONDecodeError: "query or intersects is no JSON: "}
_AWAY = (OSError, TimeoutError, asyncpg.InterfaceError)


def _handle_errors(app: FastAPI) -> None:
    for kind in _STATUS:
        app.add_exception_handler(kind, _on_known)
    for away in _AWAY:
        app.add_exception_handler(away, _on_away)
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


class PlainOptions:
    """Answers OPTIONS that are no CORS preflight, which the routes would refuse with 405."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything else."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            names = {name for name, _ in scope["headers"]}
            if not {b"origin", b"access-control-request-method"} <= names:
                headers = {"Allow": "GET, HEAD, POST, OPTIONS", "Access-Control-Allow-Origin": "*"}
                await Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)
