from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pydantic import SecretStr
from rasterio.io import MemoryFile
from shapely.geometry import shape

from ingest import ledger
from ingest.derivation import derive_product, underived
from ingest.pipeline import ingest_product
from ingest.reconcile import report
from ingest.sample import ProductSpec, expected, swath_through, write_product
from ingest.store import Store
from stac import areas, catalog
from stac.bands import bands_of
from stac.collections import INDICES, L1C, L2A
from stac.indices import encode, evaluate, stored_indices, to_reflectance
from stac.masks import FIELDS, PROFILES, cloud_probability
from stac.resample import double, repeat
from stac.settings import Settings

SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=540, cloudiness=0.4)

Pixels = Callable[[str, str, str], np.ndarray]


@pytest.fixture(scope="module")
def bucket(settings: Settings) -> Store:
    return Store.connect(settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("products")


@pytest.fixture(scope="module")
def published(settings: Settings, folder: Path) -> str:
    outcome = ingest_product(str(write_product(SPEC, folder)), settings=settings)
    assert outcome.state == "published", outcome
    assert outcome.items == (f"{L2A}/{SPEC.name}", f"{INDICES}/{SPEC.name}")
    return SPEC.name


@pytest.fixture(scope="module")
def pixels(settings: Settings, bucket: Store) -> Pixels:
    def read(collection: str, item_id: str, asset: str) -> np.ndarray:
        item = catalog.get_item(settings, collection, item_id)
        assert item is not None
        key = item["assets"][asset]["alternate"]["s3"]["href"].removeprefix(settings.s3_href(""))
        with MemoryFile(bucket.get(key)) as memory, memory.open() as dataset:
            return dataset.read() if dataset.count > 1 else dataset.read(1)

    return read


def reflectance(spec: ProductSpec, band: str) -> np.ndarray:
    dn = expected(spec, band)
    fine = dn if dn.shape[0] == spec.size else double(dn)
    return to_reflectance(fine, scale=0.0001, offset=-0.1)


@pytest.mark.parametrize("name", [*(band.name for band in bands_of("L2A")), "SCL", "CLDPRB", "AOT", "WVP", "TCI"])
def test_every_image_is_stored_bit_for_bit(published: str, pixels: Pixels, name: str) -> None:
    assert np.array_equal(pixels(L2A, published, name), expected(SPEC, name))


@pytest.mark.parametrize("index", stored_indices(), ids=lambda index: index.name)
def test_every_index_is_what_its_formula_says(published: str, pixels: Pixels, index) -> None:
    wanted = encode(evaluate(index, {band: reflectance(SPEC, band) for band in index.bands}))
    assert np.array_equal(pixels(INDICES, published, index.name), wanted)


def test_the_mask_is_made_of_scene_classes_and_probability(published: str, pixels: Pixels) -> None:
    mask = pixels(INDICES, published, "MASK")
    assert np.array_equal(FIELDS["scl"].read(mask), repeat(expected(SPEC, "SCL")))
    assert np.array_equal(cloud_probability(mask), repeat(expected(SPEC, "CLDPRB")))
    assert PROFILES["cm001"].masked(mask).any()


def test_the_items_say_what_is_stored(published: str, settings: Settings) -> None:
    scene = catalog.get_item(settings, L2A, published)
    index = catalog.get_item(settings, INDICES, published)
    assert scene is not None
    assert index is not None
    red = scene["assets"]["B04"]
    assert (red["raster:scale"], red["raster:offset"], red["nodata"]) == (0.0001, -0.1, 0)
    assert (red["proj:shape"], red["href"][:4]) == ([540, 540], "http")
    assert scene["properties"]["proj:code"] == "EPSG:32648"
    assert index["assets"]["NDVI"]["raster:scale"] == 0.0001
    assert shape(scene["geometry"]).bounds == pytest.approx((105.0, 11.67, 106.01, 12.66), abs=0.02)
    assert "thumbnail" in scene["assets"]


def test_once_is_enough(published: str, settings: Settings, bucket: Store, folder: Path) -> None:
    before = (catalog.get_item(settings, L2A, published), sorted(bucket.keys()))
    again = ingest_product(str(folder / f"{published}.SAFE"), settings=settings)
    assert (again.state, again.reason, again.items) == ("unchanged", "held already", ())
    assert (catalog.get_item(settings, L2A, published), sorted(bucket.keys())) == before


def test_a_zip_and_a_folder_are_the_same_product(
    published: str, settings: Settings, bucket: Store, folder: Path
) -> None:
    keys = sorted(bucket.keys())
    assert any(published in key for key in keys)
    zipped = write_product(SPEC, folder / "zipped", zipped=True)
    again = ingest_product(str(zipped), settings=settings)
    assert (again.state, again.reason) == ("unchanged", "held already")
    assert sorted(bucket.keys()) == keys


def test_a_broken_product_changes_nothing(settings: Settings, bucket: Store, folder: Path) -> None:
    spec = replace(SPEC, sensing=datetime(2025, 6, 4, 3, 11, 21, tzinfo=UTC), size=96)
    broken = write_product(spec, folder)
    image = next(broken.glob("GRANULE/*/IMG_DATA/R20m/*_B11_20m.jp2"))
    image.write_bytes(image.read_bytes()[:-400])
    keys = sorted(bucket.keys())
    outcome = ingest_product(str(broken), settings=settings)
    assert outcome.state == "invalid"
    assert "B11_20m.jp2" in (outcome.reason or "")
    assert sorted(bucket.keys()) == keys
    assert catalog.get_item(settings, L2A, spec.name) is None


def test_an_incomplete_product_names_what_is_missing(settings: Settings, folder: Path) -> None:
    spec = replace(SPEC, sensing=datetime(2025, 6, 9, 3, 11, 21, tzinfo=UTC), size=96)
    partial = write_product(spec, folder)
    next(partial.glob("GRANULE/*/IMG_DATA/R20m/*_SCL_20m.jp2")).unlink()
    outcome = ingest_product(str(partial), settings=settings)
    assert outcome.state == "invalid"
    assert "SCL" in (outcome.reason or "")


def test_without_a_store_nothing_is_published_and_another_try_is_worth_it(settings: Settings, folder: Path) -> None:
    spec = replace(SPEC, sensing=datetime(2025, 6, 14, 3, 11, 21, tzinfo=UTC), size=96)
    product = str(write_product(spec, folder))
    away = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9", "ingest_patience": 0})
    outcome = ingest_product(product, settings=Settings(**away.model_dump()))
    assert outcome.state == "failed"
    assert catalog.get_item(settings, L2A, spec.name) is None
    assert ingest_product(product, settings=settings).state == "published"


def test_a_wrong_key_is_refused_with_a_reason(settings: Settings, folder: Path) -> None:
    spec = replace(SPEC, sensing=datetime(2025, 6, 19, 3, 11, 21, tzinfo=UTC), size=96)
    wrong = Settings(**{**settings.model_dump(), "aws_secret_access_key": SecretStr("wrong")})
    outcome = ingest_product(str(write_product(spec, folder)), settings=wrong)
    assert outcome.state == "failed"
    assert "wrong" not in (outcome.reason or "")


def test_l1c_has_no_index_product(settings: Settings, folder: Path, pixels: Pixels) -> None:
    spec = replace(SPEC, level="L1C", size=96)
    outcome = ingest_product(str(write_product(spec, folder)), settings=settings)
    assert outcome.items == (f"{L1C}/{spec.name}",)
    assert np.array_equal(pixels(L1C, spec.name, "B10"), expected(spec, "B10"))


def test_reflectance_of_a_place_does_not_jump_at_baseline_0400(
    settings: Settings, folder: Path, pixels: Pixels
) -> None:
    moment = datetime(2022, 1, 20, 3, 11, 21, tzinfo=UTC)
    values = []
    for baseline in ("03.01", "04.00"):
        spec = replace(SPEC, sensing=moment, baseline=baseline, size=96, cloudiness=0.0)
        assert ingest_product(str(write_product(spec, folder)), settings=settings).state == "published"
        item = catalog.get_item(settings, L2A, spec.name)
        assert item is not None
        asset = item["assets"]["B08"]
        values.append(pixels(L2A, spec.name, "B08") * asset["raster:scale"] + asset["raster:offset"])
    assert np.abs(values[0] - values[1]).max() < 0.00011


def test_a_newer_baseline_supersedes_also_when_it_came_first(settings: Settings, folder: Path) -> None:
    moment = datetime(2025, 7, 9, 3, 11, 21, tzinfo=UTC)
    generated = datetime(2025, 7, 9, 7, 22, 43, tzinfo=UTC)
    newer, older = (
        replace(SPEC, sensing=moment, baseline=baseline, size=96, generation=generated)
        for baseline in ("05.12", "05.11")
    )
    for spec in (newer, older):
        assert ingest_product(str(write_product(spec, folder)), settings=settings).state == "published"
    for collection in (L2A, INDICES):
        first, second = (catalog.get_item(settings, collection, spec.name) for spec in (newer, older))
        assert first is not None
        assert second is not None
        assert "deprecated" not in first["properties"]
        assert second["properties"]["deprecated"] is True


def test_the_footprint_ends_at_the_swath(settings: Settings, folder: Path) -> None:
    edge = swath_through("48PWU", 0.5)
    spec = replace(SPEC, sensing=datetime(2025, 7, 14, 3, 11, 21, tzinfo=UTC), size=192, swath_edge=edge)
    assert ingest_product(str(write_product(spec, folder)), settings=settings).state == "published"
    item = catalog.get_item(settings, L2A, spec.name)
    whole = catalog.get_item(settings, L2A, SPEC.name)
    assert item is not None
    assert whole is not None
    assert shape(item["geometry"]).area < 0.8 * shape(whole["geometry"]).area


def test_a_lost_index_product_is_derived_again(published: str, settings: Settings) -> None:
    before = catalog.get_item(settings, INDICES, published)
    assert before is not None
    catalog.remove([(INDICES, published)], settings)
    assert underived(settings) == [published]
    outcome = derive_product(published, settings=settings)
    assert outcome.state == "published", outcome.reason
    after = catalog.get_item(settings, INDICES, published)
    assert after is not None
    assert after["assets"] == before["assets"]
    assert underived(settings) == []
    assert derive_product("nothing", settings=settings).state == "invalid"


def test_an_area_says_which_indices_its_tiles_have(published: str, settings: Settings, folder: Path) -> None:
    spec = replace(SPEC, sensing=datetime(2025, 8, 13, 3, 11, 21, tzinfo=UTC), size=96)
    few = replace(spec, sensing=datetime(2025, 8, 18, 3, 11, 21, tzinfo=UTC))
    areas.add(settings, areas.Area(name="few", tiles=["48PWU"], indices=["NDVI"]))
    try:
        assert ingest_product(str(write_product(few, folder)), settings=settings).state == "published"
        assert set(_assets(settings, few.name)) == {"NDVI", "MASK"}
        assert underived(settings) == []

        place = {"type": "Point", "coordinates": [105.4, 11.9]}
        areas.add(settings, areas.Area(name="more", geometry=place, indices=["EVI"]))
        areas.add(settings, areas.Area(name="elsewhere", tiles=["33TWM"], indices=["NBR"]))
        assert ingest_product(str(write_product(spec, folder)), settings=settings).state == "published"
        assert set(_assets(settings, spec.name)) == {"NDVI", "EVI", "MASK"}
        assert few.name in underived(settings)
        assert published in underived(settings)
        assert len(underived(settings, limit=1)) == 1
        before = _assets(settings, few.name)
        assert derive_product(few.name, settings=settings).state == "published"
        after = _assets(settings, few.name)
        assert set(after) == {"NDVI", "EVI", "MASK"}
        assert {name: after[name] for name in before} == before
        assert after["EVI"]["raster:scale"] == 0.0001
    finally:
        for name in ("few", "more", "elsewhere"):
            areas.remove(settings, name)
    assert few.name in underived(settings)
    assert derive_product(few.name, settings=settings).state == "published"
    assert set(_assets(settings, few.name)) == {"EVI", "MASK", *(index.name for index in stored_indices())}
    catalog.remove([(collection, spec.name) for spec in (spec, few) for collection in (L2A, INDICES)], settings)


def _assets(settings: Settings, name: str) -> dict[str, Any]:
    item = catalog.get_item(settings, INDICES, name)
    assert item is not None
    assets: dict[str, Any] = item["assets"]
    return assets


def test_deriving_is_one_worker_s_and_its_failure_is_in_the_ledger(published: str, settings: Settings) -> None:
    with ledger.product_lock(settings, published):
        outcome = derive_product(published, settings=settings)
        assert (outcome.state, "another worker" in str(outcome.reason)) == ("unchanged", True)
    away = settings.model_copy(update={"s3_bucket": "nowhere"})
    assert derive_product(published, settings=away).state == "failed"
    entry = ledger.entries(settings, [published])[published]
    assert (entry.state, str(entry.reason).startswith("its indices: ")) == ("published", True)
    assert derive_product(published, settings=settings).state == "published"
    assert ledger.entries(settings, [published])[published].reason is None


def test_reconciliation_sees_what_is_missing_and_what_is_unknown(
    settings: Settings, bucket: Store, published: str
) -> None:
    clean = report(settings)
    assert clean.ok
    assert clean.unknown == ()
    lost = next(key for key in bucket.keys(f"{L2A}/") if "B04-" in key and published in key)
    content = bucket.get(lost)
    bucket.client.remove_object(bucket.bucket, lost)
    bucket.client.put_object(bucket.bucket, "stray.tif", BytesIO(b"x"), 1)
    bucket.client.put_object(bucket.bucket, "jobs/0/result.csv", BytesIO(b"x"), 1)  # expires by itself
    found = report(settings)
    assert (found.ok, found.missing, found.unknown) == (False, (lost,), ("stray.tif",))
    bucket.client.remove_object(bucket.bucket, "stray.tif")
    bucket.client.put_object(bucket.bucket, lost, BytesIO(content), len(content))
    assert report(settings).ok


def damage_one_byte(safe: Path) -> None:
    """Inside the last packets of an image, whose frame stays whole."""
    file = next(safe.glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2"))
    content = bytearray(file.read_bytes())
    content[-12] ^= 0x5A
    file.write_bytes(content)


def blank_all_bands(safe: Path) -> None:
    for file in safe.glob("GRANULE/*/IMG_DATA/R*m/*_B*.jp2"):
        with rasterio.open(file) as source:
            profile = source.profile
        with rasterio.open(file, "w", **profile | {"driver": "JP2OpenJPEG"}) as target:
            target.write(np.zeros((1, *source.shape), np.uint16))


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [(damage_one_byte, r"B04_10m.jp2: it is damaged: its sha3_256 is"), (blank_all_bands, "is nodata, though the")],
)
def test_pixels_that_cannot_be_right_leave_nothing_behind(
    settings: Settings, bucket: Store, tmp_path: Path, break_it: Callable[[Path], None], reason: str
) -> None:
    spec = replace(SPEC, sensing=SPEC.sensing.replace(year=2024), size=192)
    safe = write_product(spec, tmp_path)
    break_it(safe)
    before = sorted(bucket.keys())
    outcome = ingest_product(str(safe), settings=settings)
    assert outcome.state == "invalid", outcome
    assert reason in (outcome.reason or "")
    assert catalog.get_item(settings, L2A, spec.name) is None
    assert sorted(bucket.keys()) == before
