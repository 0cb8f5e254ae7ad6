"""The sample generator's products: trees, metadata and manifest as real products have them."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import numpy as np
import pytest
import rasterio
from shapely.geometry import Point, Polygon

from ingest.sample import ProductSpec, cloud_probability, expected, scl, swath_through, valid_mask, write_product
from ingest.sample.layout import images
from stac.bands import BAND_IDS
from stac.naming import ProductName

DAY = datetime(2025, 9, 17, 3, 11, 21, 24_000, tzinfo=UTC)
BASE = ProductSpec(sensing=DAY, size=180, cloudiness=0.3)
SPECS = {
    "l2a": BASE,
    "l2a-full": replace(BASE, lean=False, tile="48PWT", swath_edge=swath_through("48PWT", 0.8)),
    "l2a-old": replace(BASE, baseline="03.01", lean=False, swath_edge=swath_through("48PWU", 0.6)),
    "l2a-reprocessed": replace(BASE, baseline="05.00", generation=datetime(2026, 1, 1, tzinfo=UTC)),
    "l1c": replace(BASE, level="L1C", platform="S2C"),
    "l1c-old": replace(BASE, level="L1C", baseline="03.01", platform="S2A"),
}
# What a reader may look at: element paths of real products that the samples must have too.
OPTIONAL = re.compile(r"GRI_FILENAME|/Viewing_Incidence_Angles_Grids|PRODUCT_DOI|REFERENCE_BAND")


@pytest.fixture(scope="module")
def products(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("samples")
    return {key: write_product(spec, folder) for key, spec in SPECS.items()}


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def parse(folder: Path, pattern: str) -> ET.Element:
    return ET.parse(only(folder, pattern)).getroot()


def texts(root: ET.Element, tag: str) -> list[str]:
    return [(element.text or "").strip() for element in root.iter(tag)]


def paths(root: ET.Element) -> set[str]:
    found = set()

    def visit(element: ET.Element, parent: str) -> None:
        path = f"{parent}/{element.tag.rpartition('}')[2]}"
        found.add(path)
        found.update(f"{path}@{name.rpartition('}')[2]}" for name in element.attrib)
        for child in element:
            visit(child, path)

    visit(root, "")
    return found


@pytest.mark.parametrize("key", SPECS)
def test_every_image_holds_the_expected_pixels(products, key):
    spec = SPECS[key]
    for file in images(spec):
        with rasterio.open(products[key] / file.path) as source:
            read = source.read()
            assert source.driver == "JP2OpenJPEG"
            assert source.crs.to_epsg() == 32_648
            assert source.transform.almost_equals(spec.grid.transform(file.gsd))
        wanted = expected(spec, file.layer, gsd=file.gsd)
        np.testing.assert_array_equal(read.reshape(wanted.shape), wanted, err_msg=file.path)
        assert read.dtype == wanted.dtype


@pytest.mark.parametrize("key", ["l2a", "l2a-full", "l2a-old"])
def test_cloud_probability_is_the_expected_one(products, key):
    with rasterio.open(only(products[key], "GRANULE/*/QI_DATA/MSK_CLDPRB_20m.jp2")) as source:
        np.testing.assert_array_equal(source.read(1), cloud_probability(SPECS[key]))
    with rasterio.open(only(products[key], "GRANULE/*/QI_DATA/MSK_SNWPRB_20m.jp2")) as source:
        assert source.read(1).max() == 0


def test_full_l2a_has_every_image_of_a_real_one(products, shared_data):
    real = only(shared_data / "l2a-safe", "*.SAFE")
    ours = products["l2a-full"]

    def names(product: Path, folder: str) -> set[str]:
        return {re.sub(r"T\w{5}_\d{8}T\d{6}", "T", path.name) for path in product.glob(f"GRANULE/*/{folder}/*.jp2")}

    for folder in ("IMG_DATA/R10m", "IMG_DATA/R20m", "IMG_DATA/R60m", "QI_DATA"):
        assert names(ours, folder) == names(real, folder)


def test_tree_is_that_of_a_real_product(products, shared_data):
    real = only(shared_data / "l2a-safe", "*.SAFE")
    dirs = {
        re.sub(r"(L2A|DS)_[^/]+", r"\1", path.relative_to(root).as_posix())
        for root in (real, products["l2a-full"])
        for path in root.rglob("*")
        if path.is_dir()
    }
    ours = {
        re.sub(r"(L2A|DS)_[^/]+", r"\1", p.relative_to(products["l2a-full"]).as_posix())
        for p in products["l2a-full"].rglob("*")
        if p.is_dir()
    }
    # AUX_DATA holds weather fields, which a landscape without weather does not have.
    assert dirs - ours == {"GRANULE/L2A/AUX_DATA"}
    assert products["l2a-full"].joinpath("manifest.safe").is_file()


@pytest.mark.parametrize(
    ("key", "real"),
    [
        ("l2a", "l2a-safe/S2B_MSIL2A_20230823T095559*"),
        ("l2a-full", "safe-metadata/S2A_MSIL2A_20230625T234621*"),
        ("l2a-full", "safe-metadata/S2B_MSIL2A_20220413T150759*"),
        ("l2a-old", "safe-metadata/esa_S2B_MSIL2A_20210122T133229*"),
        ("l2a-old", "safe-metadata/S2A_MSIL2A_20190212T192651*"),
        ("l1c-old", "safe-metadata/S2A_MSIL1C_20210908T042701*"),
    ],
)
def test_metadata_have_every_element_of_real_ones(products, shared_data, key, real):
    sample, product = products[key], only(shared_data, real)
    for pattern in ("MTD_MSIL*.xml", "GRANULE/*/MTD_TL.xml"):
        theirs, ours = paths(parse(product, pattern)), paths(parse(sample, pattern))
        assert {path for path in theirs - ours if not OPTIONAL.search(path)} == set()
        unknown = {path for path in ours - theirs if not OPTIONAL.search(path)}
        assert {path for path in unknown if not path.endswith("@imageFormat")} == set()


def test_product_metadata_state_the_product(products):
    for key, spec in SPECS.items():
        root = parse(products[key], f"MTD_MSI{spec.level}.xml")
        assert texts(root, "PRODUCT_URI") == [products[key].name]
        assert texts(root, "PROCESSING_BASELINE") == [spec.baseline]
        assert texts(root, "PRODUCT_START_TIME") == ["2025-09-17T03:11:21.024Z"]
        assert texts(root, "SPACECRAFT_NAME") == [f"Sentinel-{spec.platform[1:]}"]
        assert texts(root, "SENSING_ORBIT_NUMBER") == ["75"]
        assert texts(root, "SPECIAL_VALUE_INDEX") == ["0", "65535"]
        datatake = next(root.iter("Datatake")).get("datatakeIdentifier")
        assert re.fullmatch(rf"G{spec.platform}_20250917T031121_\d{{6}}_N{spec.baseline}", datatake or "")
        name = ProductName.parse(products[key].name)
        assert (name.unit, name.level, str(name.baseline)) == (spec.platform, spec.level, spec.baseline)
        listed = {f"{text}.jp2" for text in texts(root, "IMAGE_FILE")}
        assert listed == {
            path.relative_to(products[key]).as_posix() for path in products[key].glob("GRANULE/*/IMG_DATA/**/*.jp2")
        }
        bands = [element.get("physicalBand") for element in root.iter("Spectral_Information")]
        assert bands == [band if band == "B8A" else f"B{int(band[1:])}" for band in BAND_IDS]


@pytest.mark.parametrize(
    ("key", "tag", "values"),
    [
        ("l2a", "BOA_ADD_OFFSET", ["-1000"] * 13),
        ("l2a-reprocessed", "BOA_ADD_OFFSET", ["-1000"] * 13),
        ("l2a-old", "BOA_ADD_OFFSET", []),
        ("l1c", "RADIO_ADD_OFFSET", ["-1000"] * 13),
        ("l1c-old", "RADIO_ADD_OFFSET", []),
        ("l1c", "QUANTIFICATION_VALUE", ["10000"]),
        ("l2a", "BOA_QUANTIFICATION_VALUE", ["10000"]),
        ("l2a", "AOT_QUANTIFICATION_VALUE", ["1000.0"]),
        ("l2a", "WVP_QUANTIFICATION_VALUE", ["1000.0"]),
    ],
)
def test_radiometry_is_in_the_metadata(products, key, tag, values):
    root = parse(products[key], "MTD_MSIL*.xml")
    assert texts(root, tag) == values
    if tag.endswith("OFFSET") and values:
        assert [element.get("band_id") for element in root.iter(tag)] == [str(index) for index in range(13)]


def test_tile_metadata_place_the_granule(products):
    root = parse(products["l2a"], "GRANULE/*/MTD_TL.xml")
    assert texts(root, "HORIZONTAL_CS_CODE") == ["EPSG:32648"]
    assert texts(root, "HORIZONTAL_CS_NAME") == ["WGS84 / UTM zone 48N"]
    assert texts(root, "NROWS") == texts(root, "NCOLS") == ["180", "90", "30"]
    assert texts(root, "ULX") == ["499980"] * 3
    assert texts(root, "ULY") == ["1400040"] * 3
    assert texts(root, "XDIM") == ["610", "1220", "3660"]
    assert texts(root, "YDIM") == ["-610", "-1220", "-3660"]
    assert [element.get("resolution") for element in root.iter("Geoposition")] == ["10", "20", "60"]
    granule = only(products["l2a"], "GRANULE/*").name
    orbit = re.search(r"_A(\d{6})_", granule)
    assert orbit is not None
    assert f"_A{orbit[1]}_T48PWU_N05.11" in texts(root, "TILE_ID")[0]
    assert len(list(root.iter("Mean_Viewing_Incidence_Angle"))) == 13
    assert len(texts(next(root.iter("Sun_Angles_Grid")), "VALUES")) == 46


def test_ids_of_tile_datastrip_and_product_agree(products):
    for key, product in products.items():
        metadata, tile = parse(product, "MTD_MSIL*.xml"), parse(product, "GRANULE/*/MTD_TL.xml")
        granule = next(metadata.iter("Granule"))
        assert granule.get("granuleIdentifier") == texts(tile, "TILE_ID")[0], key
        assert granule.get("datastripIdentifier") == texts(tile, "DATASTRIP_ID")[0], key
        folder = only(product, "DATASTRIP/*").name
        assert folder.removeprefix("DS_") in texts(tile, "DATASTRIP_ID")[0]
        assert (product / "DATASTRIP" / folder / "MTD_DS.xml").is_file()
        for path in [*texts(tile, "MASK_FILENAME"), *texts(tile, "PVI_FILENAME")]:
            assert (product / path).is_file()


def test_shares_are_those_of_the_scene_classification(products):
    spec = SPECS["l2a-full"]
    classes = scl(spec)
    valid = (classes > 0).sum()
    for pattern in ("MTD_MSIL2A.xml", "GRANULE/*/MTD_TL.xml"):
        root = parse(products["l2a-full"], pattern)
        for code, tag in ((4, "VEGETATION"), (6, "WATER"), (9, "HIGH_PROBA_CLOUDS"), (3, "CLOUD_SHADOW")):
            assert float(texts(root, f"{tag}_PERCENTAGE")[0]) == pytest.approx(
                100 * (classes == code).sum() / valid, abs=1e-5
            )
        assert float(texts(root, "NODATA_PIXEL_PERCENTAGE")[0]) == pytest.approx(100 * (classes == 0).mean(), abs=1e-5)
    cloudy = 100 * np.isin(classes, (8, 9, 10)).sum() / valid
    product = parse(products["l2a-full"], "MTD_MSIL2A.xml")
    assert float(texts(product, "Cloud_Coverage_Assessment")[0]) == pytest.approx(cloudy, abs=1e-5)


@pytest.mark.parametrize("key", SPECS)
def test_footprint_holds_the_valid_pixels(products, key):
    spec = SPECS[key]
    numbers = [float(value) for value in texts(parse(products[key], "MTD_MSIL*.xml"), "EXT_POS_LIST")[0].split()]
    ring = [(lon, lat) for lat, lon in zip(numbers[::2], numbers[1::2], strict=True)]
    assert ring[0] == ring[-1]
    area = Polygon(ring)
    assert area.is_valid
    grid, inside = spec.grid.grid(60), valid_mask(spec, gsd=60)
    x, y = np.meshgrid(grid.x, grid.y)
    lonlat = spec.grid.to_lonlat(np.stack([x.ravel(), y.ravel()], axis=1))
    covered = np.array([area.buffer(1e-4).contains(Point(point)) for point in lonlat]).reshape(inside.shape)
    # The ring's sides are straight in degrees, the swath's edge in metres.
    assert (covered == inside).mean() > 0.995


@pytest.mark.parametrize(("key", "algorithm"), [("l2a", "sha3_256"), ("l2a-old", "md5"), ("l1c", "sha3_256")])
def test_manifest_lists_every_file_with_its_checksum(products, key, algorithm):
    root = parse(products[key], "manifest.safe")
    listed = {}
    for stream in root.iter("byteStream"):
        location, checksum = stream.find("fileLocation"), stream.find("checksum")
        assert location is not None
        assert checksum is not None
        listed[location.get("href", "").removeprefix("./")] = (int(stream.get("size", "0")), checksum.text)
    files = {path.relative_to(products[key]).as_posix(): path for path in products[key].rglob("*") if path.is_file()}
    assert set(listed) == set(files) - {"manifest.safe"}
    for name, (size, checksum) in listed.items():
        content = files[name].read_bytes()
        assert (len(content), hashlib.new(algorithm, content).hexdigest()) == (size, checksum)
    identifiers = [element.get("ID") for element in root.iter("dataObject")]
    assert len(set(identifiers)) == len(identifiers)


def test_masks_are_rasters_since_0400_and_polygons_before(products):
    old, new = (only(products[key], "GRANULE/*/QI_DATA") for key in ("l2a-old", "l2a-full"))
    assert len(list(new.glob("MSK_DETFOO_B*.jp2"))) == len(list(new.glob("MSK_QUALIT_B*.jp2"))) == 13
    with rasterio.open(new / "MSK_CLASSI_B00.jp2") as source:
        opaque = source.read(1)
        np.testing.assert_array_equal(opaque, np.isin(scl(SPECS["l2a-full"], gsd=60), (8, 9)))
    assert not list(old.glob("MSK_*_B*.jp2"))
    assert not list(new.glob("*.gml"))
    clouds = ET.parse(old / "MSK_CLOUDS_B00.gml").getroot()
    assert any(element.text == "OPAQUE" for element in clouds.iter("{http://www.opengis.net/eop/2.0}maskType"))


def test_a_real_orbit_number_is_found():
    real = ProductSpec(sensing=datetime(2023, 8, 23, 9, 55, 59, tzinfo=UTC), platform="S2B", relative_orbit=122)
    assert real.absolute_orbit == 33_753
    assert (
        ProductSpec(
            sensing=datetime(2020, 10, 31, 0, 47, 11, tzinfo=UTC), platform="S2A", relative_orbit=102
        ).absolute_orbit
        == 27_984
    )
    assert (
        ProductSpec(
            sensing=datetime(2022, 4, 13, 15, 7, 59, tzinfo=UTC), platform="S2B", relative_orbit=25
        ).absolute_orbit
        == 26_649
    )


def test_two_datastrips_of_one_datatake_differ_in_name_and_identity():
    first = BASE
    second = replace(BASE, delay=BASE.delay + timedelta(minutes=1), discriminator=DAY + timedelta(hours=9))
    assert first.name != second.name
    assert first.datatake_id == second.datatake_id
    assert first.datastrip_id != second.datastrip_id
    assert second.name.endswith("_20250917T121121")


def test_zip_holds_the_folder(products, tmp_path):
    path = write_product(BASE, tmp_path, zipped=True)
    assert path.name == f"{BASE.name}.zip"
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        tree = products["l2a"]
        files = {f"{tree.name}/{file.relative_to(tree).as_posix()}": file for file in tree.rglob("*") if file.is_file()}
        assert set(archive.namelist()) == set(files)
        for name, file in files.items():
            assert archive.read(name) == file.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_complete_product_is_left_alone_and_a_broken_draft_replaced(tmp_path):
    draft = tmp_path / f".{BASE.name}.SAFE.part" / f"{BASE.name}.SAFE"
    draft.mkdir(parents=True)
    (draft / "left-over").write_text("of a killed run")
    path = write_product(BASE, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert not (path / "left-over").exists()
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert write_product(BASE, tmp_path) == path
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


@pytest.mark.parametrize("key", ["l2a-full", "l2a-old", "l1c"])
def test_gdal_knows_the_product(products, key):
    """GDAL's own SENTINEL2 driver reads metadata and pixels; it takes the pixel size from the nominal resolution."""
    spec = SPECS[key]
    metadata = only(products[key], "MTD_MSIL*.xml")
    with rasterio.open(f"SENTINEL2_{spec.level}:{metadata}:10m:EPSG_32648") as source:
        assert source.driver == "SENTINEL2"
        assert source.tags()["PRODUCT_URI"] == products[key].name
        assert (source.transform.c, source.transform.f) == spec.grid.origin
        assert [name.partition(",")[0] for name in source.descriptions[:4]] == ["B4", "B3", "B2", "B8"]
        for index, band in enumerate(("B04", "B03", "B02", "B08"), 1):
            np.testing.assert_array_equal(source.read(index), expected(spec, band))
