from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiler.series.periods import count_at_most, parse_step, periods

DAYS = st.dates(date(2015, 6, 1), date(2035, 1, 1))


def at(day, hour=0):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def cut(step, first, last, anchor=None):
    return list(periods(parse_step(step), at(first), at(last, 23), at(anchor) if anchor else None))


def shown(step, first, last, anchor=None):
    return [(str(one.start), str(one.end), one.label) for one in cut(step, first, last, anchor)]


def test_dekads_are_those_of_the_calendar():
    assert shown("dekad", date(2024, 2, 9), date(2024, 3, 1)) == [
        ("2024-02-01", "2024-02-11", "2024-02-D1"),
        ("2024-02-11", "2024-02-21", "2024-02-D2"),
        ("2024-02-21", "2024-03-01", "2024-02-D3"),
        ("2024-03-01", "2024-03-11", "2024-03-D1"),
    ]


def test_ten_days_are_counted_from_the_start_of_the_interval():
    start = date(2024, 2, 9)

    assert shown("P10D", start, date(2024, 2, 20), start) == [
        ("2024-02-09", "2024-02-19", "2024-02-09/P10D"),
        ("2024-02-19", "2024-02-29", "2024-02-19/P10D"),
    ]


def test_weeks_without_a_start_begin_on_monday():
    assert shown("P1W", date(2025, 1, 5), date(2025, 1, 6)) == [
        ("2024-12-30", "2025-01-06", "2024-12-30/P1W"),
        ("2025-01-06", "2025-01-13", "2025-01-06/P1W"),
    ]


@pytest.mark.parametrize(
    ("step", "first", "expected"),
    [
        ("P1M", date(2025, 12, 31), ("2025-12-01", "2026-01-01", "2025-12")),
        ("P3M", date(2025, 12, 31), ("2025-10-01", "2026-01-01", "2025-10-01/P3M")),
        ("P1Y", date(2025, 12, 31), ("2025-01-01", "2026-01-01", "2025")),
        # Weeks about new year, from the CDC's MMWR calendars and from ISO 8601.
        ("epiweek", date(2024, 12, 28), ("2024-12-22", "2024-12-29", "2024-EW52")),
        ("epiweek", date(2024, 12, 29), ("2024-12-29", "2025-01-05", "2025-EW01")),
        ("epiweek", date(2026, 1, 3), ("2025-12-28", "2026-01-04", "2025-EW53")),
        ("epiweek", date(2023, 1, 1), ("2023-01-01", "2023-01-08", "2023-EW01")),
        ("isoweek", date(2024, 12, 30), ("2024-12-30", "2025-01-06", "2025-W01")),
        ("isoweek", date(2021, 1, 3), ("2020-12-28", "2021-01-04", "2020-W53")),
    ],
)
def test_the_period_of_a_day(step, first, expected):
    assert shown(step, first, first)[0] == expected


@given(
    step=st.sampled_from(["dekad", "isoweek", "epiweek", "P7D", "P1D", "P16D", "P2W", "P1M", "P5M", "P1Y", "P18M"]),
    first=DAYS,
    length=st.integers(0, 900),
    anchored=st.booleans(),
)
def test_periods_join_and_hold_all_that_was_asked(step, first, length, anchored):
    last = first + timedelta(days=length)
    found = cut(step, first, last, first if anchored else None)

    assert found[0].start <= first < found[0].end
    assert found[-1].start <= last < found[-1].end
    assert all(one.end == following.start for one, following in pairwise(found))
    assert len({one.label for one in found}) == len(found)
    assert len(found) <= count_at_most(parse_step(step), at(first), at(last, 23))


def test_the_ends_of_time_are_ends():
    assert len(cut("P1Y", date(9998, 1, 1), date(9999, 12, 31))) == 2
    assert cut("isoweek", date(1, 1, 1), date(1, 1, 3))[0].start == date(1, 1, 1)
    assert parse_step("NONE") is None
