"""The series endpoints on a real catalogue and store, against numpy on the stored images."""

import csv
import io
import json
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import shapely
from covjson_pydantic.coverage import Coverage
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from pyproj import Transformer
from rasterio.enums import Resampling
from shapely.geometry import mapping, shape

from ingest import block_index, packs
from ingest.pipeline import ingest_product
from ingest.sample import write_product
from stac import catalog
from stac.blocks import Run, lacking, locate
from stac.database import connect
from stac.spans import row_size

CONTRACT = (
    "feature_id,datetime,index,mean,min,max,std,median,p25,p75,count,valid,masked,nodata,valid_fraction,"
    "cloud_probability,tile,item_id,baseline,mask,status,reason"
)


def field(archive, spec, row, column, *, width=6, height=4):
    """A slanted field around a pixel, in degrees; and the same in metres of the zone."""
    lon, lat = archive.place(spec, row, column)
    dx, dy = width * archive.SCALE / 110_000, height * archive.SCALE / 110_000
    polygon = shapely.Polygon(
        [(lon, lat), (lon + dx, lat + dy / 3), (lon + dx * 0.9, lat + dy), (lon - dx / 5, lat + dy)]
    )
    move = Transformer.from_crs(4326, 32648, always_xy=True).transform
    projected = shapely.transform(shapely.segmentize(polygon, 0.01), lambda xy: np.column_stack(move(*xy.T)))
    return mapping(polygon), projected


def source(archive, values):
    side = archive.SIZE * archive.SCALE
    return NumPyRasterSource(
        values, xmin=499_980, ymin=1_400_040 - side, xmax=499_980 + side, ymax=1_400_040, nodata=np.nan
    )


def told(archive, values, projected, *ops):
    feature = {"type": "Feature", "geometry": mapping(projected), "properties": {}}
    return exact_extract(source(archive, values), [feature], list(ops))[0]["properties"]


def test_a_point_series_holds_every_acquisition_with_the_stored_pixel(archive):
    rows = archive.point(archive.UPPER, 100, 60)

    assert [row["item_id"] for row in rows] == [
        spec.name for spec in (archive.OVERCAST, archive.EDGE, archive.UPPER, archive.REPROCESSED)
    ]
    for row in rows:
        value = archive.ndvi(row["item_id"])[100, 60]
        masked = archive.masked(row["item_id"])[100, 60]
        assert row["status"] == ("masked" if masked else "ok")
        assert row["count"] == 1
        assert row["mean"] == (None if masked else pytest.approx(value, abs=1e-6))
        assert (row["valid"], row["masked"], row["nodata"]) == (int(not masked), int(masked), 0)


def test_every_pixel_of_a_transect_agrees_and_masks_apply(archive):
    values, masked = archive.ndvi(archive.UPPER.name), archive.masked(archive.UPPER.name)
    columns = range(5, archive.SIZE, 23)
    points = [archive.place(archive.UPPER, 180, column) for column in columns]
    body = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": column, "geometry": {"type": "Point", "coordinates": place}, "properties": {}}
            for column, place in zip(columns, points, strict=True)
        ],
    }
    path, when = "/collections/sentinel-2-indices/timeseries/statistics", "2025-01-05"
    clear = archive.rows("POST", path, json=body, mask="none", datetime=when)
    seen = archive.rows("POST", path, json=body, mask="scl", datetime=when)

    assert [row["mean"] for row in clear] == pytest.approx([values[180, column] for column in columns], abs=1e-6)
    assert [row["status"] for row in seen] == ["masked" if masked[180, column] else "ok" for column in columns]
    assert {row["status"] for row in seen} == {"ok", "masked"}


