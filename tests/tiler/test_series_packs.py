"""Series with packs against the same series without: every row is the same, whatever becomes of the packs."""

import dataclasses
import json
import os
from collections.abc import Iterator

import manydates
import numpy as np
import pytest
import rasterio
import shapely
from fastapi.testclient import TestClient
from manydates import GRID, Shot
from psycopg_pool import ConnectionPool
from pyproj import Transformer

from ingest import packs as making
from ingest.pack_plan import Layout
from ingest.store import Store
from stac import catalog
from stac import packs as table
from stac.database import connect
from stac.masks import PROFILES
from stac.naming import pack_part_of
from stac.settings import Settings
from tiler.app import create_app, use_store
from tiler.series import objects, stacks
from tiler.series.engine import Engine
from tiler.series.features import Feature, point, project
from tiler.series.formats import FORMATS
from tiler.series.request import parse_request
from tiler.series.rows import Row, Told
from tiler.series.sampling import Sampler

LAYOUT = Layout(slots=4, part=256, block=32)
LOWER = dataclasses.replace(GRID, top=GRID.top - 5600)
"""The tile below, which overlaps by 40 rows."""
SHOTS = (
    *(Shot(day=day) for day in (0, 5, 10, 15, 20, 25)),
    Shot(day=10, baseline="0510"),
    Shot(day=30, empty=np.s_[:, :300]),
    Shot(day=35, empty=np.s_[250:, :]), Shot(day=35, strip=1, empty=np.s_[:240, :]),
    *(Shot(day=day, tile="48PWT", grid=LOWER) for day in (0, 5, 10, 15)),
)  # fmt: skip
PIXELS = ((0, 0), (31, 32), (255, 256), (256, 255), (599, 599), (300, 299), (245, 512), (575, 100))


def place(row, column):
    """Longitude and latitude of a pixel's centre in the upper tile."""
    move = Transformer.from_crs(32648, 4326, always_xy=True).transform
    return move(GRID.left + (column + 0.5) * 10, GRID.top - (row + 0.5) * 10)


def field(number, top, left, height, width):
    """A slanted polygon within a box of pixels of the upper tile."""
    west, north = GRID.left + left * 10, GRID.top - top * 10
    corners = [(0.3, 0), (width, -0.4), (width - 0.6, -height), (0, -height + 0.7)]
    outline = shapely.Polygon([(west + 10 * x, north + 10 * y) for x, y in corners])
    return Feature(id=str(number), geometry=project(outline, 32648, 4326))


POINTS = [dataclasses.replace(point(*place(*pixel)), id=f"{pixel}") for pixel in PIXELS]
FIELDS = [
    field(number, *box)
    for number, box in enumerate(
        [(10, 10, 3, 4), (30, 30, 5, 5), (250, 250, 12, 14), (100, 290, 40, 30), (560, 20, 39, 30), (570, 400, 60, 20)]
    )
]
ASKED = (
    (POINTS[:1], {}), (POINTS[3:4], {"mask": "none"}), (POINTS, {}), (POINTS, {"mask": "cldprb"}), (FIELDS, {}),
    (FIELDS[2:3], {"pixels": "centre", "percentiles": "10,90"}), (FIELDS, {"pixels": "touched", "mask": "none"}),
    (FIELDS[4:], {"datetime": "2024-01-10/2024-02-03"}), ([field(9, 20, 20, 500, 500)], {}),
)  # fmt: skip
SPECK = Feature(
    id="speck", geometry=project(shapely.box(*np.add((101, -103, 103, -101), (GRID.left, GRID.top) * 2)), 32648, 4326)
)
"""Within a pixel, and away from its centre."""
SORTS = [
    (places, {"mask": mask, "percentiles": "5,50,95", "pixels": rule})
    for mask, rule in zip(PROFILES, ("exact", "centre", "touched") * 3, strict=False)
    for places in (POINTS, [*FIELDS, SPECK])
] + [([*POINTS, *FIELDS], {"index": "NDVI,NDRE"})]


