from datetime import UTC, datetime

import pytest

from tiler.series.errors import SeriesRequestError, SeriesTooLargeError
from tiler.series.interval import Interval, format_time, parse_interval
from tiler.series.request import parse_request

INDICES = "sentinel-2-indices"


def test_defaults_are_those_of_the_contract():
    request = parse_request(INDICES, {})

    assert request.names == ("NDVI",)
    assert request.interval == Interval()
    assert request.mask.name == "scl"
    assert (request.min_valid, request.max_cloud_cover, request.filter) == (0, None, None)
    assert (request.pixels, request.percentiles, request.profile, request.order) == (
        "exact",
        (25, 75),
        "default",
        "newest",
    )


def test_indices_are_known_in_any_case_and_by_alias_each_once():
    assert parse_request(INDICES, {"index": "ndvi, NDMI,ndwigao , Evi"}).names == ("NDVI", "NDWIGAO", "EVI")


@pytest.mark.parametrize(
    ("collection", "asked", "names"),
    [
        (INDICES, "mndwi", ("MNDWI",)),
        ("sentinel-2-l2a", "b8a,CLDPRB", ("B8A", "CLDPRB")),
        ("sentinel-2-l1c", "B10", ("B10",)),
    ],
)
def test_assets_instead_of_indices(collection, asked, names):
    assert parse_request(collection, {"assets": asked}).names == names


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"index": "NDVX"}, "NDVX.*choose from NDVI, "),
        ({"index": ","}, "index is empty"),
        ({"assets": "B04"}, "B04.*choose from NDVI, NDWIGAO, NDWIMCF, MNDWI"),
        ({"assets": "NDVI", "index": "NDVI"}, "not both"),
        ({"mask": "cm009"}, "cm009.*choose from none, scl, cm001"),
        ({"datetime": "yesterday"}, "RFC 3339"),
        ({"datetime": "2025-02-30"}, "2025-02-30"),
        ({"datetime": "2025-01-02T00:00:00Z/2025-01-01T00:00:00Z"}, "ends before it starts"),
        ({"datetime": "a/b/c"}, "neither an instant nor an interval"),
        ({"min_valid": "1.5"}, "min_valid='1.5' is no number from 0 to 1"),
        ({"min_valid": "nan"}, "min_valid"),
        ({"max_cloud_cover": "-1"}, "from 0 to 100"),
        ({"pixels": "all"}, "choose from exact, centre, touched"),
        ({"percentiles": "25,101"}, "percentiles='101'"),
        ({"profile": "csv"}, "choose from default, sen2chain, wide, excel"),
        ({"order": "random"}, "choose from newest, oldest"),
        ({"step": "10 days"}, "P7D, P10D, P1M or P1Y"),
        ({"step": "P0D"}, "has no length"),
        ({"step": "P1M10D"}, "mixes months with days"),
        ({"step": "PT6H"}, "dekad, isoweek, epiweek or an ISO 8601 duration"),
        ({"step": "P1M", "smooth": "savgol"}, "either step or smooth"),
        ({"step": "P1M", "profile": "sen2chain"}, "a row for each image"),
        ({"smooth": "spline"}, "choose from none, savgol"),
        ({"resolution": "30"}, "resolution='30' is unknown: choose from 10, 20, 40"),
        ({"resolution": "-20"}, "choose from 10, 20, 40"),
        ({"resolution": "20.0"}, "choose from 10, 20, 40"),
        ({"filter": "eo:cloud_cover <"}, "no CQL2"),
        ({"filter": "5"}, "no CQL2"),
        ({"filter": "{}"}, "no CQL2"),
        ({"filter": "s_intersects(geometry, POINT(200 0))"}, "beyond the earth"),
        ({"filter-lang": "sql", "filter": "a=1"}, "cql2-text, cql2-json"),
        ({"maks": "none"}, "unknown parameter 'maks': choose from index, assets"),
    ],
)
def test_a_wrong_value_is_refused_with_the_choices(parameters, told):
    with pytest.raises(SeriesRequestError, match=told):
        parse_request(INDICES, parameters)


def test_bands_of_60_m_fit_no_pixels_of_40_m():
    assert parse_request("sentinel-2-l2a", {"assets": "B01", "resolution": "20"}).resolution == 20
    with pytest.raises(SeriesRequestError, match=r"resolution=40 does not suit B04, B01.*: choose from 10, 20$"):
        parse_request("sentinel-2-l2a", {"assets": "B04,B01", "resolution": "40"})


def test_the_resolution_is_part_of_the_request_only_where_it_is_coarser():
    assert "resolution" not in parse_request(INDICES, {"resolution": "10"}).echo()
    assert parse_request(INDICES, {"resolution": "40"}).echo()["resolution"] == 40


def test_an_unknown_collection_is_refused_with_the_choices():
    with pytest.raises(SeriesRequestError, match="sentinel-2-indices, sentinel-2-l2a, sentinel-2-l1c"):
        parse_request("landsat", {})


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        (
            "2025-01-05T03:11:21Z",
            datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC),
            datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC),
        ),
        ("2025-01-05T10:11:21+07:00/..", datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC), None),
        ("/2025-01-05T03:11:21.5Z", None, datetime(2025, 1, 5, 3, 11, 21, 500000, tzinfo=UTC)),
        ("../..", None, None),
        ("2025-01-05", datetime(2025, 1, 5, tzinfo=UTC), datetime(2025, 1, 5, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_instants_and_intervals(text, start, end):
    assert parse_interval(text) == Interval(start=start, end=end)


def test_the_echo_asks_for_the_same_again():
    asked = {
        "index": "NDVI,EVI", "datetime": "2025-01-01/..", "mask": "cm001", "min_valid": "0.5", "max_cloud_cover": "60",
        "filter": '"eo:cloud_cover" < 20', "pixels": "centre", "percentiles": "10,90", "order": "oldest",
        "step": "P1M",
    }  # fmt: skip
    request = parse_request(INDICES, asked)
    echo = {name: str(value) for name, value in request.echo().items() if name != "collection"}

    assert parse_request(INDICES, echo) == request


def test_times_are_written_in_utc_without_empty_fractions():
    assert format_time(datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC)) == "2025-01-05T03:11:21Z"
    assert format_time(datetime(2025, 1, 5, 3, 11, 21, 24000, tzinfo=UTC)) == "2025-01-05T03:11:21.024Z"


def test_the_last_day_there_is_can_be_named():
    assert parse_interval("9999-12-31").end == datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def test_more_steps_than_can_be_served_are_refused_with_the_numbers():
    with pytest.raises(SeriesTooLargeError, match=r"about 73\d{3} steps of P1D, at most 5000"):
        parse_request(INDICES, {"step": "P1D", "datetime": "1900-01-01/2099-12-31"})


def test_long_is_the_default_profile():
    assert parse_request(INDICES, {"profile": "long"}) == parse_request(INDICES, {})