def test_the_sum_of_a_polygon_is_exactextracts(archive):
    geometry, projected = field(archive, archive.UPPER, 150, 120, width=40, height=30)
    (row,) = archive.polygon(geometry, datetime="2025-01-05", percentiles="25,75")
    name = archive.UPPER.name
    values = np.where(archive.masked(name), np.nan, archive.ndvi(name))
    stats = told(
        archive, values, projected,
        "count", "mean", "stdev", "min", "max", "median", "quantile(q=0.25)", "quantile(q=0.75)",
    )  # fmt: skip

    assert row["status"] == "ok"
    assert row["masked"] > 0
    assert row["valid"] == pytest.approx(stats["count"], abs=1e-4)
    assert row["valid"] + row["masked"] + row["nodata"] == pytest.approx(row["count"], abs=1e-5)
    assert row["count"] == pytest.approx(projected.area / archive.SCALE**2, rel=1e-6)
    assert [row[name] for name in ("mean", "std", "min", "max")] == pytest.approx(
        [stats[name] for name in ("mean", "stdev", "min", "max")], abs=2e-6
    )
    # Stored values are multiples of 0.0001, and exactextract leaves open how equal ones are ordered.
    assert [row[name] for name in ("median", "p25", "p75")] == pytest.approx(
        [stats[name] for name in ("median", "quantile_25", "quantile_75")], abs=1e-4
    )
    assert row["crop"] == "rice"


@pytest.mark.parametrize(("rule", "all_touched"), [("centre", False), ("touched", True)])
def test_the_other_pixel_rules_are_rasterios(archive, rule, all_touched):
    geometry, projected = field(archive, archive.OLD, 150, 120, width=40, height=30)
    (row,) = archive.polygon(geometry, datetime="2021-11-22", pixels=rule, mask="none")
    values = archive.ndvi(archive.REPROCESSED.name)
    transform = rasterio.Affine(archive.SCALE, 0, 499_980, 0, -archive.SCALE, 1_400_040)
    inside = rasterio.features.rasterize([projected], values.shape, transform=transform, all_touched=all_touched) == 1

    assert row["count"] == inside.sum()
    assert row["mean"] == pytest.approx(values[inside].mean(), abs=1e-6)
    assert row["p75"] == pytest.approx(np.percentile(values[inside], 75), abs=1e-6)


def test_a_superseded_processing_is_left_out(archive):
    rows = archive.point(archive.OLD, 100, 60, datetime="2021-11-22", collection="sentinel-2-l2a", assets="B04")

    assert [(row["item_id"], row["baseline"]) for row in rows] == [(archive.REPROCESSED.name, "05.00")]


def test_a_cloudy_date_is_a_row_with_nothing_valid(archive):
    (row,) = archive.point(archive.OVERCAST, 200, 200, datetime="2025-03-06")

    assert (row["status"], row["valid"], row["masked"], row["mean"]) == ("masked", 0, 1, None)
    assert row["cloud_probability"] > 25


def test_at_the_swaths_edge_what_lies_beyond_is_nodata(archive):
    values = archive.ndvi(archive.EDGE.name)
    row = 180
    edge = int(np.argmax(np.isnan(values[row])))
    geometry, projected = field(archive, archive.EDGE, row, edge - 15, width=40, height=10)
    (found,) = archive.polygon(geometry, datetime="2025-02-04", mask="none")
    stats = told(archive, values, projected, "count", "mean")

    assert found["nodata"] > 0
    assert found["valid"] == pytest.approx(stats["count"], abs=1e-4)
    assert found["mean"] == pytest.approx(stats["mean"], abs=2e-6)
    assert archive.polygon(geometry, datetime="2025-02-04", mask="none", min_valid=0.99) == []


