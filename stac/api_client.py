"""The catalogue behind the STAC API: pgSTAC's client, with searches checked and answers completed."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import attr
import cql2
import orjson
from fastapi import Request
from pydantic import BaseModel
from stac_fastapi.pgstac.core import CoreCrudClient
from stac_fastapi.pgstac.extensions.filter import FiltersClient
from stac_fastapi.types.errors import NotFoundError
from stac_fastapi.types.requests import get_base_url
from starlette.responses import JSONResponse, Response

from stac.api_links import STAC_BROWSER, add_collection_links, area_links, paging
from stac.api_search import search
from stac.boxes import check_numbers, check_place, flat, no_rectangle, touching
from stac.collections import ATTRIBUTION
from stac.complexity import check_filter_text, check_shape
from stac.errors import SearchError
from stac.fields import check_collection_fields, check_fields, check_members, included
from stac.filters import all_of, check_operators, current_only, properties, query_to_cql2
from stac.openapi import MEDIA_TYPE_OPENAPI
from stac.operands import settled
from stac.search import check_crs, check_once, check_text, check_token
from stac.vocabulary import check_collection_properties, check_parameters, check_properties

# What pgSTAC can be searched by and does not list.
_COLUMNS: dict[str, Any] = {
    "collection": {"title": "Collection", "type": "string"},
    "end_datetime": {"title": "End of the acquisition", "type": "string", "format": "date-time"},
}
TITLE = "Sen2Extract"
DESCRIPTION = (
    "Sentinel-2 scenes and spectral indices as Cloud-Optimized GeoTIFFs. Superseded products are left out of searches "
    f"unless they are asked for by id or by `deprecated`. {ATTRIBUTION}."
)
_GEOJSON = "application/geo+json"
# The OpenAPI document is of version 3.1.
_NOT_CONFORMANCE = {"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30"}
_PARSED = ("filter", "query", "intersects")
_MORE_CONFORMANCE = (
    "https://api.stacspec.org/v1.0.0/browseable",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#sort",
)


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
        page["links"] += area_links(base)
        for link in page["links"]:
            if link["rel"] == "service-desc":
                link["type"] = MEDIA_TYPE_OPENAPI
        page["stac_browser"] = STAC_BROWSER
        return page

    def conformance_classes(self) -> list[str]:
        """What the API keeps to; sorting also by the name under which clients know it."""
        return sorted({*super().conformance_classes(), *_MORE_CONFORMANCE} - _NOT_CONFORMANCE)

    async def all_collections(self, request: Request, **kwargs: Any) -> Any:
        """Collection search; a `query` becomes a filter, an offset below 0 is refused."""
        if (kwargs.get("offset") or 0) < 0:
            raise SearchError("offset has to be 0 or more")
        check_collection_fields(kwargs.get("fields"))
        check_collection_properties((each.lstrip("+-") for each in kwargs.get("sortby") or ()), "sortby")
        kwargs |= settled_collection_search(kwargs)
        result = await super().all_collections(request, **kwargs)
        chosen = isinstance(result, Response)
        page = json.loads(bytes(result.body)) if chosen else result
        for collection in page["collections"]:
            add_collection_links(collection, request.app.state.public_url)
        page["links"] = paging(page["links"], "application/json")
        return JSONResponse(page) if chosen else page

    async def get_collection(self, collection_id: str, request: Request, **kwargs: Any) -> Any:
        """A collection, with links to its maps and series."""
        collection = await super().get_collection(collection_id, request, **kwargs)
        add_collection_links(collection, request.app.state.public_url)
        return collection

    async def get_search(self, request: Request, **kwargs: Any) -> Any:
        """Item search by GET."""
        check_fields(kwargs.get("fields"))
        return _as_geojson(await super().get_search(request, **_undecoded(kwargs)))

    async def post_search(self, search_request: Any, request: Request, **kwargs: Any) -> Any:
        """Item search by POST."""
        if search_request.fields is None:
            raise SearchError('fields has to be an object such as {"include": ["id", "properties.datetime"]}')
        settle_fields(search_request.fields, by_post=True)
        return _as_geojson(await super().post_search(search_request, request, **kwargs))

    async def item_collection(self, collection_id: str, request: Request, **kwargs: Any) -> Any:
        """Items of a collection."""
        check_fields(kwargs.get("fields"))
        return _as_geojson(await super().item_collection(collection_id, request, **_undecoded(kwargs)))

    async def get_item(self, item_id: str, collection_id: str, request: Request, **_: Any) -> Any:
        """An item; the collection is looked at only to say which of the two is not there."""
        wanted = self.pgstac_search_model(ids=[item_id], collections=[collection_id], limit=1)
        found = await self._search_base(wanted, request)
        if not found["features"]:
            await self.get_collection(collection_id, request)
            raise NotFoundError(f"Item {item_id} in Collection {collection_id} does not exist.")
        return _as_geojson(found["features"][0])

    def _clean_search_args(
        self, base_args: dict[str, Any], filter_query: str | None = None, filter_lang: str | None = None, **asked: Any
    ) -> dict[str, Any]:
        cleaned: dict[str, Any] = super()._clean_search_args(base_args, **asked)
        return cleaned | parsed_filter(filter_query, filter_lang)

    async def _search_base(self, search_request: Any, request: Request) -> Any:
        return await search(search_request, request, current=settle(search_request))


@attr.s
class Queryables(FiltersClient):  # type: ignore[misc]
    """What items can be searched by: `check_properties` refuses everything else."""

    async def get_queryables(self, request: Request, collection_id: str | None = None, **kwargs: Any) -> Any:
        """The queryables of a collection, or of all."""
        queryables = await super().get_queryables(request, collection_id, **kwargs)
        return queryables | {
            "properties": _COLUMNS | queryables["properties"],
            "additionalProperties": False,
        }


async def known_parameters(request: Request) -> None:
    """Refuse a query parameter that the OpenAPI document does not have for this endpoint."""
    operation = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    check_crs(request.query_params.get("filter-crs"))
    for name in _PARSED:
        check_filter_text(request.query_params.get(name, ""))
    check_once(request.query_params.multi_items())
    declared = (one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
    check_parameters(request.query_params, declared)


def json_object(model: type[BaseModel]) -> Callable[[Request], Awaitable[None]]:
    """A check that a body is a JSON object, of names that `model` has; over what is none, the model stumbles."""
    known = {field.alias or name for name, field in model.model_fields.items()} - {"conf"}  # pgSTAC's settings are ours

    async def check(request: Request) -> None:
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or "json" not in request.headers.get("content-type", ""):
            raise SearchError("the body has to be a JSON object, with content type application/json")
        check_shape(body)
        check_parameters(body, known)
        check_numbers(body.get("bbox"))

    return check


def settle(search: Any) -> bool:
    """Put a search into the form that pgSTAC answers; raises `SearchError`.

    Returns whether superseded items are to be hidden: by `CURRENT`, which costs less than what pgSTAC makes of CQL2.
    """
    search.conf = None  # pgSTAC's settings are ours to choose
    check_text(search.model_dump(mode="python"))
    settle_fields(getattr(search, "fields", None))
    check_token(getattr(search, "token", None))
    if search.query is not None and search.filter_expr is not None:
        raise SearchError("query and filter exclude each other: say it all in filter")
    filter_ = search.filter_expr if search.query is None else query_to_cql2(search.query)
    check_crs(getattr(search, "filter_crs", None))
    check_shape(filter_)
    check_operators(filter_)
    check_properties(properties(filter_), "query" if search.query else "filter")
    check_properties((sort.field for sort in getattr(search, "sortby", None) or ()), "sortby")
    current = not search.ids and current_only(filter_) != filter_
    filter_ = settled(filter_)
    search.query, search.filter_expr = None, filter_ or None
    if place := no_rectangle(search.bbox):
        search.bbox = None
        search.filter_expr = all_of((search.filter_expr, touching(place)))
    elif search.bbox:
        search.bbox = tuple(flat(search.bbox))
    if search.intersects is not None:
        check_place(search.intersects.model_dump())
    return current


def settled_collection_search(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What to ask of collections instead of what was asked: all in one filter. Raises `SearchError`."""
    query, text = asked.get("query"), asked.get("filter_expr")
    if query and text:
        raise SearchError("query and filter exclude each other: say it all in filter")
    filter_ = (
        query_to_cql2(parsed("query", query)) if query else parsed_filter(text, asked.get("filter_lang")).get("filter")
    )
    check_shape(filter_)
    check_operators(filter_)
    check_collection_properties(properties(filter_), "query" if query else "filter")
    place = no_rectangle(asked.get("bbox"))
    whole = all_of((settled(filter_), touching(place)))
    return {
        "query": None,
        "filter_expr": json.dumps(whole) if whole else None,
        "filter_lang": "cql2-json",
        "bbox": None if place else flat(asked.get("bbox")) or None,
    }


