"""Real products, ingested whole."""

from pathlib import Path

import pytest
from shapely.geometry import shape

from ingest.pipeline import ingest_product
from stac import catalog
from stac.bands import bands_of
from stac.collections import INDICES, L1C, L2A
from stac.settings import Settings


def test_an_l1c_zip_is_ingested_with_its_thirteen_bands(shared_data: Path, settings: Settings) -> None:
    (source,) = (shared_data / "l1c-zip").glob("*.zip")
    outcome = ingest_product(str(source), settings=settings)
    assert (outcome.state, outcome.items) == ("published", (f"{L1C}/{source.stem}",))
    item = catalog.get_item(settings, L1C, source.stem)
    assert item is not None
    for band in bands_of("L1C"):
        asset = item["assets"][band.name]
        assert (asset["raster:scale"], asset["raster:offset"]) == (0.0001, 0)  # 02.09: before the offset


def test_a_product_without_its_bands_is_refused_naming_them(shared_data: Path, settings: Settings) -> None:
    (source,) = (shared_data / "l1c-safe").iterdir()
    outcome = ingest_product(str(source), settings=settings)
    assert outcome.state == "invalid"
    for band in bands_of("L1C"):
        assert (band.name in (outcome.reason or "")) == (band.name != "B01")
    assert catalog.get_item(settings, L1C, source.name) is None


@pytest.fixture(scope="module")
def empty(shared_data: Path, settings: Settings) -> str:
    (source,) = (shared_data / "l2a-safe").glob("*.SAFE")
    outcome = ingest_product(str(source), settings=settings)
    assert outcome.state == "published", outcome
    assert "every pixel is nodata" in (outcome.reason or "")
    return source.stem


def test_a_product_of_nodata_is_published_with_the_declared_footprint(empty: str, settings: Settings) -> None:
    item = catalog.get_item(settings, L2A, empty)
    assert item is not None
    assert shape(item["geometry"]).bounds == pytest.approx((17.872404, 54.021431, 19.622172, 55.038803), abs=1e-6)
    properties = item["properties"]
    assert properties["datetime"] == "2023-08-23T09:55:59.024000Z"
    assert (properties["platform"], properties["grid:code"]) == ("sentinel-2b", "MGRS-34UCF")
    assert (properties["s2:processing_baseline"], properties["proj:code"]) == ("05.09", "EPSG:32634")
    assert properties["eo:cloud_cover"] == pytest.approx(6.859297)
    red = item["assets"]["B04"]
    assert (red["proj:shape"], red["raster:offset"], red["nodata"]) == ([10980, 10980], -0.1, 0)
    assert red["proj:transform"][:6] == [10, 0, 300000, 0, -10, 6100020]
    images = {band.name for band in bands_of("L2A")} | {"SCL", "CLDPRB", "SNWPRB", "AOT", "WVP", "TCI"}
    assert set(item["assets"]) >= images


def test_its_index_product_is_nodata_too(empty: str, settings: Settings) -> None:
    scene, index = (catalog.get_item(settings, collection, empty) for collection in (L2A, INDICES))
    assert scene is not None
    assert index is not None
    assert index["geometry"] == scene["geometry"]