@pytest.mark.parametrize("name", ["NDRE", "EVI", "NBR", "BIGR", "IRECI", "NDBI", "NDVI"])
def test_an_index_is_computed_from_bands_as_ingestion_would(archive, name):
    spec = archive.UPPER
    geometry, projected = field(archive, spec, 150, 121, width=31, height=23)
    (row,) = archive.polygon(geometry, collection="sentinel-2-l2a", index=name, mask="none", datetime="2025-01-05")
    bands = {}
    for band in ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"):
        with rasterio.open(archive.path("sentinel-2-l2a", spec.name, band)) as stored:
            dn = stored.read(1, out_shape=(archive.SIZE, archive.SIZE), resampling=Resampling.bilinear).astype(float)
        bands[band] = (dn - 1000) / 10000
    b = bands
    value = {
        "NDVI": (b["B08"] - b["B04"]) / (b["B08"] + b["B04"]),
        "NDRE": (b["B08"] - b["B05"]) / (b["B08"] + b["B05"]),
        "NBR": (b["B08"] - b["B12"]) / (b["B08"] + b["B12"]),
        "NDBI": (b["B11"] - b["B08"]) / (b["B11"] + b["B08"]),
        "IRECI": (b["B07"] - b["B04"]) * b["B06"] / b["B05"],
        "BIGR": np.sqrt((b["B03"] ** 2 + b["B04"] ** 2) / 2),
        "EVI": 2.5 * (b["B08"] - b["B04"]) / (b["B08"] + 6 * b["B04"] - 7.5 * b["B02"] + 1),
    }[name]
    limit = 1 if name in ("NDVI", "NDRE", "NBR", "NDBI") else 3.2767
    stats = told(archive, np.where(np.abs(value) <= limit, value, np.nan), projected, "mean", "min", "max", "count")

    assert row["valid"] == pytest.approx(stats["count"], abs=1e-4)
    assert [row["mean"], row["min"], row["max"]] == pytest.approx([stats["mean"], stats["min"], stats["max"]], abs=2e-6)


def test_an_index_that_is_not_stored_comes_from_the_bands_of_the_same_scene(archive):
    derived = archive.point(archive.UPPER, 90, 90, index="NDRE,NDVI", mask="none", datetime="2025-01-05")
    direct = archive.point(
        archive.UPPER, 90, 90, index="NDRE", mask="none", datetime="2025-01-05", collection="sentinel-2-l2a"
    )

    assert [row["index"] for row in derived] == ["NDRE", "NDVI"]
    assert derived[0]["mean"] == direct[0]["mean"]


def test_bands_come_as_reflectance_of_the_stored_pixel(archive):
    rows = archive.point(
        archive.UPPER, 91, 93, collection="sentinel-2-l2a", assets="B04,B05,B01,SCL", mask="none", datetime="2025-01-05"
    )
    read = {name: archive.read("sentinel-2-l2a", archive.UPPER.name, name) for name in ("B04", "B05", "B01", "SCL")}

    assert [row["mean"] for row in rows] == pytest.approx(
        [
            (read["B04"][91, 93] - 1000) / 10000,
            (read["B05"][45, 46] - 1000) / 10000,
            (read["B01"][15, 15] - 1000) / 10000,
            read["SCL"][45, 46],
        ],
        abs=1e-6,
    )


def test_top_of_atmosphere_values_with_the_mask_of_the_same_scene(archive):
    columns = np.flatnonzero(~archive.masked(archive.UPPER.name)[120])
    cloudy = np.flatnonzero(archive.masked(archive.UPPER.name)[120])
    (clear,) = archive.point(archive.UPPER, 120, int(columns[0]), collection="sentinel-2-l1c", index="NDVI")
    (masked,) = archive.point(archive.UPPER, 120, int(cloudy[0]), collection="sentinel-2-l1c", index="NDVI")
    b04, b08 = (
        (archive.read("sentinel-2-l1c", archive.TOP.name, band)[120, columns[0]] - 1000) / 10000
        for band in ("B04", "B08")
    )

    assert clear["item_id"] == archive.TOP.name
    assert clear["mean"] == pytest.approx((b08 - b04) / (b08 + b04), abs=1e-6)
    assert masked["status"] == "masked"


@pytest.fixture
def second_top(archive, tmp_path):
    """One more L1C product, so that there is something to pack."""
    spec = replace(archive.TOP, sensing=archive.EDGE.sensing)
    assert ingest_product(str(write_product(spec, tmp_path)), settings=archive.settings).state == "published"
    yield spec
    catalog.remove([("sentinel-2-l1c", spec.name)], archive.settings)
    with connect(archive.settings) as connection:
        connection.execute("DELETE FROM sen2extract.packs")


