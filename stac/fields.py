"""A choice of fields, as the fields extension has it. Pure, no web framework."""

from collections.abc import Collection, Iterable

from stac.errors import SearchError
from stac.queryables import QUERYABLES
from stac.vocabulary import COLLECTION_MEMBERS, ITEM_MEMBERS, nearest

DEFAULT_FIELDS = frozenset(ITEM_MEMBERS) - {"stac_extensions", "properties"} | {"properties.datetime"}
"""What a choice of fields falls back on, by the fields extension."""
_LONGEST_FIELD = 200
_NESTED = ("properties", "assets", "geometry")


def check_fields(fields: Iterable[str] | None) -> None:
    """Raise `SearchError` for an empty name in `fields`, with or without a sign."""
    if any(not field.lstrip("+-").strip() for field in fields or ()):
        raise SearchError("fields has an empty name: expected the form id,properties.datetime,-geometry")


def check_collection_fields(fields: Iterable[str] | None) -> None:
    """Raise `SearchError`, naming the nearest, for a field, with or without sign, that no collection has."""
    check_fields(fields)
    for field in (each.lstrip("+-") for each in fields or ()):
        first, *below = field.split(".")
        if first not in COLLECTION_MEMBERS or (below and first == "links") or len(field) > _LONGEST_FIELD:
            raise SearchError(f"unknown field {field[:80]!r}: {nearest(first, COLLECTION_MEMBERS)}")


def check_members(fields: Iterable[str]) -> None:
    """Raise `SearchError`, naming the nearest, for a field (without sign) that is no part of an item."""
    check_fields(fields)
    for field in fields:
        first, *below = field.split(".")
        if len(field) > _LONGEST_FIELD or (below and first in ITEM_MEMBERS and first not in _NESTED):
            raise SearchError(f"field {field[:80]!r} is not to be chosen from: expected such as properties.datetime")
        if first not in ITEM_MEMBERS:
            meant = f"did you mean 'properties.{field}'?" if field in QUERYABLES else nearest(field, ITEM_MEMBERS)
            raise SearchError(f"unknown field {field!r}: {meant}")


def included(include: Collection[str], exclude: Collection[str], *, none_said: bool = False) -> set[str]:
    """The fields to include: what is chosen stays a Feature. `none_said`: `include` was given, and is empty."""
    if none_said and exclude:
        return set(DEFAULT_FIELDS - set(exclude))
    return set(include) | ({"type"} - set(exclude) if include else set())
