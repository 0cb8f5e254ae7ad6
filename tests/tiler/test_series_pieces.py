"""Areas read in pieces: the same rows as if they were held at once, whatever the pieces are."""

from dataclasses import replace

import numpy as np
import obstore
import psycopg
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import mapping

from tiler.series import objects, pieces, tallies
from tiler.series.coverage import Coverages, Packed, cover
from tiler.series.grid import Grid
from tiler.series.limits import Limits
from tiler.series.statistics import Pixels, merge, summarise
from tiler.series.tallies import Tally, merged

PERCENTILES = (0.0, 5.0, 25.0, 75.0, 99.0, 100.0)
GRID = Grid(epsg=32648, left=500_000, top=1_300_000, size=10, height=500, width=500)
PATH = "/collections/sentinel-2-indices/timeseries/statistics"


def some(random, size, values):
    weights = np.where(random.uniform(size=size) < 0.6, 1.0, random.uniform(0.01, 1, size))
    return Pixels(
        values=np.where(random.uniform(size=size) < 0.1, np.nan, random.choice(values, size)),
        weights=weights,
        masked=random.uniform(size=size) < 0.2,
        cloud_probability=np.where(random.uniform(size=size) < 0.1, np.nan, random.uniform(0, 100, size)),
        outside=float(random.uniform(0, 3)),
    )


def numbers(statistics):
    found = [
        statistics.mean, statistics.minimum, statistics.maximum, statistics.std, statistics.median,
        *statistics.percentiles, statistics.count, statistics.valid, statistics.masked, statistics.nodata,
        statistics.cloud_probability,
    ]  # fmt: skip
    return [np.nan if number is None else number for number in found]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_a_tally_of_parts_says_what_the_pixels_together_say(seed, different, sizes):
    random = np.random.default_rng(seed)
    values = np.round(random.uniform(-1, 1, different), 4)
    parts = [some(random, size, values) for size in sizes]
    found = merged([Tally.of(part) for part in parts]).statistics(PERCENTILES)

    assert numbers(found) == pytest.approx(numbers(summarise(merge(parts), PERCENTILES)), abs=1e-9, nan_ok=True)


def test_of_very_many_values_percentiles_are_as_fine_as_a_stored_index(monkeypatch):
    monkeypatch.setattr(tallies, "_MOST", 9_000)
    random = np.random.default_rng(0)
    parts = [some(random, 40_000, random.uniform(0.1, 0.5, 40_000)) for _ in range(3)]
    gathered = tallies.Gathered()
    for part in parts:
        gathered.add(Tally.of(part))
    tally = gathered.whole()

    assert tally.values.size < 9_000
    assert numbers(tally.statistics(PERCENTILES)) == pytest.approx(
        numbers(summarise(merge(parts), PERCENTILES)), abs=6e-5
    )


@pytest.mark.parametrize("rule", ["exact", "centre", "touched"])
@pytest.mark.parametrize("side", [64, 150])
def test_the_weights_of_pieces_are_those_of_the_whole(monkeypatch, rule, side):
    """An outline with a hole and two parts, some of it beyond the grid."""
    monkeypatch.setattr(pieces, "SIDE", side)
    ring = shapely.Point(503_500, 1_297_777).buffer(1_903).difference(shapely.Point(503_700, 1_297_500).buffer(611))
    geometry = shapely.union_all([ring, shapely.box(499_700.5, 1_299_003, 501_004, 1_300_207), ring.centroid.buffer(9)])
    whole = cover(geometry, GRID, rule)
    found, outside = np.zeros(GRID.shape), 0.0
    cut = pieces.ground(geometry, GRID).pieces
    for window in cut:
        piece = cover(geometry, GRID, rule, within=window)
        at = piece.window
        assert not found[at.top : at.bottom, at.left : at.right].any()
        found[at.top : at.bottom, at.left : at.right] = piece.weights
        outside += piece.outside

    at = whole.window
    assert len(cut) > 4
    assert outside == pytest.approx(whole.outside, abs=1e-6)
    assert outside > 0
    assert found.sum() == pytest.approx(whole.weights.sum())
    np.testing.assert_allclose(found[at.top : at.bottom, at.left : at.right], whole.weights, atol=1e-6)


def test_large_coverages_are_kept_packed_and_come_back_to_the_bit():
    geometry = shapely.Point(502_500, 1_297_777).buffer(2_203)
    plain = cover(geometry, GRID, "exact")
    packed = Packed.of(plain)
    known, made = Coverages(), []

    def make():
        made.append(1)
        return cover(geometry, GRID, "exact")

    first = known.of("a", make)
    assert known.of("a", make) is first
    del first
    again = known.of("a", make)

    assert len(made) == 1
    assert (again.weights == plain.weights).all()
    assert again.window == plain.window
    kept = packed.whole.nbytes + packed.places.nbytes + packed.shares.nbytes
    assert kept < plain.weights.nbytes / 12


