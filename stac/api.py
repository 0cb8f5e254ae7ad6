"""The STAC API: stac-fastapi-pgstac, with errors that say what to change. Read-only unless a writer is configured.

Run it behind the gateway with `uvicorn stac.api:create_app --factory --root-path /stac`; the forwarded host and scheme
go into the links. The database role needs `pgstac_read`, no more; that of writers, `pgstac_ingest`.
"""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import asyncpg
from brotli_asgi import BrotliMiddleware
from fastapi import Depends, FastAPI
from psycopg.conninfo import conninfo_to_dict
from stac_fastapi.api.app import StacApi
from stac_fastapi.extensions import (
    CollectionSearchFilterExtension,
    ItemCollectionFilterExtension,
    SearchFilterExtension,
)
from stac_fastapi.extensions.query import QueryConformanceClasses, QueryExtension
from stac_fastapi.pgstac.app import instantiate_api
from stac_fastapi.pgstac.config import Settings as ApiSettings
from stac_fastapi.pgstac.db import con_init, get_connection
from stac_fastapi.pgstac.models.extensions import Extensions
from starlette.middleware import Middleware

from stac.api_aggregation import AggregatePost, AggregationExtension
from stac.api_client import DESCRIPTION, TITLE, CatalogueClient, Queryables, json_object, known_parameters
from stac.api_compression import Compressed
from stac.api_counts import Counts
from stac.api_errors import handle_errors
from stac.api_middleware import BodyLimit, Heads, PlainHosts, PlainOptions, catalogue_limit
from stac.api_pages import add_probes
from stac.api_transactions import writing_extension
from stac.api_writer import use_writers
from stac.areas_routes import add_areas
from stac.database import PGSTAC_PATH
from stac.openapi import catalogue, told, with_fields, with_patches
from stac.settings import Settings, WriterSettings
from stac.status_routes import router as status_router

_AGGREGATE, _COLLECTION_AGGREGATE = "/aggregate", "/collections/{collection_id}/aggregate"
_SEARCHES = ("/search", "/collections", "/collections/{collection_id}/items", _AGGREGATE, _COLLECTION_AGGREGATE)
_READS = ("GET", "POST", "OPTIONS")
_WRITES = ("PUT", "PATCH", "DELETE")
_CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 30
_ANSWER_SECONDS = _STATEMENT_SECONDS + 5
"""After which a database that should have given up by itself is taken to be gone: a vanished host says nothing."""
_LARGEST_POOL = 10


def create_app(settings: Settings | None = None, writers: WriterSettings | None = None) -> FastAPI:
    """Make the application; settings default to the environment. It starts, and says 503, without a database."""
    settings = settings or Settings()
    writers = writers or WriterSettings()
    api_settings = ApiSettings(
        stac_fastapi_title=TITLE,
        stac_fastapi_description=DESCRIPTION,
        stac_fastapi_landing_id="sen2extract",
        stac_fastapi_version=version("sen2extract"),
        openapi_url="/api",
        docs_url="",
        enable_transactions_extensions=False,
        enable_response_models=False,
        cors_methods=(*_READS, *_WRITES) if writers.enabled else _READS,
        cors_headers=("*",),
    )
    extensions = _extensions(api_settings)
    if writers.enabled:
        extensions.extra_map["transaction"] = writing_extension(writers.applied_to(settings), api_settings)
    api = instantiate_api(
        client=CatalogueClient,
        extensions=extensions,
        lifespan=_lifespan(settings),
        settings=api_settings,
    )
    if writers.enabled:
        extensions.extra_map["transaction"].client.core = api.client
    _check_parameters(api)
    app: FastAPI = api.app
    app.state.public_url = settings.public_url
    app.state.counts = Counts()
    use_writers(app, writers)
    app.state.write_settings = writers.applied_to(settings)
    handle_errors(app)
    add_probes(app)
    app.include_router(status_router)
    add_areas(app, settings, writers)
    told(app, catalogue, with_fields, with_patches)
    _compress_fast(app)
    app.add_middleware(PlainOptions)
    app.add_middleware(Heads)
    app.add_middleware(PlainHosts)
    # Innermost, so that its refusals too may be read by any page.
    app.user_middleware.append(Middleware(BodyLimit, limit=catalogue_limit))
    return app


def _compress_fast(app: FastAPI) -> None:
    """Compress as hard as a page of items is worth: the stock middleware takes longer for that than all else takes."""
    middleware: list[Any] = app.user_middleware
    ours = Middleware(Compressed)
    app.user_middleware = [ours if one.cls is BrotliMiddleware else one for one in middleware]


def _check_parameters(api: StacApi) -> None:
    """Have searches refuse what they do not know, instead of answering another question."""
    for path in _SEARCHES:
        api.add_route_dependencies([{"path": path, "method": "GET"}], [Depends(known_parameters)])
    search: Any = api.search_post_request_model
    bodies = {"/search": search, _AGGREGATE: AggregatePost, _COLLECTION_AGGREGATE: AggregatePost}
    for path, model in bodies.items():
        api.add_route_dependencies([{"path": path, "method": "POST"}], [Depends(json_object(model))])


def _extensions(api_settings: ApiSettings) -> Extensions:
    """The standard set, with the query extension's own operators, which become CQL2, and aggregation."""
    queryables = Queryables()
    return Extensions(
        search_map={"query": QueryExtension(), "filter": SearchFilterExtension(client=queryables)},
        item_collection_map={
            "query": QueryExtension(conformance_classes=[QueryConformanceClasses.ITEMS]),
            "filter": ItemCollectionFilterExtension(client=queryables),
        },
        collection_search_map={
            "query": QueryExtension(conformance_classes=[QueryConformanceClasses.COLLECTIONS]),
            "filter": CollectionSearchFilterExtension(client=queryables),
        },
        extra_map={"aggregation": AggregationExtension()},
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
            command_timeout=_ANSWER_SECONDS,
            init=con_init,
            server_settings={
                "search_path": PGSTAC_PATH,
                "application_name": "sen2extract-stac",
                "statement_timeout": f"{_STATEMENT_SECONDS}s",
                "TimeZone": "UTC",
                # Searches leave no trace in pgSTAC's tables: a read-only role will do.
                "pgstac.readonly": "true",
            },
        ) as pool:
            app.state.readpool = pool
            app.state.get_connection = get_connection
            # What is imported stays: walking through it takes longer than most searches, every eighth of which did.
            gc.collect()
            gc.freeze()
            yield
            gc.unfreeze()

    return lifespan


def _connection_arguments(dsn: str) -> dict[str, Any]:
    """A libpq connection string as asyncpg takes it; what it leaves out, asyncpg too takes from `PG*`."""
    names = {"dbname": "database", "sslmode": "ssl"}
    known = {"host", "port", "user", "password", "dbname", "sslmode"}
    return {names.get(key, key): value for key, value in conninfo_to_dict(dsn).items() if key in known}
