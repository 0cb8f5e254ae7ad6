"""What a search asks for, checked and put into the one form that pgSTAC takes: CQL2. Pure, no web framework."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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

CURRENT = "to_text(content->'properties'->'deprecated') IS NULL"
"""SQL of what `current_only` asks for, as pgSTAC writes it: partial indexes rest on this very text."""

_KNOWN_OPERATORS = frozenset(name.lower() for name in CQL2_OPERATORS) | {"!=", "upper", "lower"}
_ANTIMERIDIAN = 180.0
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
    if isinstance(expression, Mapping):
        name = expression.get("property")
        if isinstance(name, str):
            yield name
        for value in expression.values():
            yield from properties(value)
    elif isinstance(expression, list):
        for value in expression:
            yield from properties(value)


def _operators(expression: Any) -> Iterator[str]:
    if isinstance(expression, Mapping):
        operator = expression.get("op")
        if isinstance(operator, str):
            yield operator
        for value in expression.values():
            yield from _operators(value)
    elif isinstance(expression, list):
        for value in expression:
            yield from _operators(value)


def check_properties(names: Iterable[str], where: str) -> None:
    """Raise `SearchError`, naming the nearest, for a name by which no item can be searched."""
    known = (*QUERYABLES, *ITEM_FIELDS)
    for name in names:
        if _bare(name) not in known:
            raise SearchError(
                f"unknown property {name!r} in {where}: {nearest(_bare(name), known, 'see /queryables for the names')}"
            )


def check_operators(expression: Any) -> None:
    """Raise `SearchError`, naming the nearest, for an operator or function of CQL2 that the catalogue does not know."""
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


def across_antimeridian(bbox: Iterable[float] | None) -> dict[str, Any] | None:
    """The two halves of a bounding box whose west lies east of its east, as a MultiPolygon; None for any other.

    Raises `SearchError` for edges that are no numbers.
    """
    edges = [float(edge) for edge in bbox or ()]
    if not edges:
        return None
    if not all(map(isfinite, edges)):
        raise SearchError("bbox has to be numbers: west,south,east,north")
    middle = len(edges) // 2
    west, south, east, north = edges[0], edges[1], edges[middle], edges[middle + 1]
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
    return build({"property": name}, value)


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
