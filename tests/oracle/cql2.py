"""CQL2 and the rest of an item search evaluated over items in memory: an oracle that knows nothing of SQL.

An expression is True, False or None, which is `unknown`: a comparison with a value that an item does not have.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cmp_to_key
from typing import Any

import shapely
from shapely.geometry import shape

type Item = Mapping[str, Any]
type Span = tuple[datetime, datetime]

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
TIMES = frozenset({"datetime", "end_datetime", "processing:datetime"})
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_SPATIAL = {
    "s_intersects": shapely.intersects,
    "s_disjoint": shapely.disjoint,
    "s_within": shapely.within,
    "s_contains": shapely.contains,
    "s_touches": shapely.touches,
    "s_overlaps": shapely.overlaps,
    "s_crosses": shapely.crosses,
    "s_equals": shapely.equals,
}
# Of the CQL2 standard: a and b are closed intervals.
_TEMPORAL: Mapping[str, Callable[[Span, Span], bool]] = {
    "t_after": lambda a, b: a[0] > b[1],
    "t_before": lambda a, b: a[1] < b[0],
    "t_contains": lambda a, b: a[0] < b[0] and a[1] > b[1],
    "t_disjoint": lambda a, b: a[1] < b[0] or a[0] > b[1],
    "t_during": lambda a, b: a[0] > b[0] and a[1] < b[1],
    "t_equals": lambda a, b: a == b,
    "t_finishedby": lambda a, b: a[0] < b[0] and a[1] == b[1],
    "t_finishes": lambda a, b: a[0] > b[0] and a[1] == b[1],
    "t_intersects": lambda a, b: a[0] <= b[1] and a[1] >= b[0],
    "t_meets": lambda a, b: a[1] == b[0],
    "t_metby": lambda a, b: a[0] == b[1],
    "t_overlappedby": lambda a, b: b[0] < a[0] < b[1] < a[1],
    "t_overlaps": lambda a, b: a[0] < b[0] < a[1] < b[1],
    "t_startedby": lambda a, b: a[0] == b[0] and a[1] > b[1],
    "t_starts": lambda a, b: a[0] == b[0] and a[1] < b[1],
}


def instant(text: str) -> datetime:
    """RFC 3339 as a time."""
    return datetime.fromisoformat(text.upper())


def day(text: str) -> Span:
    """The whole of a day."""
    first = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    return first, first + timedelta(days=1) - timedelta(microseconds=1)


def value(item: Item, name: str) -> Any:
    """What an item has under a property's name; None: it has none. Who is not superseded is not."""
    name = name.removeprefix("properties.")
    properties = item["properties"]
    if name in ("id", "collection"):
        return item[name]
    if name == "geometry":
        return shape(item["geometry"])
    if name == "datetime":
        return instant(properties.get("datetime") or properties["start_datetime"])
    if name == "end_datetime":
        return instant(properties.get("end_datetime") or properties["datetime"])
    if name == "deprecated":
        return properties.get(name, False)
    found = properties.get(name)
    return instant(found) if found is not None and name in TIMES else found


def holds(expression: Mapping[str, Any], item: Item) -> bool | None:
    """Whether an expression holds for an item; None: unknown."""
    op, args = expression["op"], expression["args"]
    name = op.lower()
    if name in ("and", "or"):
        return _joined(name, [holds(each, item) for each in args])
    if name == "not":
        inner = holds(args[0], item)
        return None if inner is None else not inner
    return _test(op, args, item)


def _test(op: str, args: Any, item: Item) -> bool | None:
    name = op.lower()
    if name == "isnull":
        return _operand(args[0], item) is None
    if name == "in":
        return _joined("or", [_compared("=", args[0], each, item) for each in args[1]])
    if name == "between":
        return _joined("and", [_compared(">=", *args[:2], item), _compared("<=", args[0], args[2], item)])
    if name == "like":
        return _like(_operand(args[0], item), _operand(args[1], item))
    return _of_kind(op, args, item)


def _of_kind(op: str, args: Any, item: Item) -> bool | None:
    name = op.lower()
    if name.startswith("t_"):
        one, other = (_span(each, item) for each in args)
        return None if one is None or other is None else _TEMPORAL[name](one, other)
    if name.startswith("s_"):
        return bool(_SPATIAL[name](*(_geometry(each, item) for each in args)))
    return _compared(op, *args, item)


def _joined(name: str, parts: Sequence[bool | None]) -> bool | None:
    decided = name == "or"
    if decided in parts:
        return decided
    return None if None in parts else not decided


