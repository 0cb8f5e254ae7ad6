import csv
import io
import json
from datetime import UTC, date, datetime

import pytest

from tiler.answers import SeriesRow, SeriesStop, SeriesSummary
from tiler.series.delimited import to_csv
from tiler.series.errors import SeriesRequestError, StoreAwayError
from tiler.series.formats import choose_format, file_name, to_json
from tiler.series.lines import stream, to_ndjson
from tiler.series.periods import Period
from tiler.series.request import parse_request
from tiler.series.rows import Row, Series, Summed, Told
from tiler.series.statistics import Statistics
from tiler.series.tables import columns_of

CONTRACT = (
    "feature_id,datetime,index,mean,min,max,std,median,p25,p75,count,valid,masked,nodata,valid_fraction,"
    "cloud_probability,tile,item_id,baseline,mask,status,reason"
)
ITEM = "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"


def row(**changes):
    statistics = Statistics(
        mean=0.1 + 0.2, minimum=-0.0123, maximum=0.5, std=0.01, median=0.3, percentiles=(0.25, 0.35), count=12.5,
        valid=10.0, masked=2.5, nodata=0.0, cloud_probability=3.0,
    )  # fmt: skip
    values = {
        "feature_id": "a", "acquired": datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC), "index": "NDVI",
        "statistics": statistics, "tile": "48PWU", "item_id": ITEM, "baseline": "05.11", "mask": "scl", "status": "ok",
    }  # fmt: skip
    return Row(**{**values, **changes})


FAILED = row(statistics=None, status="unreadable", reason="x/NDVI-1.tif is not in the object store", feature_id="b")


def series(*rows, parameters=None, attributes=None, **more):
    request = parse_request("sentinel-2-indices", parameters or {})
    return Series(request=request, rows=rows, attributes=attributes or {}, acquisitions=len(rows), **more)


def read(content):
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_csv_has_the_columns_of_the_contract_and_no_float_noise():
    text = to_csv(series(row(), FAILED)).decode()
    header, first, second, end = text.split("\r\n")

    assert header == CONTRACT
    assert first == (
        f"a,2025-01-05T03:11:21.000Z,NDVI,0.3,-0.0123,0.5,0.01,0.3,0.25,0.35,12.5,10,2.5,0,0.8,3,48PWU,{ITEM},05.11,scl,ok,"
    )
    assert second.startswith("b,2025-01-05T03:11:21.000Z,NDVI,,,,,,,,,,,,,,48PWU,")
    assert second.endswith("unreadable,x/NDVI-1.tif is not in the object store")
    assert end == ""


def test_attributes_follow_and_never_replace_a_column_of_ours():
    attributes = {"a": {"crop": "rice, wet", "mean": 5, "tags": ["x"]}, "b": {"crop": 'say "hi"'}}
    header, first, second = read(to_csv(series(row(), FAILED, attributes=attributes)))

    assert header[22:] == ["crop", "feature_mean", "tags"]
    assert first[22:] == ["rice, wet", "5", '["x"]']
    assert second[22:] == ['say "hi"', "", ""]


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(1)", "\tx"])
def test_text_that_a_spreadsheet_would_run_is_disarmed(text):
    rows = read(to_csv(series(row(), attributes={"a": {text: text, "n": -5}})))

    assert rows[0][22:] == [f"'{text}", "n"]
    assert rows[1][22:] == [f"'{text}", "-5"]


def test_json_is_columnar_and_echoes_query_and_software():
    document = json.loads(to_json(series(row(), FAILED, dropped=3), [{"rel": "self", "href": "x"}]))

    assert document["type"] == "timeseries"
    assert document["columns"] == CONTRACT.split(",")
    assert list(document["data"]) == document["columns"]
    assert document["data"]["mean"] == [0.3, None]
    assert document["data"]["status"] == ["ok", "unreadable"]
    assert document["query"]["index"] == "NDVI"
    assert document["query"]["mask"] == "scl"
    assert document["software"]["name"] == "sen2extract"
    told = document["summary"]
    assert (told["acquisitions"], told["dropped"], told["ok"], told["unreadable"], told["masked"]) == (2, 3, 1, 1, 0)


def test_json_of_nothing_has_empty_columns_and_says_why():
    document = json.loads(to_json(series()))

    assert set(map(tuple, document["data"].values())) == {()}
    assert "holds nothing yet" in document["summary"]["message"]


def test_percentiles_name_their_columns():
    statistics = Statistics(count=1, valid=1, masked=0, nodata=0, percentiles=(0.1, 0.2, 0.3))
    header, first = read(to_csv(series(row(statistics=statistics), parameters={"percentiles": "5,50,97.5"})))

    assert header[8:11] == ["p5", "p50", "p97.5"]
    assert first[8:11] == ["0.1", "0.2", "0.3"]


