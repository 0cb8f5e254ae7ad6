"""The metadata of real products, against the STAC items that another tool derived from them."""

import json
import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import shape

from ingest.errors import InvalidProductError
from ingest.products.metadata import Metadata
from ingest.products.outline import outline
from ingest.products.safe_metadata import (
    SafeMetadata,
    product_name,
    read_extent,
    read_metadata,
    read_quality,
    view_angles,
)
from stac.bands import BAND_IDS

REAL = (
    "S2A_MSIL1C_20210908T042701_N0301_R133_T46RER_20210908T070248.SAFE",
    "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE",
    "S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP_20230626T022157.SAFE",
    "S2B_MSIL2A_20220413T150759_N0400_R025_T33XWJ_20220414T082126.SAFE",
    "esa_S2B_MSIL2A_20210122T133229_N0214_R081_T22HBD_20210122T155500.SAFE",
)
KEYS_OF_BANDS = {"B01": "coastal", "B04": "red", "B8A": "nir08", "B12": "swir22"}


def product_xml(folder: Path) -> str:
    return next(folder.glob("MTD_MSI*.xml")).read_text()


def granule_xml(folder: Path) -> str:
    return next(folder.glob("GRANULE/*/MTD_TL.xml")).read_text()


def parse(folder: Path, *, product: str | None = None, granule: str | None = None) -> SafeMetadata:
    described = Metadata((product or product_xml(folder)).encode(), "MTD_MSI.xml")
    return read_metadata(
        described,
        Metadata((granule or granule_xml(folder)).encode(), "MTD_TL.xml"),
        name=product_name(described, folder.name),
        fingerprint="f",
    )


