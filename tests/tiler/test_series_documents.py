"""Each format, read back by a reader that is not ours."""

import io
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from covjson_pydantic.coverage import Coverage, CoverageCollection
from shapely.geometry import MultiPoint, MultiPolygon, Point, box, shape

from tiler.series.columnar import to_parquet
from tiler.series.covjson import to_covjson
from tiler.series.errors import SeriesTooLargeError, StoreAwayError
from tiler.series.features import Feature
from tiler.series.formats import FORMATS
from tiler.series.geojson import to_geojson
from tiler.series.lines import stream, to_ndjson
from tiler.series.refine import refine
from tiler.series.request import parse_request
from tiler.series.rows import Row, Series, Told
from tiler.series.statistics import Statistics

START = datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC)
SPOT = Feature(id="spot", geometry=Point(105.5, 11.3), attributes={"crop": "rice", "size": 1.5, "n": 3, "tags": ["x"]})
FIELD = Feature(id="field", geometry=box(105, 11, 105.1, 11.1), attributes={"crop": "=1+1", "n": 4})
PARTS = Feature(id="parts", geometry=MultiPolygon([box(105, 11, 105.1, 11.1), box(106, 11, 106.1, 11.1)]))
SPOTS = Feature(id="spots", geometry=MultiPoint([(105, 11), (106, 11)]))


def row(feature="spot", day=0, mean=0.3, **changes):
    statistics = Statistics(
        mean=mean, minimum=-0.0123, maximum=0.5, std=0.01, median=0.3, percentiles=(0.25, 0.35), count=12.5, valid=10.0,
        masked=2.5, nodata=0.0, cloud_probability=3.0,
    )  # fmt: skip
    values = {
        "feature_id": feature, "acquired": START + timedelta(days=day), "index": "NDVI", "statistics": statistics,
        "tile": "48PWU", "item_id": f"item{day}", "baseline": "05.11", "mask": "scl", "status": "ok",
    }  # fmt: skip
    return Row(**{**values, **changes})


LOST = {"statistics": None, "status": "unreadable", "reason": "x is not in the object store"}


def series(*rows, features=(SPOT, FIELD), **parameters):
    request = parse_request("sentinel-2-indices", parameters)
    plain = Series(
        request=request, rows=rows, attributes={f.id: f.attributes for f in features}, acquisitions=len(rows)
    )
    return refine(plain, features)


BOTH = (row(day=5), row(day=0, **LOST), row("field", 5, 0.7))


def parquet(one):
    return pq.read_table(io.BytesIO(to_parquet(one)))


def test_parquet_has_types_times_and_the_query():
    table = parquet(series(*BOTH))
    types = {field.name: field.type for field in table.schema}
    told = json.loads(pq.ParquetFile(io.BytesIO(to_parquet(series(*BOTH)))).metadata.metadata[b"sen2extract"])

    assert types["datetime"] == pa.timestamp("us", tz="UTC")
    assert (types["mean"], types["count"], types["n"], types["size"]) == (
        pa.float64(),
        pa.float64(),
        pa.int64(),
        pa.float64(),
    )
    assert table["datetime"].to_pylist() == [one.acquired for one in BOTH]
    assert table["mean"].to_pylist() == [0.3, None, 0.7]
    assert table["crop"].to_pylist() == ["rice", "rice", "=1+1"]
    assert table["tags"].to_pylist() == ['["x"]', '["x"]', None]
    assert (told["query"]["index"], told["summary"]["unreadable"]) == ("NDVI", 1)


def test_parquet_of_nothing_and_of_nothing_but_failures_has_the_same_types():
    full, none, lost = (parquet(series(*rows)).schema for rows in (BOTH, (), (row(**LOST),)))
    ours = [name for name in full.names if name not in ("crop", "size", "n", "tags")]

    assert [full.field(name).type for name in ours] == [none.field(name).type for name in ours]
    assert [full.field(name).type for name in ours] == [lost.field(name).type for name in ours]


@pytest.mark.parametrize("profile", ["default", "wide", "sen2chain", "excel"])
def test_parquet_holds_every_profile(profile):
    assert parquet(series(*BOTH, profile=profile)).num_rows == 3


