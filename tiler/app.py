"""The tile and time-series service: `create_app()`."""

import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from titiler.core.factory import AlgorithmFactory, ColorMapFactory, MultiBaseTilerFactory, TilerFactory, TMSFactory
from titiler.extensions.render import _adapt_render_for_v2, stacRenderExtension
from titiler.extensions.wmts import wmtsExtension
from titiler.mosaic.extensions.wmts import wmtsExtension as wmtsMosaicExtension
from titiler.pgstac.backend import ttl_cache as backend_cache
from titiler.pgstac.dependencies import SearchIdParams
from titiler.pgstac.dependencies import ttl_cache as search_cache
from titiler.pgstac.extensions import searchInfoExtension
from titiler.pgstac.factory import MosaicTilerFactory, add_search_list_route, add_search_register_route

from stac import openapi
from stac.api_compression import Compressed
from stac.api_middleware import BodyLimit, Limit
from stac.settings import Settings
from tiler import edr, health, places, viewers
from tiler.answers import with_models
from tiler.dependencies import MosaicParams, collection_path, item_path, object_path
from tiler.docs import add_docs
from tiler.edr import EdrExtension
from tiler.edr_documents import landing_links
from tiler.errors import add_error_handlers, too_large
from tiler.extension import SeriesExtension
from tiler.jobs.airflow import Airflow
from tiler.jobs.routes import JobsExtension, add_job_errors
from tiler.lanes.route import LaneRoute, lane_of
from tiler.masking import MaskParams
from tiler.middleware import CacheHeaders, NoViewers
from tiler.opening import engine_of, pool_of
from tiler.reader import AssetReader, ItemReader, MosaicBackend, MosaicItemReader
from tiler.rendering import colormap_params, render_params
from tiler.sane import sane
from tiler.series.formats import FORMATS
from tiler.series.limits import Limits
from tiler.series.objects import use_store
from tiler.settings import TilerSettings

_STATIC = Path(__file__).parent / "static"
_IMAGES = {"image/jpeg", "image/jpg", "image/png", "image/jp2", "image/webp", "image/tiff", "application/x-binary"}


def create_app(settings: Settings | None = None, tiler: TilerSettings | None = None) -> FastAPI:
    """The service; it starts without its database and says so at `/readyz`."""
    settings = settings or Settings()
    app = FastAPI(
        title="Sen2Extract tiles and time series",
        lifespan=_lifespan,
        dependencies=[Depends(sane)],
        openapi_url="/api",
        # FastAPI's documentation pages load their scripts from a CDN.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.tiler = tiler or TilerSettings()
    add_error_handlers(app)
    add_job_errors(app)
    _add_middleware(app, app.state.tiler)
    _add_mosaics(app)
    _add_items(app)
    for factory in (TMSFactory(), AlgorithmFactory(), ColorMapFactory()):
        app.include_router(factory.router)
    app.include_router(health.router)
    app.include_router(edr.router)
    app.include_router(places.router)
    app.include_router(viewers.router)
    _add_landing(app)
    openapi.told(app, openapi.tiler, with_models)
    add_docs(app)
    if (_STATIC / "index.html").is_file():
        app.mount("/app", StaticFiles(directory=_STATIC, html=True), name="app")
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    tiler: TilerSettings = app.state.tiler
    use_store(settings)
    # titiler-pgstac's caches outlive an application and are not keyed by database.
    backend_cache.clear()
    search_cache.clear()
    logging.getLogger("rio-tiler").setLevel(logging.ERROR)
    pool = pool_of(settings, name="sen2extract-tiler", size=tiler.pool_size, seconds=5)
    pool.open(wait=False)
    app.state.dbpool = pool
    limits = Limits(
        feature_pixels=tiler.max_feature_pixels,
        pixel_reads=tiler.max_pixel_reads,
        job_pixels=tiler.job_max_feature_pixels if tiler.airflow_url else 0,
    )
    with engine_of(settings, tiler, pool, limits) as engine, Airflow.of(tiler) as airflow:
        app.state.series = engine
        app.state.airflow = airflow
        app.state.lane = lane_of(settings, tiler, pool)
        app.state.lane_limiter = CapacityLimiter(tiler.threads)
        # What was imported stays for good: the collector need not walk through it (60 ms) every few requests.
        gc.freeze()
        yield
        gc.unfreeze()
    pool.close()


def _add_middleware(app: FastAPI, tiler: TilerSettings) -> None:
    # Innermost, so that its refusals too may be read by any page.
    app.add_middleware(BodyLimit, limit=partial(_body_limit, tiler.max_body_bytes), refuse=too_large)
    app.add_middleware(NoViewers)
    app.add_middleware(CacheHeaders, mosaic_seconds=tiler.cache_seconds)
    app.add_middleware(Compressed, exclude_mediatype=_IMAGES | {FORMATS["parquet"].media_type})
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
        allow_headers=["*"],
        expose_headers=[
            "ETag",
            "Server-Timing",
            "X-Unreadable-Items",
            "X-Nearest-Tile",
            "X-Unindexed-Images",
            "X-Rows",
            "X-Interval",
            "X-Resolution",
            "X-Upload-Report",
            "Content-Disposition",
            "Location",
            "Retry-After",
        ],
    )


