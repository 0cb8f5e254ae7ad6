"""Items put together as text are what `hydraters` puts together of the parsed ones."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import msgspec
import orjson
import pytest
from hydraters import DO_NOT_MERGE_MARKER, dehydrate, hydrate
from hypothesis import given, reject
from hypothesis import strategies as st

from stac import hydration

NAMES = st.sampled_from(["assets", "bands", "href", "B04", 'übrigens "so"', DO_NOT_MERGE_MARKER])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "{}", "[", 'a"b', "ü", 1.5])
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))
STORED = st.recursive(
    SCALARS | st.just(DO_NOT_MERGE_MARKER),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(NAMES, values, max_size=4)


def expected(base: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings():
        # Of markers that nothing in the base answers to; they go all the same.
        warnings.simplefilter("ignore")
        try:
            return hydrate(copy.deepcopy(base), copy.deepcopy(stored), strip_unmatched_markers=True)
        except ValueError:
            reject()


def put_together(base: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    own = hydration.members(orjson.dumps(stored))
    return {name: orjson.loads(text) for name, text in hydration.Base(base).members(own).items()}


@given(base=objects(PLAIN), stored=objects(STORED))
def test_any_object_is_what_hydraters_makes_of_it(base: dict[str, Any], stored: dict[str, Any]) -> None:
    assert put_together(base, stored) == expected(base, stored)


@given(base=objects(PLAIN), whole=objects(PLAIN))
def test_what_was_taken_apart_is_put_together_again(base: dict[str, Any], whole: dict[str, Any]) -> None:
    stored = dehydrate(copy.deepcopy(base), copy.deepcopy(whole))

    assert put_together(base, stored) == expected(base, stored)


@pytest.mark.parametrize(
    ("base", "stored"),
    [
        ({"bands": [1]}, {"bands": {"a": 1}}),
        ({"bands": {"a": 1}}, {"bands": [1]}),
        ({"bands": "text"}, {"bands": {"a": 1, "b": DO_NOT_MERGE_MARKER}}),
        ({"bands": [{"a": 1}]}, {"bands": [[1]]}),
    ],
)
def test_what_is_of_another_kind_is_the_items(base: dict[str, Any], stored: dict[str, Any]) -> None:
    own = {"bands": {"a": 1}} if DO_NOT_MERGE_MARKER in str(stored) else stored

    assert put_together(base, stored) == own


def test_numbers_stay_as_the_database_writes_them() -> None:
    own = hydration.members('{"assets": {"B04": {"size": 12345678901234567890123, "mean": 7042.70}}}')

    assert hydration.Base({"assets": {"B04": {"type": "image/tiff"}}}).members(own) == {
        "assets": b'{"B04":{"type":"image/tiff","size": 12345678901234567890123, "mean": 7042.70}}'
    }


@pytest.mark.parametrize("text", ["", "[]", '{"a": ', '"a"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        hydration.members(text)


def test_a_base_item_is_read_once_and_without_its_empty_members() -> None:
    text = '{"type": "Feature", "collection": null}'

    assert hydration.base(text) is hydration.base(text)
    assert hydration.base(text).members({}) == {"type": b'"Feature"'}
