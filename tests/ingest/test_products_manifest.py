"""Images against the checksums of `manifest.safe`: of generated products, and of real manifests."""

import hashlib
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rasterio

from ingest.errors import InvalidProductError
from ingest.products import open_product
from ingest.products.manifest import read_manifest
from ingest.products.safe import SafeProduct
from ingest.sample import ProductSpec, write_product

OLD = ProductSpec(
    level="L1C", baseline="02.09", sensing=datetime(2020, 1, 5, 3, 11, 21, tzinfo=UTC), size=120, cloudiness=0.3
)
NEW = replace(OLD, baseline="05.11", sensing=datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC))
ALGORITHMS = {OLD: "md5", NEW: "sha3_256"}


def band(safe: Path, name: str = "B04") -> Path:
    return next(safe.glob(f"GRANULE/*/IMG_DATA/*_{name}.jp2"))


def damage(file: Path) -> None:
    """Change a byte of an image's last packets: the frame stays whole, and it decodes, to other pixels."""
    content = bytearray(file.read_bytes())
    content[-12] ^= 0x5A
    file.write_bytes(content)


@pytest.mark.parametrize("spec", [OLD, NEW])
def test_damage_inside_a_whole_frame_is_found_telling_both_checksums(spec: ProductSpec, tmp_path: Path) -> None:
    safe = write_product(spec, tmp_path)
    before = hashlib.new(ALGORITHMS[spec], band(safe).read_bytes()).hexdigest()
    damage(band(safe))
    with rasterio.open(band(safe)) as dataset:
        dataset.read()  # the decoder sees nothing
    product = open_product(str(safe))
    after = hashlib.new(ALGORITHMS[spec], band(safe).read_bytes()).hexdigest()
    with pytest.raises(InvalidProductError, match=rf"{ALGORITHMS[spec]} is {after}, the product says {before}"):
        product.read("B04")
    assert product.read("B03").pixels.size


def test_damage_is_found_in_a_zip_whose_own_checksums_are_right(tmp_path: Path) -> None:
    safe = write_product(NEW, tmp_path / "product")
    damage(band(safe))
    path = tmp_path / f"{NEW.name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in safe.rglob("*"):
            archive.write(file, file.relative_to(safe.parent))
    with pytest.raises(InvalidProductError, match=r"zip: .*_B04\.jp2: it is damaged: its sha3_256 is"):
        open_product(str(path)).read("B04")


def test_an_image_of_another_size_was_rewritten_which_is_told(tmp_path: Path) -> None:
    safe = write_product(NEW, tmp_path)
    with rasterio.open(band(safe)) as source:
        pixels, profile = source.read(), source.profile
    with rasterio.open(band(safe), "w", **{**profile, "driver": "GTiff"}) as target:
        target.write(pixels)
    product = open_product(str(safe))
    assert product.warnings == ("1 images are not the files that manifest.safe lists, their sizes differ (B04)",)
    assert (product.read("B04").pixels == pixels[0]).all()


def test_a_product_without_a_manifest_is_read_as_it_is(tmp_path: Path) -> None:
    safe = write_product(NEW, tmp_path)
    (safe / "manifest.safe").unlink()
    product = open_product(str(safe))
    assert product.warnings == ()
    assert product.read("B04").pixels.size


@pytest.mark.parametrize("content", [b"<xfdu:XFDU", b"<a><!ENTITY b 'c'></a>", b"no xml"])
def test_a_broken_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    safe = write_product(NEW, tmp_path)
    (safe / "manifest.safe").write_bytes(content)
    with pytest.raises(InvalidProductError, match=r"manifest\.safe"):
        open_product(str(safe))


def test_what_a_manifest_does_not_say_is_not_asked() -> None:
    content = b"""<a xmlns:x="urn:x">
      <byteStream size="5"><fileLocation href="./a"/><checksum checksumName="CRC-9">00</checksum></byteStream>
      <byteStream><fileLocation href="./b"/><checksum checksumName="MD5">00</checksum></byteStream>
      <byteStream size="5"><fileLocation href="./c"/></byteStream>
      <x:byteStream size="5"><x:fileLocation href="d"/><x:checksum checksumName="md5"> AB </x:checksum></x:byteStream>
    </a>"""
    listed = read_manifest(content, "m")
    assert {path: (each.algorithm, each.digest) for path, each in listed.items()} == {"d": ("md5", "ab")}


def test_real_manifests_are_understood(shared_data: Path) -> None:
    manifests = sorted(shared_data.glob("**/manifest.safe"))
    assert len(manifests) >= 6
    for path in manifests:
        listed = read_manifest(path.read_bytes(), str(path))
        assert listed
        if b"DS_ESRI_" not in path.read_bytes():  # Sen2Cor run by others lists metadata only
            assert sum(name.endswith(".jp2") for name in listed) >= 13
        present = {name: each for name, each in listed.items() if (path.parent / name).is_file()}
        same = [name for name, each in present.items() if (path.parent / name).stat().st_size == each.size]
        assert any(name.endswith("MTD_TL.xml") for name in present)
        for name in same:
            found = hashlib.new(present[name].algorithm, (path.parent / name).read_bytes()).hexdigest()
            assert found == present[name].digest, (path, name)


def test_real_products_that_were_emptied_say_so(shared_data: Path) -> None:
    (source,) = (shared_data / "l2a-safe").glob("*.SAFE")
    product = open_product(str(source))
    assert isinstance(product, SafeProduct)
    assert product.warnings[0].startswith("18 images are not the files that manifest.safe lists")