def test_attributes_of_mixed_kinds_become_text_in_parquet():
    features = [
        Feature(id=str(n), geometry=SPOT.geometry, attributes={"a": a}) for n, a in enumerate([1, "b", None, True])
    ]
    table = parquet(series(*(row(f.id) for f in features), features=features))
    big = [Feature(id="0", geometry=SPOT.geometry, attributes={"a": 2**70, "datetime": 5})]
    large = parquet(series(row("0"), features=big))

    assert table["a"].to_pylist() == ["1", "b", None, "true"]
    assert large["a"].to_pylist() == [2.0**70]
    assert large["feature_datetime"].to_pylist() == [5]


def test_geojson_is_a_feature_per_row_that_gdal_reads(tmp_path):
    one = series(*BOTH)
    document = json.loads(to_geojson(one))
    file = tmp_path / "a.geojson"
    file.write_bytes(to_geojson(one))
    meta, _, geometry, values = pyogrio.raw.read(file)
    columns = dict(zip(meta["fields"], values, strict=True))

    assert [shape(feature["geometry"]) for feature in document["features"]] == [
        SPOT.geometry,
        SPOT.geometry,
        FIELD.geometry,
    ]
    assert [feature["properties"]["status"] for feature in document["features"]] == ["ok", "unreadable", "ok"]
    assert document["summary"]["rows"] == 3
    assert shapely.from_wkb(geometry[2]).equals(FIELD.geometry)
    assert columns["mean"][[0, 2]].tolist() == [0.3, 0.7]
    assert np.isnan(columns["mean"][1])
    assert str(columns["datetime"][0]).startswith("2025-01-10T03:11:21")


def test_geojson_that_repeats_outlines_too_often_is_refused_with_the_numbers():
    angles = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    circle = shapely.Polygon(np.column_stack([105 + np.cos(angles) / 10, 11 + np.sin(angles) / 10]))
    outline = Feature(id="field", geometry=circle)

    with pytest.raises(SeriesTooLargeError, match=r"GeoJSON of 51 rows repeats 5100051 vertices.*csv, parquet"):
        to_geojson(series(*(row("field", day) for day in range(51)), features=[outline]))


def test_coveragejson_of_a_point_is_a_valid_point_series():
    content = to_covjson(series(*BOTH[:2], features=[SPOT]))
    coverage = Coverage.model_validate_json(content)

    assert coverage.domain.domainType.value == "PointSeries"
    assert (coverage.domain.axes.x.values, coverage.domain.axes.y.values) == ([105.5], [11.3])
    assert coverage.domain.axes.t.values == [START, START + timedelta(days=5)]
    assert coverage.ranges["NDVI"].values == [None, 0.3]
    assert coverage.ranges["NDVI_max"].values == [None, 0.5]
    codes = {code: uri.rpartition(":")[2] for uri, code in coverage.parameters["NDVI_status"].categoryEncoding.items()}
    assert [codes[code] for code in coverage.ranges["NDVI_status"].values] == ["unreadable", "ok"]
    assert set(coverage.ranges) == set(coverage.parameters)


def test_coveragejson_of_several_features_is_a_valid_collection():
    document = json.loads(to_covjson(series(*BOTH, row("spots"), row("parts", 1), row("parts", 2, 0.4),
                                            features=[SPOT, FIELD, PARTS, SPOTS])))  # fmt: skip
    kinds = [one["domain"]["domainType"] for one in document["coverages"]]
    parts = document["coverages"][2]

    assert kinds == ["PointSeries", "PolygonSeries", "MultiPolygonSeries", "MultiPointSeries"]
    # The value of a place of several parts stands for each of them; the oracle does not know its domain's type.
    assert parts["ranges"]["NDVI"]["shape"] == [2, 2]
    assert parts["ranges"]["NDVI"]["values"] == [0.3, 0.3, 0.4, 0.4]
    assert [shapely.Polygon(*rings) for rings in parts["domain"]["axes"]["composite"]["values"]] == list(
        PARTS.geometry.geoms
    )
    del parts["domain"]["domainType"]
    collection = CoverageCollection.model_validate_json(json.dumps(document))
    assert collection.coverages[1].ranges["NDVI"].values == [0.7]
    assert shapely.Polygon(*collection.coverages[1].domain.axes.composite.values[0]) == FIELD.geometry


