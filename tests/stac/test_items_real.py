"""Our items of real products, field by field against those that stactools' sentinel2 package makes of the same files.

Every difference is named here with its reason; any other fails.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import shape

from ingest.footprint import from_outline
from ingest.products.earth_search_item import IMAGES
from ingest.products.metadata import Metadata
from ingest.products.safe_metadata import SafeMetadata, product_name, read_metadata
from stac.assets import COG
from stac.bands import BANDS, LAYERS
from stac.items import scene_item
from stac.scene import Grid, StoredAsset

RED_EDGES = {"B05": "rededge071", "B06": "rededge075", "B07": "rededge078"}
"""eo 2 tells the three red edges apart, which eo 1 called `rededge`."""
PRODUCTS = (
    "S2A_MSIL1C_20210908T042701_N0301_R133_T46RER_20210908T070248.SAFE",
    "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE",
    "S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP_20230626T022157.SAFE",
    "S2B_MSIL2A_20220413T150759_N0400_R025_T33XWJ_20220414T082126.SAFE",
    "esa_S2B_MSIL2A_20210122T133229_N0214_R081_T22HBD_20210122T155500.SAFE",
)
ONLY_THEIRS = {
    "created": "the catalogue adds it when it publishes",
    "providers": "the same for all: it stands in the collection",
    "proj:centroid": "follows from the geometry",
    "eo:snow_cover": "L1C has none; L2A has",
}
ONLY_OURS = {
    "gsd": "recommended by STAC",
    "processing:level": "so that a search tells L1C from L2A by a standard field",
    "processing:version": "the baseline in a standard field, beside s2:processing_baseline",
    "processing:datetime": "the time of generation in a standard field",
    "product:type": "the type in a standard field, beside s2:product_type",
    "sat:absolute_orbit": "known from the granule's id",
    "sen2extract:fingerprint": "tells whether a product has changed",
    "sen2extract:source": "tells where a product came from",
}
THEIR_FURTHER_ASSETS = {
    "other resolutions": ("_10m", "_20m", "_60m"),
    "metadata that no reader of pixels needs": ("datastrip_metadata", "inspire_metadata"),
    "made anew from the pixels, as `thumbnail`": ("preview",),
    "kept, under the same keys": ("granule_metadata", "product_metadata", "safe_manifest"),
}


@pytest.fixture(params=PRODUCTS)
def folder(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    return shared_data / "safe-metadata" / request.param


@pytest.fixture
def theirs(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "expected_output.json").read_text())


@pytest.fixture
def metadata(folder: Path) -> SafeMetadata:
    product, granule = next(folder.glob("MTD_MSI*.xml")), next(folder.glob("GRANULE/*/MTD_TL.xml"))
    described = Metadata(product.read_bytes(), product.name)
    return read_metadata(
        described,
        Metadata(granule.read_bytes(), granule.name),
        name=product_name(described, folder.name),
        fingerprint="0" * 64,
    )


@pytest.fixture
def ours(metadata: SafeMetadata, plain_settings: Any) -> dict[str, Any]:
    assets = [stored(metadata, name) for name in metadata.radiometry]
    item = scene_item(metadata.scene, assets, from_outline(metadata.scene.outline), plain_settings)
    return json.loads(json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False)))


def stored(metadata: SafeMetadata, name: str) -> StoredAsset:
    known = BANDS.get(name) or LAYERS[name]
    extent, size = metadata.extent, 109_800 // known.gsd
    grid = Grid(
        epsg=extent.epsg,
        width=size,
        height=size,
        left=extent.left,
        top=extent.top,
        pixel_width=known.gsd,
        pixel_height=known.gsd,
    )
    return StoredAsset(
        name=name,
        key=f"x/{name}.tif",
        size=1,
        sha256="0" * 64,
        media_type=COG,
        grid=grid,
        data_type="uint16" if name in BANDS else LAYERS[name].data_type,
        radiometry=metadata.radiometry[name],
    )


def bands_in(asset: dict[str, Any]) -> list[dict[str, Any]]:
    return asset.get("eo:bands", [])


def test_each_property_agrees(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    mine, other = ours["properties"], theirs["properties"]
    assert set(other) - set(mine) <= set(ONLY_THEIRS)
    assert set(mine) - set(other) <= set(ONLY_OURS)
    for name in set(mine) & set(other):
        if name == "view:azimuth":
            continue  # a mean of directions; theirs is one of numbers, 18 degrees off beside north (33XWJ)
        if name in ("datetime", "s2:generation_time"):  # ours without zeros behind the point
            assert datetime.fromisoformat(mine[name]) == datetime.fromisoformat(other[name])
        elif isinstance(other[name], float):
            assert mine[name] == pytest.approx(other[name], rel=1e-12)
        else:
            assert mine[name] == other[name], name


def test_ids_differ_ours_being_the_product_s_name(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["id"] == theirs["properties"]["s2:product_uri"].removesuffix(".SAFE")
    # Theirs lacks baseline and discriminator: two processings, or two datastrips, of one tile would share it.
    unit, tile, _, level = theirs["id"].split("_")
    assert (ours["id"][:3], ours["id"][38:44], ours["id"][7:10]) == (unit, tile, level)


def test_the_place_agrees(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=1e-6)  # ours is of the unrounded outline
    mine, other = shape(ours["geometry"]), shape(theirs["geometry"])
    assert mine.symmetric_difference(other).area < 1e-4 * other.area
    assert mine.geom_type == ("MultiPolygon" if ours["bbox"][0] > ours["bbox"][2] else "Polygon")


def test_each_asset_agrees(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    further = [ending for endings in THEIR_FURTHER_ASSETS.values() for ending in endings]
    shared = {key: IMAGES[key] for key in theirs["assets"] if key in IMAGES}
    assert all(key.endswith(tuple(further)) for key in theirs["assets"].keys() - shared.keys())
    # The probabilities lie in QI_DATA, which theirs leaves out; the mask needs them.
    assert set(ours["assets"]) - set(shared.values()) <= {"CLDPRB", "SNWPRB"}
    for key, name in shared.items():
        mine, other = ours["assets"][name], theirs["assets"][key]
        band = other.get("raster:bands", [{}])[0]
        assert mine["gsd"] == other.get("gsd", 10)  # theirs leaves it out for the L1C picture
        assert mine["proj:shape"] == other["proj:shape"]
        assert mine["proj:transform"] == other["proj:transform"][:6]
        assert mine["data_type"] == band.get("data_type", "uint8")
        assert mine.get("raster:scale", 1) == pytest.approx(band.get("scale", 1))
        assert mine.get("raster:offset", 0) == pytest.approx(band.get("offset", 0))
        assert name == "TCI" or mine["nodata"] == band["nodata"]
        names = [(each["name"], RED_EDGES.get(each["name"], each.get("common_name"))) for each in bands_in(other)]
        assert [(each["name"], each.get("eo:common_name")) for each in mine.get("bands", [])] == names


def test_extensions_are_those_of_theirs_in_their_present_versions(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    def versions(item: dict[str, Any]) -> dict[str, list[int]]:
        parts = [uri.split("/") for uri in item["stac_extensions"]]
        return {part[3]: [int(number) for number in part[4][1:].split(".")] for part in parts}

    mine, other = versions(ours), versions(theirs)
    assert other.keys() - mine.keys() <= {"classification"}  # the classes of SCL stand in the collection
    assert all(mine[name] >= other[name] for name in other if name in mine)
