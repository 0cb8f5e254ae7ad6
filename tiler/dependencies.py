"""What a request's path names: an item, a collection or a search, or an object; looked up fresh in the catalogue."""

import inspect
import json
from dataclasses import dataclass, field
from typing import Annotated, Any

import pystac
from cql2 import Expr
from fastapi import HTTPException, Path, Query, Request
from psycopg_pool import ConnectionPool
from titiler.core.dependencies import DefaultDependency
from titiler.pgstac.dependencies import CollectionIdParams, get_collection_id
from titiler.pgstac.errors import MosaicNotFoundError
from titiler.pgstac.validation import validate_filter

from stac.filters import current_only, properties
from stac.operands import settled
from stac.search import check_text
from stac.vocabulary import check_properties
from tiler.hrefs import own_object


def collection_ids(pool: ConnectionPool) -> list[str]:
    """Names of the collections that the catalogue holds, sorted."""
    with pool.connection() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM pgstac.collections ORDER BY id").fetchall()]


def item_path(
    request: Request,
    collection_id: Annotated[str, Path(description="STAC collection")],
    item_id: Annotated[str, Path(description="STAC item")],
) -> pystac.Item:
    """The item, as the catalogue has it now; 404 when there is none."""
    pool = request.app.state.dbpool
    with pool.connection() as connection:
        row = connection.execute("SELECT pgstac.get_item(%s, %s)", (item_id, collection_id)).fetchone()
    if row is None or row[0] is None:
        known = collection_ids(pool)
        where = f"collection {collection_id!r}" if collection_id in known else f"the collections {', '.join(known)}"
        raise HTTPException(404, f"no item {item_id!r} in {where}")
    # pystac warns of each superseded item that is read; whoever names one wants it.
    deprecated = row[0]["properties"].pop("deprecated", None)
    item = pystac.Item.from_dict(row[0], preserve_dict=False)
    if deprecated is not None:
        item.properties["deprecated"] = deprecated
    return item


def collection_path(request: Request, **parameters: Any) -> str:
    """The registered search for a collection's items, superseded ones left out unless `ids` names them."""
    pool = request.app.state.dbpool
    validate_filter(filter_expr=parameters["filter_expr"], filter_lang=parameters["filter_lang"])
    if parameters["filter_expr"] and parameters["query"]:
        raise HTTPException(400, "use either filter or query, not both")
    if not (parameters["ids"] or parameters["query"]):
        parameters |= _only_current(parameters["filter_expr"], parameters["filter_lang"])
    try:
        return str(get_collection_id(pool, **parameters))
    except MosaicNotFoundError as error:
        known = ", ".join(collection_ids(pool))
        raise HTTPException(404, f"no collection {parameters['collection_id']!r}: choose from {known}") from error


# FastAPI reads a dependency's parameters from its signature; titiler-pgstac's own is the contract here.
collection_path.__signature__ = inspect.signature(CollectionIdParams)  # type: ignore[attr-defined]


def _only_current(text: str | None, language: str) -> dict[str, str]:
    asked = None if text is None else Expr(text).to_json() if language == "cql2-text" else json.loads(text)
    check_text(asked)
    check_properties(properties(asked), "filter")
    return {"filter_expr": json.dumps(settled(current_only(asked))), "filter_lang": "cql2-json"}


def object_path(
    request: Request, url: Annotated[str, Query(description="s3:// or public address of an object of this archive")]
) -> str:
    """GDAL's path of one of our own objects."""
    return own_object(url, request.app.state.settings)


@dataclass(init=False)
class MosaicParams(DefaultDependency):
    """What the mosaic backend needs: the database, and where to note the items it had to leave out."""

    pool: ConnectionPool = field(init=False)
    unreadable: list[str] = field(init=False)

    def __init__(self, request: Request) -> None:
        self.pool = request.app.state.dbpool
        self.unreadable = request.state.unreadable = []
