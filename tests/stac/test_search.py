from __future__ import annotations

from typing import Any

import pytest

from stac.boxes import no_rectangle
from stac.complexity import check_filter_text, check_shape
from stac.errors import SearchError
from stac.fields import DEFAULT_FIELDS, check_fields, check_members, included
from stac.filters import current_only, properties, query_to_cql2
from stac.problems import database_problem, problem
from stac.queryables import INDEXED, QUERYABLES
from stac.search import check_text, check_token
from stac.vocabulary import check_properties

NOT_DEPRECATED = {"op": "isNull", "args": [{"property": "deprecated"}]}


@pytest.mark.parametrize(
    ("query", "filter_"),
    [
        ({"gsd": {"eq": 10}}, {"op": "=", "args": [{"property": "gsd"}, 10]}),
        ({"gsd": {"neq": 10}}, {"op": "<>", "args": [{"property": "gsd"}, 10]}),
        ({"platform": {"startsWith": "a_b%"}}, {"op": "like", "args": [{"property": "platform"}, "a\\_b\\%%"]}),
        ({"platform": {"endsWith": "2a"}}, {"op": "like", "args": [{"property": "platform"}, "%2a"]}),
        ({"platform": {"contains": "tin"}}, {"op": "like", "args": [{"property": "platform"}, "%tin%"]}),
        ({"gsd": {"in": [10, 20]}}, {"op": "in", "args": [{"property": "gsd"}, [10, 20]]}),
        (
            {"gsd": {"gt": 1, "lte": 9}},
            {
                "op": "and",
                "args": [
                    {"op": ">", "args": [{"property": "gsd"}, 1]},
                    {"op": "<=", "args": [{"property": "gsd"}, 9]},
                ],
            },
        ),
        ({}, {}),
    ],
)
def test_a_query_is_a_filter(query: dict[str, Any], filter_: dict[str, Any]) -> None:
    assert query_to_cql2(query) == filter_


@pytest.mark.parametrize(
    "query", [[1], "x", {"gsd": 5}, {"gsd": {"near": 5}}, {"gsd": {"in": 5}}, {"gsd": {"startsWith": 5}}]
)
def test_a_query_of_no_sense_is_refused(query: Any) -> None:
    with pytest.raises(SearchError):
        query_to_cql2(query)


def test_superseded_items_are_left_out_unless_asked_for() -> None:
    cloudless = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 5]}
    asked = {"op": "=", "args": [{"property": "properties.deprecated"}, True]}

    assert current_only(None) == NOT_DEPRECATED
    assert current_only(cloudless) == {"op": "and", "args": [cloudless, NOT_DEPRECATED]}
    assert current_only(asked) == asked


def test_the_properties_of_a_filter_are_found_at_any_depth() -> None:
    nested = {"op": "not", "args": [{"op": "in", "args": [{"property": "a"}, [1, {"property": "b"}]]}]}

    assert list(properties(nested)) == ["a", "b"]


def test_an_unknown_property_is_refused_with_the_nearest() -> None:
    check_properties(["datetime", "properties.eo:cloud_cover", "id", "sen2extract:lossy"], "filter")
    with pytest.raises(SearchError, match="did you mean 'eo:cloud_cover'"):
        check_properties(["eo:cloudcover"], "filter")


def test_a_box_across_the_antimeridian_becomes_two() -> None:
    halves = no_rectangle((170, -10, -175, 10))

    assert halves is not None
    assert [[min(x for x, _ in ring), max(x for x, _ in ring)] for (ring,) in halves["coordinates"]] == [
        [170, 180],
        [-180, -175],
    ]
    assert no_rectangle((170, -10, 0, -175, 10, 100)) == halves
    assert no_rectangle((1, 2, 3, 4)) is None
    assert no_rectangle(None) is None


