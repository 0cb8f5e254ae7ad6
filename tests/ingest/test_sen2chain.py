"""Import of Sen2Chain archives: a synthetic one with every case, and a real one."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from shapely.geometry import shape
from typer.testing import CliRunner

from ingest.cli import app
from ingest.clouds import cm001, cm003, cm004
from ingest.errors import InvalidProductError
from ingest.pipeline import ingest_product
from ingest.products import open_product
from ingest.products.sen2chain import index_address, scene_address
from ingest.sample import ProductSpec, write_product
from ingest.sen2chain_import import Plan, plan_import
from ingest.store import Store
from stac import catalog
from stac.collections import INDICES, L2A
from stac.masks import FIELDS, UNKNOWN_CLASS, UNKNOWN_PROBABILITY
from stac.resample import repeat
from stac.settings import Settings

TILE = "33TWM"
PRODUCT = "S2A_MSIL2A_20190815T095031_N0213_R079_T33TWM_20190815T155057"
MASKED_ONLY = "S2B_MSIL2A_20190820T095039_N0213_R079_T33TWM_20190820T155057"
SIZE = 60
GAPS = np.s_[:7, :11]


def values(seed: int = 0, size: int = SIZE) -> np.ndarray:
    """A smooth field from -0.4 to 0.8, with nodata in a corner."""
    rows, columns = np.mgrid[:size, :size] / size
    field = (2000 + 6000 * np.sin(3 * rows + seed) * np.cos(2 * columns)).astype(np.int16)
    field[GAPS] = 16383
    return field


def write(path: Path, pixels: np.ndarray, *, resolution: float = 10, epsg: int = 32633) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    bits = {"NBITS": 15} if pixels.dtype == np.int16 else {}
    profile = {
        "driver": "GTiff",
        "dtype": pixels.dtype,
        "count": 1,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "crs": f"EPSG:{epsg}",
        "transform": from_origin(499980, 5200020, resolution, resolution),
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(pixels, 1)
        with memory.open() as dataset:
            rasterio.shutil.copy(dataset, path, driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES", **bits)
    path.with_name(f"{path.name}.aux.xml").unlink(missing_ok=True)
    return path


def index_file(data: Path, product: str, index: str, mask: str = "") -> Path:
    suffix = f"_{mask}" if mask else ""
    return data / "INDICES" / index / TILE / product / f"{product}_{index}{suffix}.jp2"


def mask_file(data: Path, product: str, name: str) -> Path:
    return data / "CLOUDMASKS" / TILE / product / name


def side_products(size: int = SIZE // 2) -> tuple[np.ndarray, np.ndarray]:
    """SCL with shadow and cloud, cloud probability with a bright square."""
    classes = np.full((size, size), 4, np.uint8)
    classes[10:14, 10:14], classes[20:22, 5:9], classes[:3, :5] = 9, 3, 0
    probability = np.zeros((size, size), np.uint8)
    probability[9:15, 9:15], probability[25, 25] = 80, 60
    return classes, probability


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive at home: data folder, indices raw and masked, side products, old names, litter."""
    home = tmp_path_factory.mktemp("sen2chain")
    data = home / "data"
    classes, probability = side_products()
    write(index_file(data, PRODUCT, "NDVI"), values())
    write(index_file(data, PRODUCT, "NDVI", "CM001"), values())
    write(index_file(data, PRODUCT, "NDRE"), values(1))
    write(mask_file(data, PRODUCT, f"T{TILE}_20190815T095031_SCL_20m.jp2"), classes, resolution=20)
    write(mask_file(data, PRODUCT, "MSK_CLDPRB_20m.jp2"), probability, resolution=20)
    write(mask_file(data, PRODUCT, f"{PRODUCT}_CM001.jp2"), cm001(probability).astype(np.uint8), resolution=20)
    write(index_file(data, MASKED_ONLY, "NDVI", "CM001"), values(2))
    write(index_file(data, MASKED_ONLY, "NDVI", "CM004-CSH1-CMP1-CHP1-TCI1-ITER1"), values(3))
    write(data / "L2A" / TILE / f"{MASKED_ONLY}_CLOUD_MASK.jp2", cm001(probability).astype(np.uint8), resolution=20)
    write(data / "L2A" / TILE / f"{MASKED_ONLY}_CLOUD_MASK_B11.jp2", (probability > 70).astype(np.uint8), resolution=20)
    write(mask_file(data, MASKED_ONLY, f"{MASKED_ONLY}_CM003-PRB30-ITER5.jp2"), classes, resolution=20)
    index_file(data, PRODUCT, "NBR").parent.mkdir(parents=True)
    index_file(data, PRODUCT, "NBR").touch()
    whole = write(index_file(data, PRODUCT, "EVI"), values(4)).read_bytes()
    index_file(data, PRODUCT, "EVI").write_bytes(whole[: len(whole) // 2])
    (data / "INDICES" / "NDVI" / TILE / PRODUCT / f"{PRODUCT}_NDVI_CM001_QL.tif").write_bytes(b"II*\0")
    (data / "TIME_SERIES").mkdir()
    return home


def listing(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def reasons(plan: Plan) -> dict[str, str]:
    return {verdict.path.name: verdict.reason for verdict in plan.skipped}


def test_every_file_gets_a_verdict(archive: Path) -> None:
    plan = plan_import(archive)
    files = {path for path in archive.rglob("*") if path.is_file()} | {archive / "data" / "TIME_SERIES"}
    assert {verdict.path for verdict in plan.verdicts} == files
    assert plan.indices == (index_address(archive, PRODUCT), index_address(archive, MASKED_ONLY))
    assert plan.scenes == ()


def test_what_is_skipped_has_its_reason(archive: Path) -> None:
    found = reasons(plan_import(archive))
    assert found[f"{PRODUCT}_NBR.jp2"] == "the file is empty"
    assert "broken JPEG 2000 file: it is cut short" in found[f"{PRODUCT}_EVI.jp2"]
    assert f"masked copy (CM001) of {PRODUCT}_NDVI.jp2" in found[f"{PRODUCT}_NDVI_CM001.jp2"]
    assert "made anew, bit for bit, from MSK_CLDPRB_20m.jp2" in found[f"{PRODUCT}_CM001.jp2"]
    assert f"of {MASKED_ONLY}_NDVI_CM001.jp2" in found[f"{MASKED_ONLY}_NDVI_CM004-CSH1-CMP1-CHP1-TCI1-ITER1.jp2"]
    assert "no products" in found["TIME_SERIES"]


def test_a_configuration_moves_folders(archive: Path, tmp_path: Path) -> None:
    elsewhere, home = tmp_path / "disk2" / "idx", tmp_path / "home"
    shutil.copytree(archive / "data" / "INDICES", elsewhere)
    shutil.copytree(archive / "data" / "CLOUDMASKS", home / "data" / "CLOUDMASKS")
    (home / "config").mkdir()
    config = home / "config" / "config.cfg"
    config.write_text(
        f"[DATA PATHS]\ntemp_path = \nindices_path = {elsewhere}\n[SEN2COR PATH]\nsen2cor_bashrc_path =\n"
    )
    plan = plan_import(home)
    assert plan.indices == (index_address(home, PRODUCT), index_address(home, MASKED_ONLY))
    assert set(open_product(plan.indices[0]).images) == {"NDVI", "NDRE"}
    config.write_text("[DATA PATHS]\nindices_path = ../gone\n")
    with pytest.raises(InvalidProductError, match=r"config.cfg names folders that are not there: INDICES \(.*gone"):
        plan_import(home)
    config.write_text("no section")
    with pytest.raises(InvalidProductError, match=r"config.cfg: cannot be read as a configuration"):
        plan_import(home)


def test_a_part_of_an_archive_will_do_and_anything_else_is_refused(archive: Path, tmp_path: Path) -> None:
    assert len(plan_import(archive / "data").indices) == 2
    with pytest.raises(InvalidProductError, match="no Sen2Chain archive"):
        plan_import(tmp_path)


def test_links_are_followed_and_counted_once(archive: Path, tmp_path: Path) -> None:
    home = tmp_path / "linked"
    shutil.copytree(archive / "data", home / "data")
    spec = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=96, level="L1C")
    kept = write_product(spec, home / "data" / "L1C_ARCHIVE" / spec.tile)
    area = home / "data" / "L1C" / spec.tile
    area.mkdir(parents=True)
    (area / kept.name).symlink_to(kept)
    (area / "S2A_MSIL1C_20200101T000000_N0208_R000_T48PWU_20200101T000000.SAFE").symlink_to(tmp_path / "gone")
    (home / "data" / "INDICES" / "round").symlink_to(home / "data" / "INDICES")
    plan = plan_import(home)
    assert plan.scenes == (scene_address(area / kept.name),)
    found = {verdict.path: verdict.reason for verdict in plan.skipped}
    assert found[kept] == f"the same as {area / kept.name}"
    assert any("which is not there" in reason for reason in found.values())
    assert len(plan.indices) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give up root's rights")
def test_a_folder_that_may_not_be_read_is_said_so(archive: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    home = tmp_path / "locked"
    shutil.copytree(archive / "data", home / "data")
    locked = home / "data" / "INDICES" / "NDRE"
    locked.chmod(0)
    os.seteuid(65534)
    try:
        plan = plan_import(home)
    finally:
        os.seteuid(0)
        locked.chmod(0o755)
    assert reasons(plan)["NDRE"] == "a folder that may not be read by this user"
    assert len(plan.indices) == 2


@pytest.fixture(scope="module")
def bucket(settings: Settings) -> Store:
    return Store.connect(settings)


@pytest.fixture(scope="module")
def imported(archive: Path, settings: Settings) -> Iterator[Path]:
    """The synthetic archive, imported; it is as it was before."""
    before = listing(archive)
    for address in plan_import(archive).indices:
        outcome = ingest_product(address, settings=settings)
        assert outcome.state == "published", outcome
    yield archive
    assert listing(archive) == before


def item_of(settings: Settings, product: str) -> dict:
    item = catalog.get_item(settings, INDICES, product)
    assert item is not None
    return item


def read(settings: Settings, bucket: Store, product: str, asset: str) -> np.ndarray:
    address = item_of(settings, product)["assets"][asset]["alternate"]["s3"]["href"]
    with MemoryFile(bucket.get(address.removeprefix(settings.s3_href("")))) as memory, memory.open() as dataset:
        assert dataset.tags(1) is not None
        return dataset.read(1)


def decoded(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_values_are_those_of_the_archive(imported: Path, settings: Settings, bucket: Store) -> None:
    for index in ("NDVI", "NDRE"):
        original = decoded(index_file(imported / "data", PRODUCT, index))
        stored = read(settings, bucket, PRODUCT, index)
        assert (original == 16383).sum() == 77
        assert np.array_equal(stored == -32768, original == 16383)
        assert np.array_equal(stored[stored != -32768], original[original != 16383])
    asset = item_of(settings, PRODUCT)["assets"]["NDVI"]
    assert (asset["raster:scale"], asset["nodata"], asset["proj:shape"]) == (0.0001, -32768, [SIZE, SIZE])


@pytest.mark.usefixtures("imported")
def test_the_mask_is_made_from_the_side_products(settings: Settings, bucket: Store) -> None:
    classes, probability = side_products()
    mask = read(settings, bucket, PRODUCT, "MASK")
    inside = repeat(classes != 0)
    wanted = {
        "scl": classes,
        "cloud_probability": probability,
        "cm001": cm001(probability),
        "cm003": cm003(probability),
        "cm004": cm004(classes),
    }
    for name, pixels in wanted.items():
        assert np.array_equal(FIELDS[name].read(mask)[inside], repeat(pixels)[inside]), name
    assert not mask[~inside].any()
    held = item_of(settings, PRODUCT)["assets"]["MASK"]["classification:bitfields"]
    assert [field["name"] for field in held] == [name for name in FIELDS if name in wanted]


@pytest.mark.usefixtures("imported")
def test_without_side_products_the_stored_masks_are_taken(settings: Settings, bucket: Store) -> None:
    _, probability = side_products()
    mask = read(settings, bucket, MASKED_ONLY, "MASK")
    assert np.array_equal(FIELDS["cm001"].read(mask), repeat(cm001(probability)))
    assert np.array_equal(FIELDS["cm002"].read(mask), repeat(probability > 70))
    assert np.unique(FIELDS["scl"].read(mask)).tolist() == [UNKNOWN_CLASS]
    assert np.unique(FIELDS["cloud_probability"].read(mask)).tolist() == [UNKNOWN_PROBABILITY]
    held = item_of(settings, MASKED_ONLY)["assets"]["MASK"]["classification:bitfields"]
    assert [field["name"] for field in held] == ["cm001", "cm002"]


@pytest.mark.usefixtures("imported")
def test_the_item_says_what_is_known_and_what_was_lost(settings: Settings) -> None:
    item = item_of(settings, PRODUCT)
    properties = item["properties"]
    assert properties["sen2extract:lossy"] is True
    assert properties["sen2extract:jpeg2000_quality"] == {"NDRE": 30, "NDVI": 20}
    assert properties["sen2extract:source"] == "sen2chain"
    assert "lossy JPEG 2000" in properties["processing:lineage"]
    assert properties["datetime"] == "2019-08-15T09:50:31Z"
    assert properties["s2:processing_baseline"] == "02.13"
    unknown = {"eo:cloud_cover", "s2:generation_time", "s2:datatake_id", "s2:datastrip_id", "view:sun_elevation"}
    assert not unknown & set(properties)
    assert not [link for link in item["links"] if link["rel"] == "derived_from"]
    assert "sen2extract:burnt_in_mask" not in properties
    west, south, east, north = shape(item["geometry"]).bounds
    assert (west, north) == pytest.approx((15.0, 46.95), abs=0.01)
    assert (east - west, north - south) == pytest.approx((0.0079, 0.0054), abs=0.0005)


def test_a_burnt_in_mask_is_said_so(imported: Path, settings: Settings, bucket: Store) -> None:
    properties = item_of(settings, MASKED_ONLY)["properties"]
    assert properties["sen2extract:burnt_in_mask"] == {"NDVI": "CM001"}
    assert "Only masked copies were left of NDVI (CM001)" in properties["processing:lineage"]
    original = decoded(index_file(imported / "data", MASKED_ONLY, "NDVI", "CM001"))
    stored = read(settings, bucket, MASKED_ONLY, "NDVI")
    assert np.array_equal(stored[stored != -32768], original[original != 16383])


def test_once_is_enough_and_a_changed_archive_is_noticed(
    imported: Path, settings: Settings, bucket: Store, tmp_path: Path
) -> None:
    keys = sorted(bucket.keys())
    for address in plan_import(imported).indices:
        assert ingest_product(address, settings=settings).state == "unchanged"
    assert sorted(bucket.keys()) == keys
    grown = tmp_path / "grown"
    shutil.copytree(imported, grown)
    write(index_file(grown / "data", PRODUCT, "BIGR"), np.abs(values(5)))
    outcome = ingest_product(index_address(grown, PRODUCT), settings=settings)
    assert outcome.state == "published"
    assert "BIGR" in item_of(settings, PRODUCT)["assets"]


def test_values_out_of_range_are_nodata(tmp_path: Path, settings: Settings, bucket: Store) -> None:
    pixels = values(6)
    pixels[30:, :30] = -16384
    product = PRODUCT.replace("20190815T095031", "20190914T095031")
    write(index_file(tmp_path, product, "NDVI"), pixels)
    assert ingest_product(index_address(tmp_path, product), settings=settings).ok
    stored = read(settings, bucket, product, "NDVI")
    assert np.array_equal(stored == -32768, (pixels == 16383) | (pixels == -16384))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsg": 32634}, "its projection is EPSG:32634, tile 33TWM lies in EPSG:32633"),
        ({"resolution": 20}, "its grid .* is not that of the others"),
    ],
)
def test_an_index_in_another_place_is_refused(
    tmp_path: Path, settings: Settings, change: dict[str, int], message: str
) -> None:
    product = PRODUCT.replace("20190815T095031", "20190919T095031")
    write(index_file(tmp_path, product, "NDVI"), values())
    write(index_file(tmp_path, product, "MNDWI"), values(), **change)
    outcome = ingest_product(index_address(tmp_path, product), settings=settings)
    assert outcome.state == "invalid"
    assert re.search(message, outcome.reason)
    assert f"{product}_MNDWI.jp2" in outcome.reason
    assert catalog.get_item(settings, INDICES, product) is None


def test_a_mask_on_another_grid_is_refused(tmp_path: Path, settings: Settings) -> None:
    product = PRODUCT.replace("20190815T095031", "20190924T095031")
    write(index_file(tmp_path, product, "NDVI"), values())
    write(mask_file(tmp_path, product, "MSK_CLDPRB_20m.jp2"), np.zeros((20, 20), np.uint8), resolution=30)
    outcome = ingest_product(index_address(tmp_path, product), settings=settings)
    assert outcome.state == "invalid"
    assert "CLDPRB has (20, 20) pixels" in outcome.reason


SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=96)


def test_an_l2a_with_its_l1c_s_time_in_its_name_is_told_apart(tmp_path: Path, settings: Settings) -> None:
    made = write_product(SPEC, tmp_path / "made")
    shutil.rmtree(made / "HTML")
    name = f"{SPEC.name.rsplit('_', 1)[0]}_20250510T052459"
    local = made.rename(tmp_path / f"{name}.SAFE")
    (local / "sen2chain_info.xml").write_text("<x/>")
    outcome = ingest_product(str(local), settings=settings)
    assert outcome.state == "invalid"  # as an ordinary product its name and its metadata contradict each other
    outcome = ingest_product(scene_address(local), settings=settings)
    assert (outcome.state, outcome.product) == ("published", name)
    properties = catalog.get_item(settings, L2A, name)["properties"]
    assert properties["sen2extract:origin"] == "local"
    assert "local Sen2Cor" in properties["processing:lineage"]
    (local / "sen2chain_info.xml").unlink()
    assert ingest_product(scene_address(local), settings=settings).state == "unchanged"

    esa = write_product(SPEC, tmp_path / "esa")
    assert ingest_product(scene_address(esa), settings=settings).state == "published"
    own = catalog.get_item(settings, L2A, SPEC.name)["properties"]
    assert own["sen2extract:origin"] == "esa"
    assert "deprecated" not in own
    assert catalog.get_item(settings, L2A, name)["properties"]["deprecated"] is True
    assert item_of(settings, name)["properties"]["deprecated"] is True


def test_indices_made_from_the_scene_are_better_than_imported_ones(tmp_path: Path, settings: Settings) -> None:
    spec = replace(SPEC, sensing=datetime(2025, 5, 15, 3, 11, 21, tzinfo=UTC))
    tile = spec.name.split("_T")[1][:5]
    jp2 = tmp_path / "INDICES" / "NDVI" / tile / spec.name / f"{spec.name}_NDVI.jp2"
    write(jp2, values(size=96), epsg=32648)
    address = index_address(tmp_path, spec.name)
    assert ingest_product(address, settings=settings).state == "published"
    assert item_of(settings, spec.name)["properties"]["sen2extract:lossy"] is True
    safe = write_product(spec, tmp_path / "L2A" / tile)
    assert plan_import(tmp_path).scenes == (scene_address(safe),)
    assert ingest_product(scene_address(safe), settings=settings).state == "published"
    assert "sen2extract:lossy" not in item_of(settings, spec.name)["properties"]
    again = ingest_product(address, settings=settings)
    assert (again.state, "better than" in again.reason) == ("unchanged", True)


def test_an_imported_product_gives_way_to_a_newer_baseline(tmp_path: Path, settings: Settings) -> None:
    spec = replace(SPEC, sensing=datetime(2025, 5, 20, 3, 11, 21, tzinfo=UTC))
    name = spec.name.replace("_N0511_", "_N0509_")
    jp2 = tmp_path / "INDICES" / "NDVI" / "48PWU" / name / f"{name}_NDVI.jp2"
    write(jp2, values(size=96), epsg=32648)
    assert ingest_product(str(write_product(spec, tmp_path)), settings=settings).ok
    assert ingest_product(index_address(tmp_path, name), settings=settings).state == "published"
    assert item_of(settings, name)["properties"]["deprecated"] is True
    assert "deprecated" not in item_of(settings, spec.name)["properties"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("sen2chain:/nowhere#" + PRODUCT, "no such file"),
        ("sen2chain:{}#S2A_nonsense", "no Sentinel-2 product name"),
        ("sen2chain:{}#" + PRODUCT.replace("T33TWM", "T33TWN"), "no index of .* can be used"),
    ],
)
def test_an_address_that_leads_nowhere(archive: Path, address: str, message: str) -> None:
    with pytest.raises(InvalidProductError, match=message):
        open_product(address.format(archive))


def test_the_command_reports_without_a_database(archive: Path) -> None:
    told = CliRunner().invoke(app, ["import-sen2chain", str(archive), "--dry-run"])
    assert told.exit_code == 0, told.output
    assert f"skip  data/INDICES/NBR/{TILE}/{PRODUCT}/{PRODUCT}_NBR.jp2: the file is empty" in told.stdout
    assert "0 scenes, 2 index products" in told.stderr
    data = json.loads(CliRunner().invoke(app, ["import-sen2chain", str(archive), "--dry-run", "--json"]).stdout)
    assert (len(data["indices"]), data["outcomes"]) == (2, [])
    assert {"path", "product", "reason"} == set(data["files"][0])
