"""Products of 2015-16 under long names: each granule is found, read, ingested and judged as a product of its own."""

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import numpy as np
import psycopg
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from referencing import Registry
from referencing.jsonschema import DRAFT7
from shapely.geometry import Polygon, shape

from ingest import ledger
from ingest.discover import find_products
from ingest.errors import InvalidProductError, MissingImageError
from ingest.inventory import inventory
from ingest.outcome import Outcome
from ingest.pipeline import ingest_product
from ingest.products import open_product
from ingest.sample import (
    ProductSpec,
    expected,
    granule_folder,
    swath_through,
    valid_mask,
    write_long_product,
    write_product,
)
from ingest.store import Store
from ingest.tiling import EXTENT
from stac import catalog
from stac.bands import Level, bands_of
from stac.collections import L1C
from stac.settings import Settings

WEST = ProductSpec(
    level="L1C",
    platform="S2A",
    tile="48PWU",
    baseline="02.01",
    sensing=datetime(2015, 12, 30, 3, 11, 22, 26_000, tzinfo=UTC),
    size=120,
    cloudiness=0.3,
    swath_edge=swath_through("48PWU", 0.8),
)
SOUTH = replace(WEST, tile="48PWT")
ELSEWHERE = replace(WEST, tile="49PBM")
"""A tile of the next UTM zone, as products of a whole swath have."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long_product([WEST, SOUTH], tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module", params=[False, True], ids=["folder", "zip"])
def across(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product of tiles in two UTM zones."""
    return write_long_product([WEST, ELSEWHERE], tmp_path_factory.mktemp("across"), zipped=request.param)


@pytest.fixture
def copy(two: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two, tmp_path / two.name))


def address(product: Path, spec: ProductSpec) -> str:
    return f"{product}/GRANULE/{granule_folder(spec)}"


def metadata_file(product: Path) -> Path:
    return next(product.glob("S2?_*_MTD_SAF*.xml"))


def tile_file(product: Path, spec: ProductSpec) -> Path:
    return next(Path(address(product, spec)).glob("S2?_*_MTD_L??_TL_*.xml"))


@pytest.mark.parametrize("spec", [WEST, ELSEWHERE], ids=lambda spec: spec.tile)
def test_every_pixel_of_every_granule_is_read_as_written(across: Path, spec: ProductSpec) -> None:
    product = open_product(address(across, spec))
    assert product.scene.item_id == spec.name
    assert product.scene.acquired == spec.sensing
    assert (product.scene.granule_id, product.scene.datastrip_id) == (spec.tile_id, spec.datastrip_id)
    assert set(product.images) == {band.name for band in bands_of("L1C")}  # the picture came with the compact form
    assert [document.filename[:19] for document in product.documents] == [
        "S2A_OPER_MTD_SAFL1C", "S2A_OPER_MTD_L1C_TL", "manifest.safe",
    ]  # fmt: skip
    for image, meaning in product.images.items():
        raster = product.read(image)
        np.testing.assert_array_equal(raster.pixels, expected(spec, image), err_msg=image)
        inside = f"GRANULE/{granule_folder(spec)}/IMG_DATA/{spec.tile_id.removesuffix('_N02.01')}_{image}.jp2"
        zipped = across.suffix == ".zip"
        there = f"/vsizip/{across}/{across.stem}.SAFE/{inside}" if zipped else str(across / inside)
        with rasterio.open(there) as dataset:
            np.testing.assert_array_equal(raster.pixels, dataset.read(1), err_msg=image)
            assert raster.grid.epsg == dataset.crs.to_epsg() == spec.grid.epsg
        assert (meaning.scale, meaning.offset, meaning.nodata) == (0.0001, 0, 0)


def test_level_2a_of_the_sen2cor_of_those_years_is_read(tmp_path: Path) -> None:
    spec = replace(WEST, level="L2A")
    path = write_long_product([spec], tmp_path)
    product = open_product(address(path, spec))
    assert product.scene.item_id == spec.name
    assert product.scene.remarks == {"sen2extract:origin": "local"}
    assert product.scene.quality == open_product(str(write_product(spec, tmp_path))).scene.quality
    layers = {"SCL", "CLDPRB", "SNWPRB", "AOT", "WVP"}
    assert set(product.images) == {band.name for band in bands_of("L2A")} | layers
    for image in product.images:
        np.testing.assert_array_equal(product.read(image).pixels, expected(spec, image), err_msg=image)
    next(path.glob("GRANULE/*/IMG_DATA/*_SCL_*")).unlink()
    with pytest.raises(MissingImageError, match=r"1 images missing: SCL \(\*_SCL_L2A_\*_20m\.jp2\)"):
        open_product(address(path, spec))


