"""The sample generator's pixels: what a file holds is what `expected` says, and it makes physical sense."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from ingest.sample import (
    ProductSpec,
    TileGrid,
    cloud_probability,
    expected,
    image,
    reflectance,
    scl,
    swath_through,
    valid_mask,
)
from ingest.sample.grid import Grid
from ingest.sample.images import write_jp2
from ingest.sample.landscape import cover, terrain, water_level
from ingest.sample.noise import fractal, smooth
from ingest.sample.sun import earth_sun_correction, sun_angles
from ingest.tiling import EXTENT, tile_origin
from stac.bands import BAND_IDS
from stac.naming import Tile

DRY = datetime(2026, 2, 9, 3, 11, 21, 24_000, tzinfo=UTC)
WET = datetime(2025, 9, 17, 3, 11, 21, 24_000, tzinfo=UTC)
SIZE = 180


def spec(**changes) -> ProductSpec:
    return replace(ProductSpec(sensing=DRY, size=SIZE, cloudiness=0.3), **changes)


@pytest.mark.parametrize(
    ("tile", "origin"),
    [
        ("33TWM", (499_980, 5_200_020)),
        ("34UCF", (300_000, 6_100_020)),
        ("31TDH", (399_960, 4_800_000)),
        ("33XWJ", (499_980, 8_900_040)),
        ("01WCP", (300_000, 7_400_040)),
        ("46RER", (499_980, 3_100_020)),
        ("07HFE", (600_000, 6_500_020)),
        ("22HBD", (199_980, 5_900_020)),
    ],
)
def test_tiles_lie_where_esa_puts_them(tile, origin):
    assert tile_origin(Tile.parse(tile)) == origin


def test_reduced_sizes_keep_the_extent():
    grid = TileGrid(tile="48PWU", size=1098)
    assert [grid.pixel(gsd) for gsd in (10, 20, 60)] == [100, 200, 600]
    for gsd in (10, 20, 60):
        transform = grid.transform(gsd)
        assert transform.c + transform.a * grid.count(gsd) == pytest.approx(609_780)
        assert transform.f + transform.e * grid.count(gsd) == pytest.approx(1_290_240)


def test_centre_of_a_tile_is_inside_its_utm_zone():
    lon, lat = TileGrid(tile="48PWU", size=6).centre
    back = Transformer.from_crs(4326, 32_648, always_xy=True).transform(lon, lat)
    assert back == pytest.approx((499_980 + EXTENT / 2, 1_400_040 - EXTENT / 2), abs=1e-3)


@pytest.mark.parametrize("layer", [*BAND_IDS, "SCL", "CLDPRB", "SNWPRB", "AOT", "WVP", "TCI"])
def test_the_same_call_gives_the_same_bytes(layer):
    from ingest.sample import pixels

    first = expected(spec(), layer).tobytes()
    pixels._strip.cache_clear()
    pixels._terrain.cache_clear()
    assert expected(spec(), layer).tobytes() == first


def test_strips_join_without_a_seam(monkeypatch):
    from ingest.sample import pixels

    whole = {layer: expected(spec(), layer) for layer in ("B04", "SCL", "TCI")}
    monkeypatch.setattr(pixels, "_STRIP_PIXELS", 7 * SIZE)
    for layer, values in whole.items():
        np.testing.assert_array_equal(expected(spec(), layer), values)


def test_expected_indexes_like_numpy():
    rows, cols = np.array([3, 90, 177]), np.array([0, 45, 101])
    np.testing.assert_array_equal(expected(spec(), "B08", rows, cols), expected(spec(), "B08")[rows, cols])
    np.testing.assert_array_equal(expected(spec(), "TCI", slice(2, 5), 7), expected(spec(), "TCI")[:, 2:5, 7])


def test_unknown_layers_are_refused_by_name():
    with pytest.raises(ValueError, match="no layer 'B13'"):
        expected(spec(), "B13")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"size": 100}, "multiple of 6"), ({"cloudiness": 2.0}, "0..1"), ({"sensing": datetime(2025, 1, 1)}, "UTC")],  # noqa: DTZ001
)
def test_impossible_products_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        spec(**changes)


def test_digital_numbers_are_the_reflectance_and_the_offset():
    truth = reflectance(spec(), "B04")
    for baseline, offset in (("05.11", -1000), ("04.00", -1000), ("05.00", -1000), ("03.01", 0), ("02.14", 0)):
        numbers = expected(spec(baseline=baseline), "B04")
        np.testing.assert_allclose((numbers.astype(float) + offset) / 10_000, truth, atol=5.1e-5)


def test_reflectance_goes_on_across_the_change_of_baseline():
    """One place, two processings of one datatake: the numbers differ by exactly 1000."""
    old = expected(spec(baseline="03.01"), "B08").astype(int)
    new = expected(spec(baseline="05.11"), "B08").astype(int)
    assert (old > 1).all()
    np.testing.assert_array_equal(new - old, 1000)


def test_negative_reflectance_is_kept_after_0400_and_lost_before():
    clear = {"cloudiness": 0.0, "sensing": WET}
    lake = reflectance(spec(**clear), "B12") < -0.001
    assert lake.any()
    new = expected(spec(**clear), "B12")[lake]
    assert (new > 0).all()
    assert (new < 1000).all()
    assert (expected(spec(**clear, baseline="03.01"), "B12")[lake] == 1).all()


def test_a_forced_offset_is_the_one_applied():
    plain, forced = expected(spec(), "B03").astype(int), expected(spec(add_offset=-7000), "B03").astype(int)
    np.testing.assert_array_equal(forced - plain, 6000)


def test_swath_edge_is_a_wedge_of_nodata():
    cut = spec(swath_edge=swath_through("48PWU", 0.7))
    inside = valid_mask(cut)
    assert inside.mean() == pytest.approx(0.7, abs=0.01)
    assert (np.diff(inside.sum(axis=1)) <= 0).all()
    assert inside[0].sum() > inside[-1].sum() + SIZE / 6
    for layer in ("B02", "B03", "TCI"):
        values = expected(cut, layer)
        assert (values[..., ~inside] == 0).all()
        assert (values[..., inside] > 0).all()
    np.testing.assert_array_equal(scl(cut) == 0, ~valid_mask(cut, gsd=20))
    assert np.isnan(reflectance(cut, "B02")[~inside]).all()


def test_classes_and_probabilities_agree():
    cloudy = spec(size=366, cloudiness=0.5, sensing=WET)
    classes, probability = scl(cloudy), cloud_probability(cloudy)
    assert probability.max() <= 100
    # Classes are cut before the probability is rounded.
    assert (probability[classes == 9] >= 80).all()
    assert ((probability[classes == 8] >= 40) & (probability[classes == 8] <= 80)).all()
    assert (probability[~np.isin(classes, (8, 9))] <= 40).all()
    assert {2, 3, 4, 6, 7, 8, 9} <= set(np.unique(classes))
    assert 0.35 < np.isin(classes, (8, 9, 10)).mean() < 0.65


def test_clouds_are_bright_and_shadows_dark():
    cloudy = spec(size=366, cloudiness=0.4)
    classes = scl(cloudy)
    clear = reflectance(replace(cloudy, cloudiness=0.0), "B8A")
    seen = reflectance(cloudy, "B8A")
    assert (seen[classes == 9] > clear[classes == 9] + 0.1).all()
    # Thin edges of cloud brighten some of the shaded pixels again, most of all over dark water.
    assert (seen < 0.85 * clear)[classes == 3].mean() > 0.9


def test_a_clear_sky_has_no_cloud_classes():
    clear = spec(cloudiness=0.0)
    assert set(np.unique(scl(clear))) <= {4, 5, 6}
    assert cloud_probability(clear).max() == 0


def test_surface_classes_have_their_spectra():
    clear = spec(size=366, cloudiness=0.0)
    classes = scl(clear)
    red, nir = (reflectance(clear, band, gsd=20) for band in ("B04", "B08"))
    ndvi = (nir - red) / (nir + red)
    assert ndvi[classes == 4].mean() > 0.6
    assert ndvi[classes == 6].mean() < 0
    assert ndvi[classes == 4].min() > ndvi[classes == 5].max()


def test_the_lake_and_the_river_rise_with_the_monsoon():
    dry, wet = (scl(spec(size=366, cloudiness=0.0, sensing=day)) == 6 for day in (DRY, WET))
    assert wet.sum() > 2 * dry.sum()
    assert (wet | ~dry).mean() > 0.999
    assert water_level(DRY.date()) < 2
    assert water_level(WET.date()) > 5


def test_rice_is_flooded_then_green_then_harvested():
    grid = TileGrid(tile="48PWU", size=366).grid(20)
    ground = terrain(grid, 0)
    paddy = (ground.rice > 0.9) & (ground.second == 0) & (ground.height > 12)
    share = {
        month: {
            name: float(values[paddy].mean()) for name, values in cover(ground, WET.date().replace(month=month)).items()
        }
        for month in (3, 7, 9, 12)
    }
    assert share[7]["flooded"] > 0.3 > share[3]["flooded"]
    assert share[9]["rice"] > 0.7
    assert share[12]["soil"] + share[12]["straw"] > 0.9


def test_shares_add_up_to_one():
    ground = terrain(TileGrid(tile="48PWT", size=366).grid(10), 0)
    for day in (DRY, WET):
        shares = cover(ground, day.date())
        np.testing.assert_allclose(sum(shares.values()), 1, atol=1e-5)
        assert min(values.min() for values in shares.values()) > -1e-6


def test_neighbouring_tiles_show_the_same_ground_and_sky():
    """At 60 m both tiles' pixels fall on the same lattice: the 9.78 km they share must be equal, pixel by pixel."""
    size = 1830
    upper, lower = (ProductSpec(sensing=WET, size=size, tile=tile, cloudiness=0.4) for tile in ("48PWU", "48PWT"))
    shared = size - 100_020 // 60
    assert upper.grid.origin[1] - lower.grid.origin[1] == 100_020
    for layer in ("B04", "TCI"):
        np.testing.assert_array_equal(
            expected(upper, layer, slice(-shared, None)), expected(lower, layer, slice(0, shared))
        )


