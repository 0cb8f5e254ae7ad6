"""Broken and hostile products: each is refused with an error that names the file and the fault."""

import shutil
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine

from ingest.errors import InvalidProductError
from ingest.products import open_product
from ingest.products.jpeg2000 import BrokenCodestreamError, check_whole
from ingest.sample import ProductSpec, write_product

SPEC = ProductSpec(level="L1C", sensing=datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC), size=120, cloudiness=0.3)
ROOT = f"{SPEC.name}.SAFE/"


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(SPEC, tmp_path_factory.mktemp("safe"))


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(SPEC, tmp_path_factory.mktemp("zip"), zipped=True)


@pytest.fixture
def copy(safe: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(safe, tmp_path / safe.name))


@pytest.fixture
def zip_copy(zipped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(zipped, tmp_path / zipped.name))


def image_file(safe: Path, image: str = "B04") -> Path:
    return next(safe.glob(f"GRANULE/*/IMG_DATA/*_{image}.jp2"))


def add(path: Path, name: str, content: bytes = b"x", attributes: int = 0) -> None:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = attributes
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, content)


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.7, 0.999])
def test_zip_cut_short(zip_copy: Path, share: float) -> None:
    zip_copy.write_bytes(zip_copy.read_bytes()[: int(zip_copy.stat().st_size * share)])
    with pytest.raises(InvalidProductError, match=f"{zip_copy.name}: (no whole zip file|neither)"):
        open_product(str(zip_copy), kind="safe")


def test_zip_with_a_damaged_image(zip_copy: Path) -> None:
    with zipfile.ZipFile(zip_copy) as archive:
        entry = next(e for e in archive.infolist() if e.filename.endswith("_B04.jp2"))
    content = bytearray(zip_copy.read_bytes())
    middle = entry.header_offset + 200 + entry.compress_size // 2
    content[middle] ^= 0xFF
    zip_copy.write_bytes(content)
    product = open_product(str(zip_copy))
    with pytest.raises(InvalidProductError, match=r"_B04\.jp2 is damaged"):
        product.read("B04")
    assert product.read("B03").pixels.size


@pytest.mark.parametrize(
    "name", ["../evil.xml", f"{ROOT}../../evil", "/etc/evil", "C:/evil", "a\\..\\evil", f"{ROOT}GRANULE/../../../evil"]
)
def test_zip_whose_entry_leaves_it(zip_copy: Path, name: str) -> None:
    add(zip_copy, name)
    with pytest.raises(InvalidProductError, match=r"entry .*evil.*: its path leaves the archive"):
        open_product(str(zip_copy))


def test_zip_with_a_link(zip_copy: Path) -> None:
    add(zip_copy, f"{ROOT}link", b"/etc/passwd", attributes=0o120777 << 16)
    with pytest.raises(InvalidProductError, match=r"link': it is a link"):
        open_product(str(zip_copy))


def test_zip_with_a_decompression_bomb(zip_copy: Path) -> None:
    add(zip_copy, f"{ROOT}bomb.xml", bytes(4 * 1024**2))
    with pytest.raises(
        InvalidProductError, match=r"bomb\.xml': it claims 4194304 bytes from \d+: a decompression bomb"
    ):
        open_product(str(zip_copy))


def test_zip_with_an_entry_of_absurd_size(zip_copy: Path) -> None:
    content = zip_copy.read_bytes()
    directory = content.index(b"PK\x01\x02")
    huge = content[: directory + 24] + struct.pack("<I", 0xFFFFFFF0) + content[directory + 28 :]
    zip_copy.write_bytes(huge)
    with pytest.raises(InvalidProductError, match=r"it claims 4294967280 bytes, more than any Sentinel-2 file"):
        open_product(str(zip_copy))


def test_zip_with_an_entry_twice(zip_copy: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        add(zip_copy, f"{ROOT}MTD_MSIL1C.xml")
    with pytest.raises(InvalidProductError, match=r"MTD_MSIL1C\.xml': it comes twice"):
        open_product(str(zip_copy))


def test_zip_with_two_products(zip_copy: Path) -> None:
    add(zip_copy, "other.SAFE/MTD_MSIL1C.xml")
    with pytest.raises(InvalidProductError, match="several products in one zip"):
        open_product(str(zip_copy))


def test_zip_without_a_product(tmp_path: Path) -> None:
    add(tmp_path / "a.zip", "readme.txt")
    with pytest.raises(InvalidProductError, match=r"a\.zip: no MTD_MSIL1C\.xml or MTD_MSIL2A\.xml in the zip"):
        open_product(str(tmp_path / "a.zip"))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%PDF-1.4"])
def test_file_that_is_no_product(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InvalidProductError, match="neither a SAFE folder or zip nor an Earth Search item"):
        open_product(str(tmp_path / "a.zip"))


def test_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidProductError, match="there is no such file or folder"):
        open_product(str(tmp_path / "nothing"))