def parsed_filter(text: str | None, language: str | None) -> dict[str, Any]:
    """A filter as a parameter has it, for a search by POST; raises `SearchError`.

    Its operands are looked at in `settle`, as those of a body are.
    """
    if not text:
        return {}
    if language != "cql2-text":
        return {"filter": parsed("filter", text), "filter_lang": "cql2-json"}
    try:
        return {"filter": cql2.parse_text(text).to_json(), "filter_lang": "cql2-json"}
    except cql2.ParseError as error:
        raise SearchError(f"filter is no CQL2: {error}") from None


def _undecoded(asked: dict[str, Any]) -> dict[str, Any]:
    """Parameters that are JSON as stac-fastapi wants them, which decodes once more what has been decoded already."""
    return asked | {name: quote_plus(asked[name]) for name in ("query", "intersects") if asked.get(name)}


def settle_fields(fields: Any, *, by_post: bool = False) -> None:
    """Put a choice of fields into the form that pgSTAC answers as the extension asks; raises `SearchError`."""
    if fields is None:
        return
    include, exclude = fields.include or set(), fields.exclude or set()
    check_members(include | exclude)
    none_said = by_post and not include and "include" in fields.model_fields_set
    fields.include = included(include, exclude, none_said=none_said)


def parsed(name: str, text: str) -> Any:
    """The JSON of parameter `name`; raises `SearchError`."""
    try:
        return json.loads(text)
    except ValueError:
        raise SearchError(f"{name} is no JSON: {text[:80]!r}") from None


def _as_geojson(result: Any) -> Response:
    """A response of GeoJSON, without FastAPI's looking through every value of it; `fields` leads to a ready one."""
    if not isinstance(result, Response):
        return Response(orjson.dumps(result), media_type=_GEOJSON)
    result.headers["content-type"] = _GEOJSON
    return result