def test_granules_are_found_in_folders_and_zips(two: Path, tmp_path: Path) -> None:
    zipped = write_long_product([WEST, SOUTH], tmp_path, zipped=True)
    renamed = Path(shutil.copy(zipped, tmp_path / "from a friend.zip"))
    compact = write_product(replace(WEST, baseline="05.00"), tmp_path / "compact")
    specs = (SOUTH, WEST)
    assert find_products([str(two.parent)]) == [address(two, spec) for spec in specs]
    assert find_products([str(two)]) == [address(two, spec) for spec in specs]
    assert find_products([address(two, WEST) + "/"]) == [address(two, WEST)]
    assert find_products([address(zipped, WEST)]) == [address(zipped, WEST)]
    places = [address(path, spec) for path in (zipped, renamed) for spec in specs]
    assert find_products([str(tmp_path)]) == sorted([*places, str(compact)])
    assert find_products([f"{compact}/GRANULE"]) == []


def test_a_product_of_one_granule_may_be_given_itself(two: Path, tmp_path: Path) -> None:
    one = write_long_product([WEST], tmp_path)
    assert find_products([str(one)]) == [address(one, WEST)]
    assert open_product(str(one)).scene == open_product(address(one, WEST)).scene
    with pytest.raises(InvalidProductError, match=r"2 granules, each a product of its own: give one, such as .*_T48PW"):
        open_product(str(two))


def ingest_all(place: Path, settings: Settings) -> dict[str, Outcome]:
    """As the command and Airflow do."""
    found = find_products([str(place)])
    ledger.see(settings, found)
    return {source: ingest_product(source, settings=settings) for source in found}