def _compared(op: str, left: Any, right: Any, item: Item) -> bool | None:
    for one, other, turned in ((left, right, op), (right, left, op.translate(str.maketrans("<>", "><")))):
        if isinstance(other, Mapping) and "date" in other:
            return _against_day("<>" if op == "<>" else turned, _operand(one, item), day(other["date"]))
    one, other = _operand(left, item), _operand(right, item)
    if one is None or other is None:
        return None
    if isinstance(one, datetime) != isinstance(other, datetime):
        one, other = (each if isinstance(each, datetime) else instant(each) for each in (one, other))
    return _COMPARE[op](one, other)


def _against_day(op: str, time: datetime | None, span: Span) -> bool | None:
    if time is None:
        return None
    inside = span[0] <= time <= span[1]
    return {
        "=": inside,
        "<>": not inside,
        "<": time < span[0],
        "<=": time <= span[1],
        ">": time > span[1],
        ">=": time >= span[0],
    }[op]


def _operand(part: Any, item: Item) -> Any:
    if not isinstance(part, Mapping):
        return part
    if "property" in part:
        return value(item, part["property"])
    if "timestamp" in part:
        return instant(part["timestamp"])
    args = [_operand(each, item) for each in part["args"]]
    if None in args:
        return None
    return args[0].upper() if part["op"] == "casei" else _ARITHMETIC[part["op"]](*args)


def _like(text: str | None, pattern: str | None) -> bool | None:
    if text is None or pattern is None:
        return None
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    regex = "".join(wild.get(part) or re.escape(part.removeprefix("\\") or "\\") for part in parts)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def _span(part: Any, item: Item) -> Span | None:
    if "interval" in part:
        low, high = part["interval"]
        ends = [None if each in ("..", "") else _span(each, item) for each in (low, high)]
        return (ends[0][0] if ends[0] else FIRST), (ends[1][1] if ends[1] else LAST)
    if isinstance(part, str):
        return day(part) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", part) else (instant(part),) * 2
    if "date" in part:
        return day(part["date"])
    time = _operand(part, item)
    return None if time is None else (time, time)


def _geometry(part: Any, item: Item) -> Any:
    if "property" in part:
        return value(item, part["property"])
    return _boxed(part["bbox"]) if "bbox" in part else shape(part)


def _boxed(bbox: Sequence[float]) -> Any:
    middle = len(bbox) // 2
    west, south, east, north = bbox[0], bbox[1], bbox[middle], bbox[middle + 1]
    parts = [(west, east)] if west <= east else [(west, 180), (-180, east)]
    return shapely.union_all([_rectangle(low, south, high, north) for low, high in parts])


def _rectangle(west: float, south: float, east: float, north: float) -> Any:
    """A box, or the line or point that it has shrunk to."""
    return shapely.MultiPoint([(x, y) for x in (west, east) for y in (south, north)]).convex_hull


def found(search: Mapping[str, Any], items: Sequence[Item]) -> list[Item]:
    """The items that a search by POST matches, in the order it asks for."""
    return ordered([item for item in items if _matches(search, item)], search.get("sortby") or [])


def _matches(search: Mapping[str, Any], item: Item) -> bool:
    filter_ = search.get("filter")
    return all(
        (
            item["id"] in search["ids"] if "ids" in search else True,
            item["collection"] in search["collections"] if "collections" in search else True,
            shapely.intersects(value(item, "geometry"), _boxed(search["bbox"])) if "bbox" in search else True,
            shapely.intersects(value(item, "geometry"), shape(search["intersects"]))
            if "intersects" in search
            else True,
            _in_time(search["datetime"], item) if "datetime" in search else True,
            holds(filter_, item) is True if filter_ else True,
            search.get("ids") or "deprecated" in str(filter_) or not value(item, "deprecated"),
        )
    )


def _in_time(text: str, item: Item) -> bool:
    low, _, high = text.partition("/")
    high = high if "/" in text else low
    start = FIRST if low in ("", "..") else instant(low)
    end = LAST if high in ("", "..") else instant(high)
    return value(item, "datetime") <= end and value(item, "end_datetime") >= start


def ordered(items: Sequence[Item], sortby: Sequence[Mapping[str, str]]) -> list[Item]:
    """Items in order: what is missing comes as if it were the largest, ties by collection and id."""
    keys = [(key["field"].removeprefix("properties."), key.get("direction", "asc")) for key in sortby]
    keys = keys or [("datetime", "desc")]
    keys += [(name, keys[0][1]) for name in ("collection", "id") if name not in dict(keys)]

    def compare(one: Item, other: Item) -> int:
        for name, direction in keys:
            a, b = value(one, name), value(other, name)
            order = (a is None) - (b is None) if a is None or b is None else (a > b) - (a < b)
            if order:
                return -order if direction == "desc" else order
        return 0

    return sorted(items, key=cmp_to_key(compare))