@pytest.fixture(scope="module")
def keys(settings) -> dict[str, dict[str, str]]:
    return manydates.publish(settings, SHOTS)


@pytest.fixture(scope="module")
def engine(settings) -> Iterator[Engine]:
    use_store(settings)
    options = {"options": "-c search_path=pgstac,public"}
    with (
        ConnectionPool(settings.pg_dsn, kwargs=options, open=True) as pool,
        Engine(pool=pool, bucket=settings.s3_bucket, store=objects.connect(settings, seconds=10)) as made,
    ):
        yield made


def answer(engine, features, query):
    plan = engine.plan(parse_request("sentinel-2-indices", query), features)
    return engine.run(plan), engine.explain(plan)


@pytest.fixture(scope="module")
def plain(keys, engine) -> list[bytes]:
    """What is answered without packs."""
    assert len(keys) == len(SHOTS)
    answers = [answer(engine, *asked) for asked in ASKED]
    assert {series.packed for series, _ in answers} == {0}
    return [FORMATS["csv"].encode(series, []) for series, _ in answers]


@pytest.fixture(scope="module")
def one_by_one(plain, engine) -> list[list[Row]]:
    """The rows of all sorts of requests as they are read without packs, date by date."""
    assert plain
    return [list(answer(engine, *asked)[0].rows) for asked in SORTS]


@pytest.fixture(scope="module")
def packed(settings, plain, one_by_one) -> list[bytes]:
    """Packs of everything that they can hold; the answers without them."""
    assert one_by_one
    wanted = making.series_held(settings, ["NDVI", "MASK"])
    assert len(wanted) == 4
    for series in wanted:
        assert making.pack_series(settings, series, partial=True, layout=LAYOUT).state == "packed"
    return plain


@pytest.fixture
def bucket(settings, packed) -> Iterator[Store]:
    """The bucket, of which a test may damage what it likes, as it may tables: all is put back."""
    assert packed
    bucket = Store.connect(settings)
    tables = "packs", "pack_parts"
    contents = {key: bucket.get(key) for key in bucket.keys("packs/")}
    with connect(settings) as connection:
        rows = {name: connection.execute(f"SELECT * FROM sen2extract.{name}").fetchall() for name in tables}
    yield bucket
    for key, content in contents.items():
        bucket.put_document(key, content, "image/tiff")
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM sen2extract.packs")
        for name in tables:
            places = ", ".join(["%s"] * len(rows[name][0]))
            cursor.executemany(f"INSERT INTO sen2extract.{name} VALUES ({places})", rows[name])


def parts(settings):
    return [key for key in table.objects(settings) if pack_part_of(key)]


def test_every_row_is_the_one_without_packs(engine, packed):
    for asked, before in zip(ASKED, packed, strict=True):
        series, cost = answer(engine, *asked)
        assert FORMATS["csv"].encode(series, []) == before
        assert series.broken == 0
        assert series.packed == cost.packed > 0


def test_dates_summed_up_together_are_those_summed_up_one_by_one(engine, packed, one_by_one):
    """To the last bit, whatever the mask, the rule of pixels and the row's status."""
    assert packed
    for asked, rows in zip(SORTS, one_by_one, strict=True):
        series, _ = answer(engine, *asked)
        assert list(series.rows) == rows
        assert series.packed > 0
    statuses = {row.status for rows in one_by_one for row in rows}
    assert statuses >= {"ok", "masked", "nodata", "no_mask", "no_data_asset", "no_pixel"}


