from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jsonschema
import pystac
import pytest
from pystac.stac_io import DefaultStacIO
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7
from stac_pydantic import Collection as CollectionModel
from stac_pydantic import Item as ItemModel

from stac.assets import describe_asset, index_assets, scene_assets
from stac.bands import LAYERS, bands_of
from stac.collections import COLLECTION_IDS, INDICES, L1C, L2A, collections, scene_collection
from stac.errors import UnknownNameError
from stac.indices import stored_indices
from stac.items import index_item, scene_item
from stac.masks import FIELDS
from stac.scene import Footprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stac.settings import Settings

L1C_NAME = "S2B_MSIL1C_20190715T104029_N0208_R008_T31TFJ_20190715T124650"
OTHER_SOURCE = "S2A_MSIL2A_20220301T101021_N0400_R022_T33TWM_20220301T142233"


class Mirror(DefaultStacIO):
    """Reads schemas from a folder of host/path."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def read_text(self, source: Any, *_: Any, **__: Any) -> str:
        parts = urlsplit(str(source))
        return (self.folder / (parts.hostname or "") / parts.path.lstrip("/")).read_text()


@pytest.fixture
def mirror(schemas: Path) -> Any:
    before = pystac.StacIO.default
    pystac.StacIO.set_default(lambda: Mirror(schemas))
    yield schemas
    pystac.StacIO.set_default(before)


def registry(folder: Path) -> Registry[Any]:
    def retrieve(uri: str) -> Resource[Any]:
        parts = urlsplit(uri)
        text = (folder / (parts.hostname or "") / parts.path.lstrip("/")).read_text()
        return DRAFT7.create_resource(json.loads(text))

    return Registry(retrieve=retrieve)  # type: ignore[call-arg]


def assert_valid(document: dict[str, Any], folder: Path) -> None:
    kind = "item" if document["type"] == "Feature" else "collection"
    core = f"https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{kind}.json"
    schemas = registry(folder)
    for uri in (core, *document["stac_extensions"]):
        validator = jsonschema.Draft7Validator({"$ref": uri}, registry=schemas)
        problems = [f"{uri}: {error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)]
        assert problems == []


@pytest.fixture
def everything(documents: Callable[..., Any]) -> list[dict[str, Any]]:
    rich, indices = documents()
    (top,) = documents(L1C_NAME)
    bare = documents(
        OTHER_SOURCE,
        source="earth-search",
        offset_applied=True,
        via="https://earth-search.example.org/v1/items/S2A_33TWM_20220301_0_L2A",
        absolute_orbit=None,
        orbit_state=None,
        sun_azimuth=None,
        sun_elevation=None,
        view_azimuth=None,
        view_incidence=None,
        cloud_cover=None,
        snow_cover=None,
        quality={},
        software={},
    )
    imported = documents(
        OTHER_SOURCE,
        source="sen2chain",
        generated=None,
        datatake_id=None,
        datastrip_id=None,
        granule_id=None,
        cloud_cover=None,
        quality={},
        software={"Sen2Chain": "unknown"},
        lineage="Imported",
        remarks={"sen2extract:lossy": True, "sen2extract:jpeg2000_quality": {"NDVI": 20}},
    )
    return [rich, indices, top, *bare, imported[1]]


def test_items_are_valid_by_two_validators(everything: list[dict[str, Any]], mirror: Path) -> None:
    for document in everything:
        checked = pystac.Item.from_dict(document).validate()
        assert set(document["stac_extensions"]) <= {str(uri) for uri in checked}
        assert_valid(document, mirror)
        ItemModel.model_validate(document)


def test_collections_are_valid_by_two_validators(plain_settings: Settings, mirror: Path) -> None:
    for document in collections(plain_settings):
        assert len(pystac.Collection.from_dict(document).validate()) == 1 + len(document["stac_extensions"])
        assert_valid(document, mirror)
        CollectionModel.model_validate(document)


def test_collections_are_the_three_and_say_what_their_items_hold(plain_settings: Settings) -> None:
    made = {collection["id"]: collection for collection in collections(plain_settings)}

    assert tuple(made) == COLLECTION_IDS
    assert set(made[L1C]["item_assets"]) == {band.name for band in bands_of("L1C")} | {"TCI", "thumbnail"}
    assert set(made[L2A]["item_assets"]) >= {band.name for band in bands_of("L2A")} | set(LAYERS)
    assert "B10" not in made[L2A]["item_assets"]
    assert set(made[INDICES]["item_assets"]) == {"NDVI", "NDWIGAO", "NDWIMCF", "MNDWI", "MASK", "thumbnail"}


def test_renders_show_assets_that_exist(plain_settings: Settings) -> None:
    for document in collections(plain_settings):
        for render in document["renders"].values():
            assert set(render["assets"]) <= set(document["item_assets"])
            assert len(render.get("rescale", render["assets"])) == len(render["assets"])


def test_each_stored_index_has_a_render_with_its_colours(plain_settings: Settings) -> None:
    renders = collections(plain_settings)[2]["renders"]

    assert {index.name.lower(): (index.colormap, [list(index.display_range)]) for index in stored_indices()} == {
        name: (render["colormap_name"], render["rescale"]) for name, render in renders.items()
    }


def test_what_items_share_stands_in_the_collection(documents: Callable[..., Any]) -> None:
    scene, indices = documents()

    shared = {"type", "roles", "gsd", "bands", "data_type", "nodata"}
    for document, common in ((scene, scene_assets("L2A")), (indices, index_assets())):
        for name, asset in document["assets"].items():
            for field in shared & set(common.get(name, {})):
                assert asset[field] == common[name][field], (name, field)


def test_a_band_says_how_to_read_it(documents: Callable[..., Any]) -> None:
    asset = documents()[0]["assets"]["B8A"]

    assert asset["bands"] == [
        {
            "name": "B8A",
            "eo:common_name": "nir08",
        }
    ]
    assert (asset["raster:scale"], asset["raster:offset"], asset["nodata"]) == (0.0001, -0.1, 0)
    assert (asset["data_type"], asset["gsd"]) == ("uint16", 20)
    assert asset["proj:shape"] == [5490, 5490]
    assert asset["proj:transform"] == [20, 0, 499980, 0, -20, 1400040]
    assert asset["file:size"] == 123456789
    assert asset["file:checksum"] == "1220" + "cd" * 32
    assert not {"title", "statistics"} & set(asset)  # in the collection, in the file


def test_a_file_has_a_public_and_an_s3_address(documents: Callable[..., Any]) -> None:
    asset = documents()[0]["assets"]["B04"]
    key = "sentinel-2-l2a/48/P/WU/2025/01/S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233/B04-cdcdcdcd.tif"

    assert asset["href"] == f"https://eo.example.org/data/{key}"
    assert asset["alternate"]["s3"]["href"] == f"s3://archive/{key}"


def test_properties_tell_the_product(documents: Callable[..., Any]) -> None:
    properties = documents()[0]["properties"]

    assert properties["datetime"] == "2025-01-05T03:24:12.024000Z"
    assert properties["platform"] == "sentinel-2a"
    assert properties["grid:code"] == "MGRS-48PWU"
    assert properties["proj:code"] == "EPSG:32648"
    assert properties["s2:processing_baseline"] == properties["processing:version"] == "05.11"
    assert properties["s2:product_uri"].endswith("_20250105T062233.SAFE")
    assert properties["s2:datatake_id"] == "GS2A_20250105T031121_049836_N05.11"
    assert properties["eo:cloud_cover"] == 12.5
    assert properties["sen2extract:fingerprint"] == "ab" * 32
    assert not {"created", "updated", "deprecated", "sen2extract:offset_applied"} & set(properties)


def test_what_is_not_known_is_left_out(everything: list[dict[str, Any]]) -> None:
    properties = everything[3]["properties"]

    assert "eo:cloud_cover" not in properties
    assert "view:sun_azimuth" not in properties
    assert properties["sen2extract:offset_applied"] is True
    assert {"rel": "via", "href": "https://earth-search.example.org/v1/items/S2A_33TWM_20220301_0_L2A"} in everything[
        3
    ]["links"]


def test_a_quality_field_without_a_schema_is_left_out(documents: Callable[..., Any]) -> None:
    properties = documents(quality={"s2:water_percentage": 2.0, "s2:invented": 1})[0]["properties"]

    assert properties["s2:water_percentage"] == 2.0
    assert "s2:invented" not in properties


def test_the_index_item_derives_from_the_scene_of_the_same_id(documents: Callable[..., Any]) -> None:
    scene, indices = documents()

    assert (scene["collection"], indices["collection"]) == (L2A, INDICES)
    assert indices["id"] == scene["id"]
    (link,) = [link for link in indices["links"] if link["rel"] == "derived_from"]
    assert link["href"] == f"https://eo.example.org/stac/collections/{L2A}/items/{scene['id']}"


def test_an_imported_index_item_says_so_and_derives_from_nothing(everything: list[dict[str, Any]]) -> None:
    item = everything[-1]

    assert item["properties"]["sen2extract:lossy"] is True
    assert item["properties"]["processing:lineage"] == "Imported"
    assert [link["rel"] for link in item["links"]] == ["collection"]
    assert not {"s2:generation_time", "processing:datetime", "s2:datatake_id", "s2:tile_id"} & set(item["properties"])


def test_the_collection_tells_what_items_leave_out(plain_settings: Settings, documents: Callable[..., Any]) -> None:
    made = {collection["id"]: collection for collection in collections(plain_settings)}
    ndvi, mask = (documents()[1]["assets"][name] for name in ("NDVI", "MASK"))

    assert made[INDICES]["item_assets"]["NDVI"]["processing:expression"]["expression"] == "(B08 - B04) / (B08 + B04)"
    assert "processing:expression" not in ndvi
    assert made[L2A]["item_assets"]["B04"]["title"] == "Red (B04)"
    told = made[INDICES]["summaries"]["classification:bitfields"]
    assert [field["name"] for field in told] == list(FIELDS)
    assert {field["name"] for field in told} > {field["name"] for field in mask["classification:bitfields"]}
    assert all(field["description"] for field in told)
    assert all(each["description"] for field in told for each in field["classes"])


def test_the_mask_lists_the_fields_it_holds(documents: Callable[..., Any], plain_settings: Settings, make: Any) -> None:
    whole = documents()[1]["assets"]["MASK"]["classification:bitfields"]
    scene = make.scene()
    partial = index_item(scene, make.index_assets(scene, ("scl", "cm004")), make.footprint(), plain_settings)

    assert [field["name"] for field in whole] == [name for name in FIELDS if name != "ocm"]  # it needs an extra
    held = partial.assets["MASK"].extra_fields["classification:bitfields"]
    assert [field["name"] for field in held] == ["scl", "cm004"]


def test_the_same_scene_gives_the_same_item(documents: Callable[..., Any]) -> None:
    assert documents() == documents()


def test_a_footprint_across_the_antimeridian_is_kept(plain_settings: Settings, make: Any, mirror: Path) -> None:
    halves = [
        [[[179.0, -17], [180.0, -17], [180.0, -16], [179.0, -16], [179.0, -17]]],
        [[[-180.0, -17], [-179.5, -17], [-179.5, -16], [-180.0, -16], [-180.0, -17]]],
    ]
    footprint = Footprint(geometry={"type": "MultiPolygon", "coordinates": halves}, bbox=(179.0, -17, -179.5, -16))
    scene = make.scene("S2A_MSIL2A_20250105T222121_N0511_R029_T01KAB_20250106T001122")
    document = scene_item(scene, make.scene_assets(scene), footprint, plain_settings).to_dict(transform_hrefs=False)

    assert document["bbox"] == [179.0, -17, -179.5, -16]
    assert_valid(document, mirror)


def test_an_item_is_lean(documents: Callable[..., Any]) -> None:
    scene, indices = (len(json.dumps(document, separators=(",", ":"))) for document in documents())

    assert scene < 15_500
    assert indices < 7_500


def test_every_known_asset_is_described() -> None:
    assert describe_asset("product_metadata") == {"title": "Product metadata", "roles": ["metadata"]}
    assert describe_asset("thumbnail")["roles"] == ["thumbnail"]
    assert [c["value"] for c in scene_assets("L2A")["SCL"]["classification:classes"]] == list(range(12))
    assert [band["eo:common_name"] for band in describe_asset("TCI")["bands"]] == ["red", "green", "blue"]


def test_a_level_without_a_collection_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="L3A"):
        scene_collection("L3A")
