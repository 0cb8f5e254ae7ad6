"""What the archive lacks: the rhythm of the orbits, and what is not derived; the function, the SQL and the route."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from stac import catalog
from stac.api import create_app
from stac.collections import INDICES, L1C, L2A
from stac.gaps import TileGaps, found, gaps
from stac.settings import Settings

START = datetime(2025, 1, 1, 3, 11, 21, tzinfo=UTC)

type Row = tuple[str, str, str, bool, bool | None, bool]


def name(
    day: int, unit: str = "S2A", *, orbit: int = 75, level: str = "L2A", tile: str = "48PWU", minutes: int = 0
) -> str:
    when = START + timedelta(days=day, minutes=minutes)
    return f"{unit}_MSI{level}_{when:%Y%m%dT%H%M%S}_N0511_R{orbit:03d}_T{tile}_20250601T000000"


def scene(*args: Any, **kwargs: Any) -> list[Row]:
    """An L2A scene with its complete index product."""
    item_id = name(*args, **kwargs)
    tile = kwargs.get("tile", "48PWU")
    return [(tile, L2A, item_id, False, False, False), (tile, INDICES, item_id, True, False, False)]


def latest(rows: list[Row]) -> dict[str, datetime]:
    times = [(row[2][:3], datetime.strptime(row[2][11:26], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)) for row in rows]
    return dict(sorted(times))


def one(rows: list[Row], seen: dict[str, datetime] | None = None) -> TileGaps:
    (tile,) = found(rows, (seen or latest(rows)).items())
    return tile


def days(tile: TileGaps, kind: str) -> list[int]:
    return [round((gap.datetime - START) / timedelta(days=1)) for gap in tile.gaps if gap.kind == kind]


def test_nothing_is_missing_of_an_archive_that_has_every_pass() -> None:
    tile = one([row for day in range(0, 60, 5) for row in scene(day, "S2A" if day % 10 else "S2B")])
    assert (tile.expected, tile.held, tile.gaps) == (12, 12, [])


def test_each_unit_and_orbit_has_its_own_rhythm() -> None:
    held = [*scene(0), *scene(10, minutes=2), *scene(40), *scene(5, "S2B"), *scene(35, "S2B"), *scene(3, orbit=32)]
    tile = one(held)
    assert days(tile, "acquisition") == [15, 20, 25, 30]
    assert {(gap.platform, gap.relative_orbit, gap.item) for gap in tile.gaps} == {
        ("sentinel-2a", 75, None),
        ("sentinel-2b", 75, None),
    }
    assert (tile.expected, tile.held) == (10, 6)
    first = tile.gaps[0]
    assert (first.collection, first.platform) == (L2A, "sentinel-2b")
    assert first.command == "sen2extract download --tile 48PWU --from 2025-01-16 --to 2025-01-16 --level l2a"


def test_a_unit_is_expected_as_long_as_it_is_seen_on_any_tile() -> None:
    rows = [*scene(0), *scene(10), *scene(45, tile="48PXU")]
    tiles = {tile.tile: tile for tile in found(rows, latest(rows).items())}
    assert days(tiles["48PWU"], "acquisition") == [20, 30, 40]
    assert tiles["48PXU"].gaps == []


def test_a_unit_that_was_moved_along_its_orbit_is_not_expected_at_both_places() -> None:
    tile = one([*scene(0), *scene(10), *scene(20), *scene(33), *scene(53)])
    assert days(tile, "acquisition") == [43]


def test_what_is_held_and_not_derived_is_told_with_the_command_that_derives_it() -> None:
    top, bare, dim, old = name(0, level="L1C"), name(10), name(20), name(30)
    rows: list[Row] = [
        ("48PWU", L1C, top, False, False, False),
        ("48PWU", L2A, bare, False, False, False),
        ("48PWU", L2A, dim, False, False, False),
        ("48PWU", INDICES, dim, False, False, False),
        ("48PWU", INDICES, old, False, True, False),
    ]
    tile = one(rows)
    assert tile.counts == {"l2a": 1, "indices": 1, "mask": 2}
    assert [(gap.kind, gap.collection, gap.item, gap.command) for gap in tile.gaps] == [
        ("l2a", L2A, top, "sen2extract download --tile 48PWU --from 2025-01-01 --to 2025-01-01 --level l2a"),
        ("indices", INDICES, bare, "sen2extract derive"),
        ("mask", INDICES, dim, f"sen2extract retry {dim}"),
        ("mask", INDICES, old, "sen2extract download --tile 48PWU --from 2025-01-31 --to 2025-01-31 --level l2a"),
    ]


def test_an_archive_of_l1c_alone_lacks_no_l2a() -> None:
    rows: list[Row] = [("48PWU", L1C, name(day, level="L1C"), False, False, False) for day in (0, 20)]
    tile = one(rows)
    assert tile.counts == {"acquisition": 1}
    assert (tile.gaps[0].collection, tile.gaps[0].command[-12:]) == (L1C, " --level l1c")


def test_one_pass_is_no_rhythm() -> None:
    assert one(scene(0), {"S2A": START + timedelta(days=90)}).gaps == []


@pytest.fixture(scope="module")
def client(settings: Settings, documents: Callable[..., Any]) -> Iterator[TestClient]:
    """Two tiles: one with a hole and a scene without indices, one complete; an old baseline on the side."""
    for item_id in (name(0), name(20), name(0, tile="48PXU"), name(10, tile="48PXU"), name(20, tile="48PXU")):
        catalog.publish(documents(item_id), settings)
    catalog.publish(documents(name(30))[:1], settings)
    catalog.publish(documents(name(30, tile="48PXU")), settings)
    catalog.publish(documents(name(20, tile="48PXU").replace("N0511", "N0400"))[:1], settings)
    with TestClient(create_app(settings), raise_server_exceptions=False) as test_client:
        yield test_client


def test_an_index_item_without_a_mask_is_told(
    settings: Settings, client: TestClient, documents: Callable[..., Any]
) -> None:
    assert client
    held, bare = documents(name(0, tile="48PYU")), documents(name(10, tile="48PYU"))
    del bare[1]["assets"]["MASK"]
    catalog.publish([*held, *bare], settings)
    try:
        (tile,) = gaps(settings, tile="48PYU")
    finally:
        catalog.remove([(one["collection"], one["id"]) for one in (*held, *bare)], settings)
    # Besides, the rhythm expects what the satellite took of the other tiles since.
    assert [gap.item for gap in tile.gaps if gap.kind == "mask"] == [name(10, tile="48PYU")]


def without_lag(tile: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tile.items() if key != "lag_days"}


def test_what_retention_took_out_is_no_gap() -> None:
    rows: list[Row] = [*scene(0), *[(*row[:5], True) for row in scene(10)], *scene(20)]
    tile = one(rows)
    assert (tile.expected, tile.held, tile.removed, tile.gaps) == (3, 2, 1, [])
    scene_gone: list[Row] = [(*row[:5], row[1] == L2A) for row in scene(10)]
    tile = one([*scene(0), *scene_gone, ("48PWU", L1C, name(10, level="L1C"), False, False, False)])
    assert (tile.held, tile.removed, tile.gaps) == (2, 0, [])


def test_the_route_and_the_function_tell_the_same(client: TestClient, settings: Settings) -> None:
    answer = client.get("/status/gaps").json()
    now = datetime.now(UTC)
    assert [without_lag(tile) for tile in answer["tiles"]] == [
        without_lag(tile.as_dict(now)) for tile in gaps(settings)
    ]
    assert answer["tiles"][0]["latest"] == "2025-01-31T03:11:21Z"
    assert answer["tiles"][0]["lag_days"] == pytest.approx((now - START).days - 30, abs=1.1)
    holed, whole = answer["tiles"]
    assert (holed["tile"], holed["expected"], holed["held"]) == ("48PWU", 4, 3)
    assert holed["counts"] == {"acquisition": 1, "indices": 1}
    assert holed["gaps"][0]["datetime"] == "2025-01-11T03:11:21Z"
    assert (whole["tile"], whole["gaps"]) == ("48PXU", [])


def test_the_route_pages_and_filters_by_tile(client: TestClient) -> None:
    first = client.get("/status/gaps", params={"limit": 1}).json()
    (following,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    second = client.get(following).json()
    assert [page["tiles"][0]["tile"] for page in (first, second)] == ["48PWU", "48PXU"]
    assert [link["rel"] for link in second["links"]] == ["self"]
    assert client.get("/status/gaps", params={"tile": "48PXU"}).json()["tiles"][0]["tile"] == "48PXU"
    assert client.get("/status/gaps", params={"tile": "31TCJ"}).json()["tiles"] == []


@pytest.mark.parametrize("query", ["tile=x", "limit=0", "limit=101", "after=;--"])
def test_what_makes_no_sense_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/status/gaps?{query}").status_code == 400
