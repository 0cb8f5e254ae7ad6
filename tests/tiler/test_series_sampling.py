"""One acquisition from several observations, on small images on disk."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import shapely

from stac.naming import Baseline
from tiler.series.acquisitions import Observation, newest_processing
from tiler.series.features import Feature, project
from tiler.series.grid import Grid, Image
from tiler.series.overpasses import Overpasses
from tiler.series.reading import read_window
from tiler.series.request import parse_request
from tiler.series.sampling import Sampler

WEST = Grid(epsg=32648, left=500_000, top=1_300_000, size=10, height=60, width=60)
EAST = replace(WEST, left=500_400)
"""The two overlap by 20 columns."""
WHOLE = shapely.box(104.9, 11.7, 105.1, 11.8)
CLEAR = 4


@pytest.fixture
def scene(tmp_path):
    """Makes an observation with NDVI and MASK written to disk."""
    made = []

    def make(values, mask=CLEAR, *, tile="48PWU", grid=WEST, strip="20250105T032134", baseline="05.11", take=None):
        made.append(1)
        folder = tmp_path / str(len(made))
        folder.mkdir()
        images = {}
        for name, content, dtype, nodata in (("NDVI", values, "int16", -32768), ("MASK", mask, "uint16", 0)):
            path = str(folder / f"{name}.tif")
            with rasterio.open(
                path, "w", driver="GTiff", width=grid.width, height=grid.height, count=1, dtype=dtype,
                crs=f"EPSG:{grid.epsg}", transform=rasterio.Affine(10, 0, grid.left, 0, -10, grid.top),
            ) as target:  # fmt: skip
                target.write(np.broadcast_to(np.asarray(content, dtype=dtype), (grid.height, grid.width)), 1)
            images[name] = Image(
                key=f"{tile}/{name}.tif", path=path, grid=grid, scale=0.0001 if name == "NDVI" else 1.0, nodata=nodata
            )
        return Observation(
            item_id=f"item{len(made)}", acquired=datetime(2025, 1, 5, 3, 11, len(made), tzinfo=UTC),
            platform="sentinel-2a", take=take or "20250105T031121", strip=strip, tile=tile,
            baseline=Baseline.parse(baseline), footprint=WHOLE, images=images, mask_fields=frozenset({"scl"}),
        )  # fmt: skip

    return make


def lost(observation):
    """The same, its NDVI gone."""
    ndvi = observation.images["NDVI"]
    return replace(observation, images={**observation.images, "NDVI": replace(ndvi, path="/nowhere/NDVI.tif")})


def field(left, top, right, bottom, grid=WEST):
    """A feature that covers those columns and rows of a grid."""
    metres = shapely.box(grid.left + 10 * left, grid.top - 10 * bottom, grid.left + 10 * right, grid.top - 10 * top)
    return Feature(id="a", geometry=project(metres, 32648, 4326))


class Gdal:
    """A source that needs no store."""

    read = staticmethod(read_window)


def rows(feature, *observations, **parameters):
    sampler = Sampler(request=parse_request("sentinel-2-indices", parameters))
    return [row for one in Overpasses(observations).over(feature) for row in sampler.rows(one, Gdal())]


def test_of_several_processings_the_highest_baseline_counts_as_numbers(scene):
    old, new, own = (scene(0, baseline=baseline) for baseline in ("02.14", "05.10", "99.99"))
    other = scene(0, strip="20250105T032200")

    assert newest_processing([old, new, own, other]) == [new, other]


def test_two_overpasses_are_two_rows_oldest_first(scene):
    later, sooner = scene(2000, take="20250110T031121"), scene(1000)
    found = rows(field(5, 5, 8, 8), replace(later, acquired=datetime(2025, 1, 10, tzinfo=UTC)), sooner)

    assert [round(row.statistics.mean, 6) for row in found] == [0.1, 0.2]


def test_datastrips_of_one_datatake_fill_each_others_nodata(scene):
    upper = np.where(np.arange(60)[:, None] < 30, 1000, -32768) * np.ones((1, 60))
    lower = np.where(np.arange(60)[:, None] < 30, -32768, 3000) * np.ones((1, 60))
    (row,) = rows(field(10, 20, 20, 40), scene(upper, strip="20250105T032134"), scene(lower, strip="20250105T032200"))

    assert row.status == "ok"
    assert row.statistics.count == pytest.approx(200, abs=1e-4)
    assert row.statistics.nodata == pytest.approx(0, abs=1e-4)
    assert row.statistics.mean == pytest.approx(0.2, abs=1e-6)
    assert row.item_id == "item1 item2"


def test_ground_in_two_tiles_is_counted_once(scene):
    (row,) = rows(field(30, 10, 80, 20), scene(1000, tile="48PWU"), scene(3000, tile="48PXU", grid=EAST))

    assert row.tile == "48PWU 48PXU"
    assert row.statistics.count == pytest.approx(500, abs=1e-3)
    assert row.statistics.nodata == pytest.approx(0, abs=1e-3)
    assert row.statistics.mean == pytest.approx((30 * 0.1 + 20 * 0.3) / 50, abs=1e-5)


def test_a_tile_that_cannot_be_read_leaves_its_ground_to_the_other(scene):
    inside_both = field(45, 10, 55, 20)
    (row,) = rows(inside_both, lost(scene(1000, tile="48PWU")), scene(3000, tile="48PXU", grid=EAST))

    assert (row.status, row.tile, row.reason) == ("ok", "48PXU", "")
    assert row.statistics.mean == pytest.approx(0.3)


def test_ground_that_only_an_unreadable_tile_holds_makes_the_row_partial(scene):
    (row,) = rows(field(30, 10, 80, 20), scene(1000, tile="48PWU"), lost(scene(3000, tile="48PXU", grid=EAST)))

    assert row.status == "partial"
    assert row.reason == "48PXU/NDVI.tif is not in the object store"
    assert row.statistics.valid == pytest.approx(300, abs=1e-3)
    assert row.statistics.nodata == pytest.approx(200, abs=1e-3)


def test_where_nothing_can_be_read_the_row_names_the_object(scene):
    (row,) = rows(field(5, 5, 8, 8), lost(scene(1000)))

    assert (row.status, row.statistics) == ("unreadable", None)
    assert row.reason == "48PWU/NDVI.tif is not in the object store"


def test_a_point_takes_the_tile_in_which_it_is_valid(scene):
    cloudy, clear = scene(1000, mask=9, tile="48PWU"), scene(3000, tile="48PXU", grid=EAST)
    place = Feature(id="p", geometry=field(50, 10, 51, 11).geometry.centroid)

    assert [(row.tile, row.status) for row in rows(place, cloudy, clear)] == [("48PXU", "ok")]
    assert [(row.tile, row.status) for row in rows(place, cloudy, clear, mask="none")] == [("48PWU", "ok")]
    assert [(row.tile, row.status) for row in rows(place, lost(clear), cloudy)] == [("48PWU", "masked")]


def test_pixels_of_which_the_mask_knows_nothing_are_not_claimed_clear(scene):
    (row,) = rows(field(5, 5, 8, 8), scene(1000, mask=0))

    assert (row.status, row.statistics.masked) == ("masked", pytest.approx(9))


def test_a_feature_between_pixel_centres_says_so(scene):
    sliver = field(5.1, 5.1, 5.3, 5.3)
    (centre,) = rows(sliver, scene(1000), pixels="centre")
    (exact,) = rows(sliver, scene(1000))

    assert centre.status == "no_pixel"
    assert "pixels=exact" in centre.reason
    assert (exact.status, exact.statistics.mean) == ("ok", pytest.approx(0.1))


def test_an_image_of_another_size_than_catalogued_is_not_trusted(scene):
    observation = scene(1000)
    wrong = replace(observation.images["NDVI"], path=scene(1, grid=replace(WEST, width=30)).images["NDVI"].path)
    (row,) = rows(field(5, 5, 8, 8), replace(observation, images={**observation.images, "NDVI": wrong}))

    assert row.status == "unreadable"
    assert "size" in row.reason
