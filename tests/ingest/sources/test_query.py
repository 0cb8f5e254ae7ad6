from datetime import UTC, date, datetime

import pytest

from ingest.sources.base import Offer
from ingest.sources.query import Query, box, parse_baselines, parse_day, whole_days
from stac.naming import Baseline

TODAY = date(2026, 3, 1)
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def offer(name="S2B_MSIL2A_20260105T031121_N0511_R075_T48PWU_20260105T072243", cloud=10.0):
    return Offer(source="cdse", name=name, acquired=START, href="", cloud_cover=cloud)


def query(**others):
    return Query(**{"tiles": ("48PWU",), "start": START, "end": END, **others})


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-31", date(2026, 1, 31)),
        ("today", TODAY),
        ("today-30", date(2026, 1, 30)),
        ("Today - 1", date(2026, 2, 28)),
    ],
)
def test_days(text, day):
    assert parse_day(text, TODAY) == day


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-02-30", "today+3", "30"])
def test_no_days(text):
    with pytest.raises(ValueError, match="no day"):
        parse_day(text, TODAY)


def test_the_last_day_is_part_of_a_period():
    assert whole_days(date(2026, 1, 1), date(2026, 1, 31)) == (START, END)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("05.11", "05.11", "05.11"),
        ("05.00..", "05.00", None),
        ("..4.0", None, "04.00"),
        ("04.00..05.11", "04.00", "05.11"),
    ],
)
def test_ranges_of_baselines(text, low, high):
    assert parse_baselines(text) == (low and Baseline.parse(low), high and Baseline.parse(high))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tiles": ()}, "tile or an area"),
        ({"tiles": ("48XXX9",)}, "no MGRS tile"),
        ({"end": START}, "empty"),
        ({"max_cloud": 101}, "per cent"),
        ({"relative_orbits": (144,)}, "relative orbit 144"),
        ({"min_baseline": Baseline.parse("05.00"), "max_baseline": Baseline.parse("04.00")}, "no baseline"),
    ],
)
def test_what_describes_nothing_is_refused(change, reason):
    with pytest.raises(ValueError, match=reason):
        query(**change)


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"tiles": ("t48pwu",)}, True),
        ({"tiles": ("48PWT",)}, False),
        ({"level": "L1C"}, False),
        ({"end": datetime(2026, 1, 5, 3, 11, 21, tzinfo=UTC)}, False),
        ({"start": datetime(2026, 1, 5, 3, 11, 21, tzinfo=UTC)}, True),
        ({"max_cloud": 10}, True),
        ({"max_cloud": 9.9}, False),
        ({"relative_orbits": (75, 118)}, True),
        ({"relative_orbits": (118,)}, False),
        ({"min_baseline": Baseline.parse("05.11")}, True),
        ({"min_baseline": Baseline.parse("05.12")}, False),
        ({"max_baseline": Baseline.parse("05.09")}, False),
    ],
)
def test_offers_are_checked_here_too(change, accepted):
    assert query(**change).accepts(offer()) is accepted


def test_an_unknown_cloud_cover_passes_no_limit():
    assert query().accepts(offer(cloud=None))
    assert not query(max_cloud=100).accepts(offer(cloud=None))


def test_a_box_across_the_antimeridian_has_two_parts():
    assert box(170, -20, -170, -10)["type"] == "MultiPolygon"
    assert box(10, 40, 11, 41)["coordinates"][0][0] == [10, 40]
    with pytest.raises(ValueError, match="no box"):
        box(10, 41, 11, 40)


def test_an_offer_survives_json():
    assert Offer.from_dict(offer().as_dict()) == offer()