def test_entity_bomb_in_the_metadata(copy: Path) -> None:
    bomb = (
        '<!DOCTYPE a [<!ENTITY b "ha">' + "".join(f'<!ENTITY b{i} "{"&b;" * 9}">' for i in range(9)) + "]><a>&b8;</a>"
    )
    (copy / "MTD_MSIL1C.xml").write_text(bomb)
    with pytest.raises(InvalidProductError, match=r"MTD_MSIL1C\.xml: XML with a document type or entities is refused"):
        open_product(str(copy))


def test_empty_metadata(copy: Path) -> None:
    (copy / "MTD_MSIL1C.xml").write_bytes(b"")
    with pytest.raises(InvalidProductError, match=r"MTD_MSIL1C\.xml: 0 bytes is no size for a metadata file"):
        open_product(str(copy))


def test_empty_images_are_found_at_once(copy: Path) -> None:
    for image in ("B04", "B11"):
        image_file(copy, image).write_bytes(b"")
    with pytest.raises(InvalidProductError, match=r"empty files: B04 \(GRANULE/.*_B04\.jp2\), B11 \("):
        open_product(str(copy))
    assert set(open_product(str(copy), assets=frozenset({"B03"})).images) == {"B03"}


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.9999])
def test_image_cut_short(copy: Path, share: float) -> None:
    file = image_file(copy)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    product = open_product(str(copy))
    with pytest.raises(InvalidProductError, match=rf"{file.name}: (broken JPEG 2000 file|neither JPEG 2000)"):
        product.read("B04")


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8, 0.97, 0.99999])
def test_real_image_cut_short(shared_data: Path, tmp_path: Path, share: float) -> None:
    name = "S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911"
    copied = Path(shutil.copytree(shared_data / "l1c-safe" / name, tmp_path / name))
    file = image_file(copied, "B01")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(InvalidProductError, match=r"_B01\.jp2: broken JPEG 2000 file: it is cut short|a tile-part"):
        open_product(str(copied), assets=frozenset({"B01"})).read("B01")


def test_real_image_with_a_hole(shared_data: Path, tmp_path: Path) -> None:
    name = "S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911"
    copied = Path(shutil.copytree(shared_data / "l1c-safe" / name, tmp_path / name))
    file = image_file(copied, "B01")
    content = bytearray(file.read_bytes())
    content[1_200_000:1_300_000] = bytes(100_000)
    file.write_bytes(content)
    with pytest.raises(InvalidProductError, match=r"_B01\.jp2: broken JPEG 2000 file: no marker"):
        open_product(str(copied), assets=frozenset({"B01"})).read("B01")


def test_image_that_the_decoder_refuses(copy: Path) -> None:
    """The frame of the file is whole, but its coding style asks for 200 levels of decomposition."""
    file = image_file(copy)
    content = bytearray(file.read_bytes())
    content[content.index(b"\xff\x52\x00") + 9] = 200
    file.write_bytes(content)
    with file.open("rb") as stream:
        check_whole(stream, len(content))
    with pytest.raises(InvalidProductError, match=r"_B04\.jp2: cannot be decoded"):
        open_product(str(copy)).read("B04")


def test_image_that_is_none(copy: Path) -> None:
    image_file(copy).write_bytes(b"<VRTDataset rasterXSize='1' rasterYSize='1'/>")
    with pytest.raises(InvalidProductError, match="neither JPEG 2000 nor TIFF"):
        open_product(str(copy)).read("B04")