@pytest.mark.parametrize("edge", [float("nan"), float("inf")])
def test_a_box_of_no_numbers_is_refused(edge: float) -> None:
    with pytest.raises(SearchError, match="bbox"):
        no_rectangle((edge, 0, 1, 1))


WKT = "S_INTERSECTS(geometry, POLYGON((" + "-60.5 -3.1, " * 500 + "-60.5 -3.1)))"


@pytest.mark.parametrize(
    "text",
    [
        "eo:cloud_cover < 20 AND NOT (platform = 'sentinel-2a' OR platform = 'sentinel-2b')",
        WKT,
        "id = '((((((((((((((((((((((((((((((((((('",
        "id IN (" + ", ".join(f"'S2A-{number}'" for number in range(1000)) + ")",
        '{"op":"and","args":[{"op":"=","args":[{"property":"id"},"x"]}]}',
    ],
)
def test_filters_that_people_write_are_not_too_much(text: str) -> None:
    check_filter_text(text)


@pytest.mark.parametrize(
    "text", ["(" * 21 + "a=1", "[" * 65, "NOT " * 8 + "a=1", "a=1" + "+1" * 41, "a=1" + " -1" * 41]
)
def test_filters_that_would_take_the_parser_down_are_refused(text: str) -> None:
    with pytest.raises(SearchError, match="too many"):
        check_filter_text(text)


def test_json_may_have_as_many_levels_and_operators_as_a_search_needs() -> None:
    terms = [{"op": "=", "args": [{"property": "gsd"}, value]} for value in range(499)]
    check_shape({"filter": {"op": "or", "args": terms}})
    check_shape({"intersects": {"type": "MultiPolygon", "coordinates": [[[[0, 0]]]]}})
    with pytest.raises(SearchError, match="operators"):
        check_shape({"filter": {"op": "or", "args": [*terms, *terms]}})


def test_what_the_database_cannot_take_is_refused() -> None:
    check_token("next:6162:63")
    check_fields(["id", "-geometry"])
    check_text({"a": ["b", 1, None]})
    for refused in (
        lambda: check_token("next:zz:63"),
        lambda: check_fields(["id", "-"]),
        lambda: check_text({"a": ["\0"]}),
        lambda: check_text({"\ud800": 1}),
    ):
        with pytest.raises(SearchError):
            refused()


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("eo:cloud_cover", "did you mean 'properties.eo:cloud_cover'"),
        ("propertys.gsd", "did you mean 'properties'"),
        ("geom", "did you mean 'geometry'"),
    ],
)
def test_a_field_that_no_item_has_is_refused_with_the_nearest(field: str, meant: str) -> None:
    check_members(["id", "properties.datetime", "assets.B04.href", "stac_extensions"])
    with pytest.raises(SearchError, match=meant):
        check_members(["id", field])


def test_what_is_chosen_stays_a_feature() -> None:
    assert included({"id"}, set()) == {"id", "type"}
    assert included({"id"}, {"type"}) == {"id"}
    assert included(set(), {"geometry"}) == set()


def test_leaving_out_of_an_empty_choice_leaves_out_of_the_default() -> None:
    assert included(set(), {"geometry"}, none_said=True) == DEFAULT_FIELDS - {"geometry"}
    assert included(set(), set(), none_said=True) == set()


def test_a_problem_carries_what_both_standards_want() -> None:
    assert problem(404, "no such item") == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no such item",
        "code": "NotFound",
        "description": "no such item",
    }


@pytest.mark.parametrize(
    ("sqlstate", "status"),
    [
        *((state, 503) for state in ("08006", "28P01", "3D000", "53300", "57014", "57P01", None)),
        *((state, 400) for state in ("22P02", "42601", "P0001", "XX000")),
    ],
)
def test_the_database_says_whose_fault_it_is(sqlstate: str | None, status: int) -> None:
    assert database_problem(sqlstate)["status"] == status


def test_indexed_properties_are_queryable() -> None:
    assert set(INDEXED) <= set(QUERYABLES)
