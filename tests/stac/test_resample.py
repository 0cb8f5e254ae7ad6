import warnings

import numpy as np
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stac.resample import double, repeat


def gdal_bilinear(values: np.ndarray) -> np.ndarray:
    height, width = values.shape
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(driver="GTiff", width=width, height=height, count=1, dtype="uint16") as dataset:
            dataset.write(values, 1)
        with memory.open() as dataset:
            return dataset.read(1, out_shape=(2 * height, 2 * width), resampling=Resampling.bilinear)


def test_doubling_equals_gdal_to_the_last_bit() -> None:
    values = np.random.default_rng(0).integers(1, 65536, (61, 83)).astype(np.uint16)
    assert np.array_equal(double(values), gdal_bilinear(values))


def test_nodata_stays_and_does_not_bleed() -> None:
    values = np.full((5, 5), 4000, np.uint16)
    values[2, 2] = 0
    out = double(values)
    assert (out[4:6, 4:6] == 0).all()
    assert set(np.unique(out)) == {0, 4000}


def test_classes_repeat() -> None:
    assert repeat(np.array([[1, 2], [3, 4]])).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_a_nodata_pixel_changes_its_neighbours_only() -> None:
    """Images without nodata take a shorter way through the arithmetic; both ways agree where both may be gone."""
    values = np.random.default_rng(1).integers(1, 65536, (40, 50)).astype(np.uint16)
    holed = values.copy()
    holed[20, 30] = 0
    far = np.ones((80, 100), bool)
    far[38:44, 58:64] = False
    assert np.array_equal(double(values)[far], double(holed)[far])
