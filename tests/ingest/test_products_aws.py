"""The layout of AWS's buckets: a generated SAFE rearranged, and a real tile without its images."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ingest import footprint
from ingest.discover import find_products
from ingest.errors import InvalidProductError, MissingImageError
from ingest.pipeline import ingest_product
from ingest.products import open_product
from ingest.products.metadata import Metadata
from ingest.products.safe_metadata import read_extent, read_quality, view_angles
from ingest.sample import ProductSpec, expected, granule_folder, write_long_product, write_product
from stac import catalog
from stac.bands import Level
from stac.collections import L2A
from stac.scene import Grid
from stac.settings import Settings

SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=96)
TILE_PATH, PRODUCT_PATH = "tiles/48/P/WU/2025/5/10/0", "products/2025/5/10"


@pytest.fixture(scope="module")
def safes(tmp_path_factory: pytest.TempPathFactory) -> dict[Level, Path]:
    folder = tmp_path_factory.mktemp("safe")
    return {level: write_product(replace(SPEC, level=level), folder) for level in ("L1C", "L2A")}


def rearrange(safe: Path, bucket: Path) -> Path:
    """The tile's folder of a copy of a bucket that holds the product."""
    tile, product = bucket / TILE_PATH, bucket / PRODUCT_PATH / safe.stem
    product.mkdir(parents=True)
    (tile / "qi").mkdir(parents=True)
    shutil.copy(next(safe.glob("MTD_MSI*.xml")), product / "metadata.xml")
    shutil.copy(next(safe.glob("GRANULE/*/MTD_TL.xml")), tile / "metadata.xml")
    for image in safe.glob("GRANULE/*/IMG_DATA/**/*.jp2"):
        name = image.stem.split("_")[2]
        target = tile / image.parent.name / f"{name}.jp2" if image.parent.name != "IMG_DATA" else tile / f"{name}.jp2"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(image, target)
    for kind in ("CLD", "SNW"):
        for mask in safe.glob(f"GRANULE/*/QI_DATA/MSK_{kind}PRB_20m.jp2"):
            shutil.copy(mask, tile / "qi" / f"{kind}_20m.jp2")
    info = {
        "path": TILE_PATH,
        "utmZone": 48,
        "latitudeBand": "P",
        "gridSquare": "WU",
        "productName": safe.stem,
        "productPath": f"{PRODUCT_PATH}/{safe.stem}",
    }
    (tile / "tileInfo.json").write_text(json.dumps(info))
    return tile


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_a_product_is_the_same_as_its_safe(safes: dict[Level, Path], tmp_path: Path, level: Level) -> None:
    safe, aws = open_product(str(safes[level])), open_product(str(rearrange(safes[level], tmp_path)))
    assert replace(aws.scene, source="safe", fingerprint=safe.scene.fingerprint) == safe.scene
    assert aws.scene.source == "aws"
    assert dict(aws.images) == dict(safe.images)
    assert {document.name for document in aws.documents} == {"product_metadata", "granule_metadata"}
    for image in safe.images:
        mine, theirs = aws.read(image), safe.read(image)
        assert np.array_equal(mine.pixels, theirs.pixels)
        assert mine.grid == theirs.grid


def test_it_is_found_and_ingested(safes: dict[Level, Path], tmp_path: Path, settings: Settings) -> None:
    tile = rearrange(safes["L2A"], tmp_path)
    assert find_products([str(tmp_path)]) == [str(tile)]
    assert ingest_product(str(tile), settings=settings).state == "published"
    item = catalog.get_item(settings, L2A, SPEC.name)
    assert item is not None
    assert item["properties"]["sen2extract:source"] == "aws"
    assert item["assets"]["B04"]["raster:offset"] == -0.1
    assert ingest_product(str(tile), settings=settings).state == "unchanged"


def test_product_metadata_may_lie_beside_the_tile_s(safes: dict[Level, Path], tmp_path: Path) -> None:
    alone = shutil.copytree(rearrange(safes["L2A"], tmp_path / "bucket"), tmp_path / "alone")
    with pytest.raises(InvalidProductError, match=r"alone: no product metadata .* fetch products/2025/5/10/S2B_"):
        open_product(str(alone))
    shutil.copy(next(safes["L2A"].glob("MTD_MSI*.xml")), alone / "product_metadata.xml")
    assert open_product(str(alone)).scene.item_id == SPEC.name