def test_all_bands_of_a_place_come_from_one_scene():
    """The same ground at 10 and at 20 m: means over blocks agree where nothing changes within them."""
    clear = spec(size=1098, cloudiness=0.0)
    fine = reflectance(clear, "B04").reshape(549, 2, 549, 2)
    coarse = reflectance(clear, "B04", gsd=20)
    even = np.ptp(fine, axis=(1, 3)) < 0.002
    assert even.sum() > 10_000
    assert np.percentile(np.abs(fine.mean(axis=(1, 3)) - coarse)[even], 99) < 0.002


def test_level_1c_is_hazier_in_the_blue_and_dark_in_the_cirrus_band():
    clear = spec(cloudiness=0.0)
    top = replace(clear, level="L1C")
    assert (reflectance(top, "B02") > reflectance(clear, "B02") + 0.03).all()
    assert reflectance(top, "B10").max() < 0.01


def test_jp2_is_lossless_and_georeferenced(tmp_path):
    grid = spec().grid
    for layer, gsd in (("B02", 10), ("SCL", 20), ("TCI", 10)):
        pixels = image(spec(), layer, gsd)
        path = tmp_path / f"{layer}.jp2"
        write_jp2(path, pixels, epsg=grid.epsg, transform=grid.transform(gsd))
        with rasterio.open(path) as source:
            assert source.driver == "JP2OpenJPEG"
            assert source.crs.to_epsg() == 32_648
            assert source.transform.almost_equals(grid.transform(gsd))
            np.testing.assert_array_equal(source.read().reshape(pixels.shape), pixels)
    assert not list(tmp_path.glob("*.aux.xml"))


