"""What the operators of a filter are given: checked, and said so that pgSTAC answers what was asked. Pure.

pgSTAC takes an operand that it does not understand for one that is missing, and finds nothing; of places it takes the
first for the item's geometry, whatever it is; a number beside no property it takes for text.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from math import isfinite
from typing import Any

from stac.boxes import check_place, place
from stac.errors import SearchError
from stac.filters import Cql2, all_of
from stac.vocabulary import bare

type Operands = Sequence[Any]

_COMPARISONS = frozenset({"=", "<>", "!=", "<", "<=", ">", ">="})
_ARITHMETIC = frozenset("+-*/")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CONVERSE = {"s_within": "s_contains", "s_contains": "s_within"}
_OF_PLACES = ("type", "coordinates", "geometries", "bbox")
_MOMENTS = ("timestamp", "date")
_INSTANT = "T00:00:00Z"


def settled(filter_: Any) -> Any:
    """A filter as pgSTAC answers it; raises `SearchError` for operands of no sense, and where nothing is asked."""
    if filter_ and not (isinstance(filter_, Mapping) and "op" in filter_):
        raise SearchError(f"filter has to be a comparison, or several joined: {filter_!r:.80} is none")
    return _settled(filter_)


def _settled(expression: Any) -> Any:
    if not isinstance(expression, Mapping) or not isinstance(operator := expression.get("op"), str):
        return expression
    args = expression.get("args")
    if not isinstance(args, list):
        raise SearchError(f"operator {operator!r} in filter needs `args`, a list")
    operator = operator.lower()
    settle = _RULES.get(operator) or (_place if operator.startswith("s_") else _as_it_is)
    return settle(operator if operator in _RULES else expression["op"], [_settled(each) for each in args])


def _as_it_is(operator: str, args: Operands) -> Cql2:
    return {"op": operator, "args": list(args)}


def _comparison(operator: str, args: Operands) -> Cql2:
    left, right = _pair(operator, args)
    _check_values(operator, args)
    if _is_day(left):
        return _comparison(_MIRRORED.get(operator, operator), (right, left))
    if _is_day(right):
        return _against_day(operator, left, right["date"])
    if (flag := _flag(operator, left, right)) is not None:
        return flag
    return _as_it_is(operator, _as_numbers(args))


def _between(operator: str, args: Operands) -> Cql2:
    if len(args) != 3:  # noqa: PLR2004 - a value and two bounds
        raise SearchError("between in filter takes a value, a lower bound and an upper bound")
    _check_values(operator, args)
    if not any(map(_is_day, args)):
        return _as_it_is(operator, _as_numbers(args))
    value, low, high = args
    return all_of((_comparison(">=", (value, low)), _comparison("<=", (value, high))))


def _one_of(operator: str, args: Operands) -> Cql2:
    value, listed = _pair(operator, args)
    if not isinstance(listed, list) or not listed:
        raise SearchError("in in filter takes a value and a list of values, one at least")
    _check_values(operator, (value, *listed))
    if any(map(_is_day, listed)) or any(isinstance(each, bool) for each in listed):
        return {"op": "or", "args": [_comparison("=", (value, each)) for each in listed]}
    value, *numbers = _as_numbers((value, *listed))
    return _as_it_is(operator, (value, numbers))


def _calculation(operator: str, args: Operands) -> Cql2:
    _pair(operator, args)
    _check_values(operator, args)
    return _as_it_is(operator, args)


def _place(operator: str, args: Operands) -> Cql2:
    left, right = _pair(operator, args)
    name = operator.lower()
    if _is_geometry(right):
        left, right, name = right, left, _CONVERSE.get(name, name)
    if not _is_geometry(left) or not isinstance(right, Mapping) or not set(right) & set(_OF_PLACES):
        raise SearchError(f"{operator} in filter takes the property geometry, and GeoJSON or a bbox")
    if "bbox" in right:
        right = place(right["bbox"])
    check_place(right)
    return {"op": name, "args": [left, right]}


def _against_day(operator: str, value: Any, day: Any) -> Cql2:
    """A comparison with a whole day: before it, within it, after it."""
    try:
        first = date.fromisoformat(day)
        following = first + timedelta(days=1)
    except (TypeError, ValueError, OverflowError):
        raise SearchError(f"{str(day)[:80]!r} in filter is no day: expected such as 2025-01-31") from None

    def test(compare: str, moment: date) -> Cql2:
        return {"op": compare, "args": [value, {"timestamp": f"{moment.isoformat()}{_INSTANT}"}]}

    inside = all_of((test(">=", first), test("<", following)))
    return {
        "=": inside,
        "<": test("<", first),
        ">=": test(">=", first),
        "<=": test("<", following),
        ">": test(">=", following),
    }.get(operator) or {"op": "not", "args": [inside]}


def _flag(operator: str, left: Any, right: Any) -> Cql2 | None:
    """Whether something is superseded, which only those say that are; None for any other comparison."""
    value, other = (right, left) if isinstance(right, bool) else (left, right)
    if not isinstance(value, bool) or not isinstance(other, Mapping) or operator not in ("=", "<>", "!="):
        return None
    if bare(str(other.get("property"))) != "deprecated":
        return None
    current: Cql2 = {"op": "isNull", "args": [{"property": "deprecated"}]}
    return {"op": "not", "args": [current]} if value == (operator == "=") else current


def _pair(operator: str, args: Operands) -> tuple[Any, Any]:
    if len(args) != 2:  # noqa: PLR2004 - left and right
        raise SearchError(f"{operator} in filter takes two operands, not {len(args)}")
    return args[0], args[1]


def _check_values(operator: str, args: Operands) -> None:
    for each in args:
        known = isinstance(each, Mapping) and set(each) & {"op", "property", *_MOMENTS}
        if not known and not (isinstance(each, str | int) or (isinstance(each, float) and isfinite(each))):
            raise SearchError(
                f"{operator} in filter compares values, not {each!r:.80}; what is missing, `isNull` finds"
            )


def _is_day(operand: Any) -> bool:
    return isinstance(operand, Mapping) and "date" in operand


def _as_numbers(args: Operands) -> Operands:
    """Operands without a property among them, by whose type pgSTAC would read the others: numbers as calculations."""
    if any(isinstance(each, Mapping) and "property" in each for each in args):
        return args
    return [{"op": "+", "args": [each, 0]} if _is_number(each) else each for each in args]


def _is_number(operand: Any) -> bool:
    return isinstance(operand, int | float) and not isinstance(operand, bool)


def _is_geometry(operand: Any) -> bool:
    return isinstance(operand, Mapping) and bare(str(operand.get("property"))) == "geometry"


_RULES: Mapping[str, Callable[[str, Operands], Cql2]] = {
    **dict.fromkeys(_COMPARISONS, _comparison),
    **dict.fromkeys(_ARITHMETIC, _calculation),
    "between": _between,
    "in": _one_of,
}
