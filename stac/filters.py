"""Filters: what the query extension asks as CQL2, and what of CQL2 is understood. Pure, no web framework."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from stac.errors import SearchError
from stac.vocabulary import bare, nearest

type Cql2 = dict[str, Any]
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
    if filter_ and "deprecated" in map(bare, properties(filter_)):
        return filter_
    return all_of((filter_, {"op": "isNull", "args": [{"property": "deprecated"}]}))


def properties(expression: Any) -> Iterator[str]:
    """Names of the properties that a CQL2 expression mentions."""
    return _texts(expression, "property")


def check_operators(expression: Any) -> None:
    """Raise `SearchError`, naming the nearest, for an operator or function of CQL2 that the catalogue does not know."""
    if odd := next(_odd(expression), None):
        raise SearchError(f"{str(odd)[:80]} makes no sense in filter")
    for operator in _operators(expression):
        if operator.lower() not in _KNOWN_OPERATORS:
            raise SearchError(f"unknown operator {operator!r} in filter: {nearest(operator, CQL2_OPERATORS)}")


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
