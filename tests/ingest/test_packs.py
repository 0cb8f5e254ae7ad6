"""Packs made from a small archive: every value that of its COG, whatever interrupts, replaces or damages."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import manydates
import numpy as np
import psycopg
import pytest
import rasterio
from manydates import Shot
from rio_cogeo.cogeo import cog_validate

from ingest import packs
from ingest.errors import IngestError
from ingest.pack_plan import Layout, Source, chosen, document, of_document, pack_of, superfluous
from ingest.store import Store
from stac import packs as table
from stac.blocks import IndexedImage
from stac.database import connect
from stac.naming import pack_part_of, series_of
from stac.settings import Settings

NDVI, MASK = "sentinel-2-indices/48/P/WU/NDVI", "sentinel-2-indices/48/P/WU/MASK"
LAYOUT = Layout(slots=4, part=256, block=32)
FIRST = datetime(2024, 1, 3, tzinfo=UTC)


@pytest.fixture
def archive(settings):
    """Publishes shots; afterwards bucket, catalogue and packs are empty again."""
    shots = []

    def publish(found):
        shots.extend(found)
        return manydates.publish(settings, found)

    yield publish
    from stac import catalog

    catalog.remove([("sentinel-2-indices", shot.name) for shot in shots], settings)
    with connect(settings) as connection:
        connection.execute("DELETE FROM sen2extract.packs")
    store = Store.connect(settings)
    store.remove(list(store.keys()))


@pytest.fixture
def gdal(settings):
    os.environ.update({name: str(value) for name, value in settings.gdal_environment().items()})
    return lambda key: rasterio.open(f"/vsis3/{settings.s3_bucket}/{key}")


def packs_of(settings, series=NDVI):
    with connect(settings) as connection:
        return table.of_series(connection, [series])


def part_keys(settings):
    return sorted(key for key in Store.connect(settings).keys("packs/") if pack_part_of(key))


def test_every_band_of_every_part_is_the_window_of_its_image(settings, archive, gdal):
    archive([Shot(day=day, empty=np.s_[:300, :] if day == 15 else None) for day in (0, 5, 10, 15)])
    told = [packs.pack_series(settings, series, layout=LAYOUT) for series in (NDVI, MASK)]
    assert [(one.state, one.packs, one.images, one.waiting, one.made) for one in told] == [("packed", 1, 4, 0, 9)] * 2

    for series in (NDVI, MASK):
        (pack,) = packs_of(settings, series)
        assert [series_of(key) for key in pack.keys] == [series] * 4
        for key in (key for key in part_keys(settings) if key.startswith(pack.id)):
            _, row, column = pack_part_of(key)
            with gdal(key) as part:
                assert part.count == 4
                assert [band.split()[0] for band in part.descriptions] == [
                    f"2024-01-{day:02d}T03:11:21Z" for day in (3, 8, 13, 18)
                ]
                assert part.block_shapes[0] == (32, 32)
                stored, bounds = part.read(), part.bounds
            for slot, source in enumerate(pack.keys):
                with gdal(source) as image:
                    window = rasterio.windows.Window(column * 256, row * 256, stored.shape[2], stored.shape[1])
                    assert bounds == rasterio.windows.bounds(window, image.transform)
                    assert np.array_equal(stored[slot], image.read(1, window=window))
                    assert stored.dtype == image.dtypes[0]
                    assert image.nodata == part.nodata


def test_a_part_is_a_valid_cog(settings, archive, tmp_path):
    archive([Shot(day=day) for day in (0, 5)])
    packs.pack_series(settings, NDVI, partial=True, layout=LAYOUT)
    path = tmp_path / "part.tif"
    path.write_bytes(Store.connect(settings).get(part_keys(settings)[0]))

    assert cog_validate(path, quiet=True)[:2] == (True, [])


def test_again_nothing_is_done(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15, 20)])
    first, again = (packs.pack_series(settings, NDVI, layout=LAYOUT) for _ in range(2))

    assert (first.state, first.images, first.waiting, first.made) == ("packed", 4, 1, 9)
    assert first.bytes == sum(size or 0 for size in table.objects(settings).values())
    assert again == replace(first, state="unchanged", made=0, bytes=0)


def test_a_dry_run_counts_and_changes_nothing(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15, 20)])
    told = packs.pack_series(settings, NDVI, layout=LAYOUT, dry_run=True)

    assert (told.state, told.packs, told.images, told.waiting, told.made) == ("planned", 1, 4, 1, 9)
    assert (packs_of(settings), part_keys(settings)) == ([], [])


def test_what_was_begun_is_gone_on_with(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15)])

    class KilledError(Exception):
        pass

    def after_four(done, _all):
        if done == 4:
            raise KilledError

    with pytest.raises(KilledError):
        packs.pack_series(settings, NDVI, layout=LAYOUT, progress=after_four)
    before = part_keys(settings)
    told = packs.pack_series(settings, NDVI, layout=LAYOUT)

    assert len(before) == 4
    assert told.made == 5
    assert set(before) < set(part_keys(settings))


def test_later_dates_leave_full_packs_alone(settings, archive):
    archive([Shot(day=day) for day in (0, 10, 20, 30)])
    packs.pack_series(settings, NDVI, layout=LAYOUT)
    (full,) = packs_of(settings)
    archive([Shot(day=day) for day in (5, 15, 40)])  # two of them came late
    waiting = packs.pack_series(settings, NDVI, layout=LAYOUT)
    partial = packs.pack_series(settings, NDVI, layout=LAYOUT, partial=True)

    assert (waiting.state, waiting.waiting) == ("unchanged", 3)
    assert (partial.state, partial.images, partial.waiting) == ("packed", 7, 0)
    assert {len(pack.keys) for pack in packs_of(settings)} == {4, 3}
    assert full in packs_of(settings)

    archive([Shot(day=50)])
    told = packs.pack_series(settings, NDVI, layout=LAYOUT)

    assert (told.made, told.removed, told.images) == (9, 1, 8)
    assert [len(pack.keys) for pack in packs_of(settings)] == [4, 4]


def test_a_replaced_image_makes_its_pack_anew_and_the_old_objects_go(settings, archive):
    keys = archive([Shot(day=day) for day in (0, 5, 10, 15)])
    packs.pack_series(settings, NDVI, layout=LAYOUT)
    old = set(Store.connect(settings).keys("packs/"))
    new = archive([Shot(day=5, baseline="0512")])
    told = packs.pack_series(settings, NDVI, layout=LAYOUT)

    (pack,) = packs_of(settings)
    superseded = keys[Shot(day=5).name]["NDVI"]
    assert (told.made, told.removed) == (9, 1)
    assert superseded not in pack.keys
    assert new[Shot(day=5, baseline="0512").name]["NDVI"] == pack.keys[1]
    assert set(Store.connect(settings).keys("packs/")).isdisjoint(old)
    assert set(Store.connect(settings).keys("packs/")) == set(table.objects(settings))


def test_an_image_that_is_lost_is_told_and_the_rest_stands(settings, archive):
    keys = archive([Shot(day=day) for day in (0, 5, 10, 15)])
    lost = keys[Shot(day=5).name]["NDVI"]
    Store.connect(settings).remove([lost])
    told = packs.pack_series(settings, NDVI, layout=LAYOUT)

    assert told.state == "failed"
    assert lost in told.reason
    assert packs.pack_series(settings, MASK, layout=LAYOUT).state == "packed"


def test_a_store_that_is_away_is_told(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15)])
    away = Settings(**{**settings.model_dump(), "s3_endpoint": "http://127.0.0.1:9"})

    assert packs.pack_series(away, NDVI, layout=LAYOUT).state == "failed"
    assert part_keys(settings) == []


def test_one_worker_per_series(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15)])
    with packs._claimed(settings, NDVI) as free:
        assert free
        told = packs.pack_series(settings, NDVI, layout=LAYOUT)
    assert (told.state, told.reason) == ("unchanged", "another worker is at it")


def test_what_can_be_packed_is_listed_by_asset_and_tile(settings, archive):
    archive([Shot(day=0), Shot(day=0, tile="48PWT")])

    assert packs.series_held(settings, ["MASK", "NDVI"]) == [
        f"sentinel-2-indices/48/P/{square}/{asset}" for square in ("WT", "WU") for asset in ("MASK", "NDVI")
    ]
    assert packs.series_held(settings, ["NDVI"], tile="48PWT") == ["sentinel-2-indices/48/P/WT/NDVI"]
    assert packs.series_held(settings, ["B04"]) == []


def test_the_tables_are_the_services_to_read(settings):
    with connect(settings) as connection:
        for role in ("pgstac_read", "pgstac_ingest"):
            for name in ("packs", "pack_parts"):
                asked = "SELECT has_table_privilege(%s, %s, 'SELECT')"
                assert connection.execute(asked, (role, f"sen2extract.{name}")).fetchone() == (True,)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            table.add_part(connection, table.Part(pack="none", row=0, column=0, key="k", size=1, spans=b""))
        connection.rollback()


def source(day, *, key=None, **other):
    image = IndexedImage(
        **{
            "key": key or f"sentinel-2-indices/48/P/WU/2024/01/item{day}/NDVI-{day:08x}.tif", "epsg": 32648,
            "left": 0.0, "top": 0.0, "size": 10.0, "height": 600, "width": 600, "data_type": "int16", "codec": "zstd",
            "predictor": 2, "nodata": -32768.0,
        } | other,
    )  # fmt: skip
    return Source(image=image, item_id=f"item{day}", acquired=FIRST + timedelta(days=day))


def test_images_of_different_grids_or_numbers_are_not_mixed():
    coarse = [source(day, size=20.0, height=300, width=300) for day in (1, 3, 5, 7)]
    fine = [source(day) for day in (0, 2, 4, 6)]
    mixed = sorted([*coarse, *fine], key=lambda one: one.acquired)

    assert chosen(mixed, [], LAYOUT) == [tuple(fine), tuple(coarse)]
    assert chosen(mixed[:6], [], LAYOUT) == []


def test_a_pack_that_answers_for_an_image_in_use_stays():
    group = [source(day) for day in range(4)]
    old, rest = pack_of(NDVI, group, LAYOUT), {one.image.key for one in group[1:]}

    assert superfluous([old], [], rest) == []
    assert superfluous([old], [], set()) == [old]
    assert superfluous([old], [pack_of(NDVI, group[1:], LAYOUT)], rest) == [old]
    assert superfluous([old], [old], set()) == []


def test_a_pack_is_known_by_its_images_and_layout():
    group = [source(day) for day in range(4)]
    first = pack_of(NDVI, group, LAYOUT)

    assert first.id.startswith("packs/sentinel-2-indices/48/P/WU/NDVI/20240103-20240106-")
    assert first == pack_of(NDVI, group, LAYOUT)
    assert first.id != pack_of(NDVI, [*group[:3], source(3, key="other")], LAYOUT).id
    assert first.id != pack_of(NDVI, group, replace(LAYOUT, part=512)).id


def test_blocks_are_numbered_over_the_whole_tile():
    pack = pack_of(NDVI, [source(0), source(1)], LAYOUT)

    assert len(pack.parts) == 9
    seen = {pack.place(number) for number in range(19 * 19)}
    assert len(seen) == 19 * 19
    assert {place[:2] for place in seen} == set(pack.parts)
    assert all(pack.number(*pack.place(number)) == number for number in range(19 * 19))
    assert pack.place(19 * 8 + 18) == (1, 2, 2)


def test_a_document_tells_all():
    group = [source(day) for day in range(4)]
    pack = pack_of(NDVI, group, LAYOUT)

    assert of_document(pack.id, document(pack, group)) == pack
    for broken in (b"", b"{}", b"[]", b'{"images": [{"key": "a"}], "series": "s", "part": 1}', b'{"images": 5}'):
        with pytest.raises(IngestError, match=r"pack\.json does not describe a pack"):
            of_document(pack.id, broken)


def test_the_series_of_a_key():
    assert series_of("sentinel-2-indices/48/P/WU/2024/01/item/NDVI-0123abcd.tif") == NDVI
    for other in (
        "other/B08-1.tif",
        "sentinel-2-indices/48/P/WU/2024/01/item/item.json",
        "packs/x/r00c00-0123abcd.tif",
    ):
        assert series_of(other) is None
