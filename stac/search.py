"""The small parts of a search: token, text, coordinate system; each checked. Pure, no web framework."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from stac.errors import SearchError

_FILTER_CRS = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_LISTS = ("ids", "collections")
_TOKEN = re.compile(r"(next|prev):([0-9a-fA-F]{2})+:([0-9a-fA-F]{2})+")


def check_token(token: str | None) -> None:
    """Raise `SearchError` for a paging token that pgSTAC never handed out."""
    if token and not _TOKEN.fullmatch(token):
        raise SearchError(f"token {token[:80]!r} is none of ours: take it from a `next` or `prev` link")


def check_once(parameters: Iterable[tuple[str, str]]) -> None:
    """Raise `SearchError` for a parameter that comes twice, of which one would be ignored, and for lists of nothing."""
    seen: set[str] = set()
    for name, value in parameters:
        if name in seen:
            raise SearchError(f"parameter {name[:80]!r} comes twice: separate several values by commas")
        if name in _LISTS and not value.strip():
            raise SearchError(f"parameter {name!r} names nothing: leave it out")
        seen.add(name)


def check_text(value: Any) -> None:
    """Raise `SearchError` for text that a database cannot hold: NUL, or half a surrogate pair."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise SearchError(f"text that cannot be searched for: {value[:80]!a}")
    elif isinstance(value, Mapping):
        for pair in value.items():
            check_text(list(pair))
    elif isinstance(value, list | tuple):
        for part in value:
            check_text(part)


def check_crs(crs: str | None) -> None:
    """Raise `SearchError` for a `filter-crs` other than longitude and latitude."""
    if crs and crs != _FILTER_CRS:
        raise SearchError(f"filter-crs {crs[:80]!r} is not served: leave it out, or say {_FILTER_CRS}")
