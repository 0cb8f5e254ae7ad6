"""Conversion without a store: what it writes, and what it refuses."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from shapely.geometry import shape

from ingest.convert import convert, write_indices
from ingest.errors import IngestError, InvalidProductError
from ingest.prepared import Target
from ingest.products.base import Raster
from ingest.products.safe import SafeProduct, open_safe
from ingest.sample import ProductSpec, expected, write_product
from ingest.thumbnail import write_thumbnail
from stac.bands import BANDS

SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=600, cloudiness=0.4)
PREFIXES = {"scene": "scene/x", "indices": "indices/x"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> SafeProduct:
    return open_safe(write_product(SPEC, tmp_path_factory.mktemp("product")))


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_image_is_heard_once_and_files_come_in_the_order_of_the_tables(
    product: SafeProduct, tmp_path: Path
) -> None:
    heard: list[str] = []
    conversion = convert(product, tmp_path, PREFIXES, heard.append)
    scene, indices = ([file.asset.name for file in files] for files in (conversion.scene, conversion.indices))
    assert scene == [
        *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"),
        *("SCL", "CLDPRB", "SNWPRB", "AOT", "WVP", "TCI"),
        *("product_metadata", "granule_metadata", "safe_manifest", "thumbnail"),
    ]
    assert indices == ["NDVI", "NDWIGAO", "NDWIMCF", "MNDWI", "MASK"]
    assert sorted(heard) == sorted([*product.images, *indices])
    for file in (*conversion.scene, *conversion.indices):
        assert file.file.path.stat().st_size == file.asset.size
    assert {path.name for path in tmp_path.iterdir()} == {
        file.file.path.name for file in (*conversion.scene, *conversion.indices)
    }


def test_the_index_product_is_the_same_from_images_read_before(product: SafeProduct, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = convert(product, tmp_path / "whole", PREFIXES, lambda _: None)
    needed = {name: product.read(name) for name in ("B03", "B04", "B08", "B11", "SCL", "CLDPRB")}
    restricted = replace(product, images={name: product.images[name] for name in needed})
    target = Target(folder=tmp_path, prefix="indices/x")
    alone = write_indices(restricted, needed, target, lambda _: None)
    assert [file.asset for file in alone] == [file.asset for file in whole.indices]


def test_the_thumbnail_is_that_of_the_whole_images(product: SafeProduct, tmp_path: Path) -> None:
    conversion = convert(product, tmp_path, PREFIXES, lambda _: None)
    made = next(file for file in conversion.scene if file.asset.name == "thumbnail")
    wanted = write_thumbnail(product.read("TCI"), {}, product.images, tmp_path / "wanted.jpg")
    assert wanted is not None
    assert made.file.sha256 == wanted.sha256


@pytest.mark.parametrize("size", [0, 3_000, 60_000, 250_000])
def test_a_full_disk_is_told_and_leaves_no_half_file(product: SafeProduct, tmp_path: Path, size: int) -> None:
    with file_limit(size), pytest.raises(IngestError, match=r"cannot be written to .* MB are free") as caught:
        convert(product, tmp_path, PREFIXES, lambda _: None)
    assert not isinstance(caught.value, InvalidProductError)
    for path in tmp_path.glob("*.tif"):
        with rasterio.open(path) as dataset:
            name = path.stem.split("-")[1]
            if name in product.images:
                assert np.array_equal(dataset.read().squeeze(), expected(SPEC, name)), name


class Misplaced(SafeProduct):
    """A product whose B05 lies a kilometre further east than its other images, or in another zone."""

    change: dict[str, float]

    def read(self, image: str):
        raster = super().read(image)
        return replace(raster, grid=replace(raster.grid, **self.change)) if image == "B05" else raster


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left": 500_980.0}, r"B\w\w on EPSG:32648 at \(499980.0, .* B05 on EPSG:32648 at \(500980.0, "),
        ({"epsg": 32647}, "on EPSG:32648 at .* B05 on EPSG:32647 at "),
        ({"pixel_height": 300.0}, "B05 on EPSG:32648"),
    ],
)
def test_bands_that_lie_in_different_places_are_refused_by_both_their_names(
    product: SafeProduct, tmp_path: Path, change: dict[str, float], message: str
) -> None:
    misplaced = type("Product", (Misplaced,), {"change": change})(**vars(product))
    with pytest.raises(InvalidProductError, match=f"{SPEC.name}: images lie in different places: .*{message}"):
        convert(misplaced, tmp_path, PREFIXES, lambda _: None)


class Blank(SafeProduct):
    """Images of nodata, whatever the files hold; `hollow` as a sparse file is."""

    hollow = False
    blank = frozenset(BANDS)

    def read(self, image: str) -> Raster:
        raster = super().read(image)
        if image not in self.blank:
            return raster
        return replace(raster, pixels=np.zeros_like(raster.pixels), hollow=self.hollow)


@pytest.fixture
def few(product: SafeProduct) -> dict[str, Any]:
    """What makes the product, restricted to three images."""
    images = {name: product.images[name] for name in ("B01", "B04", "SCL")}
    return {**vars(product), "images": images}


def test_a_product_that_promises_data_and_holds_none_is_refused(few: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidProductError, match=r"every pixel of B01, B04 is nodata, though .* 0 % are; fetch"):
        convert(Blank(**few), tmp_path, PREFIXES, lambda _: None)


def test_sparse_files_stand_in_for_images_left_out(few: dict[str, Any], tmp_path: Path) -> None:
    stand_in = type("Hollow", (Blank,), {"hollow": True})(**few)
    conversion = convert(stand_in, tmp_path, PREFIXES, lambda _: None)
    assert conversion.warning == "every pixel is nodata; the footprint is the one that the metadata declares"


@pytest.mark.parametrize("name", ["B01", "B04"])
def test_one_band_of_nodata_is_told(few: dict[str, Any], tmp_path: Path, name: str) -> None:
    partly = type("Partly", (Blank,), {"blank": frozenset({name})})(**few)
    conversion = convert(partly, tmp_path, PREFIXES, lambda _: None)
    assert (conversion.warning or "").startswith(f"every pixel of {name} is nodata")


def test_without_a_spectral_band_the_footprint_is_the_declared_one(few: dict[str, Any], tmp_path: Path) -> None:
    scl = SafeProduct(**{**few, "images": {"SCL": few["images"]["SCL"]}})
    conversion = convert(scl, tmp_path, PREFIXES, lambda _: None)
    assert conversion.warning == "no spectral band was read; the footprint is the one that the metadata declares"


def test_a_product_of_nothing_but_nodata_is_converted_with_a_warning(tmp_path: Path) -> None:
    spec = replace(SPEC, size=192, swath_edge=(100_000.0, 1_345_140.0))
    product = open_safe(write_product(spec, tmp_path))
    conversion = convert(product, tmp_path, PREFIXES, lambda _: None)
    assert conversion.warning == "every pixel is nodata; the footprint is the one that the metadata declares"
    assert product.scene.outline is not None
    assert shape(conversion.footprint.geometry).equals(shape(product.scene.outline))
    valid = {file.asset.name: file.asset.statistics for file in (*conversion.scene, *conversion.indices)}
    for name in ("B01", "B08", "NDVI", "MASK"):
        statistics = valid[name]
        assert statistics is not None
        assert (statistics.valid_percent, statistics.mean) == (0.0, None)