@pytest.fixture(params=REAL)
def folder(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    return shared_data / "safe-metadata" / request.param


@pytest.fixture
def expected(folder: Path) -> dict[str, Any]:
    item: dict[str, Any] = json.loads((folder / "expected_output.json").read_text())
    return item


@pytest.fixture
def recent(shared_data: Path) -> Path:
    return shared_data / "safe-metadata" / REAL[2]


def test_identity_agrees_with_the_other_tool(folder: Path, expected: dict[str, Any]) -> None:
    scene, properties = parse(folder).scene, expected["properties"]
    assert f"{scene.item_id}.SAFE" == properties["s2:product_uri"]
    assert scene.acquired == datetime.fromisoformat(properties["datetime"])
    assert scene.generated == datetime.fromisoformat(properties["s2:generation_time"])
    assert scene.datatake_id == properties["s2:datatake_id"]
    assert scene.datastrip_id == properties["s2:datastrip_id"]
    assert scene.granule_id == properties["s2:tile_id"]
    assert str(scene.name.baseline) == properties["s2:processing_baseline"]
    assert scene.name.platform == properties["platform"]
    assert f"MGRS-{scene.name.tile}" == properties["grid:code"]
    assert scene.name.relative_orbit == properties["sat:relative_orbit"]
    assert scene.orbit_state == properties["sat:orbit_state"]
    assert scene.absolute_orbit == int(scene.datatake_id.split("_")[2])


def test_covers_and_percentages_agree_with_the_other_tool(folder: Path, expected: dict[str, Any]) -> None:
    scene, properties = parse(folder).scene, expected["properties"]
    assert scene.cloud_cover == pytest.approx(properties["eo:cloud_cover"])
    assert scene.snow_cover == properties.get("eo:snow_cover")
    names = {name for name in properties if name.startswith("s2:") and name.endswith("_percentage")}
    further = {"s2:product_type", "s2:datatake_type", "s2:reflectance_conversion_factor"}
    assert set(scene.quality) == names | further
    for name in names | further:
        assert scene.quality[name] == properties[name]


def test_angles_agree_with_the_other_tool(folder: Path, expected: dict[str, Any]) -> None:
    scene, properties = parse(folder).scene, expected["properties"]
    assert scene.sun_azimuth == pytest.approx(properties["view:sun_azimuth"])
    assert scene.sun_elevation == pytest.approx(properties["view:sun_elevation"])
    assert scene.view_incidence == pytest.approx(properties["view:incidence_angle"])
    pattern = r"<Mean_Viewing_Incidence_Angle .*?AZIMUTH_ANGLE[^>]*>([^<]+)"
    azimuths = np.radians([float(text) for text in re.findall(pattern, granule_xml(folder), re.DOTALL)])
    assert scene.view_azimuth == pytest.approx(np.degrees(np.angle(np.exp(1j * azimuths).sum())) % 360)
    if np.ptp(azimuths) < np.pi:  # the other tool averages azimuths as numbers, which fails around north
        assert scene.view_azimuth == pytest.approx(properties["view:azimuth"], abs=0.5)


def test_scale_and_offset_agree_with_the_other_tool(folder: Path, expected: dict[str, Any]) -> None:
    metadata = parse(folder)
    level = metadata.scene.name.level
    assert ("B10" in metadata.radiometry) == (level == "L1C")
    for band, key in KEYS_OF_BANDS.items():
        theirs = expected["assets"][key]["raster:bands"][0]
        ours = metadata.radiometry[band]
        assert (ours.scale, ours.offset, ours.nodata) == (theirs["scale"], theirs["offset"], theirs["nodata"])
    for layer in {"aot", "wvp"} & expected["assets"].keys():
        assert metadata.radiometry[layer.upper()].scale == expected["assets"][layer]["raster:bands"][0]["scale"]


def test_extent_agrees_with_the_other_tool(folder: Path, expected: dict[str, Any]) -> None:
    extent = parse(folder).extent
    assert f"EPSG:{extent.epsg}" == expected["properties"]["proj:code"]
    bounds = [extent.left, extent.bottom, extent.right, extent.top]
    assert bounds == expected["assets"]["red"]["proj:bbox"]


def test_outline_covers_the_same_ground(folder: Path, expected: dict[str, Any]) -> None:
    ours, theirs = shape(parse(folder).scene.outline), shape(expected["geometry"])
    assert ours.is_valid
    assert ours.geom_type == theirs.geom_type
    assert ours.symmetric_difference(theirs).area < 1e-4 * theirs.area


def test_outline_across_the_antimeridian_is_cut_there(recent: Path) -> None:
    geometry = parse(recent).scene.outline
    assert geometry is not None
    assert geometry["type"] == "MultiPolygon"
    longitudes = [point[0] for polygon in geometry["coordinates"] for ring in polygon for point in ring]
    assert all(-180 <= longitude <= 180 for longitude in longitudes)
    assert {180.0, -180.0} <= set(longitudes)
    assert all(part.exterior.is_ccw for part in shape(geometry).geoms)


def test_tile_metadata_of_the_aws_layout_is_the_same_document(shared_data: Path) -> None:
    folder = shared_data / "safe-metadata" / "S2A_T60CWS_20240109T203651_L2A"
    granule = Metadata((folder / "metadata.xml").read_bytes(), "metadata.xml")
    item = json.loads((folder / "expected_output.json").read_text())
    assert read_extent(granule).epsg == item["properties"]["proj:epsg"]
    assert view_angles(granule)[1] == pytest.approx(item["properties"]["view:incidence_angle"])
    quality = read_quality(granule, granule)
    assert quality
    for name, value in quality.items():
        assert value == item["properties"][name]


def test_offset_is_taken_as_it_stands(recent: Path) -> None:
    text = product_xml(recent).replace('band_id="3">-1000<', 'band_id="3">-7000<')
    radiometry = parse(recent, product=text).radiometry
    assert radiometry["B04"].offset == -0.7
    assert radiometry["B03"].offset == -0.1


def test_offset_missing_for_some_bands_is_refused(recent: Path) -> None:
    text = product_xml(recent).replace('<BOA_ADD_OFFSET band_id="3">-1000</BOA_ADD_OFFSET>', "")
    with pytest.raises(InvalidProductError, match="BOA_ADD_OFFSET is given, but not for B04"):
        parse(recent, product=text)


def test_offset_of_an_unknown_band_is_refused(recent: Path) -> None:
    text = product_xml(recent).replace('band_id="3"', f'band_id="{len(BAND_IDS)}"')
    with pytest.raises(InvalidProductError, match="no such band"):
        parse(recent, product=text)


def test_baseline_comes_from_the_name_where_the_element_is_sloppy(recent: Path) -> None:
    text = product_xml(recent).replace("<PROCESSING_BASELINE>05.09<", "<PROCESSING_BASELINE>5.9<")
    assert str(parse(recent, product=text).scene.name.baseline) == "05.09"


def test_metadata_without_footprint_has_no_outline(recent: Path) -> None:
    start, _, rest = product_xml(recent).partition("<EXT_POS_LIST>")
    text = start + "<EXT_POS_LIST>" + rest[rest.index("</EXT_POS_LIST>") :]
    assert parse(recent, product=text).scene.outline is None


@pytest.mark.parametrize(
    ("find", "put", "message"),
    [
        ("_T01WCP_20230626T022157.SAFE<", "_T01WCQ_20230626T022157.SAFE<", "T01WCQ.* but the product is named"),
        ("Sentinel-2A<", "Sentinel-2B<", "SPACECRAFT_NAME is Sentinel-2B"),
        (">73</SENSING_ORBIT_NUMBER>", ">74</SENSING_ORBIT_NUMBER>", "SENSING_ORBIT_NUMBER is 74"),
        ("<PRODUCT_START_TIME>2023", "<PRODUCT_START_TIME>20x3", "PRODUCT_START_TIME is '20x3.*no time"),
        (">10000</BOA_QUANT", ">0</BOA_QUANT", "must be positive"),
        (">10000</BOA_QUANT", ">ten</BOA_QUANT", "no finite number"),
        ("datatakeIdentifier", "identifier", "no Datatake"),
    ],
)
def test_product_metadata_that_contradict_the_name_are_refused(recent: Path, find: str, put: str, message: str) -> None:
    text = product_xml(recent)
    assert find in text
    with pytest.raises(InvalidProductError, match=message):
        parse(recent, product=text.replace(find, put))


def test_granule_of_another_tile_is_refused(recent: Path) -> None:
    with pytest.raises(InvalidProductError, match="T02WCP"):
        parse(recent, granule=granule_xml(recent).replace("_T01WCP_N", "_T02WCP_N"))


def test_sen2cor_names_of_2017_are_understood(shared_data: Path) -> None:
    folder = shared_data / "safe-metadata" / REAL[4]
    product, granule = product_xml(folder), granule_xml(folder)
    for name in ("BOA", "AOT", "WVP"):
        product = product.replace(f"{name}_QUANTIFICATION_VALUE", f"L2A_{name}_QUANTIFICATION_VALUE")
    product = product.replace("PRODUCT_URI", "PRODUCT_URI_2A")
    granule = granule.replace("TILE_ID", "TILE_ID_2A").replace("DATASTRIP_ID", "DATASTRIP_ID_2A")
    old, new = parse(folder, product=product, granule=granule), parse(folder)
    assert old == new


def test_azimuths_around_north_are_averaged_as_directions() -> None:
    angle = "<Mean_Viewing_Incidence_Angle><ZENITH_ANGLE>{}</ZENITH_ANGLE><AZIMUTH_ANGLE>{}</AZIMUTH_ANGLE></{}>"
    angles = "".join(angle.format(z, a, "Mean_Viewing_Incidence_Angle") for z, a in ((2, 350), (4, 30), ("NaN", "NaN")))
    azimuth, zenith = view_angles(Metadata(f"<a>{angles}</a>".encode(), "MTD_TL.xml"))
    assert azimuth == pytest.approx(10)
    assert zenith == pytest.approx(3)


@pytest.mark.parametrize("text", [None, "", "1 2 3", "a b c d e f", "0 0 1 1 2 2", "95 0 95 1 94 1", "nan 0 1 1 0 1"])
def test_outline_without_area_is_none(text: str | None) -> None:
    assert outline(text) is None


def test_outline_turns_latitude_and_longitude_round() -> None:
    geometry = outline("10 100 11 100 11 101 10 101 10 100")
    assert shape(geometry).bounds == (100, 10, 101, 11)
    assert shape(geometry).exterior.is_ccw


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;">]><a>&c;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>',
    ],
    ids=["entity bomb", "external entity", "external document type"],
)
def test_xml_with_entities_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidProductError, match=r"MTD_TL\.xml: XML with a document type or entities"):
        Metadata(content, "MTD_TL.xml")


@pytest.mark.parametrize(
    "content", [b"", b"<a>", b"\xff\xfe\x00", b"not xml", b'<?xml version="1.0" encoding="none"?><a/>']
)
def test_broken_xml_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidProductError, match=r"MTD_TL\.xml: no well-formed XML"):
        Metadata(content, "MTD_TL.xml")


def test_numbers_must_be_finite() -> None:
    metadata = Metadata(b"<a><b>inf</b></a>", "x.xml")
    with pytest.raises(InvalidProductError, match=r"x\.xml: b is 'inf', no finite number"):
        metadata.number("b")
    assert metadata.number("c") is None
    assert not math.isnan(Metadata(b"<a><b> 7.0E-6 </b></a>", "x.xml").need_number("b"))
