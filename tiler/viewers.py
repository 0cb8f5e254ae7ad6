"""TiTiler's map viewers load their scripts from CDNs: in their place, the way to the same on our own page."""

from typing import Annotated
from urllib.parse import urlencode

import pystac
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from shapely.geometry import shape
from starlette.responses import RedirectResponse

from stac.collections import INDICES, L1C
from tiler.dependencies import collection_ids, item_path

router = APIRouter(include_in_schema=False)
_ZOOM = 11
"""A tile fills the screen."""


@router.get("/collections/{collection_id}/items/{item_id}/{tms}/map.html")
def item_viewer(
    request: Request,
    item: Annotated[pystac.Item, Depends(item_path)],
    tms: str,
    assets: Annotated[list[str] | None, Query()] = None,
) -> RedirectResponse:
    """To the item's own date on the page, as true colour or as the index asked for."""
    del tms
    if item.geometry is None or item.datetime is None:
        raise HTTPException(404, f"item {item.id} has no place and no date to be shown")
    inside = shape(item.geometry).representative_point()
    where = {"lon": f"{inside.x:.5f}", "lat": f"{inside.y:.5f}", "date": f"{item.datetime:%Y-%m-%d}", "zoom": _ZOOM}
    return _to_page(request, where | _shown(item, assets or []))


@router.get("/collections/{collection_id}/{tms}/map.html")
def collection_viewer(request: Request, collection_id: str, tms: str) -> RedirectResponse:
    """To the page, which opens on what the archive holds."""
    del tms
    known = collection_ids(request.app.state.dbpool)
    if collection_id not in known:
        raise HTTPException(404, f"no collection {collection_id!r}: choose from {', '.join(known)}")
    return _to_page(request, {})


def _shown(item: pystac.Item, assets: list[str]) -> dict[str, str]:
    if item.collection_id == INDICES:
        return {"show": "index"} | ({"index": assets[0]} if assets else {})
    return {"show": "top"} if item.collection_id == L1C else {}


def _to_page(request: Request, query: dict[str, object]) -> RedirectResponse:
    page: str = request.app.state.settings.public_url
    return RedirectResponse(f"{page.rstrip('/')}/{'?' if query else ''}{urlencode(query)}", 307)
