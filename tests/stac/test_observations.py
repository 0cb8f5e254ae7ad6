"""The table that series ask instead of STAC items: whatever happens to items, it says what they say."""

from copy import deepcopy

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from stac import catalog, migrations, observations
from stac.collections import INDICES, L1C, L2A
from stac.database import connect
from stac.masks import FIELDS

ID = "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"
NEWER = "S2A_MSIL2A_20250105T031121_N0512_R075_T48PWU_20260105T062233"


@pytest.fixture(autouse=True)
def empty(settings):
    yield
    with connect(settings) as connection:
        connection.execute("DELETE FROM items")


def rows(settings):
    with psycopg.connect(settings.pg_dsn, row_factory=dict_row) as connection:
        query = (
            "SELECT *, ST_AsText(footprint) AS outline, to_jsonb(acquired AT TIME ZONE 'UTC')::text AS moment "
            "FROM sen2extract.observations ORDER BY collection, item_id"
        )
        return connection.execute("SET search_path TO pgstac, public") and connection.execute(query).fetchall()


def row(settings, item_id=ID, collection=INDICES):
    (found,) = [one for one in rows(settings) if (one["collection"], one["item_id"]) == (collection, item_id)]
    return found


def told(item):
    """The images as the item itself tells them."""
    images = {}
    for name, asset in item["assets"].items():
        if "proj:transform" not in asset:
            continue
        size, _, left, _, _, top = asset["proj:transform"]
        address = asset["alternate"]["s3"]["href"]
        facts = [
            int(item["properties"]["proj:code"].removeprefix("EPSG:")), left, top, size, *asset["proj:shape"],
            asset.get("raster:scale", 1), asset.get("raster:offset", 0), asset.get("nodata"),
        ]  # fmt: skip
        images[name] = [address, facts]
    return images


def held(found):
    return {
        name: [file if file.startswith("s3://") else found["folder"] + file, facts]
        for name, (file, facts) in found["images"].items()
    }


def test_a_row_says_what_the_served_item_says(settings, documents):
    scene, indices = documents()
    catalog.publish([scene, indices], settings)

    for collection in (L2A, INDICES):
        item, found = catalog.get_item(settings, collection, ID), row(settings, collection=collection)
        assert held(found) == told(item)
        assert len(found["images"]) > 4
        assert found["folder"].startswith("s3://archive/")
        assert (found["platform"], found["take"], found["strip"]) == (
            "sentinel-2a",
            "20250105T031121",
            "20250105T031121",
        )
        assert (found["tile"], found["baseline_major"], found["baseline_minor"]) == ("48PWU", 5, 11)
        assert (found["cloud_cover"], found["deprecated"], found["lossy"]) == (12.5, False, False)
        assert found["moment"].strip('"') in item["properties"]["datetime"]
        assert found["outline"].startswith("POLYGON((104.9 11.7,")
    assert row(settings)["mask_fields"] == [name for name in FIELDS if name != "ocm"]  # it needs an extra
    assert row(settings, collection=L2A)["mask_fields"] == []


@pytest.mark.parametrize("fields", [("scl",), ("cm001", "cm004", "cloud_probability")])
def test_a_mask_with_fewer_fields_says_which(settings, documents, fields):
    _, indices = documents()
    bitfields = indices["assets"]["MASK"]["classification:bitfields"]
    indices["assets"]["MASK"]["classification:bitfields"] = [one for one in bitfields if one["name"] in fields]
    catalog.publish([indices], settings)

    assert row(settings)["mask_fields"] == list(fields)


def test_superseding_and_removing_are_seen(settings, documents):
    catalog.publish(documents(ID), settings)
    catalog.publish(documents(NEWER), settings)
    assert [(one["item_id"], one["deprecated"]) for one in rows(settings)] == [(ID, True), (NEWER, False)] * 2

    catalog.remove([(INDICES, NEWER), (L2A, NEWER)], settings)
    assert [(one["item_id"], one["deprecated"]) for one in rows(settings)] == [(ID, False)] * 2


def test_a_product_that_is_rolled_back_leaves_no_row(settings, documents):
    with connect(settings) as connection:
        catalog.publish(documents(), settings, connection)
        connection.rollback()
    assert rows(settings) == []