def test_bands_of_either_level_come_from_packs_as_from_their_images(archive, second_top):
    asked = [
        (collection, query)
        for collection in ("sentinel-2-l1c", "sentinel-2-l2a")
        for query in ({"assets": "B04,B08"}, {"index": "NDVI"}, {"assets": "B08", "mask": "none"})
    ]

    def answers(**more):
        return [archive.point(archive.UPPER, 120, 40, collection=one, **query, **more) for one, query in asked]

    before = answers()
    assert {second_top.name, archive.TOP.name} <= {row["item_id"] for rows in before for row in rows}
    for series in packs.series_held(archive.settings, packs.assets_of("B04,B08,L1C/B04,L1C/B08"), "48PWU"):
        assert packs.pack_series(archive.settings, series, partial=True).state == "packed", series

    assert answers() == before
    lon, lat = archive.place(archive.UPPER, 120, 40)
    path = f"/collections/sentinel-2-l1c/timeseries/point/{lon!r},{lat!r}"
    assert archive.client.get(path, params={"index": "NDVI", "explain": "true"}).json()["packed"] == 4


def test_a_point_in_two_tiles_is_one_row_per_acquisition(archive):
    (row,) = archive.point(archive.UPPER, archive.SIZE - 12, 150, mask="none", datetime="2025-01-05")

    assert row["tile"] == "48PWT"
    assert row["item_id"] == archive.LOWER.name
    assert row["status"] == "ok"


def test_a_field_across_two_tiles_is_summed_once(archive):
    lon, lat = archive.place(archive.UPPER, archive.SIZE - 40, 100)
    geometry = mapping(shapely.box(lon, lat - 0.2, lon + 0.05, lat + 0.05))
    (row,) = archive.polygon(geometry, mask="none", datetime="2025-01-05")
    move = Transformer.from_crs(4326, 32648, always_xy=True).transform
    projected = shapely.transform(shapely.segmentize(shape(geometry), 0.01), lambda xy: np.column_stack(move(*xy.T)))

    assert row["tile"].split() == ["48PWT", "48PWU"]
    assert row["count"] == pytest.approx(projected.area / archive.SCALE**2, rel=1e-6)
    assert row["nodata"] == 0
    assert row["valid"] == row["count"]


def test_the_whole_item_is_counted_where_the_archive_ends(archive):
    lon, lat = archive.place(archive.UPPER, 60, 0)
    geometry = mapping(shapely.box(lon - 0.02, lat - 0.02, lon + 0.02, lat + 0.02))
    (row,) = archive.polygon(geometry, mask="none", datetime="2025-01-05")

    assert 0.4 < row["valid_fraction"] < 0.6
    assert row["nodata"] == pytest.approx(row["count"] - row["valid"], abs=1e-5)


def test_out_of_coverage_is_an_empty_answer_that_names_the_nearest_tile(archive):
    answer = archive.client.get("/collections/sentinel-2-indices/timeseries/point/10,50.json")
    document = answer.json()

    assert answer.status_code == 200
    assert document["data"]["mean"] == []
    assert document["summary"]["nearest"]["tile"] == "48PWU"
    assert "nearest tile held is 48PWU" in document["summary"]["message"]


def test_csv_has_the_contracts_header_and_a_good_name(archive):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    answer = archive.client.get(f"/collections/sentinel-2-indices/timeseries/point/{lon},{lat}.csv")
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="NDVI_sentinel-2-indices_scl.csv"'
    assert ",".join(rows[0]) == CONTRACT
    assert len(rows) == 5


def test_an_answer_can_be_revalidated_and_differs_by_format(archive):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    path = f"/collections/sentinel-2-indices/timeseries/point/{lon},{lat}"
    first = archive.client.get(f"{path}.json")
    again = archive.client.get(f"{path}.json", headers={"If-None-Match": first.headers["etag"]})
    other = archive.client.get(f"{path}.csv")

    assert first.headers["cache-control"] == "public, max-age=60"
    assert "read;dur=" in first.headers["server-timing"]
    assert (again.status_code, again.content) == (304, b"")
    assert other.headers["etag"] != first.headers["etag"]


