"""The names that a search may use, and the nearest one for any other. Pure, no web framework."""

from collections.abc import Iterable
from difflib import get_close_matches

from stac.errors import SearchError
from stac.queryables import QUERYABLES

ITEM_FIELDS = ("id", "collection", "geometry", "datetime", "end_datetime")
"""What pgSTAC keeps in columns, so that every item can be searched by it."""
ITEM_MEMBERS = (
    *("type", "stac_version", "stac_extensions", "id", "collection", "geometry", "bbox", "links", "assets"),
    "properties",
)
"""What an item consists of."""
COLLECTION_MEMBERS = (
    *("type", "stac_version", "stac_extensions", "id", "title", "description", "keywords", "license", "providers"),
    *("extent", "summaries", "assets", "item_assets", "bands", "renders", "links", "attribution"),
)
"""What a collection consists of."""
COLLECTION_FIELDS = (*COLLECTION_MEMBERS, "datetime", "end_datetime", "geometry")
"""What collections can be searched by."""


def check_properties(names: Iterable[str], where: str) -> None:
    """Raise `SearchError`, naming the nearest, for a name by which no item can be searched."""
    known = (*QUERYABLES, *ITEM_FIELDS)
    for name in names:
        if bare(name) not in known:
            raise SearchError(
                f"unknown property {name!r} in {where}: {nearest(bare(name), known, 'see /queryables for the names')}"
            )


def check_collection_properties(names: Iterable[str], where: str) -> None:
    """Raise `SearchError`, naming the nearest, for a name by which no collection can be searched."""
    for name in names:
        if name.split(".")[0] not in COLLECTION_FIELDS:
            raise SearchError(f"unknown property {name!r} in {where}: {nearest(name, COLLECTION_FIELDS)}")


def check_parameters(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise `SearchError`, naming the nearest, for a parameter that an endpoint does not have."""
    all_known = sorted(known)
    for name in names:
        if name not in all_known:
            raise SearchError(f"unknown parameter {name!r}: {nearest(name, all_known)}")


def nearest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """What to tell someone who wrote `name`: the one of `known` that was meant, or else all of them."""
    choices = list(known)
    near = get_close_matches(name, choices, n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise or f"choose from {', '.join(choices)}"


def bare(name: str) -> str:
    """A property without the prefix that some clients write."""
    return name.removeprefix("properties.")
