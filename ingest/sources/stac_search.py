"""Searching a STAC API, page by page; its answers are checked, its links followed only at its own address."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import httpx

from ingest.sources.errors import PassingError, RefusedError
from ingest.sources.query import Query
from ingest.sources.web import Web

type Item = dict[str, Any]

_PAGE = 100
_PAGES = 1000
_DATATAKE = timedelta(hours=1)


def search(web: Web, root: str, body: Mapping[str, Any]) -> Iterator[Item]:
    """All items that a search finds; raises `SourceError`."""
    url, method = f"{root.rstrip('/')}/search", "POST"
    content: dict[str, Any] = {**body, "limit": _PAGE}
    for _ in range(_PAGES):
        page = web.json(method, url, json=content) if method == "POST" else web.json(method, url)
        features = page.get("features") if isinstance(page, dict) else None
        if not isinstance(features, list):
            raise PassingError(f"{web.name}: a search was answered without features")
        yield from (feature for feature in features if is_item(feature))
        link = next(
            (one for one in page.get("links") or () if isinstance(one, dict) and one.get("rel") == "next"), None
        )
        if link is None or not features:
            return
        url, method = _own(web, root, link.get("href")), str(link.get("method", "GET")).upper()
        new = link.get("body")
        content = {**(content if link.get("merge") else {}), **(new if isinstance(new, dict) else {})}
    raise RefusedError(f"{web.name}: a search has more than {_PAGES} pages: ask for less at once")


def item(web: Web, root: str, href: str) -> Item:
    """One item; raises `WithdrawnError` where it is gone."""
    found = web.json("GET", _own(web, root, href))
    if not is_item(found):
        raise RefusedError(f"{web.name}: {href} is no STAC item")
    return dict(found)


def is_item(value: Any) -> bool:
    """Whether a JSON value has the parts of an item that we go through."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("id"), str)
        and isinstance(value.get("properties"), dict)
        and isinstance(value.get("assets"), dict)
        and all(isinstance(asset, dict) for asset in value["assets"].values())
    )


def period(query: Query) -> str:
    """The query's period as STAC writes it, an hour longer: a tile is sensed some minutes after its datatake began.

    The exact period is checked by the product's name, which has the datatake's start.
    """
    return f"{query.start:%Y-%m-%dT%H:%M:%SZ}/{query.end + _DATATAKE:%Y-%m-%dT%H:%M:%SZ}"


def _own(web: Web, root: str, href: Any) -> str:
    """An address of the API itself; anything else a page names raises `RefusedError`."""
    base = httpx.URL(root)
    try:
        url = base.join(href)
    except (httpx.InvalidURL, TypeError) as error:
        raise RefusedError(f"{web.name}: {href!r} is no address") from error
    if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
        raise RefusedError(f"{web.name}: a page leads to {url.host}, away from {base.host}: refused")
    return str(url)