def test_a_tile_of_2015_is_the_granule_of_its_product(tmp_path: Path) -> None:
    spec = replace(
        SPEC,
        level="L1C",
        platform="S2A",
        baseline="02.01",
        sensing=datetime(2015, 12, 30, 3, 11, 22, 26_000, tzinfo=UTC),
    )
    product = write_long_product([spec, replace(spec, tile="48PWT")], tmp_path)
    granule = product / "GRANULE" / granule_folder(spec)
    tile = tmp_path / "tile"
    tile.mkdir()
    shutil.copy(next(product.glob("S2A_OPER_MTD_SAFL1C_*.xml")), tile / "product_metadata.xml")
    shutil.copy(next(granule.glob("S2A_OPER_MTD_L1C_TL_*.xml")), tile / "metadata.xml")
    for image in granule.glob("IMG_DATA/*.jp2"):
        shutil.copy(image, tile / f"{image.stem.rpartition('_')[2]}.jp2")
    info = {"utmZone": 48, "latitudeBand": "P", "gridSquare": "WU", "productName": product.stem}
    (tile / "tileInfo.json").write_text(json.dumps(info))
    aws, safe = open_product(str(tile)), open_product(str(granule))
    assert aws.scene.item_id == spec.name
    assert replace(aws.scene, source="safe", fingerprint=safe.scene.fingerprint) == safe.scene
    np.testing.assert_array_equal(aws.read("B04").pixels, expected(spec, "B04"))
    (tile / "tileInfo.json").write_text(json.dumps({**info, "gridSquare": "WT"}))
    with pytest.raises(InvalidProductError, match=r"about tile 48PWT, but the product is S2A_MSIL1C_.*_T48PWU_"):
        open_product(str(tile))


@pytest.fixture
def tile(safes: dict[Level, Path], tmp_path: Path) -> Path:
    return rearrange(safes["L2A"], tmp_path)


def without(name: str) -> Callable[[Path], None]:
    return lambda tile: (tile / name).unlink()


def info(**changes: object) -> Callable[[Path], None]:
    def change(tile: Path) -> None:
        file = tile / "tileInfo.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (without("tileInfo.json"), "no tileInfo.json, which names the product"),
        (without("metadata.xml"), "no metadata.xml, the tile's metadata"),
        (lambda tile: (tile / "metadata.xml").write_bytes(b""), "metadata.xml: 0 bytes"),
        (lambda tile: (tile / "tileInfo.json").write_text("{"), "tileInfo.json: not what AWS writes"),
        (lambda tile: (tile / "tileInfo.json").write_text("[" * 100_000), "tileInfo.json: not what AWS writes"),
        (info(productName=None), "tileInfo.json: not what AWS writes: .*None"),
        (info(gridSquare="WT"), "about tile 48PWT, but the product is .*T48PWU"),
        (info(productPath="../../../../etc"), "no product metadata"),
        (info(productName=SPEC.name.replace("R075", "R076")), "PRODUCT_URI is .*R075.*, but the product is named"),
        (lambda tile: (tile / "R10m" / "B04.jp2").write_bytes(b""), r"empty files: B04 \(R10m/B04.jp2\)"),
        (lambda tile: shutil.copy(tile / "R10m/B04.jp2", tile / "R10m/B04.tif"), "B04 comes twice"),
    ],
)
def test_an_incomplete_folder_is_refused(tile: Path, harm: Callable[[Path], None], message: str) -> None:
    harm(tile)
    with pytest.raises(InvalidProductError, match=message):
        open_product(str(tile))


def test_missing_images_are_named_as_they_would_be_here(tile: Path) -> None:
    (tile / "R20m" / "SCL.jp2").unlink()
    (tile / "qi" / "CLD_20m.jp2").unlink()
    with pytest.raises(MissingImageError, match=r"1 images missing: SCL \(R20m/SCL.jp2\)|2 images missing: CLDPRB"):
        open_product(str(tile))


@pytest.fixture
def real(shared_data: Path) -> Path:
    return shared_data / "safe-metadata" / "S2A_T60CWS_20240109T203651_L2A"


def test_a_real_tile_is_refused_for_want_of_product_metadata(real: Path) -> None:
    with pytest.raises(InvalidProductError, match="which alone tells scale and offset") as raised:
        open_product(str(real))
    assert "products/2024/1/9/S2A_MSIL2A_20240109T184751_N0510_R041_T60CWS_20240109T203651" in str(raised.value)


def test_a_real_tile_across_the_antimeridian_agrees_with_the_other_tool(real: Path) -> None:
    expected = json.loads((real / "expected_output.json").read_text())
    granule = Metadata((real / "metadata.xml").read_bytes(), "metadata.xml")
    quality = read_quality(Metadata(b"<none/>", "none"), granule)
    percentages = {key: value for key, value in expected["properties"].items() if key.endswith("_percentage")}
    assert quality == percentages
    assert granule.need("TILE_ID") == expected["properties"]["s2:tile_id"]
    azimuth, incidence = view_angles(granule)
    assert incidence == pytest.approx(expected["properties"]["view:incidence_angle"])
    assert azimuth == pytest.approx(expected["properties"]["view:azimuth"], abs=0.5)
    extent = read_extent(granule)
    assert extent.epsg == 32760
    assert (extent.left, extent.top) == tuple(expected["assets"]["red"]["proj:transform"][i] for i in (2, 5))
    grid = Grid(
        epsg=32760, width=10980, height=10980, left=extent.left, top=extent.top, pixel_width=10, pixel_height=10
    )
    outline = footprint.from_grid(grid)
    assert outline.geometry["type"] == "MultiPolygon"
    west, south, east, north = outline.bbox
    assert west > east
    # The other tool's box is of the valid pixels, ours here of the whole tile, which holds it.
    assert west <= expected["bbox"][0]
    assert east >= expected["bbox"][2]
    assert (south, north) == pytest.approx((expected["bbox"][1], expected["bbox"][3]), abs=0.05)
