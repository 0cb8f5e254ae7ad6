"""Earth Search items: the five real ones, and what an item may not do."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from ingest.errors import IngestError, InvalidProductError, MissingImageError, StoreError
from ingest.products import open_product
from ingest.products.earth_search_item import read_item

LOCAL = frozenset({"B02", "B03", "B04", "B08", "SCL"})
NAMES = (
    "S2A_33TWM_20230815_0_L2A",
    "S2A_33TWM_20230818_0_L2A",
    "S2B_33TWM_20230810_0_L2A",
    "S2B_33TWM_20230813_0_L2A",
    "S2B_33TWM_20230820_0_L2A",
)


@pytest.fixture
def folder(shared_data: Path) -> Path:
    return shared_data / "earth-search" / "33TWM"


def item_path(folder: Path, name: str = NAMES[0]) -> Path:
    return folder / name / f"{name}.json"


@pytest.fixture
def document(folder: Path) -> Any:
    return json.loads(item_path(folder).read_text())


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return item_path(Path(shutil.copytree(folder / NAMES[0], tmp_path / NAMES[0])).parent)


def rewrite(path: Path, document: Any) -> str:
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize("name", NAMES)
def test_real_items_are_read(folder: Path, name: str) -> None:
    path = item_path(folder, name)
    item = json.loads(path.read_text())
    product = open_product(str(path), assets=LOCAL)
    assert set(product.images) == LOCAL
    for image in product.images:
        with rasterio.open(path.with_name(f"{image}.tif")) as dataset:
            raster = product.read(image)
            np.testing.assert_array_equal(raster.pixels, dataset.read(1))
            assert raster.grid.shape == (915, 915)
            assert raster.grid.transform == (120, 0, 499_980, 0, -120, 5_200_020)
    scene, properties = product.scene, item["properties"]
    assert f"{scene.item_id}.SAFE" == properties["s2:product_uri"]
    assert f"{scene.acquired:%Y%m%dT%H%M%S}" == properties["s2:product_uri"].split("_")[2]
    assert scene.cloud_cover == properties["eo:cloud_cover"]
    assert scene.quality["s2:nodata_pixel_percentage"] == properties["s2:nodata_pixel_percentage"]
    assert scene.sun_elevation == properties["view:sun_elevation"]
    assert (scene.source, scene.outline, scene.view_azimuth) == ("earth-search", item["geometry"], None)
    assert scene.via == item["links"][0]["href"]
    assert [d.name for d in product.documents] == ["source_item", "granule_metadata"]


def test_offset_already_applied_is_not_applied_again(folder: Path, document: Any) -> None:
    assert document["assets"]["red"]["raster:bands"][0]["offset"] == -0.1
    product = open_product(str(item_path(folder)), assets=LOCAL)
    assert product.scene.offset_applied
    assert product.images["B04"].scale == 0.0001
    assert product.images["B04"].offset == 0
    red, nir = (product.read(image).pixels.astype(float) * 0.0001 for image in ("B04", "B08"))
    valid = (red > 0) & (nir > 0)
    red, nir = red[valid], nir[valid]
    assert 0 < np.median(red) < 0.1
    assert 0.5 < np.median((nir - red) / (nir + red)) < 1


@pytest.mark.parametrize("flag", [False, None])
def test_offset_of_raw_numbers_is_kept(document: Any, flag: bool | None) -> None:  # noqa: FBT001
    document["properties"]["earthsearch:boa_offset_applied"] = flag
    document["collection"] = "sentinel-2-c1-l2a"
    item = read_item(document, "item")
    assert item.images["B04"].radiometry.offset == -0.1
    assert not item.scene.offset_applied


def test_offset_is_not_guessed(document: Any) -> None:
    del document["properties"]["earthsearch:boa_offset_applied"]
    del document["assets"]["red"]["raster:bands"][0]["offset"]
    with pytest.raises(InvalidProductError, match=r"B04 has no raster offset, which baseline 05\.09 needs"):
        read_item(document, "item")


def test_baseline_without_offset_contradicts_one(document: Any) -> None:
    properties = document["properties"]
    properties["earthsearch:boa_offset_applied"] = False
    properties["s2:product_uri"] = properties["s2:product_uri"].replace("N0509", "N0214")
    with pytest.raises(InvalidProductError, match=r"has the offset -0\.1, baseline 02\.14 has none"):
        read_item(document, "item")
    for asset in document["assets"].values():
        for band in asset.get("raster:bands", []):
            band["offset"] = 0
    assert read_item(document, "item").images["B08"].radiometry.offset == 0


def test_all_bands_of_the_catalogue_are_known(document: Any) -> None:
    images = read_item(document, "item").images
    assert set(images) == {f"B{n:02d}" for n in range(1, 13) if n != 10} | {"B8A", "SCL", "AOT", "WVP", "TCI"}
    assert images["B06"].href.endswith("/B06.tif")
    assert images["AOT"].radiometry.scale == 0.001
    assert images["SCL"].radiometry.scale == 1


def test_stac_1_1_form_is_understood(document: Any) -> None:
    red = document["assets"]["red"]
    band = red.pop("raster:bands")[0]
    red |= {"raster:scale": band["scale"], "raster:offset": -0.1, "bands": [{"name": "red"}]}
    del document["properties"]["earthsearch:boa_offset_applied"]
    del document["properties"]["proj:epsg"]
    document["properties"]["proj:code"] = "EPSG:32633"
    image = read_item(document, "item").images["B04"]
    assert (image.radiometry.scale, image.radiometry.offset) == (0.0001, -0.1)
    assert image.extent is not None
    assert (image.extent.epsg, image.extent.right) == (32633, 609_780)


def test_impossible_classes_of_lossy_copies_pass(folder: Path) -> None:
    classes = {
        value
        for name in NAMES
        for value in np.unique(open_product(str(item_path(folder, name)), assets=LOCAL).read("SCL").pixels).tolist()
    }
    assert {12, 13} & classes


def test_missing_local_image_is_named_with_advice(copy: Path) -> None:
    copy.with_name("B04.tif").unlink()
    with pytest.raises(MissingImageError, match=r"1 images missing: B04; .*--assets .*B04\.tif"):
        open_product(str(copy), assets=LOCAL)


def test_everything_is_demanded_by_default(copy: Path, document: Any) -> None:
    document["assets"] = {key: a for key, a in document["assets"].items() if not a["href"].startswith(("http", "s3"))}
    with pytest.raises(MissingImageError, match=r"8 images missing: B01, B05, B06, B07, B09, B11, B12, B8A;") as caught:
        open_product(rewrite(copy, document))
    assert "take what is here with --assets B02,B03,B08,B04,SCL" in str(caught.value)


def test_unreachable_server_is_worth_another_try(copy: Path, document: Any) -> None:
    document["assets"]["coastal"]["href"] = "http://127.0.0.1:9/B01.tif"
    with pytest.raises(StoreError, match=r"1 images missing: B01; .*127\.0\.0\.1:9"):
        open_product(rewrite(copy, document), assets=LOCAL | {"B01"})


@pytest.mark.parametrize(
    "href",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
        "/vsicurl/http://x/y.tif",
        "ftp://host/a.tif",
        "//host/a",
    ],
)
def test_href_that_leaves_the_folder_is_refused(copy: Path, document: Any, href: str) -> None:
    document["assets"]["red"]["href"] = href
    with pytest.raises(InvalidProductError, match="neither below the item's folder nor http"):
        open_product(rewrite(copy, document), assets=LOCAL)


def test_link_out_of_the_folder_is_refused(copy: Path, tmp_path: Path) -> None:
    shutil.move(copy.with_name("B04.tif"), tmp_path / "B04.tif")
    copy.with_name("B04.tif").symlink_to(tmp_path / "B04.tif")
    with pytest.raises(InvalidProductError, match="neither below the item's folder"):
        open_product(str(copy), assets=LOCAL)


def test_image_elsewhere_than_the_item_says_is_refused(copy: Path, document: Any) -> None:
    document["assets"]["red"]["proj:transform"] = [10, 0, 399_960, 0, -10, 5_200_020]
    product = open_product(rewrite(copy, document), assets=LOCAL)
    with pytest.raises(InvalidProductError, match=r"B04\.tif: its upper left corner is \(499980\.0, 5200020\.0\)"):
        product.read("B04")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_cut_image_is_refused(copy: Path, share: float) -> None:
    file = copy.with_name("B04.tif")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(InvalidProductError, match=r"B04\.tif: broken JPEG 2000 file"):
        open_product(str(copy), assets=LOCAL).read("B04")


def test_image_without_georeferencing_is_refused(copy: Path) -> None:
    copy.with_name("B04.tif.aux.xml").unlink()
    product = open_product(str(copy), assets=LOCAL)
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        pytest.raises(InvalidProductError, match="no projection with an EPSG code"),
    ):
        product.read("B04")


def test_empty_image_is_found_at_once(copy: Path) -> None:
    copy.with_name("SCL.tif").write_bytes(b"")
    with pytest.raises(InvalidProductError, match=r"empty files: SCL"):
        open_product(str(copy), assets=LOCAL)


@pytest.mark.parametrize(
    "content",
    [
        '{"type": "Feature"',
        '{"type": "Feature"}',
        "[]",
        "[" * 100_000,
        '{"type": "FeatureCollection", "features": []}',
        '{"a": NaN}',
    ],
    ids=["cut", "empty", "list", "deep", "collection", "nan"],
)
def test_json_that_is_no_item_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "item.json").write_text(content)
    with pytest.raises(InvalidProductError, match=r"item\.json: (no valid JSON|no Earth Search item)"):
        open_product(str(tmp_path / "item.json"), kind="earth-search")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"s2:product_uri": "S2A_33TWM_20230815_0_L2A"}, "no Sentinel-2 product name"),
        ({"s2:datatake_id": None}, "no property s2:datatake_id"),
        ({"eo:cloud_cover": "much"}, "eo:cloud_cover is 'much', no finite number"),
        ({"view:sun_azimuth": float("nan")}, "view:sun_azimuth is nan"),
    ],
)
def test_properties_that_cannot_be_are_refused(document: Any, change: dict[str, Any], message: str) -> None:
    document["properties"] |= change
    with pytest.raises(InvalidProductError, match=f"item: .*{message}"):
        read_item(document, "item")


@pytest.mark.parametrize(
    "change",
    [
        {"href": 1},
        {"raster:bands": None},
        {"raster:bands": [1]},
        {"raster:bands": {"scale": 1}},
        {"raster:bands": [{"scale": "big", "offset": 0}]},
        {"proj:shape": 3},
        {"proj:transform": [1, 2]},
        {"proj:shape": ["a", "b"]},
    ],
)
def test_malformed_assets_are_refused(document: Any, change: dict[str, Any]) -> None:
    document["assets"]["red"] |= change
    with pytest.raises(IngestError, match="B04"):
        read_item(document, "item")


def test_fingerprint_follows_item_and_images(copy: Path, document: Any) -> None:
    before = open_product(str(copy), assets=LOCAL).scene.fingerprint
    assert open_product(str(copy), assets=LOCAL).scene.fingerprint == before
    document["properties"]["updated"] = datetime.now(UTC).isoformat()
    assert open_product(rewrite(copy, document), assets=LOCAL).scene.fingerprint != before