def states(outcomes: dict[str, Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes.values()]


def entries(settings: Settings) -> dict[str, tuple[str, str]]:
    """State and source of all that the ledger holds."""
    with psycopg.connect(settings.pg_dsn) as connection:
        rows = connection.execute("SELECT id, state, source FROM sen2extract.ledger").fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def held(settings: Settings, collection: str, spec: ProductSpec) -> dict[str, Any]:
    item = catalog.get_item(settings, collection, spec.name)
    assert item is not None, spec.name
    return item


def test_granules_are_published_once_each_until_they_were_reprocessed(
    two: Path, tmp_path: Path, settings: Settings
) -> None:
    outcomes = ingest_all(two, settings)
    assert [outcome.items for outcome in outcomes.values()] == [(f"{L1C}/{spec.name}",) for spec in (SOUTH, WEST)]
    for spec in (SOUTH, WEST):
        assert entries(settings)[spec.name] == ("published", address(two, spec))
        item = held(settings, L1C, spec)
        properties = item["properties"]
        assert (properties["grid:code"], properties["s2:processing_baseline"]) == (f"MGRS-{spec.tile}", "02.01")
        assert properties["datetime"] == "2015-12-30T03:11:22.026000Z"
        assert_seen(item, spec, settings)

    assert states(ingest_all(two, settings)) == ["unchanged"] * 2
    zipped = write_long_product([WEST, SOUTH], tmp_path, zipped=True)
    assert states(ingest_all(zipped, settings)) == ["unchanged"] * 2  # the same product, packed
    assert set(entries(settings)) == {SOUTH.name, WEST.name}

    again = replace(WEST, baseline="05.00")
    assert ingest_product(str(write_product(again, tmp_path)), settings=settings).state == "published"
    assert held(settings, L1C, WEST)["properties"]["deprecated"] is True
    assert "deprecated" not in held(settings, L1C, again)["properties"]
    assert "deprecated" not in held(settings, L1C, SOUTH)["properties"]
    assert entries(settings)[WEST.name][0] == "superseded"


def assert_seen(item: dict[str, Any], spec: ProductSpec, settings: Settings) -> None:
    """The preview shows the scene's bands, and the footprint is that of its valid pixels."""
    key = item["assets"]["thumbnail"]["alternate"]["s3"]["href"].removeprefix(settings.s3_href(""))
    content = Store.connect(settings).get(key)
    with pytest.warns(NotGeoreferencedWarning), MemoryFile(content) as memory, memory.open() as dataset:
        picture = dataset.read()
    step = -(-spec.size // 343)
    inside = valid_mask(spec, gsd=10)[step // 2 :: step, step // 2 :: step]
    assert picture.shape == (3, *inside.shape)
    assert picture[:, inside].mean() > 2 * picture[:, ~inside].mean()
    left, top = spec.grid.origin
    corners = [(left, top), (left + EXTENT, top), (left + EXTENT, top - EXTENT), (left, top - EXTENT)]
    tile = Polygon(spec.grid.to_lonlat(np.array(corners, float)))
    assert shape(item["geometry"]).area / tile.area == pytest.approx(inside.mean(), abs=0.06)


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_their_items_are_valid(tmp_path: Path, settings: Settings, schemas: Path, level: Level) -> None:
    spec = replace(WEST, level=level, sensing=datetime(2016, 10, 5, 3, 11, 22, tzinfo=UTC), baseline="02.04")
    (outcome,) = ingest_all(write_long_product([spec], tmp_path), settings).values()

    def retrieve(uri: str) -> Any:
        parts = urlsplit(uri)
        return DRAFT7.create_resource(json.loads((schemas / (parts.hostname or "") / parts.path[1:]).read_text()))

    known: Any = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    core = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"
    for item in (held(settings, name.partition("/")[0], spec) for name in outcome.items):
        for uri in (core, *item["stac_extensions"]):
            assert list(jsonschema.Draft7Validator({"$ref": uri}, registry=known).iter_errors(item)) == [], uri


def test_one_broken_granule_does_not_hold_up_the_other(tmp_path: Path, settings: Settings) -> None:
    early = datetime(2016, 1, 9, 3, 11, 22, tzinfo=UTC)
    good, bad = (replace(spec, sensing=early) for spec in (WEST, SOUTH))
    product = write_long_product([good, bad], tmp_path)
    image = next(Path(address(product, bad)).glob("IMG_DATA/*_B04.jp2"))
    whole = image.read_bytes()
    image.write_bytes(whole[:-300])
    for _ in range(2):
        outcomes = ingest_all(product, settings)
        assert states(outcomes) in (["invalid", "published"], ["invalid", "unchanged"])
        assert "_B04.jp2" in (outcomes[address(product, bad)].reason or "")
    assert "have not changed" in (outcomes[address(product, bad)].reason or "")
    assert entries(settings)[bad.name] == ("invalid", address(product, bad))
    image.write_bytes(whole)
    assert states(ingest_all(product, settings)) == ["published", "unchanged"]
    assert entries(settings)[bad.name][0] == "published"


def test_a_granule_that_the_product_lists_and_lacks_is_told(tmp_path: Path, settings: Settings) -> None:
    late = datetime(2016, 1, 19, 3, 11, 22, tzinfo=UTC)
    here, gone = (replace(spec, sensing=late) for spec in (WEST, SOUTH))
    product = write_long_product([here, gone], tmp_path)
    aside = shutil.move(address(product, gone), tmp_path / "aside")
    outcomes = ingest_all(product, settings)
    assert states(outcomes) == ["invalid", "published"]
    assert "lacks this granule" in (outcomes[address(product, gone)].reason or "")
    shutil.move(aside, address(product, gone))
    assert states(ingest_all(product, settings)) == ["published", "unchanged"]
    assert address(product, gone) not in entries(settings)


def test_a_granule_s_files_are_its_own_and_the_product_s(copy: Path) -> None:
    def told() -> tuple[str | None, str | None]:
        return inventory(address(copy, WEST)), inventory(address(copy, SOUTH))

    first = told()
    next(Path(address(copy, SOUTH)).glob("QI_DATA/*_PVI_*.jp2")).write_bytes(b"other")
    second = told()
    assert (second[0] == first[0], second[1] == first[1]) == (True, False)
    metadata_file(copy).touch()
    third = told()
    assert (third[0] == second[0], third[1] == second[1]) == (False, False)


def test_another_granule_s_files_do_not_change_the_fingerprint(copy: Path) -> None:
    before = open_product(address(copy, WEST)).scene.fingerprint
    next(Path(address(copy, SOUTH)).glob("QI_DATA/*_PVI_*.jp2")).write_bytes(b"other")
    manifest = copy / "manifest.safe"
    text = manifest.read_text()
    theirs, ours = (re.search(rf"_T{tile}_B04\.jp2.*\n.*MD5\">(\w+)<", text) for tile in ("48PWT", "48PWU"))
    assert theirs is not None
    assert ours is not None
    manifest.write_text(text.replace(theirs[1], "0" * 32))
    assert open_product(address(copy, WEST)).scene.fingerprint == before
    manifest.write_text(text.replace(ours[1], "0" * 32))
    changed = open_product(address(copy, WEST))
    assert changed.scene.fingerprint != before
    with pytest.raises(InvalidProductError, match=r"_T48PWU_B04\.jp2: it is damaged: its md5 is"):
        changed.read("B04")


def test_without_a_manifest_there_are_no_checksums(copy: Path) -> None:
    (copy / "manifest.safe").unlink()
    product = open_product(address(copy, WEST))
    np.testing.assert_array_equal(product.read("B04").pixels, expected(WEST, "B04"))
    assert [document.name for document in product.documents] == ["product_metadata", "granule_metadata"]


def cut(element: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        file.write_text(re.sub(rf"<({element})\b.*?</\1>", "", file.read_text(), flags=re.DOTALL))

    return change


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ("DATATAKE_SENSING_START", "no DATATAKE_SENSING_START"),
        ("SENSING_ORBIT_NUMBER", "no SENSING_ORBIT_NUMBER"),
        ("QUANTIFICATION_VALUE", "no QUANTIFICATION_VALUE"),
        ("GENERATION_TIME", "no GENERATION_TIME"),
        ("Datatake", "0 Datatake, one expected"),
    ],
)
def test_what_the_product_s_metadata_must_tell(copy: Path, element: str, message: str) -> None:
    cut(element)(metadata_file(copy))
    with pytest.raises(InvalidProductError, match=rf"S2A_OPER_MTD_SAFL1C_\w+\.xml: {message}"):
        open_product(address(copy, WEST))


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ("TILE_ID", "no TILE_ID"),
        ("DATASTRIP_ID", "no DATASTRIP_ID"),
        ("HORIZONTAL_CS_CODE", "no HORIZONTAL_CS_CODE"),
        ("Geoposition", "no Geoposition"),
    ],
)
def test_what_the_granule_s_metadata_must_tell(copy: Path, element: str, message: str) -> None:
    cut(element)(tile_file(copy, WEST))
    with pytest.raises(InvalidProductError, match=rf"_T48PWU\.xml: {message}"):
        open_product(address(copy, WEST))
    assert open_product(address(copy, SOUTH)).scene.item_id == SOUTH.name