@pytest.fixture
def area(archive):
    """A slanted outline with a hole over both tiles, and beyond them."""
    west, north = archive.place(archive.UPPER, 200, 120)
    east, south = archive.place(archive.LOWER, 200, 350)
    hole = shapely.Point((west + east) / 2, (north + south) / 2).buffer(0.08)
    ring = shapely.Polygon([(west, north), (east + 0.2, north - 0.05), (east, south), (west - 0.1, south + 0.05)])
    return mapping(ring.difference(hole))


@pytest.fixture
def cut(monkeypatch):
    """From now on nearly everything is read in pieces."""

    def begin(side=48):
        monkeypatch.setattr(pieces, "WHOLE", 500)
        monkeypatch.setattr(pieces, "SIDE", side)

    return begin


def compared(rows):
    """Texts, and numbers with what was rounded away from them."""
    return [{name: pytest.approx(value, abs=1.01e-6, nan_ok=True) if isinstance(value, float) else value
             for name, value in row.items()} for row in rows]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        {"index": "NDVI,MNDWI,NDRE", "percentiles": "1,50,99"},
        {"index": "EVI,NDRE", "mask": "none", "pixels": "centre"},
        {"collection": "sentinel-2-l2a", "assets": "B04,B05,B09", "mask": "cldprb"},
        {"collection": "sentinel-2-l1c", "index": "NDVI"},
        {"index": "NDVI", "resolution": "20", "pixels": "touched"},
    ],
    ids=lambda query: "-".join(query.values()),
)
def test_rows_are_those_of_an_area_held_at_once(archive, area, cut, query):
    whole = archive.polygon(area, **query)
    cut()
    found = archive.polygon(area, **query)

    assert "ok" in {row["status"] for row in found}
    assert any(row["tile"] == "48PWU 48PWT" or row["tile"] == "48PWT 48PWU" for row in found) or "l1c" in str(query)
    assert found == compared(whole)


def test_what_cannot_be_read_is_the_same(archive, area, cut):
    """Of two tiles one image is lost; then it leaves its ground to the other, and the row says so."""
    store = objects.connect(archive.settings, seconds=10)
    lost = {}
    for spec, collection, asset in (
        (archive.LOWER, "sentinel-2-indices", "NDVI"),
        (archive.EDGE, "sentinel-2-indices", "MASK"),
    ):
        key = archive.path(collection, spec.name, asset).removeprefix(f"/vsis3/{archive.settings.s3_bucket}/")
        lost[key] = obstore.get(store, key).bytes().to_bytes()
        obstore.delete(store, key)
    try:
        whole = archive.polygon(area, index="NDVI,MNDWI")
        cut()
        found = archive.polygon(area, index="NDVI,MNDWI")
    finally:
        for key, content in lost.items():
            obstore.put(store, key, content)

    assert {"partial", "unreadable", "ok"} <= {row["status"] for row in found}
    assert found == compared(whole)


def test_images_that_the_block_index_lacks_are_read_by_gdal(archive, area, cut):
    whole = archive.polygon(area, datetime="2025-01-05")
    cut(side=128)
    with psycopg.connect(archive.settings.pg_dsn) as connection:
        connection.execute("DELETE FROM sen2extract.blocks WHERE item_id = %s", (archive.UPPER.name,))
    body = {"type": "Feature", "geometry": area, "properties": {}}
    answer = archive.client.post(PATH, json=body, params={"datetime": "2025-01-05"})

    assert answer.headers["x-unindexed-images"] == "2"
    assert archive.polygon(area, datetime="2025-01-05") == compared(whole)


def test_too_large_for_a_request_is_what_a_job_reads(archive, area, monkeypatch):
    engine = archive.client.app.state.series
    limits = Limits(feature_pixels=2_000, pixel_reads=10**9, job_pixels=10**6)
    monkeypatch.setattr(engine, "limits", limits)
    service = archive.client.app.state
    monkeypatch.setattr(
        service, "tiler", service.tiler.model_copy(update={"airflow_url": "https://airflow.example.org"})
    )
    body = {"type": "Feature", "geometry": area, "properties": {}}
    answer = archive.client.post(PATH, json=body)
    told = answer.json()

    assert answer.status_code == 413
    assert "send it as a job, which reads up to 1000000 in full resolution" in told["detail"]
    assert [link["rel"] for link in told["links"]] == ["jobs"]
    monkeypatch.setattr(engine, "limits", replace(limits, job_pixels=0))
    assert "split it or draw a smaller one" in archive.client.post(PATH, json=body).json()["detail"]
