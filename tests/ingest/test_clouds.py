import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import binary_dilation, binary_erosion

from ingest.clouds import cm001, cm002, cm003, cm004, dilate, disc, erode, is_dark, mask_image
from stac.masks import FIELDS, PROFILES, UNKNOWN_CLASS, UNKNOWN_PROBABILITY, cloud_probability

SCENES = ("S2A_33TWM_20230818_0_L2A", "S2B_33TWM_20230813_0_L2A")


def element_array(element: tuple[int, ...]) -> np.ndarray:
    width = max(element)
    out = np.zeros((len(element), 2 * width + 1), dtype=bool)
    for row, half in enumerate(element):
        out[row, width - half : width + half + 1] = True
    return out


@pytest.mark.parametrize("element", [(0, 1, 0), (1, 2, 2, 2, 1), disc(5), disc(6)])
def test_dilation_and_erosion_equal_scipy(element: tuple[int, ...]) -> None:
    mask = np.random.default_rng(7).random((97, 83)) > 0.93
    expected = element_array(element)
    assert np.array_equal(dilate(mask, element), binary_dilation(mask, expected))
    thick = binary_dilation(mask, np.ones((9, 9)))
    assert np.array_equal(erode(thick, element), binary_erosion(thick, expected))


@pytest.mark.parametrize("scene", SCENES)
def test_masks_equal_the_predecessors(shared_data: Path, scene: str) -> None:
    golden = np.load(shared_data / "sen2chain-golden" / f"masks_{scene}.npz")
    folder = shared_data / "earth-search" / "33TWM" / scene
    probability = read(next(folder.glob("GRANULE/*/QI_DATA/MSK_CLDPRB_20m.jp2")))
    classes = read(folder / "SCL.tif")
    names = [name for name in golden.files if name.startswith("CM")]
    assert len(names) == 14
    for name in names:
        expected = np.unpackbits(golden[name], axis=1)[:, : classes.shape[1]].astype(bool)
        assert np.array_equal(by_name(name, classes, probability), expected), name


def by_name(name: str, classes: np.ndarray, probability: np.ndarray) -> np.ndarray:
    if name == "CM001":
        return cm001(probability)
    if match := re.fullmatch(r"CM003-PRB(\d+)-ITER(\d+)", name):
        return cm003(probability, int(match[1]), int(match[2]))
    match = re.fullmatch(r"CM004-CSH(\d)-CMP(\d)-CHP(\d)-TCI(\d)-ITER(\d+)", name)
    assert match is not None
    flags = zip((3, 8, 9, 10), match.groups()[:4], strict=True)
    return cm004(classes, [value for value, flag in flags if flag == "1"], int(match[5]))


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_bright_water_is_no_cloud() -> None:
    probability = np.zeros((60, 120), dtype=np.uint8)
    probability[20:40, 20:40] = 90
    probability[20:40, 80:100] = 90
    b11 = np.full(probability.shape, 0.3)
    b11[20:40, 80:100] = 0.02
    masked = cm002(probability, is_dark(b11))
    assert masked[30, 30]
    assert not masked[30, 90]
    assert cm001(probability)[30, 90]


def plain_disc(radius: int) -> np.ndarray:
    """The predecessor's discs: all cells whose centre lies within r² + 1 of the middle's, squared."""
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return rows**2 + columns**2 <= radius**2 + 1


@pytest.mark.parametrize("offset", [0, -1000])
@pytest.mark.parametrize("scene", SCENES)
def test_cm002_equals_its_definition_in_plain_numpy(shared_data: Path, scene: str, offset: int) -> None:
    """No reference array of CM002 exists: the predecessor's own fails. This is its algorithm, step by step.

    The cloud probability is real; B11 is noise with dark specks, in digital numbers before and after the offset of
    baseline 04.00: the threshold is one of reflectance, where the predecessor compares numbers with 1500.
    """
    folder = shared_data / "earth-search" / "33TWM" / scene
    probability = read(next(folder.glob("GRANULE/*/QI_DATA/MSK_CLDPRB_20m.jp2")))[200:700, 200:700]
    rng = np.random.default_rng(11)
    reflectance = np.where(rng.random(probability.shape) < 0.002, 0.05, 0.3) + rng.normal(0, 0.03, probability.shape)
    digital = np.rint(reflectance * 10000).astype(int) - offset

    cloudy = binary_erosion(probability > 25, [[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    first = binary_dilation(cloudy, plain_disc(5))
    dark = digital + offset < 1500
    wanted = binary_dilation(first & ~binary_dilation(dark, plain_disc(5)), plain_disc(6))

    found = cm002(probability, is_dark(digital * 0.0001 + offset * 0.0001))
    assert np.array_equal(found, wanted)
    assert np.array_equal(cm001(probability), first)
    assert 0 < wanted.sum() != first.sum()


def test_every_field_of_the_mask_image_reads_back() -> None:
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 14, (64, 64)).astype(np.uint8)
    probability = rng.integers(0, 101, (64, 64)).astype(np.uint8)
    b11 = rng.random((64, 64))
    image = mask_image(classes, probability, is_dark(b11))
    inside = classes != 0
    assert np.array_equal(FIELDS["scl"].read(image)[inside], np.where(classes > 11, UNKNOWN_CLASS, classes)[inside])
    assert np.array_equal(cloud_probability(image)[inside], probability[inside])
    for name, mask in (("cm001", cm001(probability)), ("cm002", cm002(probability, is_dark(b11)))):
        assert np.array_equal(PROFILES[name].masked(image)[inside], mask[inside])
    assert (image[~inside] == 0).all()


def test_fields_without_a_source_are_unknown_not_clear() -> None:
    classes = np.full((8, 8), 4, dtype=np.uint8)
    image = mask_image(classes, None, None)
    assert np.isnan(cloud_probability(image)).all()
    assert (FIELDS["cloud_probability"].read(image) == UNKNOWN_PROBABILITY).all()
    image = mask_image(None, np.full((8, 8), 50, dtype=np.uint8), None)
    assert (FIELDS["scl"].read(image) == UNKNOWN_CLASS).all()
    assert PROFILES["scl"].masked(image).all()
