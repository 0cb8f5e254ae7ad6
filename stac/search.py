"""What a search asks for, checked and put into the one form that pgSTAC takes: CQL2. Pure, no web framework."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any

from stac.errors import StacError
from stac.queryables import QUERYABLES

type Cql2 = dict[str, Any]

ITEM_FIELDS = ("id", "collection", "geometry", "datetime", "end_datetime")
"""What pgSTAC keeps in columns, so that every item can be searched by it."""

CQL2_OPERATORS = (
    *("and", "or", "not", "=", "<>", "<", "<=", ">", ">=", "like", "between", "in", "isNull", "casei", "accenti"),
    *("+", "-", "*", "/"),
    *(
        f"s_{name}"
        for name in ["intersects", "equals", "disjoint", "touches", "within", "overlaps", "crosses", "contains"]
    ),
    *(
        f"t_{name}"
        for name in ["after", "before", "contains", "disjoint", "during", "equals", "intersects", "meets", "overlaps"]
    ),
    *(f"t_{name}" for name in ["finishedBy", "finishes", "metBy", "overlappedBy", "startedBy", "starts"]),
    *("a_equals", "a_contains", "a_overlaps"),
)
"""What pgSTAC makes SQL of."""

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
DEFAULT_FIELDS = frozenset(ITEM_MEMBERS) - {"stac_extensions", "properties"} | {"properties.datetime"}
"""What a choice of fields falls back on, by the fields extension."""
CURRENT = "to_text(content->'properties'->'deprecated') IS NULL"
"""SQL of what `current_only` asks for, as pgSTAC writes it: partial indexes rest on this very text."""

_KNOWN_OPERATORS = frozenset(name.lower() for name in CQL2_OPERATORS) | {"!=", "upper", "lower"}
_ANTIMERIDIAN = 180.0
_POLE = 90.0
_DEEPEST = 64
_DEEPEST_PARENTHESES = 20
_MOST_OPERATORS = 500
_MOST_ARITHMETIC = 40
_LONGEST_FIELD = 200
_FILTER_CRS = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_NESTED = ("properties", "assets", "geometry")
# Of CQL2 as text: quoted parts, and geometries, which are of numbers only.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_GEOMETRY = re.compile(r"\b(?:MULTI)?(?:POINT|LINESTRING|POLYGON)\s*Z?\s*\([-+0-9eE.,()\s]*\)", re.IGNORECASE)
_NEGATIONS = re.compile(r"(?:\bNOT\s+){8}", re.IGNORECASE)
_ARITHMETIC = re.compile(r"[-+*/^%]|\bdiv\b", re.IGNORECASE)
_TOKEN = re.compile(r"(next|prev):([0-9a-fA-F]{2})+:([0-9a-fA-F]{2})+")


class SearchError(StacError, ValueError):
    """A search that cannot be answered as it was asked; the message says why."""


def query_to_cql2(query: Any) -> Cql2:
    """The STAC query extension's `{property: {operator: value}}` as CQL2; raises `SearchError`."""
    if not isinstance(query, Mapping) or not all(isinstance(tests, Mapping) for tests in query.values()):
        raise SearchError('query has to be a JSON object such as {"eo:cloud_cover": {"lt": 20}}')
    return all_of(_comparison(name, op, value) for name, tests in query.items() for op, value in tests.items())


def all_of(expressions: Iterable[Cql2 | None]) -> Cql2:
    """The conjunction of those expressions that are not None."""
    terms = [expression for expression in expressions if expression]
    return terms[0] if len(terms) == 1 else {"op": "and", "args": terms} if terms else {}


def current_only(filter_: Cql2 | None) -> Cql2 | None:
    """`filter_`, and not superseded; as it is, if it asks for `deprecated` itself."""
    if filter_ and "deprecated" in map(_bare, properties(filter_)):
        return filter_
    return all_of((filter_, {"op": "isNull", "args": [{"property": "deprecated"}]}))


