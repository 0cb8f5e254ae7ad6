"""The block index beside the catalogue: written, replaced and removed with the items."""

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from stac import blocks, catalog, locks
from stac.blocks import Run
from stac.collections import INDICES, L2A
from stac.database import connect
from stac.items import index_item, scene_item
from stac.scene import Blocks

SPANS = b"".join(struct.pack("<QI", 1000 + 100 * number, 90 + number) for number in range(43 * 43))
# One after the other, as in a COG; not so above.
_LENGTHS = [0 if number % 11 == 3 else 90 + number for number in range(43 * 43)]
_STARTS = [1000 + sum(length + 8 for length in _LENGTHS[:number] if length) for number in range(43 * 43)]
ROWS = b"".join(
    struct.pack("<QI", start if length else 0, length) for start, length in zip(_STARTS, _LENGTHS, strict=True)
)
OURS = [L2A, INDICES]
KEY = ("sentinel-2-l2a", "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233")


@pytest.fixture
def published(settings, make):
    """Publishes a scene of which B04 and B08 are indexed; returns their keys."""

    def publish(spans=SPANS, **keys):
        scene = make.scene()
        blocks = Blocks(data_type="uint16", codec="zstd", predictor=2, spans=spans)
        assets = [
            replace(asset, key=keys.get(asset.name, asset.key), blocks=blocks if asset.name in ("B04", "B08") else None)
            for asset in make.scene_assets(scene)
        ]
        catalog.publish([scene_item(scene, assets, make.footprint(), settings)], settings, assets=assets)
        return [asset.key for asset in assets if asset.name in ("B04", "B08")]

    return publish


def held(settings):
    with connect(settings) as connection:
        return connection.execute("SELECT asset, key FROM sen2extract.blocks ORDER BY asset").fetchall()


def test_the_index_follows_the_item(settings, published):
    first = published()
    assert held(settings) == [("B04", first[0]), ("B08", first[1])]

    second = published(B08="other/B08-1.tif")
    assert held(settings) == [("B04", first[0]), ("B08", "other/B08-1.tif")]
    assert second[1] == "other/B08-1.tif"

    assert catalog.remove([KEY], settings) == 1
    assert held(settings) == []


@pytest.mark.parametrize("spans", [SPANS, ROWS], ids=["plain", "row by row"])
def test_blocks_are_located_by_number_and_unknown_images_are_told(settings, published, spans):
    key, _ = published(spans)
    with connect(settings) as connection:
        found = blocks.locate(
            connection, [Run(key=key, first=0, count=1), Run(key="no/such.tif", first=0, count=1),
                         Run(key=key, first=44, count=3), Run(key=key, first=80, count=10)],
        )  # fmt: skip
        unknown, (image, same) = blocks.look_up(
            connection, [Run(key="no/such.tif", first=0, count=1), Run(key=key, first=44, count=3)]
        )

    assert found == [spans[:12], None, spans[44 * 12 : 47 * 12], spans[80 * 12 : 90 * 12]]
    assert (unknown, image.key, same) == (None, key, spans[44 * 12 : 47 * 12])
    assert (image.epsg, image.left, image.top, image.size, image.height, image.width) == (
        32648, 499980, 1400040, 10, 10980, 10980,
    )  # fmt: skip
    assert (image.data_type, image.codec, image.predictor, image.nodata, image.columns) == (
        "uint16", "zstd", 2, 0, 43,
    )  # fmt: skip


def test_what_lies_one_after_the_other_takes_a_quarter_of_the_bytes(settings, published):
    published(ROWS)
    with connect(settings) as connection:
        row = connection.execute("SELECT rowwise, length(spans) FROM sen2extract.blocks").fetchone()
    assert row == (True, 43 * (8 + 3 * 43))


def test_items_with_images_that_are_not_indexed_are_found(settings, published):
    published()
    assert blocks.lacking(settings) == [KEY]


def test_the_index_of_items_that_are_gone_can_be_taken_out(settings, published):
    published()
    with connect(settings) as connection:
        connection.execute("UPDATE sen2extract.blocks SET item_id = 'gone', key = key || 'x' WHERE asset = 'B04'")
    assert blocks.remove_orphans(settings) == 1
    assert [name for name, _ in held(settings)] == ["B08"]


def test_a_block_is_fetched_without_the_others(settings):
    """Stored uncompressed and out of line, so that `substring` fetches only what is asked for."""
    with connect(settings) as connection:
        storage = connection.execute(
            "SELECT attstorage FROM pg_attribute WHERE attrelid = 'sen2extract.blocks'::regclass AND attname = 'spans'"
        ).fetchone()
    assert storage == ("e",)