def test_the_predecessors_profile_has_its_columns_and_its_integers():
    attributes = {"a": {"name": "p1"}}
    header, first = read(to_csv(series(row(), parameters={"profile": "sen2chain"}, attributes=attributes)))

    statistics = ["min", "max", "mean", "std", "median", "percentile_25", "percentile_75"]
    assert header == ["date", "fid", "tile", "filename", "count", "nodata", "nbcld", "cldprb", *statistics, "name"]
    assert first == [
        "2025-01-05 03:11:21", "a", "48PWU", f"{ITEM}_NDVI_SCL", "10", "2.5", "2.5", "3",
        "-123", "5000", "3000", "100", "3000", "2500", "3500", "p1",
    ]  # fmt: skip


def test_wide_has_a_column_per_index():
    rows = [row(), row(index="EVI", statistics=None, status="unreadable")]
    header, first = read(
        to_csv(series(*rows, parameters={"profile": "wide", "index": "NDVI,EVI"}, attributes={"a": {"crop": "rice"}}))
    )

    assert header == ["feature_id", "datetime", "tile", "NDVI", "EVI", "crop"]
    assert first == ["a", "2025-01-05T03:11:21.000Z", "48PWU", "0.3", "", "rice"]


def test_wide_steps_say_which_week_they_are():
    period = Period(start=date(2025, 1, 6), end=date(2025, 1, 13), label="2025-W02")
    week = Summed(period=period, acquisitions=1, clear=1)
    monday = row(acquired=datetime(2025, 1, 6, tzinfo=UTC), summed=week)
    header, first = read(to_csv(series(monday, parameters={"profile": "wide", "step": "isoweek"})))

    assert header == ["feature_id", "datetime", "tile", "period", "NDVI"]
    assert first == ["a", "2025-01-06T00:00:00Z", "48PWU", "2025-W02", "0.3"]


def test_all_times_of_a_file_are_written_alike():
    """pandas and R read a column by the form of its first time, and take the others for no times."""
    first = datetime(2025, 1, 5, 3, 11, 21, 24_000, tzinfo=UTC)
    moments = [first, *(first.replace(microsecond=one) for one in (0, 20_000, 500_000))]
    _, *lines = read(to_csv(series(*(row(acquired=moment) for moment in moments))))

    assert [line[1] for line in lines] == [f"{moment:%FT%T}.{moment.microsecond // 1000:03}Z" for moment in moments]


@pytest.mark.parametrize(
    ("suffix", "asked", "accept", "name"),
    [
        (None, None, "*/*", "json"),
        ("csv", "json", "application/json", "csv"),
        (None, "CSV", "", "csv"),
        (None, None, "text/html, text/csv;q=0.9", "csv"),
        (None, "CoverageJSON", "", "covjson"),
        (None, None, "application/prs.coverage+json", "covjson"),
        (None, None, "application/geo+json", "geojson"),
        (None, None, "application/vnd.apache.parquet", "parquet"),
        (None, None, "application/jsonl", "ndjson"),
    ],
)
def test_the_format_is_that_of_suffix_then_f_then_accept(suffix, asked, accept, name):
    assert choose_format(suffix, asked, accept).name == name


def test_a_format_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(
        SeriesRequestError, match="'xls' is unknown: choose from json, csv, ndjson, parquet, geojson, covj"
    ):
        choose_format("xls", None, "")


def test_the_file_name_says_what_is_in_it():
    request = parse_request("sentinel-2-indices", {"index": "ndvi,evi", "datetime": "2025-01-01/2025-03-01"})

    assert file_name(request, "csv") == "NDVI_EVI_sentinel-2-indices_scl_20250101_20250301.csv"


def test_excel_gets_semicolons_decimal_commas_its_own_times_and_the_mark():
    content = to_csv(series(row(), parameters={"profile": "excel"}, attributes={"a": {"name": "dû; 1.5", "size": 1.5}}))
    header, first = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";")
    cells = dict(zip(header, first, strict=True))

    assert content.startswith(b"\xef\xbb\xbf")
    assert (cells["mean"], cells["count"], cells["valid"]) == ("0,3", "12,5", "10")
    assert cells["datetime"] == "2025-01-05 03:11:21"
    late = row(acquired=datetime(2025, 1, 5, 3, 11, 21, 24_000, tzinfo=UTC))
    assert b"a;2025-01-05 03:11:21;NDVI" in to_csv(series(late, parameters={"profile": "excel"}))
    assert (cells["name"], cells["size"]) == ("dû; 1.5", "1,5")


def test_openapi_says_of_rows_what_they_hold():
    """The models that the document is made of, against the table of columns and the lines as they are written."""
    steps = parse_request("sentinel-2-indices", {"step": "P1M", "datetime": "2025-01-01/2025-03-01"})
    assert list(SeriesRow.model_fields) == list(columns_of(steps, {}))
    *rows, last = to_ndjson(series(row(), FAILED, attributes={"a": {"type": "rice"}})).splitlines()
    assert [SeriesRow.model_validate_json(one, strict=True).status for one in rows] == ["ok", "unreadable"]
    assert SeriesSummary.model_validate_json(last, strict=True).rows == 2

    def away():
        yield from ()
        raise StoreAwayError("the object store does not answer")

    (stop,) = stream(series(), away(), Told())
    assert SeriesStop.model_validate_json(stop, strict=True).type == "error"