def test_what_is_plain_is_summed_up_together(engine, packed):
    """Of the eight dates one has two datastrips, and is looked at by itself; a point in two tiles where it is clear."""
    assert packed
    upper, both = POINTS[1], POINTS[7]
    found, rows = {}, {}
    for feature in (upper, both):
        plan = engine.plan(parse_request("sentinel-2-indices", {}), [feature])
        sampler = Sampler(request=plan.request)
        units = [unit for batch in engine._located(sampler, plan, Told()) for unit in batch]
        known = stacks.rows(sampler, units)
        found[feature.id] = [row for unit in units for row in known.get(id(unit.acquisitions[0]), [])]
        rows[feature.id] = list(engine.run(plan).rows)

    assert [row.acquired.day for row in found[upper.id]] == [3, 8, 13, 18, 23, 28, 2]
    assert 0 < len(found[both.id]) < len(rows[both.id]) == 8
    assert {row.status for row in found[both.id][:4]} == {"ok"}
    assert all(row in rows[row.feature_id] for own in found.values() for row in own)


def test_the_stream_is_the_same(engine, packed):
    assert packed
    plan = engine.plan(parse_request("sentinel-2-indices", {}), POINTS)
    found = sorted((row for rows in engine.stream(plan, Told()) for row in rows), key=str)

    assert found == sorted(engine.run(plan).rows, key=str)


def test_a_pixel_is_rasterios(settings, engine, keys, packed):
    assert packed
    for feature, (row, column) in zip(POINTS, PIXELS, strict=True):
        series, cost = answer(engine, [feature], {"mask": "none", "datetime": "2024-01-01/2024-01-30"})
        assert cost.packed >= 12
        for one in series.rows:
            with rasterio.open(f"/vsis3/{settings.s3_bucket}/{keys[one.item_id]['NDVI']}") as image:
                top = round((image.transform.f - GRID.top) / -10)
                window = rasterio.windows.Window(column, row - top, 1, 1)
                assert one.statistics.mean == pytest.approx(image.read(1, window=window)[0, 0] * 0.0001, abs=1e-9)


def test_a_point_costs_a_request_per_pack_and_not_per_date(engine, packed):
    assert packed
    _, cost = answer(engine, POINTS[:1], {})

    # 9 images of the upper tile, of NDVI and of MASK: two packs of 4 each, and one left over.
    assert (cost.acquisitions, cost.packed, cost.objects, cost.blocks, cost.unindexed) == (8, 16, 6, 6, 0)


def test_a_wide_area_of_few_dates_is_read_from_cogs(engine, packed):
    assert packed
    wide = field(9, 10, 10, 500, 500)
    query = {"datetime": "2024-01-03"}
    few, _ = answer(engine, [wide], query)
    near, _ = answer(engine, [field(8, 200, 200, 10, 10)], query)

    assert (few.packed, near.packed) == (0, 2)


def test_what_is_in_no_pack_is_read_from_cogs(settings, engine, packed, bucket):
    assert bucket
    with connect(settings) as connection:
        assert connection.execute("DELETE FROM sen2extract.packs WHERE id LIKE '%/20240123-%'").rowcount == 2
    for asked, before in zip(ASKED, packed, strict=True):
        series, _ = answer(engine, *asked)
        assert FORMATS["csv"].encode(series, []) == before
    assert answer(engine, POINTS[:1], {})[1].packed == 8


def test_of_a_superseded_image_nothing_is_taken(settings, engine, packed):
    """The pack still holds the old values; the answer is the new one's until it is packed again."""
    assert packed
    new = Shot(day=20, baseline="0512")
    keys = manydates.publish(settings, [new])[new.name]
    series, cost = answer(engine, POINTS[1:2], {"mask": "none"})
    (row,) = [row for row in series.rows if row.item_id == new.name]
    with rasterio.open(f"/vsis3/{settings.s3_bucket}/{keys['NDVI']}") as image:
        stored = image.read(1)[PIXELS[1]]
    catalog.remove([("sentinel-2-indices", new.name)], settings)

    assert row.statistics.mean == pytest.approx(stored * 0.0001, abs=1e-9)
    assert (cost.packed, cost.objects) == (14, 8)


