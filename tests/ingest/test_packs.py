"""Packs made from a small archive: every value that of its COG, whatever interrupts, replaces or damages."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import manydates
import numpy as np
import psycopg
import pytest
import rasterio
from manydates import Shot
from rio_cogeo.cogeo import cog_validate

from ingest import packs, tasks
from ingest.errors import IngestError
from ingest.pack_plan import Layout, Source, chosen, document, of_document, pack_of, superfluous
from ingest.rebuild import rebuild
from ingest.reconcile import fix, report
from ingest.store import Store
from stac import packs as table
from stac.blocks import IndexedImage
from stac.database import connect, only_one
from stac.naming import pack_part_of, series_of
from stac.packs import SLOTS
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


def test_reconcile_knows_packs_and_gives_up_what_is_lost_or_cut(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15)])
    packs.pack_series(settings, NDVI, layout=LAYOUT)
    before = report(settings)
    store = Store.connect(settings)
    lost, cut, *_ = part_keys(settings)
    (document_key,) = [key for key in store.keys("packs/") if key.endswith("pack.json")]
    content = store.get(document_key)
    store.remove([lost, document_key])
    store.put_document(cut, store.get(cut)[:-100], "image/tiff")
    found = report(settings)
    repaired = fix(settings, older_than=timedelta(0))

    assert (before.unknown, before.unpacked) == ((), ())
    assert (found.ok, found.missing) == (before.ok, before.missing)
    assert (found.unknown, found.unpacked) == ((), tuple(sorted([lost, cut, document_key])))
    assert (repaired.unpacked, repaired.removed, repaired.as_dict()["unpacked"]) == (3, (), 3)
    assert store.get(document_key) == content
    assert packs.pack_series(settings, NDVI, layout=LAYOUT).made == 2
    assert report(settings).as_dict()["unpacked_count"] == 0
    assert set(table.objects(settings)) == set(store.keys("packs/"))


def test_what_is_left_of_old_packs_goes_when_reconciled(settings, archive):
    archive([Shot(day=0)])
    store = Store.connect(settings)
    left = "packs/sentinel-2-indices/48/P/WU/NDVI/20240103-20240118-0123456789ab/r00c00-01234567.tif"
    store.put_document(left, b"left by a worker that was killed", "image/tiff")

    assert report(settings).unknown == (left,)
    assert left in fix(settings, older_than=timedelta(0)).removed


def test_a_changed_part_is_found_by_its_checksum_and_made_anew(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15)])
    packs.pack_series(settings, NDVI, layout=LAYOUT)
    store, key = Store.connect(settings), part_keys(settings)[4]
    good = store.get(key)
    store.put_document(key, good[:5000] + bytes(100) + good[5100:], "image/tiff")
    unseen = packs.pack_series(settings, NDVI, layout=LAYOUT)
    told = packs.pack_series(settings, NDVI, layout=LAYOUT, check=True)

    assert (unseen.made, told.made) == (0, 1)
    assert store.get(key) == good


def test_packs_are_found_again_from_the_bucket(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15, 20, 25)])
    for series in (NDVI, MASK):
        packs.pack_series(settings, series, layout=LAYOUT, partial=True)
    with connect(settings) as connection:
        rows = "SELECT * FROM sen2extract.pack_parts ORDER BY key", "SELECT id, keys FROM sen2extract.packs ORDER BY id"
        before = [connection.execute(query).fetchall() for query in rows]
        connection.execute("DELETE FROM sen2extract.packs")
    store = Store.connect(settings)
    first, second, *_ = part_keys(settings)
    store.put_document(first, b"no image at all", "image/tiff")
    store.put_document("packs/a/b/c/d/e/f/pack.json", b"{}", "application/json")

    assert (rebuild(settings).packs, rebuild(settings).packs) == (4, 4)
    with connect(settings) as connection:
        parts, found = (connection.execute(query).fetchall() for query in rows)
    assert found == before[1]
    assert parts == [row for row in before[0] if row[3] != first]
    assert second in {row[3] for row in parts}
    series = first.removeprefix("packs/").rsplit("/", 2)[0]
    assert packs.pack_series(settings, series, layout=LAYOUT, partial=True).made == 1


@pytest.fixture
def environment(settings, monkeypatch):
    """The settings, where the command and the tasks look for them."""
    for name, value in settings.model_dump().items():
        monkeypatch.setenv(name.upper(), str(value))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", settings.aws_secret_access_key.get_secret_value())
    return monkeypatch


def command(*arguments):
    words = [Path(sys.executable).with_name("sen2extract"), "pack", *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.usefixtures("environment")
def test_the_command_packs_says_so_and_packs_no_more(archive):
    archive([Shot(day=day) for day in (0, 5, 10)])
    planned = command("--partial", "--dry-run", "--json")
    done = command("--partial", "--tile", "t48pwu", "--asset", "ndvi")
    again = command("--check")

    assert {one["series"]: (one["state"], one["made"]) for one in json.loads(planned.stdout)} == {
        MASK: ("planned", 1), NDVI: ("planned", 1),
    }  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert f"packed     {NDVI}: 3 dates in 1 packs, 0 waiting; 1 parts, " in done.stderr
    assert f"unchanged  {MASK}: 0 dates in 0 packs, 3 waiting; 0 parts, " in again.stderr
    assert "2 unchanged" in again.stderr


def test_assets_are_those_of_the_tables():
    assert packs.assets_of(" ndvi,MASK, ndvi") == ("NDVI", "MASK")
    assert packs.assets_of("") == ()
    assert packs.assets_of("b04,l1c/B10") == ("B04", "L1C/B10")
    with pytest.raises(IngestError, match=r"B10, L1C/SCL cannot be packed: choose from .* L1C/B10"):
        packs.assets_of("B10,L1C/SCL")
    with pytest.raises(IngestError, match="NIR cannot be packed: choose from"):
        packs.assets_of("NDVI,NIR")


def test_the_tasks_pack_only_what_is_asked_for(archive, environment):
    archive([Shot(day=day, grid=replace(manydates.GRID, width=64, height=64)) for day in range(SLOTS)])
    nothing = tasks.packable(None)
    environment.setenv("INGEST_PACK_ASSETS", "mask")
    found = tasks.packable(None)
    summary = tasks.summarise(found, [tasks.pack_batch(batch) for batch in found])

    assert (nothing, found, tasks.packable("NDVI")) == ([], [[MASK]], [[NDVI]])
    assert tasks.verdict(summary, "series") == "1 series: 1 packed"
    environment.setenv("S3_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(tasks.UnfinishedError, match="1 of 1 failed and will be tried again"):
        tasks.pack_batch([NDVI], last_try=False)


def test_one_worker_per_series(settings, archive):
    archive([Shot(day=day) for day in (0, 5, 10, 15)])
    with only_one(settings, packs._LOCKS, NDVI) as free:
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


def test_what_does_not_fill_a_pack_is_packed_by_steps():
    many = [source(day) for day in range(25)]
    layout = Layout(slots=16, step=4)
    groups = chosen(many, [], layout)

    assert [len(group) for group in groups] == [16, 8]
    assert [one for group in groups for one in group] == many[:24]
    made = [pack_of(NDVI, group, layout) for group in groups]
    assert chosen(many[:24], made, layout) == groups
    assert [len(group) for group in chosen([*many, source(25), source(26)], made, layout)] == [16, 8]
    grown = chosen([*many, *(source(day) for day in range(25, 28))], made, layout)
    assert [len(group) for group in grown] == [16, 12]
    assert superfluous(made, [pack_of(NDVI, group, layout) for group in grown], set()) == [made[1]]
    assert [len(group) for group in chosen(many, [], layout, partial=True)] == [16, 9]
    assert [len(group) for group in chosen(many[:17], [], layout, partial=True)] == [16]


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

    assert of_document(pack.id, document(pack)) == pack
    one = document(pack_of(NDVI, group[:1], LAYOUT))
    for broken in (b"", b"{}", b"[]", b'{"images": ["a", "b"], "series": "s", "part": 1}', b'{"images": 5}', one):
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