def test_filters_choose_acquisitions(archive):
    def dates(**query):
        return [row["datetime"][:10] for row in archive.point(archive.UPPER, 100, 60, mask="none", **query)]

    assert dates(order="oldest") == ["2021-11-22", "2025-01-05", "2025-02-04", "2025-03-06"]
    assert dates(datetime="2025-01-06T00:00:00Z/..") == ["2025-03-06", "2025-02-04"]
    assert dates(max_cloud_cover=50) == ["2025-02-04", "2025-01-05", "2021-11-22"]
    assert dates(filter="s2:processing_baseline = '05.00'") == ["2021-11-22"]
    assert dates(filter="datetime = DATE('2025-02-04') AND eo:cloud_cover < 50") == ["2025-02-04"]
    assert dates(filter='{"op": "<", "args": [{"property": "eo:cloud_cover"}, 50]}', datetime="2025-02-01/..") == [
        "2025-02-04"
    ]


def test_a_step_is_a_row_with_the_mean_of_its_acquisitions(archive):
    geometry, _ = field(archive, archive.UPPER, 100, 60)
    raw = archive.polygon(geometry, datetime="2025-01-01/2025-04-30")
    months = archive.polygon(geometry, datetime="2025-01-01/2025-04-30", step="P1M", order="oldest")
    (year,) = archive.polygon(geometry, datetime="2025-01-01/2025-04-30", step="P1Y")
    valid = [row["valid"] for row in raw]

    assert [row["period"] for row in months] == ["2025-01", "2025-02", "2025-03", "2025-04"]
    assert [row["status"] for row in months] == ["ok", "ok", "masked", "empty"]
    assert [row["mean"] for row in months] == [raw[2]["mean"], raw[1]["mean"], None, None]
    means = [row["mean"] or 0 for row in raw]
    assert year["mean"] == pytest.approx(np.average(means, weights=valid), abs=1e-6)
    assert (year["acquisitions"], year["clear"]) == (3, 2)
    assert year["count"] == pytest.approx(sum(row["count"] for row in raw), abs=1e-4)


def test_lines_are_the_rows_of_the_table_newest_first_and_never_kept(archive):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    path = f"/collections/sentinel-2-indices/timeseries/point/{lon},{lat}.ndjson"
    with archive.client.stream("GET", path, params={"index": "NDVI,EVI"}) as answer:
        lines = [json.loads(line) for line in answer.iter_lines()]
    rows = archive.rows("GET", path.removesuffix(".ndjson"), index="NDVI,EVI")

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert lines[:-1] == rows
    assert (lines[-1]["type"], lines[-1]["acquisitions"], lines[-1]["rows"]) == ("summary", 4, 8)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("ndjson", "application/x-ndjson"),
        ("parquet", "application/vnd.apache.parquet"),
        ("geojson", "application/geo+json"),
        ("covjson", "application/prs.coverage+json"),
    ],
)
def test_a_format_is_had_by_suffix_f_and_accept_and_linked(archive, name, media_type):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    path = f"/collections/sentinel-2-indices/timeseries/point/{lon},{lat}"
    answers = [
        archive.client.get(f"{path}.{name}"),
        archive.client.get(path, params={"f": name}),
        archive.client.get(path, headers={"Accept": media_type}),
    ]
    links = {link["type"]: link["href"] for link in archive.client.get(path).json()["links"]}

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["content-type"].split(";")[0] for answer in answers} == {media_type}
    assert links[media_type].endswith(f"{path}.{name}")


def test_parquet_and_coverage_hold_the_values_of_the_table(archive):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    path = f"/collections/sentinel-2-indices/timeseries/point/{lon},{lat}"
    rows = archive.rows("GET", path)
    table = pq.read_table(io.BytesIO(archive.client.get(f"{path}.parquet").content))
    coverage = Coverage.model_validate_json(archive.client.get(f"{path}.covjson").content)

    assert table["mean"].to_pylist() == [row["mean"] for row in rows]
    assert table["status"].to_pylist() == [row["status"] for row in rows]
    assert coverage.ranges["NDVI"].values == [row["mean"] for row in rows[::-1]]
    assert coverage.domain.axes.x.values == [pytest.approx(lon)]


def test_the_curve_stands_beside_the_observations(archive):
    raw = archive.point(archive.UPPER, 100, 60, mask="none")
    both = archive.point(archive.UPPER, 100, 60, mask="none", smooth="savgol")

    assert [row for row in both if row["status"] != "smoothed"] == raw
    assert len([row for row in both if row["status"] == "smoothed"]) > 200