def test_other_writers_are_seen_too(settings, documents):
    scene, indices = documents()
    with connect(settings) as connection:
        connection.execute("SELECT pgstac.create_items(%s)", (Jsonb([scene, indices]),))
        changed = deepcopy(scene)
        changed["properties"]["eo:cloud_cover"] = 77
        connection.execute("SELECT pgstac.update_item(%s)", (Jsonb(changed),))
        connection.execute("SELECT pgstac.delete_item(%s, %s)", (ID, INDICES))
    assert [(one["collection"], one["cloud_cover"]) for one in rows(settings)] == [(L2A, 77)]

    with connect(settings) as connection:
        connection.execute("UPDATE pgstac.items SET content = jsonb_set(content, '{properties,deprecated}', 'true')")
    assert row(settings, collection=L2A)["deprecated"]


def test_a_collection_takes_its_rows_with_it(settings, documents):
    catalog.publish(documents(), settings)
    with connect(settings) as connection:
        connection.execute("SELECT pgstac.delete_collection(%s)", (L2A,))
        assert connection.execute("SELECT collection FROM sen2extract.observations").fetchall() == [(INDICES,)]
        connection.rollback()
    assert len(rows(settings)) == 2


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("05.11", (5, 11)),
        ("0511", (5, 11)),
        ("2.14", (2, 14)),
        ("99.99", (-1, -1)),
        ("new", (-1, -1)),
        (None, (-1, -1)),
    ],
)
def test_baselines_are_numbers(settings, documents, version, numbers):
    scene, _ = documents()
    scene["properties"] |= {"s2:processing_baseline": version, "processing:version": version}
    catalog.publish([scene], settings)

    found = row(settings, collection=L2A)
    assert (found["baseline_major"], found["baseline_minor"]) == numbers


def test_what_an_item_does_not_say_refuses_nothing(settings, documents):
    """Broken items of other writers are published as they are; the row holds what can be had."""
    scene, _ = documents()
    for name in ("platform", "s2:datatake_id", "s2:datastrip_id", "grid:code", "proj:code"):
        del scene["properties"][name]
    scene["properties"] |= {"eo:cloud_cover": None, "sen2extract:lossy": True}
    scene["assets"]["B04"]["proj:code"] = "EPSG:32648"
    scene["assets"]["B04"]["alternate"]["s3"]["href"] = "s3://elsewhere/B04.tif"
    scene["assets"]["B08"] |= {"proj:code": "EPSG:32648", "proj:shape": "large"}
    scene["assets"]["B02"] |= {"proj:code": "EPSG:32648", "alternate": {}}
    catalog.publish([scene], settings)
    found = row(settings, collection=L2A)

    assert (found["platform"], found["take"], found["strip"], found["tile"]) == ("", "20250105T031121", "", "")
    assert (found["cloud_cover"], found["deprecated"], found["lossy"]) == (None, False, True)
    assert list(held(found)) == ["B04"]
    assert held(found)["B04"][0] == "s3://elsewhere/B04.tif"


def test_an_archive_that_exists_is_taken_over(settings, documents):
    catalog.publish(documents(), settings)
    catalog.publish(documents(ID.replace("MSIL2A", "MSIL1C")), settings)
    before = rows(settings)
    with connect(settings) as connection:
        connection.execute("DROP TABLE sen2extract.observations CASCADE")
        connection.execute(
            "DELETE FROM sen2extract._yoyo_migration WHERE migration_id IN ('0010_observations', '0020_observe_first')"
        )

    assert migrations.apply(settings) == ["0010_observations", "0020_observe_first"]
    assert rows(settings) == before
    assert {one["collection"] for one in before} == {L1C, L2A, INDICES}


def test_what_is_wrong_is_found_and_set_right(settings, documents):
    catalog.publish([*documents(ID), *documents(NEWER)], settings)
    right = rows(settings)
    assert observations.differing(settings) == []
    assert observations.repair(settings) == 0
    with connect(settings) as connection:
        connection.execute("UPDATE sen2extract.observations SET tile = '31TFJ' WHERE item_id = %s", (ID,))
        connection.execute("DELETE FROM sen2extract.observations WHERE item_id = %s AND collection = %s", (NEWER, L2A))
        connection.execute(
            "INSERT INTO sen2extract.observations SELECT collection, 'gone', acquired, platform, take, strip, tile, "
            "baseline_major, baseline_minor, cloud_cover, deprecated, lossy, mask_fields, folder, images, footprint "
            "FROM sen2extract.observations LIMIT 1"
        )

    assert {item_id for _, item_id in observations.differing(settings)} == {ID, NEWER, "gone"}
    assert observations.repair(settings) == 4
    assert rows(settings) == right
