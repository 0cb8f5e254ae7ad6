"""SAFE products: the real ones at hand, and sample products whose every pixel is known."""

import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from ingest.errors import InvalidProductError, MissingImageError
from ingest.products import Product, open_product
from ingest.sample import ProductSpec, expected, write_product
from stac.bands import bands_of, layers_of

TEN = {"B02", "B03", "B04", "B08", "TCI"}
SIXTY = {"B01", "B09", "B10"}


def spec_of(level: str, baseline: str) -> ProductSpec:
    sensing = datetime(2025, 1, 5, 3, 11, 21, 24_000, tzinfo=UTC)
    return ProductSpec(level=level, baseline=baseline, sensing=sensing, size=120, cloudiness=0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("products")


@pytest.fixture(scope="module")
def safe(folder: Path) -> Path:
    return write_product(spec_of("L2A", "05.11"), folder)


@pytest.fixture
def copy(safe: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(safe, tmp_path / safe.name))


def image_file(safe: Path, image: str) -> Path:
    return next(safe.glob(f"GRANULE/*/*/**/*{image}_[126]0m.jp2"))


def metres(product: Product, image: str) -> float:
    return product.read(image).grid.pixel_width


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize("baseline", ["03.01", "05.11"])
@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_every_pixel_is_read_as_written(folder: Path, level: str, baseline: str, *, zipped: bool) -> None:
    spec = spec_of(level, baseline)
    product = open_product(str(write_product(spec, folder, zipped=zipped)))
    optional = {layer.name for layer in layers_of(spec.level)}
    assert set(product.images) == {band.name for band in bands_of(spec.level)} | optional
    for image in product.images:
        raster = product.read(image)
        np.testing.assert_array_equal(raster.pixels, expected(spec, image), err_msg=image)
        gsd = 10 if image in TEN else 60 if image in SIXTY else 20
        assert raster.grid.transform == pytest.approx(tuple(spec.grid.transform(gsd))[:6])
        assert raster.grid.epsg == 32648
    assert product.images["B04"].offset == (-0.1 if baseline == "05.11" else 0)
    assert product.scene.item_id == spec.name
    assert product.scene.acquired == spec.sensing
    assert product.scene.absolute_orbit == spec.absolute_orbit


def test_folder_and_zip_are_the_same_product(folder: Path, safe: Path) -> None:
    zipped = open_product(str(write_product(spec_of("L2A", "05.11"), folder, zipped=True)))
    unzipped = open_product(str(safe))
    assert zipped.images == unzipped.images
    assert zipped.scene.outline == unzipped.scene.outline
    assert [d.name for d in zipped.documents] == ["product_metadata", "granule_metadata", "safe_manifest"]
    assert [d.content for d in zipped.documents] == [d.content for d in unzipped.documents]


def test_real_l2a_opens_with_everything(shared_data: Path) -> None:
    name = "S2B_MSIL2A_20230823T095559_N0509_R122_T34UCF_20230823T124759.SAFE"
    product = open_product(str(shared_data / "l2a-safe" / name))
    names = {band.name for band in bands_of("L2A")} | {layer.name for layer in layers_of("L2A")}
    assert set(product.images) == names
    grid = product.read("B04").grid
    assert (grid.epsg, grid.shape) == (32634, (10980, 10980))
    assert grid.transform == (10, 0, 300_000, 0, -10, 6_100_020)
    assert product.read("B01").grid.shape == (1830, 1830)
    assert product.read("SCL").pixels.dtype == np.uint8
    assert product.images["B12"].offset == -0.1
    assert product.scene.absolute_orbit == 33753


def test_real_l1c_zip_opens_with_13_bands(shared_data: Path) -> None:
    path = shared_data / "l1c-zip" / "S2A_MSIL1C_20201031T004711_N0209_R102_T53JQJ_20201031T022859.zip"
    product = open_product(str(path))
    assert set(product.images) == {band.name for band in bands_of("L1C")} | {"TCI"}
    inside = "S2A_MSIL1C_20201031T004711_N0209_R102_T53JQJ_20201031T022859.SAFE/GRANULE"
    inside += "/L1C_T53JQJ_A027984_20201031T004711/IMG_DATA/T53JQJ_20201031T004711"
    for image in product.images:
        with rasterio.open(f"/vsizip/{path}/{inside}_{image}.jp2") as dataset:
            np.testing.assert_array_equal(product.read(image).pixels.squeeze(), dataset.read().squeeze())
    assert product.images["B04"].offset == 0
    assert metres(product, "B04") == 5490


def test_real_incomplete_l1c_is_refused_naming_the_missing(shared_data: Path) -> None:
    source = str(shared_data / "l1c-safe" / "S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911")
    with pytest.raises(MissingImageError, match="12 images missing") as caught:
        open_product(source)
    missing = {band.name for band in bands_of("L1C")} - {"B01"}
    assert all(f"{band} (*_{band}.jp2)" in str(caught.value) for band in missing)
    assert "S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911" in str(caught.value)


def test_assets_restrict_what_is_demanded(shared_data: Path) -> None:
    source = shared_data / "l1c-safe" / "S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911"
    product = open_product(str(source), assets=frozenset({"B01"}))
    assert set(product.images) == {"B01"}
    raster = product.read("B01")
    with rasterio.open(next(source.glob("GRANULE/*/IMG_DATA/*_B01.jp2"))) as dataset:
        np.testing.assert_array_equal(raster.pixels, dataset.read(1))
    assert raster.grid.shape == (1830, 1830)


def test_metadata_only_products_are_refused_as_incomplete(shared_data: Path) -> None:
    for source in (shared_data / "safe-metadata").glob("*.SAFE"):
        with pytest.raises(MissingImageError, match="13 images missing"):
            open_product(str(source))


def test_aws_layout_is_refused_with_advice(shared_data: Path) -> None:
    with pytest.raises(InvalidProductError, match=r"no MTD_MSIL1C\.xml or MTD_MSIL2A\.xml .*AWS layout"):
        open_product(str(shared_data / "safe-metadata" / "S2A_T60CWS_20240109T203651_L2A"))


def test_folder_needs_no_suffix_and_metadata_may_be_spelt_otherwise(copy: Path) -> None:
    moved = copy.rename(copy.parent / "anything")
    (moved / "MTD_MSIL2A.xml").rename(moved / "MTD_MSIL2a.xml")
    assert open_product(str(moved)).scene.item_id == copy.name.removesuffix(".SAFE")


def test_folder_named_like_another_product_is_refused(copy: Path) -> None:
    moved = copy.rename(copy.parent / copy.name.replace("T48PWU", "T48PWV"))
    with pytest.raises(InvalidProductError, match=r"PRODUCT_URI is .*T48PWU.* named .*T48PWV"):
        open_product(str(moved))


def test_older_file_names_are_found(copy: Path) -> None:
    for file in copy.glob("GRANULE/*/IMG_DATA/*/*.jp2"):
        file.rename(file.with_name(f"L2A_{file.name}"))
    for kind in ("CLD", "SNW"):
        file = next(copy.glob(f"GRANULE/*/QI_DATA/MSK_{kind}PRB_20m.jp2"))
        file.rename(file.with_name(f"L2A_T48PWU_20250105T031121_{kind}_20m.jp2"))
    product = open_product(str(copy))
    np.testing.assert_array_equal(product.read("B04").pixels, expected(spec_of("L2A", "05.11"), "B04"))
    np.testing.assert_array_equal(product.read("CLDPRB").pixels, expected(spec_of("L2A", "05.11"), "CLDPRB"))


def test_optional_images_may_be_missing(copy: Path) -> None:
    for image in ("CLDPRB", "SNWPRB", "AOT", "WVP", "TCI"):
        for file in copy.glob(f"GRANULE/*/*/**/*{image}_*.jp2"):
            file.unlink()
    product = open_product(str(copy))
    assert set(product.images) == {band.name for band in bands_of("L2A")} | {"SCL"}


def test_aerosol_is_taken_at_10_m_where_20_m_is_missing(copy: Path) -> None:
    twenty = image_file(copy, "AOT")
    ten = copy / "GRANULE" / twenty.relative_to(copy / "GRANULE").parts[0] / "IMG_DATA" / "R10m"
    shutil.copy(image_file(copy, "B02"), ten / twenty.name.replace("_20m", "_10m"))
    assert metres(open_product(str(copy)), "AOT") == 1830
    twenty.unlink()
    assert metres(open_product(str(copy)), "AOT") == 915


@pytest.mark.parametrize("images", [("B04",), ("B8A", "SCL"), ("B01", "B02", "B12")])
def test_missing_images_are_all_named(copy: Path, images: tuple[str, ...]) -> None:
    for image in images:
        for file in copy.glob(f"GRANULE/*/IMG_DATA/**/*_{image}_*.jp2"):
            file.unlink()
    with pytest.raises(MissingImageError, match=f"{len(images)} images missing") as caught:
        open_product(str(copy))
    assert all(f"{image} (R" in str(caught.value) for image in images)


def test_asset_that_the_level_does_not_have_is_missing(safe: Path) -> None:
    with pytest.raises(MissingImageError, match="1 images missing: B10"):
        open_product(str(safe), assets=frozenset({"B02", "B10"}))


def test_geotiff_of_any_name_is_read(copy: Path) -> None:
    file = image_file(copy, "B04")
    with rasterio.open(file) as dataset:
        profile, pixels = dataset.profile, dataset.read()
    with rasterio.open(copy / "b.tif", "w", **{**profile, "driver": "GTiff"}) as dataset:
        dataset.write(pixels)
    (copy / "b.tif").replace(file)
    np.testing.assert_array_equal(open_product(str(copy)).read("B04").pixels, pixels[0])
    file.rename(file.with_suffix(".tif"))
    np.testing.assert_array_equal(open_product(str(copy)).read("B04").pixels, pixels[0])


def test_a_folder_and_its_zip_have_one_fingerprint(copy: Path, tmp_path: Path) -> None:
    folder = open_product(str(copy)).scene.fingerprint
    (copy / ".DS_Store").write_bytes(b"litter")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", copy.parent, copy.name)
    assert open_product(packed).scene.fingerprint == folder
    manifest = copy / "manifest.safe"
    manifest.write_bytes(manifest.read_bytes() + b"\n<!-- another checksum -->")
    repacked = shutil.make_archive(str(tmp_path / "repacked"), "zip", copy.parent, copy.name)
    assert open_product(repacked).scene.fingerprint == open_product(str(copy)).scene.fingerprint != folder


def test_fingerprint_follows_the_inventory(copy: Path) -> None:
    before = open_product(str(copy)).scene.fingerprint
    assert open_product(str(copy)).scene.fingerprint == before
    with image_file(copy, "B04").open("ab") as file:
        file.write(b"\0")
    assert open_product(str(copy)).scene.fingerprint != before


def test_zip_of_the_contents_alone_is_read(safe: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / f"{safe.name}.zip", "w") as archive:
        for file in safe.rglob("*"):
            archive.write(file, file.relative_to(safe))
    product = open_product(str(tmp_path / f"{safe.name}.zip"))
    np.testing.assert_array_equal(product.read("SCL").pixels, expected(spec_of("L2A", "05.11"), "SCL"))


def test_content_decides_not_the_extension(folder: Path, tmp_path: Path) -> None:
    zipped = write_product(spec_of("L2A", "05.11"), folder, zipped=True)
    copied = shutil.copy(zipped, tmp_path / "download.bin")
    assert open_product(str(copied)).scene.item_id == zipped.stem