def damaged(content, how):
    if how == "truncated":
        return content[: len(content) // 2]
    if how == "empty":
        return b""
    if how == "scrambled":  # guards whole, contents not
        scrambled = bytearray(content)
        scrambled[len(content) // 3 : len(content) // 3 * 2] = os.urandom(len(content) // 3)
        return bytes(scrambled)
    return None


@pytest.mark.parametrize("how", ["lost", "truncated", "empty", "scrambled"])
def test_a_damaged_pack_costs_time_and_no_value(engine, packed, bucket, how, caplog):
    for key in [key for key in bucket.keys("packs/") if pack_part_of(key)][::2]:
        content = damaged(bucket.get(key), how)
        if content is None:
            bucket.remove([key])
        else:
            bucket.put_document(key, content, "image/tiff")
    broken = 0
    for asked, before in list(zip(ASKED, packed, strict=True))[2:6]:
        series, _ = answer(engine, *asked)
        assert FORMATS["csv"].encode(series, []) == before
        broken += series.broken
    assert broken > 0
    assert "its COGs are read instead" in caplog.text


def test_a_block_that_cannot_be_decoded_is_read_from_its_cogs(settings, engine, packed, bucket):
    """Places and guards are right, what is between them is not."""
    with connect(settings) as connection:
        rows = connection.execute("SELECT key, spans FROM sen2extract.pack_parts").fetchall()
    for key, spans in rows:
        content = bytearray(bucket.get(key))
        for number in range(len(spans) // 12):
            offset = int.from_bytes(spans[number * 12 : number * 12 + 8], "little")
            length = int.from_bytes(spans[number * 12 + 8 : number * 12 + 12], "little")
            if length:
                content[offset : offset + length - 4] = bytes(length - 4)
        bucket.put_document(key, bytes(content), "image/tiff")
    series, _ = answer(engine, *ASKED[2])

    assert FORMATS["csv"].encode(series, []) == packed[2]
    assert (series.packed, series.broken > 0) == (0, True)


def test_a_pack_that_is_half_made_answers_where_it_can(settings, engine, packed, bucket):
    assert bucket
    with connect(settings) as connection:
        connection.execute("DELETE FROM sen2extract.pack_parts WHERE part_column = 0")
    for asked, before in zip(ASKED, packed, strict=True):
        series, _ = answer(engine, *asked)
        assert FORMATS["csv"].encode(series, []) == before
    left, _ = answer(engine, POINTS[:1], {})
    right, _ = answer(engine, POINTS[2:3], {})
    assert (left.packed, right.packed > 0) == (0, True)


def test_a_pack_of_another_grid_is_not_used(settings, engine, packed, bucket):
    assert bucket
    with connect(settings) as connection:
        connection.execute("UPDATE sen2extract.packs SET origin_left = origin_left + 10")
    series, _ = answer(engine, *ASKED[2])

    assert FORMATS["csv"].encode(series, []) == packed[2]
    assert series.packed == 0


def test_of_many_dates_no_more_is_in_memory_than_allowed(engine, packed, monkeypatch):
    monkeypatch.setattr("tiler.series.engine._NUMBERS_AT_ONCE", 3000)
    monkeypatch.setattr("tiler.series.packs._NUMBERS_AT_ONCE", 5000)
    for asked, before in zip(ASKED, packed, strict=True):
        series, _ = answer(engine, *asked)
        assert FORMATS["csv"].encode(series, []) == before


def test_the_answer_says_what_came_from_packs(settings: Settings, bucket: Store):
    path = "/collections/sentinel-2-indices/timeseries/point/{},{}".format(*place(31, 32))
    with TestClient(create_app(settings)) as client:
        cost = client.get(path, params={"explain": "true"}).json()
        found = client.get(path)
        bucket.remove(parts(settings))
        without = client.get(path)

    assert (cost["packed"], cost["objects"]) == (16, 6)
    assert found.headers["X-Packed-Images"] == "16"
    assert "X-Unreadable-Packs" not in found.headers
    assert without.headers["X-Unreadable-Packs"] == "4"
    assert "X-Packed-Images" not in without.headers
    assert json.loads(found.content)["data"] == json.loads(without.content)["data"]