def properties(expression: Any) -> Iterator[str]:
    """Names of the properties that a CQL2 expression mentions."""
    return _texts(expression, "property")


def _operators(expression: Any) -> Iterator[str]:
    return _texts(expression, "op")


def _texts(expression: Any, name: str) -> Iterator[str]:
    """What the objects of an expression have under `name`, where that is text."""
    return (text for part in _objects(expression) if isinstance(text := part.get(name), str))


def _odd(expression: Any) -> Iterator[Any]:
    """Parts of an expression that look like CQL2 and are none: functions of old, properties without a name."""
    for part in _objects(expression):
        if "function" in part or not isinstance(part.get("property", ""), str):
            yield part


def _objects(expression: Any) -> Iterator[Mapping[str, Any]]:
    """Every JSON object in an expression, the outer ones first."""
    if isinstance(expression, Mapping):
        yield expression
        for value in expression.values():
            yield from _objects(value)
    elif isinstance(expression, list):
        for value in expression:
            yield from _objects(value)


def check_properties(names: Iterable[str], where: str) -> None:
    """Raise `SearchError`, naming the nearest, for a name by which no item can be searched."""
    known = (*QUERYABLES, *ITEM_FIELDS)
    for name in names:
        if _bare(name) not in known:
            raise SearchError(
                f"unknown property {name!r} in {where}: {nearest(_bare(name), known, 'see /queryables for the names')}"
            )


def check_collection_properties(names: Iterable[str], where: str) -> None:
    """Raise `SearchError`, naming the nearest, for a name by which no collection can be searched."""
    for name in names:
        if name.split(".")[0] not in COLLECTION_FIELDS:
            raise SearchError(f"unknown property {name!r} in {where}: {nearest(name, COLLECTION_FIELDS)}")


def check_operators(expression: Any) -> None:
    """Raise `SearchError`, naming the nearest, for an operator or function of CQL2 that the catalogue does not know."""
    if odd := next(_odd(expression), None):
        raise SearchError(f"{str(odd)[:80]} makes no sense in filter")
    for operator in _operators(expression):
        if operator.lower() not in _KNOWN_OPERATORS:
            raise SearchError(f"unknown operator {operator!r} in filter: {nearest(operator, CQL2_OPERATORS)}")


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


def check_token(token: str | None) -> None:
    """Raise `SearchError` for a paging token that pgSTAC never handed out."""
    if token and not _TOKEN.fullmatch(token):
        raise SearchError(f"token {token[:80]!r} is none of ours: take it from a `next` or `prev` link")


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


def check_shape(document: Any) -> None:
    """Raise `SearchError` for JSON of more levels or operators than a search needs: they would cost minutes."""
    operators, left = 0, [(document, 1)]
    while left:
        value, depth = left.pop()
        if depth > _DEEPEST:
            raise SearchError(f"more than {_DEEPEST} levels of brackets: say it with fewer")
        if isinstance(value, Mapping):
            operators += "op" in value
            left.extend((each, depth + 1) for each in value.values())
        elif isinstance(value, list):
            left.extend((each, depth + 1) for each in value)
    if operators > _MOST_OPERATORS:
        raise SearchError(f"more than {_MOST_OPERATORS} operators in filter: list values with the operator in")


def check_filter_text(text: str) -> None:
    """Raise `SearchError` for what a parser of CQL2 or JSON would take too long, or too many levels of its stack, for.

    The `cql2` library parses by recursion: some thousand parentheses end the process.
    """
    bare = _GEOMETRY.sub("", _QUOTED.sub("", text))
    depths = {"(": 0, "[": 0}
    for letter in bare:
        kind = "(" if letter in "()" else "["
        if letter in "([{":
            depths[kind] += 1
            if depths["("] > _DEEPEST_PARENTHESES or depths["["] > _DEEPEST:
                raise SearchError("too many brackets within brackets: say it with fewer")
        elif letter in ")]}":
            depths[kind] -= 1
    if _NEGATIONS.search(bare) or len(_ARITHMETIC.findall(bare)) > _MOST_ARITHMETIC:
        raise SearchError("too many negations or calculations: say it with fewer")


