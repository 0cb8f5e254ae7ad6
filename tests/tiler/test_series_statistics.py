import numpy as np
import pytest
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tiler.series.coverage import cover
from tiler.series.grid import Grid
from tiler.series.statistics import Pixels, merge, summarise, weighted_percentiles

PERCENTILES = (0.0, 10.0, 25.0, 75.0, 100.0)


def pixels(values, weights=None, masked=None, probability=None, outside=0.0):
    values = np.asarray(values, dtype=np.float64)
    return Pixels(
        values=values,
        weights=np.ones(values.size) if weights is None else np.asarray(weights, dtype=np.float64),
        masked=np.zeros(values.size, dtype=bool) if masked is None else np.asarray(masked),
        cloud_probability=np.full(values.size, np.nan) if probability is None else np.asarray(probability, float),
        outside=outside,
    )


@given(arrays(np.float64, st.integers(1, 40), elements=st.floats(-1, 1)))
def test_equal_weights_give_what_numpy_gives(values):
    found = summarise(pixels(values), PERCENTILES)

    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert found.std == pytest.approx(values.std(), abs=1e-7)
    assert (found.minimum, found.maximum) == (values.min(), values.max())
    assert found.median == pytest.approx(np.median(values), abs=1e-12)
    assert found.percentiles == pytest.approx(tuple(np.percentile(values, PERCENTILES)), abs=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_area_weights_give_what_exactextract_gives(seed):
    random = np.random.default_rng(seed)
    values = random.uniform(-1, 1, (12, 15))
    values[random.uniform(size=values.shape) < 0.1] = np.nan
    corners = random.uniform([5, 5], [145, 115], (6, 2))
    polygon = shapely.convex_hull(shapely.MultiPoint(corners))
    grid = Grid(epsg=32648, left=0, top=120, size=10, height=12, width=15)
    coverage = cover(polygon, grid, "exact")
    window = coverage.window
    inside = values[window.top : window.bottom, window.left : window.right]
    found = summarise(pixels(inside[coverage.inside], coverage.weights[coverage.inside]), (25.0, 75.0))

    raster = NumPyRasterSource(values, xmin=0, ymin=0, xmax=150, ymax=120, nodata=np.nan)
    feature = {"type": "Feature", "geometry": shapely.geometry.mapping(polygon), "properties": {}}
    ops = ["count", "mean", "stdev", "min", "max", "median", "quantile(q=0.25)", "quantile(q=0.75)"]
    told = exact_extract(raster, [feature], ops)[0]["properties"]

    assert found.valid == pytest.approx(told["count"], abs=1e-6)
    assert found.count == pytest.approx(polygon.area / 100, abs=1e-4)
    if found.mean is None:
        return
    assert found.mean == pytest.approx(told["mean"], abs=1e-6)
    assert found.std == pytest.approx(told["stdev"], abs=1e-6)
    assert (found.minimum, found.maximum) == (told["min"], told["max"])
    assert found.median == pytest.approx(told["median"], abs=1e-6)
    assert found.percentiles == pytest.approx((told["quantile_25"], told["quantile_75"]), abs=1e-6)


def test_counts_add_up_and_only_valid_pixels_are_summed():
    found = summarise(
        pixels(
            [0.1, 0.5, np.nan, 0.9],
            weights=[1, 0.5, 0.25, 1],
            masked=[False, False, True, True],
            probability=[10, 20, 90, 100],
            outside=2.0,
        ),
        (),
    )

    assert (found.valid, found.masked, found.nodata, found.count) == (1.5, 1.0, 2.25, 4.75)
    assert found.mean == pytest.approx((0.1 + 0.25) / 1.5)
    assert found.valid_fraction == pytest.approx(1.5 / 4.75)
    assert found.cloud_probability == pytest.approx((10 + 10 + 100) / 2.5)


def test_without_a_valid_pixel_there_are_counts_and_nothing_else():
    found = summarise(pixels([0.4, np.nan], masked=[True, False]), (25.0,))

    assert (found.valid, found.masked, found.nodata, found.valid_fraction) == (0, 1, 1, 0)
    assert (found.mean, found.minimum, found.median, found.std, found.percentiles) == (None, None, None, None, (None,))


@pytest.mark.parametrize("value", [0.25, np.nan])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("probability", [30.0, np.nan])
def test_one_pixel_is_summed_up_as_two_of_it_are(value, masked, probability):
    one = summarise(
        pixels([value], weights=[0.5], masked=[masked], probability=[probability], outside=0.25), (10.0, 90.0)
    )
    two = summarise(
        pixels(
            [value] * 2, weights=[0.25] * 2, masked=[masked] * 2, probability=[probability] * 2, outside=0.25
        ), (10.0, 90.0),
    )  # fmt: skip

    assert one == two


def test_parts_are_merged_as_if_they_were_one():
    whole = pixels([1, 2, 3, 4], weights=[1, 0.5, 0.5, 1], outside=3)
    parts = [pixels([1, 2], weights=[1, 0.5], outside=1), pixels([3, 4], weights=[0.5, 1], outside=2)]

    assert summarise(merge(parts), (10.0,)) == summarise(whole, (10.0,))


def test_a_single_value_is_every_percentile():
    assert weighted_percentiles(np.array([0.3]), np.array([0.2]), (0.0, 50.0, 100.0)) == (0.3, 0.3, 0.3)