@pytest.mark.parametrize(
    ("path", "told_words"),
    [
        ("sentinel-2-indices/timeseries/point/105,12.json?index=NDVX", "choose from NDVI"),
        ("sentinel-2-indices/timeseries/point/105,95", "no longitude and latitude"),
        ("sentinel-2-indices/timeseries/point/105", "no place"),
        ("sentinel-2-indices/timeseries/point/105,12.xls", "unknown: choose from json, csv"),
        ("sentinel-2-indices/timeseries/point/105,12.csv?step=fortnight", "dekad, isoweek, epiweek"),
        ("sentinel-2-indices/timeseries/point/105,12?f=xml", "unknown: choose from json, csv"),
        ("landsat/timeseries/point/105,12", "choose from sentinel-2-indices"),
        ("sentinel-2-indices/timeseries/point/105,12?filter=nope(1)", ""),
        ("sentinel-2-indices/timeseries/point/105,12?filter=%22%27;drop%22%3D1", ""),
    ],
)
def test_a_bad_request_is_a_problem_that_says_what_to_do(archive, path, told_words):
    answer = archive.client.get(f"/collections/{path}")
    problem = answer.json()

    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "InvalidParameterValue"
    assert told_words in problem["detail"]
    assert problem["detail"] == problem["description"]


def test_an_edr_position_is_the_same_series_as_coverage(archive):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    query = {"coords": f"POINT({lon!r} {lat!r})", "parameter-name": "NDVI,EVI", "datetime": "2025-01-01/2025-12-31"}
    path = "/collections/sentinel-2-indices/position"
    coverage = Coverage.model_validate_json(archive.client.get(path, params=query).content)
    rows = archive.point(archive.UPPER, 100, 60, index="NDVI", datetime="2025-01-01/2025-12-31", order="oldest")
    table = archive.client.get(path, params={**query, "f": "csv"}).text

    assert coverage.domain.domainType.value == "PointSeries"
    assert coverage.ranges["NDVI"].values == [row["mean"] for row in rows]
    assert "EVI" in coverage.parameters.root
    assert len(table.splitlines()) == 1 + 2 * len(rows)
    bands = archive.client.get("/collections/sentinel-2-l2a/position", params={**query, "parameter-name": "B04"})
    assert next(iter(bands.json()["parameters"])) == "B04"


def test_an_edr_area_is_the_same_series_as_a_posted_polygon(archive):
    geometry, _ = field(archive, archive.UPPER, 100, 60)
    answer = archive.client.get("/collections/sentinel-2-indices/area", params={"coords": shape(geometry).wkt})
    coverage = Coverage.model_validate_json(answer.content)

    assert answer.headers["content-type"] == "application/prs.coverage+json"
    assert coverage.domain.domainType.value == "PolygonSeries"
    assert coverage.ranges["NDVI"].values == [
        pytest.approx(row["mean"], abs=1e-5) for row in archive.polygon(geometry, order="oldest")
    ]


@pytest.mark.parametrize(
    ("path", "told_words"),
    [
        ("position", "write POINT(105.5 11.3)"),
        ("position?coords=POINT(105", "is no WKT"),
        ("position?coords=POINT EMPTY", "must be Point or MultiPoint"),
        ("position?coords=POLYGON((0 0,1 1,1 0,0 0))", "must be Point or MultiPoint"),
        ("position?coords=POINT(105 95)", "no longitude and latitude"),
        ("position?coords=POINT(nan nan)", ""),
        ("position?coords=POINT(105 12)&crs=EPSG:3857", "choose from CRS84"),
        ("position?coords=POINT(105 12)&parameter-name=NDVX", "choose from NDVI"),
        ("position?coords=POINT(105 12)&index=NDVI&z=5", "unknown parameter 'z'"),
        ("position?coords=POINT(105 12)&f=netcdf", "choose from json, csv"),
        ("area?coords=LINESTRING(0 0,1 1)", "must be Polygon"),
    ],
)
def test_a_bad_edr_query_says_what_to_do(archive, path, told_words):
    answer = archive.client.get(f"/collections/sentinel-2-indices/{path}")

    assert answer.status_code == 400, answer.text
    assert told_words in answer.json()["detail"]