def rewrite(file: Path, change: Callable[[dict[str, object]], None], dtype: str = "uint16", count: int = 1) -> None:
    with rasterio.open(file) as dataset:
        profile = {**dataset.profile, "driver": "GTiff", "dtype": dtype, "count": count}
    change(profile)
    with rasterio.open(file.with_suffix(".new"), "w", **profile) as dataset:
        dataset.write(np.ones((count, profile["height"], profile["width"]), dtype))
    file.with_suffix(".new").replace(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crs": CRS.from_epsg(32647)}, "its projection is EPSG:32647, the metadata say EPSG:32648"),
        ({"transform": Affine(915, 0, 500_000, 0, -915, 1_400_040)}, r"upper left corner is \(500000.0, 1400040.0\)"),
        ({"transform": Affine(900, 0, 499_980, 0, -900, 1_400_040)}, r"lower right corner is \(607980.0, 1292040.0\)"),
        ({"height": 118}, r"lower right corner is .* say \(609780.0, 1290240.0\)"),
        ({"transform": Affine(915, 0, 499_980, 0, 915, 1_400_040)}, "no north-up grid"),
        ({"crs": None}, "no projection"),
    ],
)
def test_image_on_another_grid(copy: Path, change: dict[str, object], message: str) -> None:
    rewrite(image_file(copy), lambda profile: profile.update(change))
    with pytest.raises(InvalidProductError, match=rf"_B04\.jp2: .*{message}"):
        open_product(str(copy)).read("B04")


@pytest.mark.parametrize(
    ("dtype", "count", "message"),
    [
        ("uint8", 1, "1 channels of uint8"),
        ("uint16", 3, "3 channels of uint16"),
        ("float32", 1, "1 channels of float32"),
    ],
)
def test_image_of_another_type(copy: Path, dtype: str, count: int, message: str) -> None:
    rewrite(image_file(copy), lambda _: None, dtype, count)
    with pytest.raises(InvalidProductError, match=f"holds {message}, B04 must have 1 of uint16"):
        open_product(str(copy)).read("B04")


def test_image_of_absurd_size(copy: Path) -> None:
    file = image_file(copy)
    with rasterio.open(
        file.with_suffix(".new"), "w", driver="GTiff", dtype="uint16", count=1, width=30_000, height=30_000,
        crs="EPSG:32648", transform=Affine(3.66, 0, 499_980, 0, -3.66, 1_400_040), SPARSE_OK=True, tiled=True,
    ):  # fmt: skip
        pass
    file.with_suffix(".new").replace(file)
    with pytest.raises(InvalidProductError, match="30000 x 30000 pixels, more than any Sentinel-2 image"):
        open_product(str(copy)).read("B04")


def test_granule_tree_twice(copy: Path) -> None:
    granule = next((copy / "GRANULE").iterdir())
    shutil.copytree(granule, granule / granule.name)
    with pytest.raises(InvalidProductError, match="a second granule tree at GRANULE/"):
        open_product(str(copy))


def test_images_twice_at_the_wrong_level(copy: Path) -> None:
    images = next(copy.glob("GRANULE/*/IMG_DATA"))
    shutil.copytree(images, copy / "IMG_DATA")
    with pytest.raises(InvalidProductError, match="a second granule tree at IMG_DATA/"):
        open_product(str(copy))


def test_two_granules(copy: Path) -> None:
    granule = next((copy / "GRANULE").iterdir())
    shutil.copytree(granule, granule.with_name("L1C_T48PWV_A000001_20250105T031121"))
    with pytest.raises(InvalidProductError, match="2 granules, one expected"):
        open_product(str(copy))


def test_no_granule(copy: Path) -> None:
    shutil.rmtree(copy / "GRANULE")
    with pytest.raises(InvalidProductError, match="the product holds no granule"):
        open_product(str(copy))


def test_band_twice(copy: Path) -> None:
    file = image_file(copy)
    shutil.copy(file, file.with_name(f"copy_of_{file.name}"))
    with pytest.raises(InvalidProductError, match="B04 comes twice"):
        open_product(str(copy))


@pytest.mark.parametrize("inside", ["", "GRANULE"])
def test_folder_that_may_not_be_read(copy: Path, inside: str, without_rights) -> None:
    with (
        without_rights(copy / inside),
        pytest.raises(InvalidProductError, match=f"{inside}: cannot be read: Permission"),
    ):
        open_product(str(copy))


def test_product_given_by_its_parent(copy: Path) -> None:
    with pytest.raises(InvalidProductError, match="give the product's own folder"):
        open_product(str(copy.parent))


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\x4f\xff\x51\x00\x29",
        b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        b"\x00\x00\x00\x0cjP  \r\n\x87\n" + b"\x00\x00\x00\x02jp2c",
        b"\xff\x4f" + b"\x00" * 40,
        b"\xff\x4f\xff\x51\x00\x29" + bytes(40) + b"\xff\xd9",
        b"\xff\x4f\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x01" + bytes(4),
    ],
)
def test_codestream_walk_ends_on_any_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb") as stream, pytest.raises(BrokenCodestreamError):
        check_whole(stream, len(content))
