import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import rasterize

from tiler.series.coverage import Coverages, cover
from tiler.series.grid import Grid, Window

GRID = Grid(epsg=32648, left=500_000, top=1_300_000, size=10, height=30, width=40)


def whole(coverage):
    """The weights on the whole grid."""
    weights = np.zeros((GRID.height, GRID.width))
    window = coverage.window
    weights[window.top : window.bottom, window.left : window.right] = coverage.weights
    return weights


def by_intersection(polygon):
    """Weights pixel by pixel, from the definition."""
    weights = np.zeros((GRID.height, GRID.width))
    for row, column in np.ndindex(weights.shape):
        left, top = GRID.left + 10 * column, GRID.top - 10 * row
        weights[row, column] = shapely.box(left, top - 10, left + 10, top).intersection(polygon).area / 100
    return weights


@pytest.fixture
def field():
    """A field with a hole, off the grid."""
    outer = shapely.Point(500_161.3, 1_299_872.9).buffer(73.7)
    return outer.difference(shapely.box(500_140, 1_299_860, 500_163, 1_299_880))


def test_exact_weights_are_the_shares_of_the_pixels(field):
    assert whole(cover(field, GRID, "exact")) == pytest.approx(by_intersection(field), abs=1e-6)


@pytest.mark.parametrize(("rule", "all_touched"), [("centre", False), ("touched", True)])
def test_the_other_rules_are_rasterios(field, rule, all_touched):
    transform = Affine(10, 0, GRID.left, 0, -10, GRID.top)
    drawn = rasterize([field], out_shape=(GRID.height, GRID.width), transform=transform, all_touched=all_touched)

    assert np.array_equal(whole(cover(field, GRID, rule)), drawn)


@pytest.mark.parametrize("rule", ["exact", "centre"])
def test_what_lies_beyond_the_grid_is_counted_outside(rule):
    field = shapely.box(GRID.left - 50, GRID.top - 20, GRID.left + 20, GRID.top + 30)
    found = cover(field, GRID, rule)

    assert (found.weights.sum(), found.outside, found.total) == (4, 31, 35)


def test_wholly_beyond_the_grid_nothing_is_inside():
    found = cover(shapely.box(0, 0, 100, 100), GRID, "exact")

    assert found.weights.size == 0
    assert found.outside == pytest.approx(100)


def test_a_sliver_between_centres_has_weight_only_when_exact():
    sliver = shapely.box(500_101, 1_299_901, 500_103, 1_299_909)

    assert cover(sliver, GRID, "exact").total == pytest.approx(0.16)
    assert cover(sliver, GRID, "centre").total == 0


def test_points_are_the_pixels_that_contain_them_each_once():
    points = shapely.MultiPoint([(500_000, 1_300_000), (500_009.9, 1_299_990.1), (500_010, 1_299_990), (499_999, 0)])
    found = cover(points, GRID, "exact")

    assert np.argwhere(whole(found)).tolist() == [[0, 0], [1, 1]]
    assert found.outside == 1


def test_a_coverage_is_made_once():
    known, made = Coverages(), []

    def make():
        made.append(1)
        return cover(shapely.box(500_000, 1_299_900, 500_100, 1_300_000), GRID, "exact")

    assert known.of("field", make) is known.of("field", make)
    assert made == [1]


def test_a_coarser_window_covers_the_finer_one_and_stays_on_its_grid():
    coarse = Grid(epsg=32648, left=500_000, top=1_300_000, size=20, height=15, width=20)

    assert Window(top=3, left=0, bottom=30, right=5).coarsened(2, coarse, margin=1) == Window(
        top=0, left=0, bottom=15, right=4
    )
