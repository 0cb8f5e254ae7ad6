"""Sums over steps, against numpy on all pixels of the step together; the curve, against scipy on hand-made data."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.signal import savgol_filter
from shapely.geometry import Point

from tiler.series.errors import SeriesTooLargeError
from tiler.series.features import Feature
from tiler.series.refine import refine
from tiler.series.request import parse_request
from tiler.series.rows import Row, Series
from tiler.series.smoothing import fill
from tiler.series.statistics import Pixels, Statistics, summarise

START = datetime(2025, 1, 1, 3, 11, 21, tzinfo=UTC)
SITE = Feature(id="a", geometry=Point(105, 12), attributes={"crop": "rice"})


def pixels(values, *, weights=None, masked=None, cloud=10.0):
    values = np.asarray(values, dtype=float)
    return Pixels(
        values=values,
        weights=np.ones(values.shape) if weights is None else np.asarray(weights, dtype=float),
        masked=np.zeros(values.shape, dtype=bool) if masked is None else np.asarray(masked),
        cloud_probability=np.full(values.shape, cloud),
    )


def row(day, found, **more):
    statistics = summarise(found, (25.0, 75.0)) if isinstance(found, Pixels) else found
    status = "unreadable" if statistics is None else "ok" if statistics.valid else "masked"
    values = {
        "feature_id": "a", "acquired": START + timedelta(days=day), "index": "NDVI", "statistics": statistics,
        "tile": "48PWU", "item_id": f"item{day}", "baseline": "05.11", "mask": "scl", "status": status,
        "reason": "gone" if statistics is None else "",
    }  # fmt: skip
    return Row(**{**values, **more})


def value(day, mean, *, valid=1.0, count=1.0, **more):
    statistics = Statistics(
        mean=mean, minimum=mean, maximum=mean, std=0.0, median=mean, percentiles=(mean, mean), count=count, valid=valid,
        masked=count - valid, nodata=0.0,
    )  # fmt: skip
    return row(day, statistics, **more)


def refined(rows, features=(SITE,), **parameters):
    request = parse_request("sentinel-2-indices", parameters)
    series = Series(
        request=request, rows=rows, attributes={f.id: f.attributes for f in features}, acquisitions=len(rows)
    )
    return refine(series, features)


def test_a_step_says_what_all_its_pixels_together_say():
    rng = np.random.default_rng(7)
    found = [
        pixels(rng.normal(0.5, 0.2, 40), weights=rng.uniform(0.1, 1, 40), masked=rng.random(40) < share)
        for share in (0.1, 0.5, 0.9)
    ]
    (one,) = refined([row(day, part) for day, part in enumerate(found)], step="P1M").rows
    clear = [(part.values[~part.masked], part.weights[~part.masked]) for part in found]
    values, weights = (np.concatenate(parts) for parts in zip(*clear, strict=True))
    told = one.statistics

    assert told.mean == pytest.approx(np.average(values, weights=weights), abs=1e-12)
    assert told.std == pytest.approx(np.sqrt(np.cov(values, aweights=weights, ddof=0)), abs=1e-12)
    assert (told.minimum, told.maximum) == (values.min(), values.max())
    assert told.valid == pytest.approx(weights.sum())
    assert told.count == pytest.approx(sum(part.weights.sum() for part in found))
    assert told.valid + told.masked + told.nodata == pytest.approx(told.count)
    assert (one.summed.acquisitions, one.summed.clear, one.status) == (3, 3, "ok")
    assert one.item_id == "item0 item1 item2"


def test_median_and_percentiles_are_those_of_the_dates():
    means = [0.1, 0.5, 0.2, 0.9, 0.4]
    (one,) = refined([value(day, mean) for day, mean in enumerate(means)], step="P1M").rows

    assert one.statistics.median == pytest.approx(np.median(means))
    assert one.statistics.percentiles == pytest.approx(tuple(np.percentile(means, [25, 75])))


def test_empty_steps_are_rows_and_cloudy_ones_say_so():
    cloudy = row(40, pixels([0.5, 0.6], masked=[True, True]))
    series = refined([value(3, 0.5), cloudy], step="P1M", datetime="2025-01-01/2025-04-30", order="oldest")

    assert [one.status for one in series.rows] == ["ok", "masked", "empty", "empty"]
    assert [one.summed.period.label for one in series.rows] == ["2025-01", "2025-02", "2025-03", "2025-04"]
    assert [(one.summed.acquisitions, one.summed.clear) for one in series.rows] == [(1, 1), (1, 0), (0, 0), (0, 0)]
    assert series.rows[2].statistics is None
    assert series.is_complete


def test_every_feature_and_index_has_every_step_newest_first():
    other = Feature(id="b", geometry=Point(106, 12))
    rows = [value(0, 0.5), value(31, 0.6, index="EVI", feature_id="b")]
    series = refined(rows, (SITE, other), step="P1M", index="NDVI,EVI")

    assert [(one.feature_id, one.acquired.month, one.index, one.status) for one in series.rows] == [
        ("a", 2, "NDVI", "empty"), ("a", 2, "EVI", "empty"), ("a", 1, "NDVI", "ok"), ("a", 1, "EVI", "empty"),
        ("b", 2, "NDVI", "empty"), ("b", 2, "EVI", "ok"), ("b", 1, "NDVI", "empty"), ("b", 1, "EVI", "empty"),
    ]  # fmt: skip


def test_a_step_that_lacks_an_acquisition_says_so_and_is_not_kept():
    series = refined([value(0, 0.5), row(2, None), row(40, None)], step="P1M", order="oldest")

    assert [one.status for one in series.rows] == ["partial", "unreadable"]
    assert series.rows[0].reason == "1 of 2 acquisitions could not be read: gone"
    assert series.rows[0].statistics.mean == 0.5
    assert not series.is_complete


def test_too_many_rows_are_refused_with_the_numbers():
    sites = [Feature(id=str(number), geometry=Point(105, 12)) for number in range(300)]
    rows = [value(0, 0.5, feature_id="0"), value(3400, 0.5, feature_id="0")]

    with pytest.raises(SeriesTooLargeError, match="300 features x 3401 steps x 1 indices are 1020300 rows"):
        refined(rows, sites, step="P1D")


def test_the_curve_is_scipys_on_the_grid_and_the_observations_stay():
    days = np.arange(0, 150, 5)
    truth = np.sin(days / 30) + np.random.default_rng(1).normal(0, 0.1, days.size)
    rows = [value(int(day), mean) for day, mean in zip(days, truth, strict=True)]
    series = refined(rows, smooth="savgol", order="oldest")
    observed = [one for one in series.rows if one.status == "ok"]
    curve = [one for one in series.rows if one.status == "smoothed"]

    assert observed == rows
    assert [one.statistics.mean for one in curve] == pytest.approx(savgol_filter(truth, 11, 3), abs=1e-12)
    assert [(one.acquired - curve[0].acquired).days for one in curve] == days.tolist()
    assert series.smoothing[0]["observations"] == 30
    assert 0 < series.smoothing[0]["mae"] <= series.smoothing[0]["rmse"] < 0.2


def test_observations_off_the_grid_and_meeting_on_it_count():
    # Every six days, twice on one date of the grid (30, 32 and 31), a cloudy outlier that must not count.
    days = [0, 6, 12, 18, 24, 30, 31, 36, 42, 48, 54, 60]
    rows = [value(day, 0.01 * day) for day in days]
    outlier = value(33, 50.0, valid=0.2)
    series = refined([*rows, outlier], smooth="savgol", order="oldest")
    curve = {
        (one.acquired.date() - START.date()).days: one.statistics.mean
        for one in series.rows
        if one.status == "smoothed"
    }
    grid = np.full(13, np.nan)
    for place in range(13):
        near = [0.01 * day for day in days if np.floor(day / 5 + 0.5) == place]
        grid[place] = np.mean(near) if near else np.nan

    assert [one for one in series.rows if one.status != "smoothed"] == [*rows, outlier]
    assert list(curve) == list(range(0, 65, 5))
    assert list(curve.values()) == pytest.approx(savgol_filter(fill(grid), 11, 3), abs=1e-12)


def test_gaps_are_filled_by_windows_that_double():
    nan = np.nan
    assert fill(np.array([1.0, nan, 3.0])).tolist() == [1, 2, 3]
    # Window 3 reaches the neighbours of what is known, window 6 (three to each side) the rest.
    assert fill(np.array([1.0, nan, nan, nan, 5.0])).tolist() == [1, 1, pytest.approx((1 + 1 + 5 + 5) / 4), 5, 5]


def test_too_few_dates_make_no_curve_and_say_so():
    series = refined([value(0, 0.5), value(9, 0.6)], smooth="savgol")

    assert [one.status for one in series.rows] == ["ok", "ok"]
    assert "too few dates" in series.smoothing[0]["reason"]
