"""Series of coarser pixels, read from overviews: against rasterio's read of the same overviews."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from pyproj import Transformer
from shapely.geometry import mapping

from ingest.pipeline import ingest_product
from ingest.sample import write_product
from tiler.series.limits import Limits

SIZE = 1200
"""Pixels of a product that has overviews of two and of four times the size, of its 20 m bands as well."""
LEFT, TOP, SIDE = 499_980, 1_400_040, 109_800
PATH = "/collections/sentinel-2-indices/timeseries/statistics"
CLASSES = [0, 1, 3, 8, 9, 10, 15]
DAY = "2025-04-05"


@pytest.fixture(scope="module")
def large(archive, tmp_path_factory):
    """A product of a day of its own, and how much of it there is."""
    moment = datetime(2025, 4, 5, 3, 11, 21, tzinfo=UTC)
    spec = replace(archive.UPPER, sensing=moment, size=SIZE, cloudiness=0.3)
    product = write_product(spec, tmp_path_factory.mktemp("large"))
    assert ingest_product(str(product), settings=archive.settings).state == "published"
    return spec


@pytest.fixture(scope="module")
def district():
    """A slanted outline of some 1,000 km2, in degrees and in metres of the zone."""
    metres = shapely.Polygon(
        [(LEFT + x, TOP - y) for x, y in ((21_111, 30_777), (58_000, 24_500), (61_000, 55_000), (30_000, 59_333))]
    )
    move = Transformer.from_crs(32648, 4326, always_xy=True).transform
    degrees = shapely.transform(metres, lambda xy: np.column_stack(move(*xy.T)))
    back = Transformer.from_crs(4326, 32648, always_xy=True).transform
    edges = shapely.segmentize(degrees, 0.01)
    return mapping(degrees), shapely.transform(edges, lambda xy: np.column_stack(back(*xy.T)))


def overview(archive, collection, spec, asset, level):
    """Stored numbers; level None is what is stored in full."""
    path = archive.path(collection, spec.name, asset)
    with rasterio.open(path, **({} if level is None else {"overview_level": level})) as source:
        return source.read(1)


def summed(values, projected, *names):
    source = NumPyRasterSource(values, xmin=LEFT, ymin=TOP - SIDE, xmax=LEFT + SIDE, ymax=TOP, nodata=np.nan)
    feature = {"type": "Feature", "geometry": mapping(projected), "properties": {}}
    return exact_extract(source, [feature], list(names))[0]["properties"]


@pytest.mark.parametrize(("resolution", "level"), [(10, None), (20, 0), (40, 1)])
def test_values_are_those_of_the_overview(archive, large, district, resolution, level):
    geometry, projected = district
    (row,) = archive.polygon(geometry, datetime=DAY, resolution=resolution)
    stored = overview(archive, "sentinel-2-indices", large, "NDVI", level)
    mask = overview(archive, "sentinel-2-indices", large, "MASK", level)
    clear = np.where((stored == -32768) | np.isin(mask & 15, CLASSES), np.nan, stored * 0.0001)
    told = summed(clear, projected, "count", "mean", "stdev", "min", "max")
    pixel = SIDE / SIZE * resolution / 10

    assert stored.shape == (SIZE * 10 // resolution,) * 2
    assert row["status"] == "ok"
    assert row["masked"] > 0
    assert row["count"] == pytest.approx(projected.area / pixel**2, rel=1e-6)
    assert row["valid"] == pytest.approx(told["count"], abs=1e-3)
    assert [row[name] for name in ("mean", "std", "min", "max")] == pytest.approx(
        [told[name] for name in ("mean", "stdev", "min", "max")], abs=2e-6
    )


def test_an_index_is_computed_from_overviews_of_bands_of_both_sizes(archive, large, district):
    geometry, projected = district
    (row,) = archive.polygon(
        geometry, collection="sentinel-2-l2a", index="NDRE", mask="none", datetime=DAY, resolution=40
    )
    near = (overview(archive, "sentinel-2-l2a", large, "B08", 1) - 1000.0) / 10_000
    edge = (overview(archive, "sentinel-2-l2a", large, "B05", 0) - 1000.0) / 10_000

    assert row["status"] == "ok", row
    assert row["mean"] == pytest.approx(summed((near - edge) / (near + edge), projected, "mean")["mean"], abs=1e-5)


def test_what_is_as_coarse_is_read_as_ever_and_what_is_coarser_is_repeated(archive, large, district):
    geometry, projected = district
    query = {"collection": "sentinel-2-l2a", "mask": "none", "datetime": DAY, "resolution": 20}
    rows = {row["index"]: row for row in archive.polygon(geometry, assets="B05,B09", **query)}
    for band in ("B05", "B09"):
        values = (overview(archive, "sentinel-2-l2a", large, band, None) - 1000.0) / 10_000
        assert rows[band]["mean"] == pytest.approx(summed(values, projected, "mean")["mean"], abs=1e-5)


@pytest.mark.usefixtures("large")
def test_the_answer_declares_it_and_only_where_it_was_asked_for(archive, district):
    body = {"type": "Feature", "geometry": district[0], "properties": {}}

    def asked(suffix=".json", **query):
        answer = archive.client.post(PATH + suffix, json=body, params={"datetime": DAY, **query})
        assert answer.status_code == 200, answer.text
        return answer

    plain, coarse = asked(), asked(resolution="40")
    assert "x-resolution" not in plain.headers
    assert "resolution" not in plain.json()["query"]
    assert plain.json() == asked(resolution="10").json() | {"links": plain.json()["links"]}
    assert coarse.headers["x-resolution"] == "40"
    assert coarse.json()["query"]["resolution"] == 40
    assert coarse.headers["etag"] != plain.headers["etag"]
    assert "x-unindexed-images" not in coarse.headers
    assert "unindexed" not in coarse.json()["summary"]
    table = asked(".csv", resolution="40")
    assert (table.headers["x-resolution"], "_40m_" in table.headers["content-disposition"]) == ("40", True)
    lines = asked(".ndjson", resolution="40")
    assert lines.headers["x-resolution"] == "40"
    assert '"resolution":40' in lines.text.splitlines()[-1]
    assert "x-unindexed-images" not in lines.headers
    told = asked(resolution="40", explain="true").json()
    assert (told["overviews"], told["unindexed"], told["blocks"]) == (2, 0, 0)


@pytest.mark.usefixtures("large")
def test_a_district_beyond_the_limit_is_answered_where_coarse_pixels_are_allowed(archive, district, monkeypatch):
    geometry, projected = district
    west, south, east, north = projected.bounds
    pixels = (east - west) * (north - south) / (SIDE / SIZE) ** 2
    limits = Limits(feature_pixels=round(pixels / 10), pixel_reads=10**9)
    monkeypatch.setattr(archive.client.app.state.series, "limits", limits)
    body = {"type": "Feature", "geometry": geometry, "properties": {}}
    refused = [
        archive.client.post(PATH, json=body, params={"datetime": DAY, "resolution": resolution})
        for resolution in (10, 20)
    ]
    (row,) = archive.polygon(geometry, datetime=DAY, resolution=40)

    for answer in refused:
        assert answer.status_code == 413
        assert "with resolution=40" in answer.json()["detail"]
    assert row["status"] == "ok"
    monkeypatch.setattr(archive.client.app.state.series, "limits", replace(limits, feature_pixels=10))
    hopeless = archive.client.post(PATH, json=body, params={"datetime": DAY})
    assert "resolution" not in hopeless.json()["detail"]


def test_an_image_without_that_overview_is_a_row_that_says_so(archive):
    """The archive's other images are too small for one of four times the size."""
    (row,) = archive.point(archive.REPROCESSED, 100, 60, datetime="2021-11-22", resolution=40)

    assert row["status"] == "unreadable"
    assert "holds no overview of pixels 4 times as large: ask without resolution" in row["reason"]