def zipped_shapefile(folder, geometry, epsg):
    pyogrio.raw.write(
        folder / "fields.shp", np.array([geometry.wkb], dtype=object), [np.array(["rice"], dtype=object)], ["crop"],
        geometry_type="Polygon", crs=f"EPSG:{epsg}", driver="ESRI Shapefile",
    )  # fmt: skip
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for part in folder.iterdir():
            file.write(part, part.name)
    return target.getvalue()


@pytest.mark.parametrize("form", [True, False])
def test_an_uploaded_shapefile_is_the_same_field_with_its_attributes(archive, tmp_path, form):
    geometry, projected = field(archive, archive.UPPER, 100, 60)
    content = zipped_shapefile(tmp_path, projected, 32648)
    path = "/collections/sentinel-2-indices/timeseries/statistics"
    sent = {"files": {"file": ("fields.zip", content, "application/zip")}} if form else {"content": content}
    answer = archive.client.post(path, **sent)
    document = answer.json()
    drawn = archive.polygon(geometry)

    assert document["data"]["mean"] == pytest.approx([row["mean"] for row in drawn], abs=1e-5)
    assert set(document["data"]["crop"]) == {"rice"}
    assert document["report"]["features"] == [{"feature_id": "0", "done": ["reprojected from EPSG:32648"]}]
    assert answer.headers["x-upload-report"] == "1 features of shapefile, 0 repaired, 0 left out"
    lines = archive.client.post(f"{path}.ndjson", **sent).text.splitlines()
    assert json.loads(lines[-1])["report"] == document["report"]


def test_a_table_of_points_is_uploaded(archive):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    path = "/collections/sentinel-2-indices/timeseries/statistics.csv"
    answer = archive.client.post(
        path, content=f"village;x;y\nA;{lon!r};{lat!r}\n".encode(), params={"datetime": "2025-01-05"}
    )
    ((header), row) = csv.reader(io.StringIO(answer.text, newline=""))
    (point,) = archive.point(archive.UPPER, 100, 60, datetime="2025-01-05")

    assert dict(zip(header, row, strict=True))["village"] == "A"
    assert dict(zip(header, row, strict=True))["status"] == point["status"]


@pytest.mark.parametrize(
    ("sent", "status", "told_words"),
    [
        ({"content": b"%PDF-1.4"}, 400, "GeoPackage, KML, KMZ, GPX or CSV"),
        ({"content": b"lon,lat\n" + b"105,12\n" * 10_000}, 413, "10000 features: at most 500"),
        (
            {"files": {"a": ("a.csv", b"lon,lat\n105,12\n"), "b": ("b.csv", b"lon,lat\n105,12\n")}},
            400,
            "several layers",
        ),
        ({"data": {"a": "b"}, "files": {}}, 400, ""),
        ({"files": {"a": ("", b"x")}}, 400, ""),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, 400, "malformed"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=y"}}, 400, ""),
    ],
)
def test_a_bad_upload_is_refused(archive, sent, status, told_words):
    answer = archive.client.post("/collections/sentinel-2-indices/timeseries/statistics", **sent)

    assert answer.status_code == status, answer.text
    assert told_words in answer.json()["detail"]


ODD = (
    b'{"type": "Feature", "id": "\\ud800", "geometry": {"type": "Point", "coordinates": [105.4, 12.5]}, "properties": '
    b'{"n": NaN, "big": 1e999, "half": "\\udc00x", "list": [-Infinity, 2], "\\ud801": 1}}'
)


@pytest.mark.parametrize("name", ["json", "csv", "ndjson", "parquet", "geojson", "covjson"])
@pytest.mark.parametrize("form", [True, False])
def test_attributes_that_no_format_can_hold_do_not_break_it(archive, name, form):
    sent = {"files": {"f": ("a.geojson", ODD)}} if form else {"content": ODD}
    answer = archive.client.post(f"/collections/sentinel-2-indices/timeseries/statistics.{name}", **sent)

    assert answer.status_code == 200, answer.text
    assert answer.content