@pytest.mark.parametrize(
    ("find", "put", "message"),
    [
        (WEST.tile_id, WEST.tile_id.removesuffix("_N02.01"), "TILE_ID is .*which must tell level, time, tile and base"),
        (WEST.tile_id, WEST.tile_id.replace("20151230T", "20159930T"), "make no product name: .*no date and time"),
        (WEST.tile_id, SOUTH.tile_id, "TILE_ID is .*T48PWT.* another granule's than the file's name"),
        (WEST.tile_id, WEST.tile_id.replace("T48PWU", "T99PWU"), "make no product name"),
    ],
)
def test_a_granule_whose_id_is_not_its_own_is_refused(copy: Path, find: str, put: str, message: str) -> None:
    file = tile_file(copy, WEST)
    file.write_text(file.read_text().replace(find, put))
    with pytest.raises(InvalidProductError, match=message):
        open_product(address(copy, WEST))


def test_a_relative_orbit_that_is_none_is_refused(copy: Path) -> None:
    file = metadata_file(copy)
    file.write_text(file.read_text().replace("<SENSING_ORBIT_NUMBER>75<", "<SENSING_ORBIT_NUMBER>1e300<"))
    with pytest.raises(InvalidProductError, match=r"SENSING_ORBIT_NUMBER 1e\+300 make no product name"):
        open_product(address(copy, WEST))