def _body_limit(most: int, path: str) -> Limit | None:
    """What TiTiler's own endpoints take; series, jobs and places read their bodies bit by bit, each within its own."""
    if "/timeseries/" in path or path.endswith("/places"):
        return None
    return Limit(most=most, advice="simplify its geometry")


def _mosaic(prefix: str, path: Callable[..., str], extensions: list[Any]) -> MosaicTilerFactory:
    return MosaicTilerFactory(
        path_dependency=path,
        router=APIRouter(route_class=LaneRoute),
        router_prefix=prefix,
        backend=MosaicBackend,
        backend_dependency=MosaicParams,
        dataset_reader=MosaicItemReader,
        reader_dependency=MaskParams,
        render_dependency=cast("Any", render_params),
        colormap_dependency=colormap_params,
        add_statistics=True,
        add_part=True,
        add_viewer=False,
        add_ogc_maps=False,
        get_renders=_mosaic_renders,
        extensions=[searchInfoExtension(), wmtsMosaicExtension(layer_identifier_provider=_layer), *extensions],
    )


def _add_mosaics(app: FastAPI) -> None:
    prefix = "/searches/{search_id}"
    searches = _mosaic(prefix, SearchIdParams, [])
    app.include_router(searches.router, tags=["Searches"], prefix=prefix)
    add_search_list_route(app, prefix="/searches", tags=["Searches"])
    add_search_register_route(
        app,
        prefix="/searches",
        tile_dependencies=[
            searches.layer_dependency,
            searches.dataset_dependency,
            searches.pixel_selection_dependency,
            searches.process_dependency,
            searches.render_dependency,
            searches.assets_accessor_dependency,
            searches.reader_dependency,
            searches.backend_dependency,
        ],
        tags=["Searches"],
    )
    prefix = "/collections/{collection_id}"
    collections = _mosaic(prefix, collection_path, [SeriesExtension(), EdrExtension(), JobsExtension()])
    app.include_router(collections.router, tags=["Collections"], prefix=prefix)


def _add_items(app: FastAPI) -> None:
    prefix = "/collections/{collection_id}/items/{item_id}"
    items = MultiBaseTilerFactory(
        reader=ItemReader,
        reader_dependency=MaskParams,
        router=APIRouter(route_class=LaneRoute),
        path_dependency=item_path,
        router_prefix=prefix,
        render_dependency=cast("Any", render_params),
        colormap_dependency=colormap_params,
        add_viewer=False,
        get_renders=_item_renders,
        extensions=[wmtsExtension(layer_identifier_provider=_layer), stacRenderExtension()],
    )
    app.include_router(items.router, tags=["Items"], prefix=prefix)
    cogs = TilerFactory(
        reader=AssetReader,
        path_dependency=object_path,
        router_prefix="/cog",
        add_viewer=False,
        extensions=[wmtsExtension()],
    )
    app.include_router(cogs.router, tags=["COGs"], prefix="/cog")


def _layer(_: object) -> str:
    """What a WMTS layer's name begins with: the same everywhere, so that the catalogue can link to layers by name."""
    return "Sen2Extract"


def _mosaic_renders(mosaic: Any) -> dict[str, Any]:
    return _adapted(mosaic.info().metadata.defaults_params or {})


def _item_renders(reader: Any) -> dict[str, Any]:
    return _adapted(reader.item.properties.get("renders", {}))


def _adapted(renders: dict[str, Any]) -> dict[str, Any]:
    for render in renders.values():
        _adapt_render_for_v2(render)
    return renders


def _add_landing(app: FastAPI) -> None:
    @app.get("/", tags=["Landing"])
    def landing(request: Request) -> dict[str, Any]:
        """Where to go from here."""
        base = str(request.base_url).rstrip("/")
        browser: str = app.state.tiler.stac_browser_url
        return {
            "title": app.title,
            "description": "Sentinel-2 as map tiles, and as time series of any place (also by OGC API - EDR).",
            "links": [
                *([{"rel": "stac-browser", "type": "text/html", "href": browser}] if browser else []),
                {"rel": "self", "type": "application/json", "href": f"{base}/"},
                {"rel": "service-desc", "type": "application/vnd.oai.openapi+json;version=3.1", "href": f"{base}/api"},
                {"rel": "service-doc", "type": "text/html", "href": f"{base}/api.html"},
                {"rel": "status", "type": "application/json", "href": f"{base}/readyz"},
                *landing_links(base),
                {"rel": "tiling-schemes", "type": "application/json", "href": f"{base}/tileMatrixSets"},
            ],
        }
