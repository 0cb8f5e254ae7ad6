"""A page of search results: the query made by pgSTAC, the rows as it stores them, put together here.

pgSTAC's own `search()` answers the same, but hydrates in SQL, which costs many times more than all else together, and
loses members that are null where `fields` are chosen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from asyncpg import Connection
from asyncpg.exceptions import InvalidDatetimeFormatError
from fastapi import Request
from stac_fastapi.pgstac.models.links import INFERRED_LINK_RELS, ItemLinks, PagingLinks
from stac_fastapi.pgstac.utils import clean_exclude_set, filter_fields
from stac_fastapi.types.errors import InvalidQueryParameter
from stac_fastapi.types.requests import get_base_url

from stac.api_counts import Counts
from stac.api_links import Link, paging
from stac.filters import CURRENT
from stac.finished import MEMBER, Finished
from stac.hydration import Base, base
from stac.served import BaseKey, FinishedRow, Renderer, Row

_PLAN = """
SELECT stac_search_to_where(s) AS matching,
  CASE WHEN s ? 'token' THEN get_token_filter(s->'sortby', t.item, t.prev, false, c) END AS beyond,
  CASE WHEN s ? 'sortby' THEN sort_sqlorderby(s, coalesce(t.prev, false), '{collection,id}', c) END AS ordering,
  s ? 'token' AS continued, coalesce(t.prev, false) AS backwards, search_limit(s) AS most,
  pg_current_snapshot()::text AS state
FROM (SELECT $1::text::jsonb AS s) AS asked, to_text_array(s->'collections') AS c, get_token_record(s->>'token') AS t
"""
# What pgSTAC sorts by unless told otherwise.
_NEWEST_FIRST = "datetime DESC, collection DESC, id DESC"
_OLDEST_FIRST = "datetime ASC, collection ASC, id ASC"
# The page first: to write out the JSON of all that match, only to sort them, costs more than all else. As bytes, since
# a text would be decoded, only to be encoded again. OFFSET has `private` read once.
_PAGE = f"""
SELECT id, collection, ST_AsGeoJSON(geometry, 20), convert_to(finished, 'UTF8'),
  CASE WHEN finished IS NULL THEN convert_to(content::text, 'UTF8') END
FROM (SELECT page.*, private->>'{MEMBER}' AS finished FROM (%s) AS page OFFSET 0) AS read
"""  # noqa: S608 - a constant of ours
_BASES = """
SELECT k.collection, k.tag, collection_base_item(k.collection, k.tag)::text
FROM unnest($1::text[], $2::int[]) AS k (collection, tag)
"""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows in the order asked for, how many match in all, and the tokens of the pages around this one."""

    rows: Sequence[Row | FinishedRow]
    matched: int
    following: str | None
    previous: str | None


async def search(asked: Any, request: Request, *, current: bool) -> dict[str, Any]:
    """The items that `asked`, a settled search, matches: a page of them, as GeoJSON.

    Items are JSON already, unless `asked` chooses among their fields. `current`: superseded ones do not match.
    """
    text = asked.model_dump_json(exclude_none=True, by_alias=True)
    try:
        async with request.app.state.get_connection(request, "r") as connection:
            page = await find(connection, text, request.app.state.counts, current=current)
            bases = await _bases(connection, {row.base for row in page.rows if isinstance(row, Row)})
    except InvalidDatetimeFormatError as error:
        raise InvalidQueryParameter(f"Datetime parameter {asked.datetime} is invalid.") from error
    items = _renderer(request).render(page.rows, bases)
    fields = getattr(asked, "fields", None)
    chosen = fields is not None and (fields.include or fields.exclude)
    links = PagingLinks(request=request, next=page.following, prev=page.previous)
    return {
        "type": "FeatureCollection",
        "features": [_cut(item, fields) if chosen else orjson.Fragment(item) for item in items],
        "links": paging(await links.get_links()),
        "numberReturned": len(page.rows),
        "numberMatched": page.matched,
    }


def _cut(text: bytes, fields: Any) -> dict[str, Any]:
    """An item of chosen fields, with its name and the links of every item unless they are excluded."""
    item: dict[str, Any] = orjson.loads(text)
    include, exclude = set(fields.include or ()), set(fields.exclude or ())
    if include:
        if "links" not in include:
            item["links"] = [link for link in item["links"] if link["rel"] in INFERRED_LINK_RELS]
        include |= {"id", "collection", "links"} - exclude
    cut: dict[str, Any] = filter_fields(item, include, clean_exclude_set(exclude, include))
    return cut


async def find(connection: Connection, asked: str, counts: Counts, *, current: bool) -> Page:
    """The page that a search, as JSON, asks for; `counts` are of earlier ones."""
    plan = await connection.fetchrow(_PLAN, asked)
    where = f"{plan['matching']} AND {CURRENT}" if current else plan["matching"]
    most, backwards = plan["most"], plan["backwards"]
    ordering = plan["ordering"] or (_OLDEST_FIRST if backwards else _NEWEST_FIRST)
    page = where if plan["beyond"] is None else f"{where} AND {plan['beyond']}"
    found = await connection.fetch(
        _PAGE % f"SELECT * FROM items WHERE {page} ORDER BY {ordering} LIMIT {most + 1:d}"  # noqa: S608 - of pgSTAC
    )
    rows = [_row(*row) for row in found[:most]]
    more = len(found) > len(rows)
    alone = not more and not plan["continued"]
    if backwards:
        rows.reverse()
    return Page(
        rows=rows,
        matched=len(rows) if alone else await counts.ask(connection, where, plan["state"]),
        following=_token(rows[-1]) if rows and (more or backwards) else None,
        previous=_token(rows[0]) if rows and (more if backwards else plan["continued"]) else None,
    )


def _row(
    item_id: str, collection: str, geometry: str, finished: bytes | None, content: bytes | None
) -> Row | FinishedRow:
    if finished is None:
        return Row.read(item_id, collection, geometry, content or b"{}")
    return FinishedRow(id=item_id, collection=collection, geometry=geometry, finished=Finished.read(finished))


def _token(row: Row | FinishedRow) -> str:
    """What pgSTAC's `page_token` makes of a row."""
    return f"{row.collection.encode().hex()}:{row.id.encode().hex()}"


async def _bases(connection: Connection, keys: Iterable[BaseKey]) -> Mapping[BaseKey, Base]:
    wanted = list(keys)
    if not wanted:
        return {}
    found = await connection.fetch(_BASES, [key[0] for key in wanted], [key[1] for key in wanted])
    return {(row[0], row[1]): base(row[2]) for row in found}


def _renderer(request: Request) -> Renderer:
    def inferred(collection: str, item_id: str) -> list[Link]:
        links: list[Link] = ItemLinks(collection_id=collection, item_id=item_id, request=request).create_links()
        return links

    return Renderer(
        base_url=get_base_url(request),
        public_url=request.app.state.public_url,
        inferred=inferred,
        leave=INFERRED_LINK_RELS,
    )
