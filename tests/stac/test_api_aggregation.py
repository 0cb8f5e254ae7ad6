from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from starlette.testclient import TestClient

from stac import catalog
from stac.aggregation import AGGREGATIONS, CONFORMANCE, chosen, statement
from stac.api import create_app
from stac.collections import INDICES, L2A
from stac.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from stac.settings import Settings

AGGREGATE = "/stac/aggregate"
DAYS = (1, 5, 20, 33, 40, 70, 400)
EVERYTHING = ",".join(AGGREGATIONS)


@pytest.fixture(scope="module")
def client(settings: Settings, documents: Any, product_name: Any) -> Iterator[TestClient]:
    """Seven days of a tile (one without a known cloud cover), one of them in two baselines, and a day of another."""
    for day in DAYS:
        cover = None if day == DAYS[-1] else float(day)
        catalog.publish(documents(product_name(day), cloud_cover=cover), settings)
    catalog.publish(documents(product_name(DAYS[0], baseline="0400")), settings)
    catalog.publish(documents(product_name(2, tile="48PWT"), cloud_cover=100.0), settings)
    with TestClient(create_app(settings), root_path="/stac", raise_server_exceptions=False) as test_client:
        yield test_client


def counted(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return {one["name"]: one for one in response.json()["aggregations"]}


def buckets(one: dict[str, Any]) -> dict[str, int]:
    return {each["key"]: each["frequency"] for each in one["buckets"]}


def test_counts_are_those_of_the_items_that_a_search_finds(client: TestClient) -> None:
    asked = {"collections": L2A}
    items = client.get("/stac/search", params=asked | {"limit": "100"}).json()["features"]
    result = counted(client.get(AGGREGATE, params=asked | {"aggregations": EVERYTHING}))
    properties = [item["properties"] for item in items]
    times = sorted(each["datetime"] for each in properties)

    assert result["total_count"]["value"] == len(items) == len(DAYS) + 1
    assert result["datetime_min"]["value"] == times[0]
    assert result["datetime_max"]["value"] == times[-1]
    assert buckets(result["datetime_frequency"]) == Counter(f"{time[:7]}-01T00:00:00Z" for time in times)
    assert buckets(result["grid_code_frequency"]) == Counter(each["grid:code"] for each in properties)
    assert buckets(result["platform_frequency"]) == {"sentinel-2a": len(items)}
    assert buckets(result["collection_frequency"]) == {L2A: len(items)}


def test_cloud_covers_are_counted_in_tens_and_unknown_ones_are_told(client: TestClient) -> None:
    asked = {"collections": L2A, "aggregations": "cloud_cover_frequency"}
    clouds = counted(client.get(AGGREGATE, params=asked))["cloud_cover_frequency"]

    assert buckets(clouds) == {"0-10": 2, "20-30": 1, "30-40": 1, "40-50": 1, "70-80": 1, "90-100": 1}
    assert clouds["overflow"] == 1
    assert (clouds["buckets"][0]["from"], clouds["buckets"][-1]["to"]) == (0, 100)


@pytest.mark.parametrize(
    ("interval", "first", "number"),
    [
        ("day", "2025-01-01T00:00:00Z", 8),
        ("week", "2024-12-30T00:00:00Z", 6),
        ("month", "2025-01-01T00:00:00Z", 4),
        ("year", "2025-01-01T00:00:00Z", 2),
    ],
)
def test_dates_are_counted_by_interval(client: TestClient, interval: str, first: str, number: int) -> None:
    asked = {"collections": [L2A], "aggregations": ["datetime_frequency"], "datetime_frequency_interval": interval}
    found = buckets(counted(client.post(AGGREGATE, json=asked))["datetime_frequency"])

    assert next(iter(found)) == first
    assert (len(found), sum(found.values())) == (number, len(DAYS) + 1)


FILTERS: list[dict[str, Any]] = [
    {},
    {"collections": [INDICES]},
    {"datetime": "2025-02-01T00:00:00Z/.."},
    {"bbox": [105, 12, 105.1, 12.1]},
    {"bbox": [170, -10, -170, 10]},
    {"bbox": [100, 0, -170, 20]},
    {"intersects": {"type": "Point", "coordinates": [0, 0]}},
    {"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 21]}},
    {"filter": {"op": "=", "args": [{"property": "deprecated"}, True]}},
    {"query": {"grid:code": {"endsWith": "48PWT"}}},
    {"ids": ["S2A_MSIL2A_20250101T031121_N0400_R075_T48PWU_20250601T000000"]},
    {"ids": ["nope"]},
]


@pytest.mark.parametrize("asked", FILTERS)
def test_a_search_and_its_count_agree(client: TestClient, asked: dict[str, Any]) -> None:
    matched = client.post("/stac/search", json=asked | {"limit": 1}).json()["numberMatched"]
    names = {"aggregations": list(AGGREGATIONS)}
    result = counted(client.post(AGGREGATE, json=asked | names))

    assert result["total_count"]["value"] == matched
    for one in result.values():
        if "buckets" in one:
            assert sum(buckets(one).values()) + one["overflow"] == matched


def test_get_and_post_take_the_same_filters(client: TestClient) -> None:
    text = {"filter": "eo:cloud_cover < 21 AND collection = 'sentinel-2-l2a'"}
    json_ = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 21]}

    assert counted(client.get(AGGREGATE, params=text))["total_count"]["value"] == 3
    assert counted(client.post(AGGREGATE, json={"collections": [L2A], "filter": json_}))["total_count"]["value"] == 3
    asked = {"query": '{"eo:cloud_cover":{"lt":21}}', "collections": L2A, "bbox": "100,0,120,20"}
    assert counted(client.get(AGGREGATE, params=asked))["total_count"]["value"] == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_collection_is_counted_by_itself(client: TestClient, method: str) -> None:
    body = {"json": {}} if method == "POST" else {}
    response = client.request(method, f"/stac/collections/{INDICES}/aggregate", **body)

    assert counted(response)["total_count"]["value"] == len(DAYS) + 1
    assert response.json()["type"] == "AggregationCollection"
    for path in ("aggregate", "aggregations"):
        assert client.request(method, f"/stac/collections/nope/{path}", **body).status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/stac/aggregations", f"/stac/collections/{L2A}/aggregations"])
