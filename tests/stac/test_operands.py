from __future__ import annotations

from typing import Any

import pytest

from stac.errors import SearchError
from stac.operands import settled

GSD, TIME, PLACE = ({"property": name} for name in ("gsd", "datetime", "geometry"))
YES, NO = True, False
POINT = {"type": "Point", "coordinates": [105, 12]}
CURRENT = {"op": "isNull", "args": [{"property": "deprecated"}]}
MORNING = {"timestamp": "2025-01-31T00:00:00Z"}
NEXT = {"timestamp": "2025-02-01T00:00:00Z"}


def call(op: str, *args: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args)}


def test_what_is_understood_stays_as_it_is() -> None:
    for filter_ in (
        call("<", GSD, 20),
        call("not", call("in", GSD, [10, 20])),
        call("or", call("like", {"property": "id"}, "S2A%"), call("between", GSD, 1, 2)),
        call("t_during", TIME, {"interval": ["..", "2025-01-31"]}),
        call("s_within", PLACE, POINT),
    ):
        assert settled(filter_) == filter_


def test_a_day_is_a_whole_day_on_either_side() -> None:
    day, inside = {"date": "2025-01-31"}, call("and", call(">=", TIME, MORNING), call("<", TIME, NEXT))
    assert settled(call("<", TIME, day)) == call("<", TIME, MORNING)
    assert settled(call("<=", TIME, day)) == settled(call(">=", day, TIME)) == call("<", TIME, NEXT)
    assert settled(call(">", TIME, day)) == call(">=", TIME, NEXT)
    assert settled(call("=", day, TIME)) == inside
    assert settled(call("<>", TIME, day)) == call("not", inside)
    assert settled(call("between", TIME, day, day)) == inside
    assert settled(call("in", TIME, [day])) == call("or", inside)


def test_who_is_not_superseded_does_not_say_so() -> None:
    flag = {"property": "properties.deprecated"}
    assert settled(call("=", flag, NO)) == settled(call("<>", YES, flag)) == CURRENT
    assert settled(call("=", flag, YES)) == call("not", CURRENT)
    assert settled(call("in", flag, [True, False])) == call("or", call("not", CURRENT), CURRENT)


def test_a_number_beside_no_property_is_a_number() -> None:
    total = call("*", call("+", GSD, 1), 2)
    assert settled(call("<", total, 5)) == call("<", total, call("+", 5, 0))
    assert settled(call("<", 5, 10)) == call("<", call("+", 5, 0), call("+", 10, 0))
    assert settled(call("<", total, GSD)) == call("<", total, GSD)


def test_a_place_may_stand_first() -> None:
    assert settled(call("S_WITHIN", POINT, PLACE)) == call("s_contains", PLACE, POINT)
    assert settled(call("s_touches", POINT, PLACE)) == call("s_touches", PLACE, POINT)


@pytest.mark.parametrize(
    ("bbox", "kind"),
    [
        ([0, 0, 1, 1], "Polygon"),
        ([0, 0, -9, 1, 1, 9], "Polygon"),
        ([170, 0, -170, 1], "MultiPolygon"),
        ([0, 0, 0, 0], "Point"),
        ([0, 0, 1, 0], "LineString"),
        ([180, 0, -180, 1], "MultiLineString"),
        ([180, 0, -180, 0], "MultiPoint"),
        ([180, 0, -170, 1], "GeometryCollection"),
    ],
)
def test_a_box_is_a_place(bbox: list[float], kind: str) -> None:
    assert settled(call("s_intersects", PLACE, {"bbox": bbox}))["args"][1]["type"] == kind


@pytest.mark.parametrize(
    "filter_",
    [
        {"lt": [GSD, 5]},
        {"property": "deprecated"},
        {"op": "="},
        call("=", GSD, [1]),
        call("=", GSD, float("nan")),
        call("s_within", POINT, POINT),
    ],
)
def test_what_makes_no_sense_is_refused(filter_: Any) -> None:
    with pytest.raises(SearchError, match="filter"):
        settled(filter_)
