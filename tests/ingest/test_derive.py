from pathlib import Path

import numpy as np
import pytest

from ingest.derive import cloud_image, derivable_indices, index_image, mask_sources
from ingest.errors import InvalidProductError
from ingest.products.base import Raster
from stac.bands import BANDS
from stac.indices import INDICES, NODATA, decode, encode, evaluate, get_index, to_reflectance
from stac.resample import double
from stac.scene import Grid, Radiometry

DN = Radiometry(scale=0.0001, offset=-0.1, nodata=0)
FINE = Grid(epsg=32648, width=1100, height=1100, left=0, top=0, pixel_width=10, pixel_height=10)
COARSE = Grid(epsg=32648, width=550, height=550, left=0, top=0, pixel_width=20, pixel_height=20)


def band(where: Grid, seed: int) -> Raster:
    pixels = np.random.default_rng(seed).integers(1200, 5000, where.shape).astype(np.uint16)
    pixels[:7, :9] = 0
    return Raster(pixels=pixels, grid=where)


@pytest.mark.parametrize("baseline", ["N0214", "N0509"])
def test_indices_equal_the_predecessors_within_rounding(shared_data: Path, baseline: str) -> None:
    golden = np.load(shared_data / "sen2chain-golden" / f"indices_{baseline}.npz")
    offset = -0.1 if baseline == "N0509" else 0.0
    compared = 0
    for index in INDICES.values():
        expected = golden[f"out_{index.name}"].astype(int)
        dn = {name: golden[f"in_{name}"].astype(np.uint16) for name in index.bands}
        fine = {name: values if values.shape == (240, 240) else double(values) for name, values in dn.items()}
        reflectance = {name: to_reflectance(values, scale=0.0001, offset=offset) for name, values in fine.items()}
        found = encode(evaluate(index, reflectance)).astype(int)
        if index.name == "NDBI":
            # The predecessor computed it on the 10 m grid too, from B11 doubled bilinearly, and then wrote it into a
            # file of B11's 20 m grid: of each four pixels the upper left one.
            found = found[::2, ::2]
        assert np.abs(found - expected).max() <= 1, index.name
        compared += 1
    assert compared == len(INDICES) == 12


@pytest.mark.parametrize(
    ("b08", "b04", "expected"),
    [
        (1005, 996, NODATA),  # 0.0005 and -0.0004: the ratio is 9, no NDVI; the predecessor wrapped it
        (990, 1020, NODATA),  # -0.001 and 0.002: -3
        (1010, 990, NODATA),  # the denominator is zero: undefined, not 0
        (3000, 0, NODATA),  # the second band is nodata
        (0, 3000, NODATA),
        (5000, 1500, 7778),  # (0.4 - 0.05) / 0.45
    ],
)
def test_ndvi_of_awkward_pixels(b08: int, b04: int, expected: int) -> None:
    bands = {
        name: to_reflectance(np.array([[dn]], np.uint16), scale=0.0001, offset=-0.1)
        for name, dn in (("B08", b08), ("B04", b04))
    }
    assert encode(evaluate(INDICES["NDVI"], bands))[0, 0] == expected


def test_ireci_beyond_int16_is_nodata() -> None:
    reflectance = {"B07": 0.6, "B04": 0.05, "B06": 0.55, "B05": 0.0031}
    value = evaluate(INDICES["IRECI"], {name: np.array([[v]]) for name, v in reflectance.items()})
    assert encode(value)[0, 0] == NODATA


def test_stored_values_read_back() -> None:
    values = np.linspace(-1, 1, 20001)
    assert np.abs(decode(encode(values)) - values).max() <= 0.00005 + 1e-12
    assert np.isnan(decode(encode(np.array([np.nan, np.inf, 9.0])))).all()


def test_an_index_of_mixed_grids_is_made_on_the_fine_one_in_strips() -> None:
    rasters = {"B03": band(FINE, 1), "B11": band(COARSE, 2)}
    image = index_image(get_index("mndwi"), rasters, {"B03": DN, "B11": DN})
    green = rasters["B03"].pixels * 0.0001 - 0.1
    swir = double(rasters["B11"].pixels) * 0.0001 - 0.1
    expected = np.rint((green - swir) / (green + swir) * 10000)
    valid = (rasters["B03"].pixels > 0) & (double(rasters["B11"].pixels) > 0)
    assert image.grid == FINE
    assert np.abs(image.pixels[valid] - expected[valid]).max() <= 1
    assert (image.pixels[~valid] == NODATA).all()
    assert (image.pixels[:14, :18] == NODATA).all()


@pytest.mark.parametrize("name", INDICES)
def test_indices_computed_from_dn_equal_those_from_reflectance_to_the_bit(name: str) -> None:
    """The oracle computes whole arrays, ours goes by rows: neither strips nor nodata at their borders may show."""
    index = INDICES[name]
    rasters = {one: band(FINE if BANDS[one].gsd == 10 else COARSE, seed) for seed, one in enumerate(index.bands)}
    for raster in rasters.values():
        raster.pixels[raster.grid.height // 2 - 1 : raster.grid.height // 2 + 2, 40:90] = 0
        raster.pixels[300:302] = 1001
    radiometry = dict.fromkeys(rasters, DN)
    found = index_image(index, rasters, radiometry).pixels
    finest = max(rasters.values(), key=lambda raster: raster.grid.height).grid
    fine = {one: r.pixels if r.grid == finest else double(r.pixels) for one, r in rasters.items()}
    wanted = encode(evaluate(index, {one: to_reflectance(dn, scale=0.0001, offset=-0.1) for one, dn in fine.items()}))
    assert np.array_equal(found, wanted)
    assert (wanted == NODATA).any()
    assert (wanted != NODATA).mean() > 0.5


def test_only_what_the_bands_allow_is_derived() -> None:
    assert [index.name for index in derivable_indices({"B04": 0, "B08": 0})] == ["NDVI"]
    assert [index.name for index in derivable_indices(dict.fromkeys(("B03", "B04", "B08", "B11")))] == [
        "NDVI",
        "NDWIGAO",
        "NDWIMCF",
        "MNDWI",
    ]


def test_the_mask_comes_on_the_fine_grid_and_names_its_fields() -> None:
    classes = Raster(pixels=np.full(COARSE.shape, 9, np.uint8), grid=COARSE)
    image, fields = cloud_image({"SCL": classes}, {}, FINE)
    assert image.pixels.shape == FINE.shape
    assert fields == ("scl", "cm004")


def test_a_mask_needs_scene_classes_or_cloud_probability() -> None:
    assert mask_sources(("B04", "B11")) == frozenset()
    assert mask_sources(("B04", "B11", "SCL")) == {"B11", "SCL"}


def test_masks_of_different_sizes_are_refused() -> None:
    classes = Raster(pixels=np.full(COARSE.shape, 9, np.uint8), grid=COARSE)
    probability = Raster(pixels=np.full(FINE.shape, 9, np.uint8), grid=FINE)
    with pytest.raises(InvalidProductError, match="differ in size"):
        cloud_image({"SCL": classes, "CLDPRB": probability}, {}, FINE)