def test_what_can_be_counted_is_listed(client: TestClient, method: str, path: str) -> None:
    document = client.request(method, path).json()

    assert [each["name"] for each in document["aggregations"]] == list(AGGREGATIONS)
    assert document["links"][0]["href"] == f"http://testserver{path}"


def test_aggregation_is_advertised(client: TestClient) -> None:
    page = client.get("/stac/").json()
    links = {link["rel"]: link["href"] for link in page["links"]}

    assert CONFORMANCE in page["conformsTo"]
    assert links["aggregate"] == "http://testserver/stac/aggregate"
    assert links["aggregations"] == "http://testserver/stac/aggregations"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"aggregations": ["total"]}, "unknown aggregation 'total'"),
    ({"aggregations": ["cloud_cover_frequenzy"]}, "did you mean 'cloud_cover_frequency'?"),
    ({"datetime_frequency_interval": "fortnight"}, "datetime_frequency_interval"),
    ({"datetime_frequency_interval": "month'; DROP TABLE x; --"}, "datetime_frequency_interval"),
    ({"aggregation": ["total_count"]}, "did you mean 'aggregations'?"),
    ({"datetime": "yesterday"}, "datetime"),
    ({"bbox": [1, 2, 3]}, "bbox"),
    ({"ids": ["\0"]}, "text that cannot be searched for"),
    ({"filter": {"op": "=", "args": [{"property": "eo:clod_cover"}, 1]}}, "did you mean 'eo:cloud_cover'?"),
    ({"filter": {"op": "s_intersect", "args": [{"property": "geometry"}, 1]}}, "did you mean 's_intersects'?"),
    ({"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, "much"]}}, "filter"),
]


@pytest.mark.parametrize(("body", "said"), BAD)
def test_a_bad_request_is_a_400_that_says_why(client: TestClient, body: dict[str, Any], said: str) -> None:
    response = client.post(AGGREGATE, json=body)

    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert said in response.json()["detail"]
    for value in body.values():
        if isinstance(value, str):
            assert client.get(AGGREGATE, params=body).status_code == 400


def test_quotes_in_a_filter_stay_text(client: TestClient, settings: Settings) -> None:
    evil = "x'); DROP TABLE items; --"
    body = {"filter": {"op": "=", "args": [{"property": "platform"}, evil]}, "collections": [evil], "ids": [evil]}

    assert counted(client.post(AGGREGATE, json=body))["total_count"]["value"] == 0
    with psycopg.connect(settings.pg_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM pgstac.items").fetchone() == ((len(DAYS) + 2) * 2,)


def test_the_read_role_may_count(client: TestClient, settings: Settings) -> None:
    assert client
    with catalog.connect(settings) as connection:
        connection.execute("DROP ROLE IF EXISTS only_counts")
        connection.execute("CREATE ROLE only_counts LOGIN PASSWORD 'only-counts' IN ROLE pgstac_read")
    dsn = make_conninfo(settings.pg_dsn, user="only_counts", password="only-counts")
    with TestClient(create_app(settings.model_copy(update={"pg_dsn": dsn}))) as reader:
        result = counted(reader.get("/aggregate", params={"aggregations": EVERYTHING}))
    assert result["total_count"]["value"] == (len(DAYS) + 1) * 2
    with catalog.connect(settings) as connection:
        connection.execute("DROP ROLE only_counts")


def test_nothing_of_a_request_gets_into_the_statement() -> None:
    with pytest.raises(SearchError, match="datetime_frequency_interval"):
        statement(chosen(["datetime_frequency"]), "month')", "true")
    with pytest.raises(SearchError, match="unknown aggregation"):
        chosen(["count(*)"])