def check_numbers(bbox: Any) -> None:
    """Raise `SearchError` for a bounding box of a body that is given and no list of numbers."""
    if bbox is not None and not (
        isinstance(bbox, list) and all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in bbox)
    ):
        raise SearchError("bbox has to be a list of numbers: [west, south, east, north]")


def in_halves(halves: dict[str, Any] | None) -> Cql2 | None:
    """A filter for what intersects the halves of a bounding box."""
    return {"op": "s_intersects", "args": [{"property": "geometry"}, halves]} if halves else None


def across_antimeridian(bbox: Iterable[float] | None) -> dict[str, Any] | None:
    """The two halves of a bounding box whose west lies east of its east, as a MultiPolygon; None for any other.

    Raises `SearchError` for edges that are no numbers, or no place on earth.
    """
    edges = [float(edge) for edge in bbox or ()]
    if not edges:
        return None
    if not all(map(isfinite, edges)):
        raise SearchError("bbox has to be numbers: west,south,east,north")
    if len(edges) not in (4, 6):
        raise SearchError("bbox has to be four numbers, or six: west,south,east,north")
    middle = len(edges) // 2
    west, south, east, north = edges[0], edges[1], edges[middle], edges[middle + 1]
    if max(abs(west), abs(east)) > _ANTIMERIDIAN or max(abs(south), abs(north)) > _POLE:
        raise SearchError("bbox lies beyond the earth: longitudes are -180 to 180, latitudes -90 to 90")
    if south > north:
        raise SearchError("bbox has its south north of its north: expected west,south,east,north")
    if west <= east:
        return None
    halves = ((west, _ANTIMERIDIAN), (-_ANTIMERIDIAN, east))
    return {
        "type": "MultiPolygon",
        "coordinates": [[_ring(left, south, right, north)] for left, right in halves],
    }


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _bare(name: str) -> str:
    return name.removeprefix("properties.")


def _comparison(name: str, operator: str, value: Any) -> Cql2:
    try:
        build = _OPERATORS[operator]
    except KeyError:
        raise SearchError(f"unknown operator {operator!r} in query: choose from {', '.join(_OPERATORS)}") from None
    if not all(map(_is_plain, value if isinstance(value, list) else [value])):
        raise SearchError(f"{name}: {operator} compares with text, a number or true and false, not with {value!r:.80}")
    return build({"property": name}, value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))


def _binary(op: str) -> Callable[[Cql2, Any], Cql2]:
    return lambda prop, value: {"op": op, "args": [prop, value]}


def _like(pattern: str) -> Callable[[Cql2, Any], Cql2]:
    def build(prop: Cql2, value: Any) -> Cql2:
        if not isinstance(value, str):
            raise SearchError(f"{prop['property']}: text is compared with text, not with {value!r}")
        literal = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return {"op": "like", "args": [prop, pattern.format(literal)]}

    return build


def _one_of(prop: Cql2, value: Any) -> Cql2:
    if not isinstance(value, list) or not value:
        raise SearchError(f"{prop['property']}: operator 'in' takes a list of values")
    return {"op": "in", "args": [prop, value]}


_OPERATORS: Mapping[str, Callable[[Cql2, Any], Cql2]] = {
    "eq": _binary("="),
    "ne": _binary("<>"),
    "neq": _binary("<>"),
    "lt": _binary("<"),
    "lte": _binary("<="),
    "gt": _binary(">"),
    "gte": _binary(">="),
    "startsWith": _like("{}%"),
    "endsWith": _like("%{}"),
    "contains": _like("%{}%"),
    "in": _one_of,
}
QUERY_OPERATORS = tuple(_OPERATORS)
