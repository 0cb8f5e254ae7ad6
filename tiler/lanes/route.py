"""The lane in front of TiTiler's endpoint for tiles of items: same address, same answers, whatever it does not know."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from psycopg_pool import ConnectionPool
from titiler.core.resources.enums import ImageType

from stac.settings import Settings
from tiler.errors import problem
from tiler.lanes.images import Images
from tiler.lanes.lane import BrokenTileError, Lane
from tiler.lanes.request import TileRequest, parse
from tiler.presence import CLIENT_CLOSED_REQUEST
from tiler.series import objects
from tiler.settings import TilerSettings

_PATH = "/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}"
_KEPT = "public, max-age=3600"
"""An address names an item, not its objects: after an hour a browser asks whether they are the same still."""
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
    asked = parse(request.path_params, request.query_params.multi_items())
    lane: Lane | None = getattr(request.app.state, "lane", None)
    if asked is None or asked.item is None or lane is None:
        return None
    async with request.app.state.lane_limiter:
        # A map that was moved on has left a queue of tiles that nobody wants any more.
        if await request.is_disconnected():
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        return await run_in_threadpool(_drawn, lane, asked, asked.item, request.headers.get("if-none-match", ""))


def _drawn(lane: Lane, asked: TileRequest, item: str, known: str) -> Response | None:
    plan = lane.plan(asked, item)
    if plan is None:
        return None
    headers = {"ETag": plan.tag, "Cache-Control": _KEPT}
    if _knows(known, plan.tag):
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
    return Lane(pool=pool, bucket=settings.s3_bucket, images=Images(store, tiler.tile_cache_mb * 2**20))
