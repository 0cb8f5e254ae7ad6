"""The lane in front of TiTiler's endpoints for tiles: same address, same answers, whatever it does not know."""

from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from threading import Event
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from psycopg_pool import ConnectionPool
from titiler.core.resources.enums import ImageType

from stac.settings import Settings
from tiler.dependencies import collection_path
from tiler.errors import problem
from tiler.lanes.images import Images
from tiler.lanes.lane import BrokenTileError, Drawing, Lane
from tiler.lanes.mosaic import Choices
from tiler.lanes.request import SEARCH, TileRequest, parse, search_of
from tiler.presence import CLIENT_CLOSED_REQUEST, while_wanted
from tiler.sane import sane
from tiler.series import objects
from tiler.settings import TilerSettings

_PATH = "/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}"
_KEPT = "public, max-age=3600"
"""An address names an item, not its objects: after an hour a browser asks whether they are the same still."""
_EVERYTHING = {"ids": None, "bbox": None, "datetime": None, "query": None}
"""What of a search the lane leaves open."""
_CRS = "<http://www.opengis.net/def/crs/EPSG/0/3857>"

type _Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class LaneRoute(APIRoute):
    """TiTiler's routes, of which that for tiles asks the lane first."""

    def get_route_handler(self) -> _Handler:
        """The handler of the route."""
        usual = super().get_route_handler()
        if not self.path.endswith(_PATH):
            return usual

        async def handler(request: Request) -> Response:
            answer = await _answer(request)
            return await usual(request) if answer is None else answer

        return handler


async def _answer(request: Request) -> Response | None:
    """The lane's answer; None for what TiTiler has to answer."""
    lane: Lane | None = getattr(request.app.state, "lane", None)
    query = request.query_params.multi_items()
    of_mosaic = "item_id" not in request.path_params
    asked = parse(request.path_params, [one for one in query if not (of_mosaic and one[0] in SEARCH)])
    search = search_of(query) if of_mosaic else {}
    if asked is None or search is None or lane is None:
        return None
    if of_mosaic:
        await sane(request)
    async with request.app.state.lane_limiter:
        # A map that was moved on has left a queue of tiles that nobody wants any more.
        if await request.is_disconnected():
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        if asked.item is not None:
            return await run_in_threadpool(_of_item, lane, asked, asked.item, request)
        return await while_wanted(request, partial(_of_mosaic, lane, asked, search, request))


def _of_item(lane: Lane, asked: TileRequest, item: str, request: Request) -> Response | None:
    return _drawn(lane.plan(asked, item), asked, request, _KEPT)


def _of_mosaic(
    lane: Lane, asked: TileRequest, search: dict[str, str], request: Request, gone: Event
) -> Response | None:
    registered = collection_path(
        request,
        collection_id=asked.collection,
        filter_expr=search.get("filter"),
        filter_lang=search["filter-lang"],
        sortby=search.get("sortby"),
        **_EVERYTHING,
    )
    kept = f"public, max-age={request.app.state.tiler.cache_seconds}"
    return _drawn(lane.plan_mosaic(asked, registered, gone), asked, request, kept)


def _drawn(plan: Drawing | None, asked: TileRequest, request: Request, kept: str) -> Response | None:
    if plan is None:
        return None
    headers = {"ETag": plan.tag, "Cache-Control": kept}
    if _knows(request.headers.get("if-none-match", ""), plan.tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    try:
        picture = plan.draw()
    except BrokenTileError as error:
        return problem(HTTPStatus.BAD_GATEWAY, str(error))
    if picture is None:
        return None
    described = {"Content-Bbox": ",".join(map(str, plan.bounds)), "Content-Crs": _CRS}
    return Response(picture, media_type=ImageType[asked.format].mediatype, headers=headers | described)


def _knows(header: str, tag: str) -> bool:
    """Whether `If-None-Match` names `tag`, or anything (RFC 9110, 13.1.2: marks of weakness do not count)."""
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in header.split(","))


def lane_of(settings: Settings, tiler: TilerSettings, pool: ConnectionPool) -> Lane:
    """The lane as the settings want it."""
    store = objects.connect(settings, seconds=tiler.object_seconds)
    images = Images(store, tiler.tile_cache_mb * 2**20)
    return Lane(pool=pool, bucket=settings.s3_bucket, images=images, choices=Choices(pool, tiler.cache_seconds))
