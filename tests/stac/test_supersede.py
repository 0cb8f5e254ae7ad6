from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from stac.settings import Settings
from stac.supersede import acquisition_key, mark_superseded, rank

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = Settings(public_url="http://127.0.0.1:8000")
START = "20250105T031121"


def item(baseline: str, made: str = "20250601T000000", datastrip: str = START, **properties: Any) -> dict[str, Any]:
    text = f"{baseline[:2]}.{baseline[2:]}"
    return {
        "id": f"S2A_MSIL2A_{START}_N{baseline}_R075_T48PWU_{made}",
        "collection": "sentinel-2-l2a",
        "properties": {
            "s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_2APS_{made}_S{datastrip}_N{text}",
            "s2:generation_time": f"{made[:4]}-{made[4:6]}-{made[6:8]}T00:00:00Z",
            **properties,
        },
        "links": [{"rel": "collection", "href": "x"}],
    }


def current(items: list[dict[str, Any]]) -> set[str]:
    return {each["id"] for each in items if not each["properties"].get("deprecated")}


def test_the_highest_baseline_counts_compared_as_numbers() -> None:
    items = [item("0509"), item("0511"), item("0214"), item("9999")]

    for order in permutations(items):
        assert current(mark_superseded(order, SETTINGS)) == {items[1]["id"]}


def test_of_one_baseline_the_later_made_counts() -> None:
    older, newer = item("0511", made="20250105T062233"), item("0511", made="20250301T000000")

    assert current(mark_superseded([newer, older], SETTINGS)) == {newer["id"]}


def test_two_datastrips_of_one_datatake_both_count() -> None:
    first, second = item("0511"), item("0511", made="20250602T000000", datastrip="20250105T031345")

    assert current(mark_superseded([first, second], SETTINGS)) == {first["id"], second["id"]}


def test_of_one_baseline_a_local_or_lossy_copy_gives_way_though_made_later() -> None:
    esa = item("0511", made="20250105T062233")
    local = item("0511", made="20250301T000000", **{"sen2extract:origin": "local"})
    lossy = item("0511", made="20250401T000000", **{"sen2extract:lossy": True})

    for order in permutations([esa, local, lossy]):
        assert current(mark_superseded(order, SETTINGS)) == {esa["id"]}
    assert current(mark_superseded([lossy, local], SETTINGS)) == {local["id"]}


def test_an_item_without_a_datastrip_is_of_the_only_one_there_is() -> None:
    imported = item("0509", **{"s2:datastrip_id": ""})
    first, second = item("0511"), item("0511", made="20250602T000000", datastrip="20250105T031345")

    assert current(mark_superseded([imported, first], SETTINGS)) == {first["id"]}
    assert current(mark_superseded([imported, first, second], SETTINGS)) == {
        each["id"] for each in (imported, first, second)
    }
    assert current(mark_superseded([imported], SETTINGS)) == {imported["id"]}


def test_the_versions_are_linked_in_order() -> None:
    old, middle, new = mark_superseded([item("0511"), item("0208"), item("0400")], SETTINGS)

    def hrefs(document: dict[str, Any]) -> dict[str, str]:
        return {link["rel"]: link["href"].rsplit("/", 1)[-1] for link in document["links"]}

    assert hrefs(old) == {"collection": "x", "successor-version": middle["id"], "latest-version": new["id"]}
    assert hrefs(middle) == {
        "collection": "x",
        "predecessor-version": old["id"],
        "successor-version": new["id"],
        "latest-version": new["id"],
    }
    assert hrefs(new) == {"collection": "x", "predecessor-version": middle["id"]}
    assert new["links"][-1]["href"].startswith("http://127.0.0.1:8000/stac/collections/sentinel-2-l2a/items/S2A")


def test_marks_of_an_earlier_state_go() -> None:
    (alone,) = mark_superseded(mark_superseded([item("0208"), item("0400")], SETTINGS)[:1], SETTINGS)

    assert alone == item("0208")


def test_the_input_is_not_changed() -> None:
    items = [item("0208"), item("0400")]
    mark_superseded(items, SETTINGS)

    assert items == [item("0208"), item("0400")]


@given(st.lists(st.tuples(st.sampled_from(["0208", "0300", "0509", "0511"]), st.integers(1, 9)), unique=True))
def test_marking_again_changes_nothing_and_one_counts(parts: list[tuple[str, int]]) -> None:
    items = [item(baseline, made=f"2025060{day}T000000") for baseline, day in parts]
    once = mark_superseded(items, SETTINGS)

    assert mark_superseded(once, SETTINGS) == once
    assert len(current(once)) == min(len(items), 1)
    assert sorted(map(rank, once)) == [rank(each) for each in once]


def test_scene_and_index_product_are_acquisitions_of_their_own(documents: Callable[..., Any]) -> None:
    scene, indices = documents()

    assert acquisition_key(scene) == ("sentinel-2-l2a", "S2A", "20250105T031121", "48PWU", "20250105T031121")
    assert acquisition_key(indices) == ("sentinel-2-indices", *acquisition_key(scene)[1:])
