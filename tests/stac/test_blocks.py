"""The block index beside the catalogue: written, replaced and removed with the items."""

import struct
from dataclasses import replace

import pytest

from stac import blocks, catalog
from stac.blocks import Run
from stac.database import connect
from stac.items import scene_item
from stac.scene import Blocks

SPANS = b"".join(struct.pack("<QI", 1000 + 100 * number, 90 + number) for number in range(43 * 43))
# One after the other, as in a COG; not so above.
_LENGTHS = [0 if number % 11 == 3 else 90 + number for number in range(43 * 43)]
_STARTS = [1000 + sum(length + 8 for length in _LENGTHS[:number] if length) for number in range(43 * 43)]
ROWS = b"".join(
    struct.pack("<QI", start if length else 0, length) for start, length in zip(_STARTS, _LENGTHS, strict=True)
)
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