def test_noise_depends_on_the_place_alone():
    x, y = np.linspace(500_000, 540_000, 41), np.linspace(1_300_000, 1_290_000, 11)
    whole = fractal(Grid(x, y), 7_000, 5, 3)
    np.testing.assert_array_equal(fractal(Grid(x[10:20], y[4:6]), 7_000, 5, 3), whole[4:6, 10:20])
    assert not np.array_equal(smooth(Grid(x, y), (7_000, 7_000), 4), smooth(Grid(x, y), (7_000, 7_000), 5))


def test_the_sun_stands_where_the_almanac_says():
    """At the subsolar point (equinox of 2025, 20 March 12:00 UTC, equation of time -7.4 min) it is overhead."""
    noon = sun_angles(datetime(2025, 3, 20, 12, 0, tzinfo=UTC), np.array([1.85]), np.array([0.05]))
    assert noon.zenith[0] < 0.2
    real = sun_angles(datetime(2023, 8, 23, 10, 5, 35, tzinfo=UTC), np.array([18.76]), np.array([54.53]))
    # Mean_Sun_Angle of S2B_MSIL2A_20230823T095559_N0509_R122_T34UCF.
    assert real.zenith[0] == pytest.approx(43.877, abs=0.15)
    assert real.azimuth[0] == pytest.approx(165.03, abs=0.4)


@pytest.mark.parametrize(
    ("when", "factor"),
    [
        (datetime(2023, 8, 23, 9, 55, 59, tzinfo=UTC), 0.97659423426857),
        (datetime(2021, 9, 8, 4, 27, 1, tzinfo=UTC), 0.983841990384341),
        (datetime(2020, 10, 31, 0, 47, 11, tzinfo=UTC), 1.01326527467517),
    ],
)
def test_earth_sun_correction_is_that_of_real_products(when, factor):
    assert earth_sun_correction(when) == pytest.approx(factor, abs=5e-4)
