"""What happened to each product and what the archive covers, as routes of the STAC API below `/status`."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from stac_fastapi.types.errors import InvalidQueryParameter
from stac_fastapi.types.requests import get_base_url

from stac import status, status_summary
from stac.collections import INDICES
from stac.gaps import COLLECTIONS, HELD, LATEST, Kind, found
from stac.problems import MEDIA_TYPE
from stac.states import State

CollectionId = Literal["sentinel-2-l1c", "sentinel-2-l2a", "sentinel-2-indices"]

_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"description": "A parameter is wrong", "content": {MEDIA_TYPE: {}}},
    503: {"description": "The database cannot be reached just now, or is not ready", "content": {MEDIA_TYPE: {}}},
}

router = APIRouter(prefix="/status", tags=["Status"], responses=_REFUSED)


class Link(BaseModel):
    """A link as STAC has them."""

    rel: str
    href: str
    type: str = "application/json"


class ProductStatus(BaseModel):
    """What happened to a product."""

    id: str = Field(description="product name; the name of its file where none can be read")
    state: State = Field(description="`failed` is tried again at the next run, `invalid` once its files change")
    attempts: int
    reason: str | None = Field(description="why it is in this state, or a warning")
    fingerprint: str | None = Field(description="of the product's files")
    timings: dict[str, float] = Field(description="seconds by step of the last attempt")
    items: list[str] = Field(description="what it has in the catalogue, as collection/id")
    first_seen: datetime
    updated: datetime


class ProductPage(BaseModel):
    """Products, the one last changed first, with how many there are in each state."""

    counts: dict[State, int]
    products: list[ProductStatus]
    links: list[Link]


class Queued(BaseModel):
    """Products that wait, or that somebody is at, in one place and state."""

    place: str = Field(examples=["cdse"], description="a provider, from which they are to be fetched, or our inbox")
    state: State
    count: int
    oldest: datetime = Field(description="since when the one that waits longest does")


class Failures(BaseModel):
    """Products that failed for one kind of reason."""

    kind: str = Field(examples=["download"])
    means: str
    state: State = Field(description="`failed` is tried again, `invalid` once its files change")
    count: int
    latest: datetime


class Summary(BaseModel):
    """What waits and what failed, in numbers."""

    counts: dict[State, int]
    queue: list[Queued]
    failures: list[Failures] = Field(description="the most frequent first; `/status/products` tells the reasons")
    links: list[Link]


class Month(BaseModel):
    """Items of a tile sensed in a month (UTC)."""

    month: str = Field(examples=["2025-01"])
    count: int
    first: datetime
    last: datetime


class TileCoverage(BaseModel):
    """Items of a tile; superseded products do not count."""

    tile: str = Field(examples=["48PWU"])
    count: int
    first: datetime
    last: datetime
    lag_days: float = Field(description="days from the last acquisition until now")
    months: list[Month]


class CoveragePage(BaseModel):
    """Tiles in the order of their names."""

    collection: str
    tiles: list[TileCoverage]
    links: list[Link]


@router.get("/products", summary="What happened to each product")
async def products(
    request: Request,
    state: Annotated[State | None, Query(description="only products in this state")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    token: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="from the `next` link")] = None,
) -> ProductPage:
    """The ledger of ingestion, the product last changed first."""
    async with request.app.state.get_connection(request, "r") as connection:
        if token and not await connection.fetchval(status.KNOWN, token):
            raise InvalidQueryParameter("token: no such page; start again without it")
        counts = status.counted(await connection.fetch(status.COUNTS))
        rows = await connection.fetch(status.PRODUCTS, state, token, limit + 1)
    found = [status.product(row) for row in rows]
    shown = found[:limit]
    following = {"state": state, "limit": limit, "token": shown[-1].token} if len(found) > limit else None
    return ProductPage.model_validate(
        {
            "counts": counts,
            "products": [product.as_dict() for product in shown],
            "links": _links(request, "products", following),
        }
    )


@router.get("/summary", summary="What waits and what failed, in numbers")
async def summary(request: Request) -> Summary:
    """Products by state, the queue of downloads and of the inbox, failures by kind."""
    async with request.app.state.get_connection(request, "r") as connection:
        counts = await connection.fetch(status.COUNTS)
        queue = await connection.fetch(status_summary.QUEUE)
        failures = await connection.fetch(status_summary.FAILURES)
    found = status_summary.told(counts, queue, failures)
    return Summary.model_validate({**found, "links": _links(request, "summary", None)})


class Gap(BaseModel):
    """Something that is not there."""

    kind: Kind = Field(description="acquisition: nothing is held of a day on which the unit passed")
    collection: CollectionId
    datetime: datetime
    platform: str = Field(examples=["sentinel-2a"])
    relative_orbit: int
    item: str | None = Field(description="what is held of this acquisition already")
    level: Literal["l1c", "l2a"] | None = Field(description="of the product to be fetched; null: made of what is held")
    command: str = Field(description="what would bring it")


class TileGaps(BaseModel):
    """Expected against held acquisitions of a tile."""

    tile: str = Field(examples=["48PWU"])
    expected: int
    held: int
    removed: int = Field(description="acquisitions that retention took out")
    latest: datetime | None = Field(description="start of the newest datatake held")
    lag_days: float | None = Field(description="days from the newest acquisition held until now")
    counts: dict[Kind, int] = Field(description="gaps by kind")
    gaps: list[Gap]


class GapsPage(BaseModel):
    """Tiles in the order of their names."""

    tiles: list[TileGaps]
    links: list[Link]


@router.get("/gaps", summary="What the archive lacks, by tile")
async def gaps(
    request: Request,
    tile: Annotated[str | None, Query(pattern=r"^\d{2}[A-Z]{3}$", description="only this tile, such as 48PWU")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="tiles per page")] = 20,
    after: Annotated[str | None, Query(pattern=r"^\d{2}[A-Z]{3}$", description="only tiles after this one")] = None,
) -> GapsPage:
    """Days on which a unit passed and of which nothing is held, and products that are not derived yet.

    A unit passes the same orbit every 10 days.
    A day is expected as long as the archive holds anything of the unit; a planned acquisition may have been dropped.
    """
    async with request.app.state.get_connection(request, "r") as connection:
        held = await connection.fetch(HELD, COLLECTIONS, tile, after, limit + 1)
        found_ = found(held, await connection.fetch(LATEST, COLLECTIONS))
    shown = found_[:limit]
    following = {"limit": limit, "after": shown[-1].tile} if len(found_) > limit else None
    now = datetime.now(UTC)
    tiles = [one.as_dict(now) for one in shown]
    return GapsPage.model_validate({"tiles": tiles, "links": _links(request, "gaps", following)})


@router.get("/coverage", summary="What the archive holds, by tile and month")
async def coverage(
    request: Request,
    collection: CollectionId = INDICES,
    tile: Annotated[str | None, Query(pattern=r"^\d{2}[A-Z]{3}$", description="only this tile, such as 48PWU")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="tiles per page")] = 100,
    after: Annotated[str | None, Query(pattern=r"^\d{2}[A-Z]{3}$", description="only tiles after this one")] = None,
) -> CoveragePage:
    """Counts, first and last acquisition, and how long ago the last one was."""
    async with request.app.state.get_connection(request, "r") as connection:
        rows = await connection.fetch(status.COVERAGE, collection, tile, after, limit + 1)
    tiles = status.covered(rows, datetime.now(UTC))
    shown = tiles[:limit]
    following = {"collection": collection, "limit": limit, "after": shown[-1]["tile"]} if len(tiles) > limit else None
    return CoveragePage.model_validate(
        {"collection": collection, "tiles": shown, "links": _links(request, "coverage", following)}
    )


def _links(request: Request, name: str, following: dict[str, Any] | None) -> list[dict[str, str]]:
    """A link to this page, and to the next if there is one."""
    base = f"{get_base_url(request)}status/{name}"
    query = request.url.query
    links = [{"rel": "self", "href": f"{base}?{query}" if query else base}]
    if following:
        wanted = {key: value for key, value in following.items() if value is not None}
        links.append({"rel": "next", "href": f"{base}?{urlencode(wanted)}"})
    return links