def test_coveragejson_of_nothing_is_an_empty_collection():
    found = CoverageCollection.model_validate_json(to_covjson(series()))

    assert found.coverages == []


def test_a_smoothed_curve_has_columns_and_parameters_of_its_own():
    rows = [row(day=day, mean=0.1 * day) for day in range(0, 60, 7)]
    one = series(*rows, features=[SPOT], smooth="savgol")
    coverage = Coverage.model_validate_json(to_covjson(one))
    wide = parquet(series(*rows, features=[SPOT], smooth="savgol", profile="wide"))
    told = [json.loads(line) for line in to_ndjson(one).splitlines()]

    assert sum(value is not None for value in coverage.ranges["NDVI"].values) == 9
    curve = [value for value in coverage.ranges["NDVI_smoothed"].values if value is not None]
    assert len(curve) == 12
    assert sorted(value for value in wide["NDVI_smoothed"].to_pylist() if value is not None) == sorted(curve)
    assert sum(value is not None for value in wide["NDVI"].to_pylist()) == 9
    assert {one["status"] for one in told[:-1]} == {"ok", "smoothed"}
    assert {one["count"] for one in told[:-1] if one["status"] == "smoothed"} == {None}
    assert told[-1]["smoothing"][0]["dates"] == 12


def test_every_format_holds_the_columns_of_steps():
    one = series(*BOTH, step="P1M", datetime="2025-01-01/2025-02-28", order="oldest")
    table = parquet(one)
    properties = json.loads(to_geojson(one))["features"][0]["properties"]
    coverages = json.loads(to_covjson(one))["coverages"]

    assert table["period"].to_pylist() == ["2025-01", "2025-02"] * 2
    assert table["end"].to_pylist()[0] == datetime(2025, 2, 1, tzinfo=UTC)
    assert table["status"].to_pylist() == ["partial", "empty", "ok", "empty"]
    assert (properties["acquisitions"], properties["clear"]) == (2, 1)
    assert coverages[0]["domain"]["axes"]["t"]["values"] == ["2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"]


def test_lines_are_rows_and_the_last_the_summary():
    lines = [json.loads(line) for line in to_ndjson(series(*BOTH)).splitlines()]

    assert [line.get("mean") for line in lines[:-1]] == [0.3, None, 0.7]
    assert lines[0]["crop"] == "rice"
    assert (lines[-1]["type"], lines[-1]["rows"], lines[-1]["unreadable"]) == ("summary", 3, 1)


def test_lines_come_as_rows_are_read():
    given = []

    def reading():
        for one in (*BOTH, row(day=9, statistics=Statistics(count=10, valid=1, masked=9, nodata=0))):
            given.append(one)
            yield [one]

    one = series(min_valid="0.5")
    lines = stream(one, reading(), Told(unindexed={"a.tif"}))
    first = json.loads(next(lines))

    assert (first["datetime"], len(given)) == ("2025-01-10T03:11:21.000Z", 1)
    rest = [json.loads(line) for line in lines]
    assert len(rest) == 3
    assert (rest[-1]["type"], rest[-1]["rows"], rest[-1]["dropped"], rest[-1]["ok"]) == ("summary", 3, 1, 2)
    assert "message" not in rest[-1]
    assert rest[-1]["unindexed"] == 1


def test_a_stream_that_has_to_stop_says_why_on_its_last_line():
    def reading():
        yield [BOTH[0]]
        raise StoreAwayError("the object store does not answer")

    first, last = (json.loads(line) for line in stream(series(), reading(), Told()))

    assert first["mean"] == 0.3
    assert last == {"type": "error", "detail": "the object store does not answer"}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_series_gives_the_same_bytes(name):
    encode = FORMATS[name].encode

    assert encode(series(*BOTH), []) == encode(series(*BOTH), [])