def test_a_granule_that_comes_twice_is_refused_in_both_places(copy: Path) -> None:
    shutil.copytree(address(copy, WEST), copy / "GRANULE" / "Copy of it")
    assert find_products([str(copy)]) == [f"{copy}/GRANULE/Copy of it", address(copy, SOUTH), address(copy, WEST)]
    for folder, other in ((address(copy, WEST), "Copy of it"), (f"{copy}/GRANULE/Copy of it", granule_folder(WEST))):
        with pytest.raises(InvalidProductError, match=f"comes twice, also as {other}: remove the duplicate"):
            open_product(folder)
    assert open_product(address(copy, SOUTH)).scene.item_id == SOUTH.name


def test_folders_may_have_been_shortened(copy: Path) -> None:
    """Windows allowed paths of 260 characters, which these exceed."""
    moved = Path(address(copy, WEST)).rename(copy / "GRANULE" / "48PWU")
    assert find_products([str(copy)]) == [str(moved), address(copy, SOUTH)]
    assert open_product(str(moved)).scene.item_id == WEST.name


def test_without_metadata_there_is_nothing_to_go_by(copy: Path) -> None:
    tile_file(copy, WEST).unlink()
    with pytest.raises(InvalidProductError, match=r"_T48PWU_N02\.01: 0 files .*the tile's metadata, one expected"):
        open_product(address(copy, WEST))
    file = metadata_file(copy)
    content = file.read_bytes()
    file.write_bytes(b"<broken")
    assert find_products([str(copy)]) == [str(copy)]
    with pytest.raises(InvalidProductError, match="no well-formed XML"):
        open_product(address(copy, SOUTH))
    file.with_name(file.name.replace("_R075", "_R076")).write_bytes(content)
    with pytest.raises(InvalidProductError, match="2 product metadata files, one expected"):
        open_product(address(copy, SOUTH))
    for one in copy.glob("S2A_*.xml"):
        one.unlink()
    assert find_products([str(copy)]) == [str(copy)]
    with pytest.raises(InvalidProductError, match=r"nor S2\?_OPER_MTD_SAFL1C"):
        open_product(str(copy))


def test_a_product_without_granules_is_refused(copy: Path) -> None:
    shutil.rmtree(copy / "GRANULE")
    listed = find_products([str(copy)])
    assert listed == [address(copy, SOUTH), address(copy, WEST)]  # as it says it should have
    cut("Granule_List")(metadata_file(copy))
    assert find_products([str(copy)]) == [str(copy)]
    with pytest.raises(InvalidProductError, match="the product holds no granule"):
        open_product(str(copy))


def test_what_is_listed_leads_nowhere_else(copy: Path) -> None:
    file = metadata_file(copy)
    listed = f'granuleIdentifier="{granule_folder(WEST)}"'
    file.write_text(file.read_text().replace(listed, 'granuleIdentifier="../../other.SAFE"'))
    (copy.parent / "other.SAFE").mkdir()
    assert find_products([str(copy)]) == [address(copy, SOUTH), address(copy, WEST)]


def test_a_zip_that_is_none_gets_its_verdict(tmp_path: Path) -> None:
    broken = tmp_path / "S2A_OPER_PRD_MSIL1C_PDMC_20151231T120000_R051_V20151230T105153_20151230T105153.zip"
    broken.write_bytes(b"PK no zip")
    assert find_products([str(tmp_path)]) == [str(broken)]
    for source in (str(broken), f"{broken}/GRANULE/x"):
        with pytest.raises(InvalidProductError, match="no whole zip file"):
            open_product(source)


def test_a_zip_of_the_contents_alone_is_read(two: Path, tmp_path: Path) -> None:
    packed = tmp_path / "bare.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in two.rglob("*"):
            archive.write(file, file.relative_to(two))
    assert find_products([str(packed)]) == [address(packed, SOUTH), address(packed, WEST)]
    zipped, unpacked = (open_product(address(path, WEST)) for path in (packed, two))
    assert zipped.scene == unpacked.scene