@pytest.mark.parametrize("role", ["pgstac_read", "pgstac_ingest"])
def test_the_services_roles_may_read_it(settings, role):
    with connect(settings) as connection:
        row = connection.execute("SELECT has_table_privilege(%s, 'sen2extract.blocks', 'SELECT')", (role,)).fetchone()
    assert row == (True,)


@pytest.fixture
def product(settings, make, product_name):
    """Makes product `number` as `writer` has it in a round: keys, items and files of its own, few of them."""
    blocks = Blocks(data_type="uint16", codec="zstd", predictor=2, spans=ROWS)

    def make_product(number, writer, turn, baseline="0511"):
        scene = make.scene(product_name(day=1 + 150 * number, baseline=baseline), cloud_cover=float(turn))

        def own(assets):
            return [replace(one, key=f"{writer}/{turn}/{one.key}", blocks=blocks) for one in assets[:2]]

        bands, indices = own(make.scene_assets(scene)), own(make.index_assets(scene))
        footprint = make.footprint(west=100.0 + number + turn / 10)
        items = [scene_item(scene, bands, footprint, settings), index_item(scene, indices, footprint, settings)]
        return items, [*bands, *indices]

    return make_product


def replace_often(settings, product, writer, numbers, baselines=("0511",)):
    for turn in range(6):
        made = [product(number, writer, turn, baseline) for number in numbers for baseline in baselines]
        items = [item for one, _ in made for item in one]
        catalog.publish(items, settings, assets=[asset for _, assets in made for asset in assets])


def remove_often(settings, products):
    for turn in range(6):
        keys = [(collection, products[place]) for place in range(turn % 3, len(products), 2) for collection in OURS]
        catalog.remove(keys[:: -1 if turn % 2 else 1], settings)


@pytest.mark.parametrize("removing", [False, True], ids=["replace while replacing", "replace while removing"])
def test_writers_of_the_same_products_leave_an_index_that_equals_the_items(settings, product, product_name, removing):
    """In opposite orders, over several partitions: none waits for ever, and what moves or is superseded stays true."""
    with connect(settings) as connection:
        left = connection.execute("SELECT collection, id FROM pgstac.items").fetchall()
    catalog.remove(left, settings)
    numbers = range(8)
    work = [
        (replace_often, settings, product, "a", numbers),
        (replace_often, settings, product, "b", numbers[::-1], ("0509", "0511")),
    ]
    if removing:
        work.append((remove_often, settings, [product_name(day=1 + 150 * number) for number in numbers]))
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(*one) for one in work]:
            done.result()

    with connect(settings) as connection:
        items = connection.execute("SELECT collection, id, content FROM pgstac.items").fetchall()
        rows = connection.execute("SELECT collection, item_id, asset, key FROM sen2extract.blocks").fetchall()
        extents = connection.execute("SELECT id, content->'extent' FROM pgstac.collections ORDER BY id").fetchall()
    named = {
        (collection, item_id, name, asset["alternate"]["s3"]["href"].split("/", 3)[3])
        for collection, item_id, content in items
        for name, asset in content["assets"].items()
        if isinstance(asset, dict)
    }
    assert set(rows) == named
    assert len(named) == len(rows) == 2 * len(items)
    assert removing or len(items) == 2 * 2 * len(numbers)
    assert all(("0509" in item_id) == content["properties"].get("deprecated", False) for _, item_id, content in items
               if removing is False)  # fmt: skip
    catalog.refresh_extents(settings)
    with connect(settings) as connection:
        assert (
            connection.execute("SELECT id, content->'extent' FROM pgstac.collections ORDER BY id").fetchall() == extents
        )
    catalog.remove([(collection, item_id) for collection, item_id, _ in items], settings)
    assert held(settings) == []


def test_writers_share_a_collection_and_no_acquisition(settings):
    def locked(*arguments):
        with connect(settings) as other:
            other.execute("SET lock_timeout = '300ms'")
            try:
                locks.lock(other, *arguments)
            except psycopg.errors.LockNotAvailable:
                return False
            return True

    with connect(settings) as connection:
        locks.lock(connection, OURS, (), ["one", "two"])
        assert locked(OURS, (), ["three"])
        assert not locked(OURS, (), ["three", "two"])
        assert not locked(OURS[:1])
        assert not locked(OURS[:1], (), map(str, range(1000)))
        assert locked(["another"], (), ["three"])
    assert locked(OURS[:1])
