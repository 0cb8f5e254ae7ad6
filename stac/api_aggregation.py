"""The aggregation extension's endpoints, which pgSTAC lacks."""

from typing import Annotated, Any

import attr
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from pydantic import Field
from stac_fastapi.api.models import CollectionUri, EmptyRequest, create_post_request_model, create_request_model
from stac_fastapi.api.routes import create_async_endpoint
from stac_fastapi.extensions import SearchFilterExtension
from stac_fastapi.extensions.query import QueryExtension
from stac_fastapi.pgstac.types.search import PgstacSearch
from stac_fastapi.types.errors import NotFoundError
from stac_fastapi.types.extension import ApiExtension
from stac_fastapi.types.requests import get_base_url
from stac_fastapi.types.search import APIRequest, BaseSearchGetRequest, str2list

from stac.aggregation import AGGREGATIONS, CONFORMANCE, DEFAULT_INTERVAL, Interval, chosen, describe, statement
from stac.api_client import parsed, parsed_filter, settle
from stac.filters import CURRENT

_WHICH = f"What to count, of: {', '.join(AGGREGATIONS)}."
_HOW = "Length of the buckets of datetime_frequency."
_NOT_OF_A_SEARCH = {"aggregations", "datetime_frequency_interval", "limit"}


def _names(value: Annotated[str | None, Query(description=_WHICH)] = None) -> list[str] | None:
    names: list[str] | None = str2list(value)
    return names


@attr.s
class _Asked(BaseSearchGetRequest):
    aggregations: list[str] | None = attr.ib(default=None, converter=_names)
    datetime_frequency_interval: Annotated[Interval, Query(description=_HOW)] = attr.ib(default=DEFAULT_INTERVAL)


class _AskedByPost(PgstacSearch):  # type: ignore[misc]
    aggregations: list[str] | None = Field(default=None, description=_WHICH)
    datetime_frequency_interval: Interval = Field(default=DEFAULT_INTERVAL, description=_HOW)


def _in_path(collection_id: Annotated[str, Path(description="Collection ID")]) -> str:
    """For the OpenAPI document, which would not have the path's parameter where only a body is taken."""
    return collection_id


_MIXINS: list[type[APIRequest]] = [_Asked]
_FILTERS = [QueryExtension(), SearchFilterExtension()]
_AggregateGet = create_request_model("AggregateGet", base_model=_Asked, extensions=_FILTERS)
_CollectionAggregateGet = create_request_model(
    "CollectionAggregateGet", base_model=CollectionUri, extensions=_FILTERS, mixins=_MIXINS
)
AggregatePost = create_post_request_model(_FILTERS, base_model=_AskedByPost)


async def available(request: Request, collection_id: str | None = None) -> dict[str, Any]:
    """What can be counted."""
    if collection_id is not None:
        await _check_collection(request, collection_id)
    listed = [{"name": one.name, "data_type": one.data_type} for one in AGGREGATIONS.values()]
    return _document(request, listed, "aggregations", collection_id)


async def aggregate_get(request: Request, collection_id: str | None = None, **asked: Any) -> dict[str, Any]:
    """Count what a search by GET matches."""
    query = asked.pop("query", None)
    base = {name: asked.pop(name) for name in ("collections", "ids", "bbox")} | {
        "aggregations": asked.pop("aggregations"),
        "datetime_frequency_interval": asked.pop("datetime_frequency_interval"),
        "query": parsed("query", query) if query else None,
    }
    places = parsed("intersects", asked["intersects"]) if asked["intersects"] else None
    base |= {"intersects": places, "datetime": asked["datetime"]}
    arguments = {name: value for name, value in base.items() if value is not None and value != []}
    arguments |= parsed_filter(asked.pop("filter_expr", None), asked.pop("filter_lang", None))
    return await _aggregate(AggregatePost(**arguments), request, collection_id)


async def aggregate_post(search: Any, request: Request) -> dict[str, Any]:
    """Count what a search by POST matches."""
    return await _aggregate(search, request, request.path_params.get("collection_id"))


async def _aggregate(search: Any, request: Request, collection_id: str | None) -> dict[str, Any]:
    wanted = chosen(search.aggregations)
    current = settle(search)
    if collection_id is not None:
        await _check_collection(request, collection_id)
        search.collections = [collection_id]
    asked = search.model_dump_json(exclude_none=True, by_alias=True, exclude=_NOT_OF_A_SEARCH)
    async with request.app.state.get_connection(request, "r") as connection:
        where = await connection.fetchval("SELECT stac_search_to_where($1::text::jsonb)", asked)
        if current:
            where = f"{where} AND {CURRENT}"
        counted = await connection.fetchval(statement(wanted, search.datetime_frequency_interval, where))
    return _document(request, describe(wanted, counted), "aggregate", collection_id)


async def _check_collection(request: Request, collection_id: str) -> None:
    async with request.app.state.get_connection(request, "r") as connection:
        if await connection.fetchval("SELECT get_collection($1)", collection_id) is None:
            raise NotFoundError(f"Collection {collection_id} does not exist.")


def _document(
    request: Request, aggregations: list[dict[str, Any]], name: str, collection_id: str | None
) -> dict[str, Any]:
    base = get_base_url(request)
    of = "" if collection_id is None else f"collections/{collection_id}/"
    self_link = {"rel": "self", "type": "application/json", "href": f"{base}{of}{name}"}
    root = {"rel": "root", "type": "application/json", "href": base}
    links = [self_link, root]
    if collection_id is not None:
        links.append({"rel": "collection", "type": "application/json", "href": f"{base}collections/{collection_id}"})
    return {"type": "AggregationCollection", "aggregations": aggregations, "links": links}


@attr.s
class AggregationExtension(ApiExtension):
    """What can be counted, and counting it. stac-fastapi links to both on seeing an extension of this name."""

    conformance_classes: list[str] = attr.ib(factory=lambda: [CONFORMANCE])

    def register(self, app: FastAPI) -> None:
        """Add the routes."""
        router = APIRouter(prefix=app.state.router_prefix, tags=["Aggregation Extension"])
        for path, lists, gets in (
            ("", EmptyRequest, _AggregateGet),
            ("/collections/{collection_id}", CollectionUri, _CollectionAggregateGet),
        ):
            of = "Collection " if path else ""
            in_path = [Depends(_in_path)] if path else []
            for method, name, endpoint, model in (
                ("GET", "aggregate", aggregate_get, gets),
                ("POST", "aggregate", aggregate_post, AggregatePost),
                ("GET", "aggregations", available, lists),
                ("POST", "aggregations", available, lists),
            ):
                router.add_api_route(
                    f"{path}/{name}",
                    create_async_endpoint(endpoint, model),
                    methods=[method],
                    name=f"{of}{name.capitalize()}",
                    dependencies=in_path,
                )
        app.include_router(router)