def test_attributes_nested_without_end_are_refused(archive):
    deep = ODD.replace(b"NaN", b"[" * 300 + b"]" * 300)
    answer = archive.client.post("/collections/sentinel-2-indices/timeseries/statistics", content=deep)

    assert answer.status_code == 400
    assert "nested deeper than 20 levels" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"type": "Feature", "geometry": null, "properties": {}}', 400),
        (b'{"type": "Polygon", "coordinates": [[[90, 0], [110, 0], [110, 20], [90, 0]]]}', 413),
        (b" " * 10_000_001, 413),
    ],
)
def test_a_bad_body_is_refused(archive, body, status):
    answer = archive.client.post("/collections/sentinel-2-indices/timeseries/statistics", content=body)

    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def answered(archive, **query):
    """Rows of a point over all dates, computed from bands and stored; and how many images GDAL had to read."""
    lon, lat = archive.place(archive.UPPER, 300, 70)
    path = f"/collections/sentinel-2-indices/timeseries/point/{lon!r},{lat!r}.json"
    answer = archive.client.get(path, params={"index": "NDVI,NDRE", **query})
    return answer.json()["data"], int(answer.headers.get("x-unindexed-images", 0))


def indexed(archive, statement="SELECT count(*) FROM sen2extract.blocks"):
    """What a statement on the index returns or, changing it, how many rows it changed."""
    with connect(archive.settings) as connection:
        done = connection.execute(statement)
        return done.fetchone()[0] if done.description else done.rowcount


def test_ingestion_leaves_every_image_in_the_block_index_where_gdal_finds_it(archive):
    assert lacking(archive.settings) == []
    assert indexed(archive, "SELECT count(*) FROM sen2extract.blocks WHERE NOT rowwise") == 0
    with connect(archive.settings) as connection:
        (key,) = connection.execute(
            "SELECT key FROM sen2extract.blocks WHERE item_id = %s AND asset = 'NDVI'", (archive.UPPER.name,)
        ).fetchone()
        (packed,) = locate(connection, [Run(key=key, first=0, count=4)])
    with rasterio.open(archive.path("sentinel-2-indices", archive.UPPER.name, "NDVI")) as dataset:
        told = [
            int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1))
            for row in (0, 1) for column in (0, 1) for what in ("OFFSET", "SIZE")
        ]  # fmt: skip
    assert [number for span in struct.iter_unpack("<QI", packed) for number in span] == told


def test_without_the_block_index_gdal_reads_the_same_and_it_is_made_again_from_the_bucket(archive):
    before, slow = answered(archive)
    images = indexed(archive)
    assert slow == 0
    assert "NDRE" in before["index"]

    indexed(archive, "DELETE FROM sen2extract.blocks")
    bare, slow = answered(archive)
    assert bare == before
    assert slow == 4 * 4  # four dates: NDVI, MASK, B05, B08

    assert len(block_index.fill(archive.settings)) == 2 * 6 + 1
    again, slow = answered(archive)
    assert (again, slow, indexed(archive)) == (before, 0, images)


def test_an_index_that_has_gone_stale_does_not_make_values_wrong(archive):
    before, _ = answered(archive)
    for place in (0, row_size(2)):  # where the offsets of the two rows of blocks stand
        indexed(
            archive,
            f"UPDATE sen2extract.blocks SET spans = set_byte(spans, {place}, 255 - get_byte(spans, {place})) "
            f"WHERE length(spans) > {place}",
        )
    shifted, slow = answered(archive)
    indexed(archive, "DELETE FROM sen2extract.blocks")
    block_index.fill(archive.settings)

    assert shifted == before
    assert slow == 4 * 4


def test_the_cost_is_told_before_anything_is_read(archive):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    path = f"/collections/sentinel-2-indices/timeseries/point/{lon},{lat}"
    told_cost = archive.client.get(path, params={"explain": "true"}).json()
    refused = archive.client.get(path, params={"explain": "perhaps"})

    assert (told_cost["dates"], told_cost["objects"], told_cost["blocks"], told_cost["unindexed"]) == (4, 8, 8, 0)
    assert 8 * 100 < told_cost["bytes"] <= 8 * (131_072 + 1000)
    assert refused.status_code == 400
