from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pystac_client
import pytest
from psycopg.conninfo import make_conninfo
from starlette.testclient import TestClient

from stac import catalog
from stac.api import create_app
from stac.collections import COLLECTION_IDS, INDICES, L2A
from stac.queryables import QUERYABLES
from stac.vocabulary import ITEM_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stac.settings import Settings

OLD_DAY = 3


@pytest.fixture(scope="module")
def published(settings: Settings, documents: Any, product_name: Any) -> dict[str, list[str]]:
    """Twelve days of a tile, one of them in two baselines, and a scene far away; ids by day's role."""
    days = {day: documents(product_name(day), cloud_cover=float(day)) for day in range(1, 13)}
    old = documents(product_name(OLD_DAY, baseline="0400"))
    for group in (*days.values(), old):
        catalog.publish(group, settings)
    return {
        "current": sorted(group[0]["id"] for group in days.values()),
        "old": [old[0]["id"]],
        "successor": [days[OLD_DAY][0]["id"]],
    }


@pytest.fixture(scope="module")
def client(settings: Settings, published: dict[str, list[str]]) -> Iterator[TestClient]:
    assert published
    with TestClient(create_app(settings), root_path="/stac", raise_server_exceptions=False) as test_client:
        yield test_client


@pytest.fixture(scope="module")
def server(settings: Settings, published: dict[str, list[str]], serve: Callable[..., Any]) -> Iterator[str]:
    assert published
    with serve(settings) as address:
        yield address


def ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [feature["id"] for feature in response.json()["features"]]


SEARCH = "/stac/search"
COLLECTIONS = "/stac/collections"

BAD_GETS = [
    (SEARCH, {"token": "bogus"}),
    (SEARCH, {"token": "next:00:00"}),
    (SEARCH, {"token": "next:ff:ff"}),
    (SEARCH, {"query": "junk"}),
    (SEARCH, {"query": "[1]"}),
    (SEARCH, {"query": '{"eo:cloud_cover":5}'}),
    (SEARCH, {"query": '{"eo:cloud_cover":{"near":5}}'}),
    (SEARCH, {"query": '{"eo:cloud_cover":{"lt":"abc"}}'}),
    (SEARCH, {"query": '{"nope":{"eq":5}}'}),
    (SEARCH, {"query": '{"eo:cloud_cover":{"lt":10}}', "filter": "id='x'"}),
    (SEARCH, {"bbox": "1,2,3"}),
    (SEARCH, {"bbox": "a,b,c,d"}),
    (SEARCH, {"bbox": "nan,0,1,1"}),
    (SEARCH, {"bbox": "inf,0,1,1"}),
    (SEARCH, {"bbox": "0,10,1,1"}),
    (SEARCH, {"bbox": "0,0,400,1"}),
    (SEARCH, {"datetime": "yesterday"}),
    (SEARCH, {"datetime": "2025-13-01T00:00:00Z"}),
    (SEARCH, {"datetime": "2025-02-01T00:00:00Z/2025-01-01T00:00:00Z"}),
    (SEARCH, {"datetime": "../.."}),
    (SEARCH, {"limit": "0"}),
    (SEARCH, {"limit": "-5"}),
    (SEARCH, {"limit": "many"}),
    (SEARCH, {"sortby": "+nope"}),
    (SEARCH, {"sortby": "-"}),
    (SEARCH, {"fields": ","}),
    (SEARCH, {"fields": "-nope"}),
    (SEARCH, {"filter": "eo:cloud_cover <"}),
    (SEARCH, {"filter": "\"eo:cloud_cover\" < 'much'"}),
    (SEARCH, {"filter": "platform"}),
    (SEARCH, {"filter": "nope = 1"}),
    (SEARCH, {"filter": "S_INTERSECTS(geometry, POLYGON((0 0)))"}),
    (SEARCH, {"filter": "[", "filter-lang": "cql2-json"}),
    (SEARCH, {"filter": '{"op":"="}', "filter-lang": "cql2-json"}),
    (SEARCH, {"filter": "a=1", "filter-lang": "sql"}),
    (SEARCH, {"intersects": "junk"}),
    (SEARCH, {"intersects": "{}"}),
    (SEARCH, {"intersects": '{"type":"Point","coordinates":[105,12]}', "bbox": "0,0,1,1"}),
    (SEARCH, {"ids": "\0"}),
    (COLLECTIONS, {"offset": "-1"}),
    (COLLECTIONS, {"offset": "100000000000000000000"}),
    (COLLECTIONS, {"limit": "-1"}),
    (COLLECTIONS, {"query": "junk"}),
    (COLLECTIONS, {"query": "[1]"}),
    (COLLECTIONS, {"q": "'\"&|!("}),
    (COLLECTIONS, {"q": "\0"}),
    (COLLECTIONS, {"sortby": "-"}),
    (COLLECTIONS, {"bbox": "1,2,3"}),
    (COLLECTIONS, {"datetime": "yesterday"}),
    (f"{COLLECTIONS}/{L2A}/items", {"token": "bogus"}),
    (f"{COLLECTIONS}/{L2A}/items", {"sortby": "+nope"}),
    (f"{COLLECTIONS}/%00", {}),
]

NESTED = "(" * 4000 + "gsd=1" + ")" * 4000
BAD_GETS += [
    *(
        (path, {"filter": text})
        for path in (SEARCH, COLLECTIONS, "/stac/aggregate")
        for text in (NESTED, "NOT " * 2000)
    ),
    (SEARCH, {"filter": "casei(" * 30 + "id" + ")" * 30 + "='a'"}),
    (SEARCH, {"filter": "gsd=1" + "+1" * 1000}),
    (SEARCH, {"filter": "gsd=1", "filter-crs": "EPSG:3857"}),
    (SEARCH, {"filter": "[" * 5000, "filter-lang": "cql2-json"}),
    (SEARCH, {"fields": "links.0.href"}),
    (SEARCH, {"fields": "properties" + ".x" * 500}),
    (SEARCH, {"bbox": "-181,0,0,1"}),
    (SEARCH, {"bbox": "0,0,1,91"}),
    (COLLECTIONS, {"fields": "links.0.href"}),
    (COLLECTIONS, {"fields": "titel"}),
    (COLLECTIONS, {"sortby": "-titel"}),
    (COLLECTIONS, {"filter": "titel = 'x'"}),
    (COLLECTIONS, {"query": '{"titel":{"eq":"x"}}'}),
    (COLLECTIONS, {"query": '{"title":{"eq":"x"}}', "filter": "title = 'x'"}),
    (COLLECTIONS, {"bbox": "10,10,0,0"}),
    (COLLECTIONS, {"bbox": "0,0,400,1"}),
]


def nots(levels: int) -> Any:
    filter_: Any = {"op": "isNull", "args": [{"property": "gsd"}]}
    for _ in range(levels):
        filter_ = {"op": "not", "args": [filter_]}
    return filter_


ALTERNATIVES = [{"op": "=", "args": [{"property": "gsd"}, value]} for value in range(1000)]
BAD_POSTS: list[Any] = [
    *(
        {"filter": {"op": op, "args": args}}
        for op, args in (
            # What pgSTAC takes for a value that is missing, or for its first one.
            ("=", [{"property": "gsd"}, [10, 20]]),
            ("=", [{"property": "gsd"}, None]),
            ("<", [{"property": "gsd"}, {"value": 1}]),
            ("<", [{"property": "datetime"}, {"date": "2025-02-30"}]),
            ("=", [{"property": "gsd"}, 10, 20]),
            ("in", [{"property": "gsd"}, []]),
            ("in", [{"property": "gsd"}, [[10]]]),
            ("between", [{"property": "gsd"}, 10]),
            # Places that are none, or beyond the earth, or of no item.
            ("s_intersects", [{"type": "Point", "coordinates": [0, 0]}, {"type": "Point", "coordinates": [0, 0]}]),
            ("s_intersects", [{"property": "platform"}, {"type": "Point", "coordinates": [0, 0]}]),
            ("s_intersects", [{"property": "geometry"}, {"property": "geometry"}]),
            ("s_intersects", [{"property": "geometry"}, {"type": "Point", "coordinates": [190, 0]}]),
            ("s_intersects", [{"property": "geometry"}, {"bbox": [0, 0, 190, 1]}]),
            ("s_intersects", [{"property": "geometry"}, {"bbox": "0,0,1,1"}]),
            ("s_intersects", [{"property": "geometry"}, {"type": "Polygon", "coordinates": [[[0, 0]]]}]),
        )
    ),
    {"filter": {"property": "deprecated"}},
    {"filter": {"lt": [{"property": "gsd"}, 5]}},
    {"intersects": {"type": "Point", "coordinates": [190, 0]}},
    {"filter": nots(100)},
    {"filter": {"op": "or", "args": ALTERNATIVES}},
    {"filter": {"op": "=", "args": [{"function": {"name": "pg_sleep", "args": [5]}}, 1]}},
    {"filter": {"op": "=", "args": [{"property": ["gsd"]}, 1]}},
    {"filter-crs": "EPSG:3857"},
    {"query": {"gsd": {"lt": {"a": 1}}}},
    {"query": {"gsd": {"lt": None}}},
    {"query": {"gsd": {"in": [[1]]}}},
    {"fields": None},
    {"fields": {"include": ["eo:cloud_cover"]}},
    {"bbox": [0, 0, 1, True]},
    {"bbox": "0,0,1,1"},
    {"query": {"gsd": {"lt": 10}}, "filter": {"op": "=", "args": [{"property": "id"}, "x"]}},
    {"filter": {"op": "frobnicate", "args": [1, 2]}},
    {"filter": {"op": "="}},
    {"filter": {"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Polygon", "coordinates": [[1]]}]}},
    {"sortby": [{"field": "id", "direction": "sideways"}]},
    {"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}},
    {"collections": "sentinel-2-l2a"},
    {"ids": ["\0"]},
    {"limit": "x"},
    [1],
    "x",
    None,
]
DRIVER_WORDS = ("asyncpg", "psycopg", "SELECT", "pgstac.", "syntax error", "tsquery", "Traceback", "pydantic")


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert set(document) == {"type", "title", "status", "detail", "code", "description"}
    assert document["status"] == status
    assert not [word for word in DRIVER_WORDS if word in response.text]


@pytest.mark.parametrize(("path", "params"), BAD_GETS)
def test_a_bad_get_is_a_400_that_says_why(client: TestClient, path: str, params: dict[str, str]) -> None:
    assert_problem(client.get(path, params=params), 400)


@pytest.mark.parametrize("body", BAD_POSTS)
def test_a_bad_post_is_a_400_that_says_why(client: TestClient, body: Any) -> None:
    assert_problem(client.post(SEARCH, json=body), 400)


def test_a_search_of_many_levels_is_a_400_and_not_the_end_of_the_process(client: TestClient) -> None:
    deep = b'{"filter":' + b'{"op":"not","args":[' * 20_000 + b"1" + b"]}" * 20_000 + b"}"

    for content in (deep, b"[" * 100_000, b'{"query":{"gsd":{"eq":NaN}}}'):
        assert_problem(client.post(SEARCH, content=content, headers={"content-type": "application/json"}), 400)


def test_a_problem_does_not_repeat_all_that_was_sent(client: TestClient) -> None:
    assert len(client.get(f"{COLLECTIONS}/{'x' * 3000}").json()["detail"]) < 1100


def test_collections_are_found_across_the_antimeridian(client: TestClient) -> None:
    def found(**params: str) -> set[str]:
        return {each["id"] for each in client.get(COLLECTIONS, params=params).json()["collections"]}

    # L1C holds nothing, and may be anywhere.
    assert found(bbox="170,-10,-170,20") == {"sentinel-2-l1c"}
    assert found(bbox="100,-10,-170,20") == set(COLLECTION_IDS)
    assert found(bbox="100,-10,-170,20", query='{"title":{"endsWith":"2A"}}') == {L2A}
    assert found(filter="title LIKE '%indices%'") == {INDICES}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"ids":["\\ud800"]}'])
def test_a_body_that_is_no_json_text_is_a_400(client: TestClient, content: bytes) -> None:
    assert_problem(client.post(SEARCH, content=content, headers={"content-type": "application/json"}), 400)
    assert_problem(client.post(SEARCH, content=content, headers={"content-type": "text/plain"}), 400)


@pytest.mark.parametrize("path", [SEARCH, "/stac/aggregate"])
@pytest.mark.parametrize("query", ["collections=a&collections=b", "bbox=0,0,1,1&bbox=2,2,3,3", "ids=", "collections="])
def test_a_parameter_that_would_be_ignored_is_a_400(client: TestClient, path: str, query: str) -> None:
    response = client.get(f"{path}?{query}")

    assert_problem(response, 400)
    assert query.partition("=")[0] in response.json()["detail"]


@pytest.mark.parametrize("query", ["q=%00", "q=@QUOTE@", "bbox=%FF", "limit=%FF"])
def test_odd_bytes_are_a_400(client: TestClient, query: str) -> None:
    assert_problem(client.get(f"{COLLECTIONS}?{query}"), 400)


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/collections/nope",
        "/collections/nope/items",
        f"/collections/{L2A}/items/nope",
        "/collections/nope/queryables",
        "/collections/a'b",
    ],
)
def test_what_is_not_there_is_a_404(client: TestClient, path: str) -> None:
    assert_problem(client.get(f"/stac{path}"), 404)


@pytest.mark.parametrize(("method", "path"), [("DELETE", SEARCH), ("PUT", COLLECTIONS), ("POST", COLLECTIONS)])
def test_the_api_does_not_write(client: TestClient, method: str, path: str) -> None:
    assert_problem(client.request(method, path), 405)


def test_an_unknown_property_is_answered_with_the_nearest(client: TestClient) -> None:
    detail = client.get(SEARCH, params={"filter": "eo:cloud < 3"}).json()["detail"]

    assert detail == "unknown property 'eo:cloud' in filter: did you mean 'eo:cloud_cover'?"


@pytest.mark.parametrize(
    ("path", "params", "said"),
    [
        (SEARCH, {"collection": L2A}, "unknown parameter 'collection': did you mean 'collections'?"),
        (SEARCH, {"filter_lang": "cql2-text"}, "did you mean 'filter-lang'?"),
        (SEARCH, {"zzz": "1"}, "choose from bbox, collections, datetime"),
        (f"{COLLECTIONS}/{L2A}/items", {"sort_by": "id"}, "did you mean 'sortby'?"),
        (f"{COLLECTIONS}/{L2A}/items", {"collections": L2A}, "unknown parameter 'collections'"),
        (COLLECTIONS, {"bboxx": "1,2,3,4"}, "did you mean 'bbox'?"),
        (SEARCH, {"filter": "s_intersect(geometry, POINT(1 1))"}, "did you mean 's_intersects'?"),
        (SEARCH, {"filter": "frobnicate(id) = 1"}, "unknown operator 'frobnicate' in filter: choose from and, or"),
    ],
)
def test_what_is_not_known_is_a_400_with_the_nearest(
    client: TestClient, path: str, params: dict[str, str], said: str
) -> None:
    response = client.get(path, params=params)

    assert_problem(response, 400)
    assert said in response.json()["detail"]


def test_an_unknown_member_of_a_body_is_a_400_with_the_nearest(client: TestClient) -> None:
    response = client.post(SEARCH, json={"collection": [L2A]})

    assert_problem(response, 400)
    assert response.json()["detail"] == "unknown parameter 'collection': did you mean 'collections'?"


@pytest.mark.parametrize(
    "filter_",
    [
        "eo:cloud_cover BETWEEN 1 AND 3 AND NOT platform LIKE 'x%' AND eo:snow_cover IS NOT NULL",
        "CASEI(platform) = CASEI('SENTINEL-2A') AND eo:cloud_cover IN (1, 2, 3)",
        "eo:cloud_cover < 5 AND S_WITHIN(geometry, POLYGON((100 0, 120 0, 120 20, 100 20, 100 0)))",
        "T_DURING(datetime, INTERVAL('2024-12-31T00:00:00Z', '2025-02-01T00:00:00Z')) OR id <> 'x'",
    ],
)
def test_known_operators_pass(client: TestClient, filter_: str) -> None:
    assert ids(client.get(SEARCH, params={"filter": filter_, "collections": L2A}))


def test_the_landing_page_is_ours(client: TestClient) -> None:
    page = client.get("/stac/").json()

    assert (page["id"], page["title"]) == ("sen2extract", "Sen2Extract")
    assert "Contains modified Copernicus Sentinel data" in page["description"]
    needed = ("core", "item-search", "ogcapi-features", "collections", "collection-search", "browseable")
    for conformance in needed:
        assert any(conformance in each for each in page["conformsTo"]), conformance
    for link in page["links"]:
        assert link["href"].startswith("http://testserver/stac"), link
    children = {link["href"].rsplit("/", 1)[1] for link in page["links"] if link["rel"] == "child"}
    assert children == set(COLLECTION_IDS)


def test_links_carry_the_public_host_and_the_root_path(client: TestClient, published: Any) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "eo.example.org"}
    item = client.get(f"{COLLECTIONS}/{L2A}/items/{published['current'][0]}", headers=headers).json()
    links = {link["rel"]: link["href"] for link in item["links"]}

    assert links["self"] == f"https://eo.example.org/stac/collections/{L2A}/items/{item['id']}"
    assert links["root"] == "https://eo.example.org/stac/"
    assert links["parent"] == links["collection"] == f"https://eo.example.org/stac/collections/{L2A}"


def test_every_get_of_the_openapi_document_answers(client: TestClient, published: Any) -> None:
    openapi = client.get("/stac/api").json()

    assert openapi["info"]["title"] == "Sen2Extract"
    for path, operations in openapi["paths"].items():
        full = path.replace("{collection_id}", L2A).replace("{item_id}", published["current"][0])
        if "get" in operations:
            assert client.get(f"/stac{full}").status_code == 200, path


def test_no_page_loads_anything_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/stac/api.html")
    page = answer.text

    assert page.count("<script") == page.count('src="../docs/api.js"') == 1
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "https://" not in page
    assert "/search" in page


def test_superseded_items_are_left_out_unless_asked_for(client: TestClient, published: Any) -> None:
    search = {"collections": L2A, "limit": "100"}

    assert sorted(ids(client.get(SEARCH, params=search))) == published["current"]
    assert ids(client.get(SEARCH, params=search | {"filter": "deprecated = true"})) == published["old"]
    assert ids(client.get(SEARCH, params=search | {"ids": published["old"][0]})) == published["old"]
    old = client.get(f"{COLLECTIONS}/{L2A}/items/{published['old'][0]}").json()
    successor = {link["rel"]: link["href"] for link in old["links"]}["successor-version"]
    assert successor.endswith(published["successor"][0])


def test_matches_are_counted_and_at_once_true(
    client: TestClient, settings: Settings, documents: Any, product_name: Any
) -> None:
    search = {"collections": L2A, "limit": "5"}
    assert client.get(SEARCH, params=search).json()["numberMatched"] == 12
    extra = documents(product_name(50))
    catalog.publish(extra, settings)
    assert client.get(SEARCH, params=search).json()["numberMatched"] == 13
    catalog.remove([(each["collection"], each["id"]) for each in extra], settings)
    assert client.get(SEARCH, params=search).json()["numberMatched"] == 12


@pytest.mark.parametrize(
    ("params", "days"),
    [
        ({"filter": '"eo:cloud_cover" < 3'}, {1, 2}),
        ({"filter": '{"op":">","args":[{"property":"eo:cloud_cover"},10]}', "filter-lang": "cql2-json"}, {11, 12}),
        ({"query": '{"eo:cloud_cover":{"gte":11},"platform":{"startsWith":"sentinel-2"}}'}, {11, 12}),
        ({"query": '{"eo:cloud_cover":{"in":[4,5]}}'}, {4, 5}),
        ({"query": '{"grid:code":{"endsWith":"48PWU"},"eo:cloud_cover":{"eq":7}}'}, {7}),
        ({"datetime": "2025-01-02T00:00:00Z/2025-01-04T00:00:00Z"}, {2, 3}),
        ({"datetime": "../2025-01-02T00:00:00Z"}, {1}),
        ({"bbox": "105,12,105.1,12.1"}, set(range(1, 13))),
        ({"bbox": "170,-10,-170,10"}, set()),
        ({"bbox": "100,0,-170,20"}, set(range(1, 13))),
        ({"intersects": '{"type":"Point","coordinates":[105,12]}', "filter": '"eo:cloud_cover" = 2'}, {2}),
        ({"bbox": "0,0,1,1"}, set()),
        ({"bbox": "105,12,-10,105.1,12.1,8849"}, set(range(1, 13))),
        ({"bbox": "105,12,105,12"}, set(range(1, 13))),
        ({"filter": "sat:relative_orbit < 75.5 AND sat:relative_orbit / 2 = 37.5 AND eo:cloud_cover = 2"}, {2}),
        ({"filter": "10 - (eo:cloud_cover - 1) = 2 OR 5 > 10"}, {9}),
        ({"filter": "datetime BETWEEN DATE('2025-01-02') AND DATE('2025-01-03')"}, {2, 3}),
        ({"filter": "deprecated = FALSE AND datetime <= DATE('2025-01-01')"}, {1}),
        ({"filter": "S_INTERSECTS(BBOX(170, -10, 106, 20), geometry) AND eo:cloud_cover = 4"}, {4}),
        ({"query": '{"created":{"lt":"2000-01-01T00:00:00+02:00"}}'}, set()),
    ],
)
def test_searches_find_what_they_ask_for(client: TestClient, params: dict[str, str], days: set[int]) -> None:
    found = client.get(SEARCH, params={"collections": L2A, "limit": "100", **params}).json()["features"]

    assert {int(each["properties"]["eo:cloud_cover"]) for each in found} == days
    assert len(found) == len(days)


def test_results_are_sorted_and_cut_to_fields(client: TestClient) -> None:
    params = {"collections": L2A, "sortby": "-properties.eo:cloud_cover", "fields": "id,properties.eo:cloud_cover"}
    response = client.get(SEARCH, params=params)

    assert response.headers["content-type"] == "application/geo+json"
    covers = [each["properties"]["eo:cloud_cover"] for each in response.json()["features"]]
    assert covers == sorted(covers, reverse=True)
    assert "assets" not in response.json()["features"][0]


def test_a_client_cannot_set_the_database_up(client: TestClient) -> None:
    response = client.post(SEARCH, json={"conf": {"context": "off", "nohydrate": True}, "limit": 1})

    assert_problem(response, 400)
    assert "unknown parameter 'conf'" in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (SEARCH, "GET, POST, HEAD, OPTIONS"),
        (COLLECTIONS, "GET, HEAD, OPTIONS"),
        (f"{COLLECTIONS}/{L2A}/items/x", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_tell_the_methods_that_there_are(client: TestClient, path: str, allow: str) -> None:
    assert client.options(path).headers["allow"] == allow


def test_options_of_nothing_are_a_404(client: TestClient) -> None:
    assert_problem(client.options("/stac/nope"), 404)


@pytest.mark.parametrize("path", [SEARCH, COLLECTIONS, "/stac/"])
def test_head_tells_what_get_would(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers


@pytest.mark.parametrize("path", [SEARCH, "/stac/aggregate", f"{COLLECTIONS}/{L2A}/aggregate"])
def test_a_search_of_a_megabyte_is_refused(client: TestClient, path: str) -> None:
    body = json.dumps({"ids": ["x" * 1_000_000]}).encode()
    headers = {"content-type": "application/json", "origin": "https://map.example.org"}

    for content in (body, iter([body[:600_000], body[600_000:]])):  # with its length, and in chunks
        response = client.post(path, content=content, headers=headers)
        assert_problem(response, 413)
        assert response.headers["access-control-allow-origin"] == "*"


def test_collections_are_searched_by_text_and_place(client: TestClient) -> None:
    def found(**params: str) -> list[str]:
        response = client.get(COLLECTIONS, params=params)
        assert response.status_code == 200, response.text
        assert response.json()["numberMatched"] == len(response.json()["collections"])
        return sorted(each["id"] for each in response.json()["collections"])

    assert found() == sorted(COLLECTION_IDS)
    assert found(q="NDVI") == [INDICES]
    assert found(bbox="-60,0,-50,5") == ["sentinel-2-l1c"]
    assert client.get(COLLECTIONS, params={"limit": "1"}).json()["numberMatched"] == 3


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        (f"{SEARCH}?limit=2", "application/geo+json"),
        (f"{SEARCH}?limit=2&fields=id", "application/geo+json"),
        (f"{COLLECTIONS}/{L2A}/items?limit=2", "application/geo+json"),
        (f"{COLLECTIONS}?limit=1", "application/json"),
        (f"{COLLECTIONS}?limit=1&fields=id,item_assets,links", "application/json"),
    ],
)
def test_pages_are_linked_by_next_and_prev(client: TestClient, path: str, media_type: str) -> None:
    def linked(page: Any, rel: str) -> Any:
        (link,) = [link for link in page["links"] if link["rel"] == rel]
        assert link["type"] == media_type
        return client.get(link["href"].removeprefix("http://testserver")).json()

    first = client.get(path).json()
    second = linked(first, "next")
    assert second.get("features", second.get("collections")) != first.get("features", first.get("collections"))
    again = linked(second, "prev")
    assert again.get("features") == first.get("features")
    assert again.get("collections") == first.get("collections")
    for page in (first, second, again):
        assert "previous" not in {link["rel"] for link in page["links"]}


def test_queryables_are_typed(client: TestClient) -> None:
    queryables = client.get(f"{COLLECTIONS}/{L2A}/queryables").json()

    assert queryables["properties"]["eo:cloud_cover"]["type"] == "number"
    assert {"id", "datetime", "geometry", "grid:code"} <= set(queryables["properties"])


@pytest.mark.parametrize("path", ["/stac/queryables", f"{COLLECTIONS}/{L2A}/queryables"])
def test_there_are_no_other_queryables_than_those_listed(client: TestClient, path: str) -> None:
    queryables = client.get(path).json()

    assert queryables["additionalProperties"] is False
    assert set(queryables["properties"]) == {*QUERYABLES, *ITEM_FIELDS}


@pytest.mark.parametrize("path", ["/stac/", SEARCH, COLLECTIONS])
def test_any_page_may_ask(client: TestClient, path: str) -> None:
    preflight = {
        "Origin": "https://map.example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-requested-with",
    }
    for headers in ({}, {"Origin": "https://map.example.org"}, preflight):
        response = client.options(path, headers=headers)
        assert 200 <= response.status_code < 300
        assert response.headers["access-control-allow-origin"] == "*"
    assert client.get(path, headers={"Origin": "https://x.org"}).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "headers",
    [
        {"Forwarded": 'proto=https;host="eo.example.org"'},
        {"X-Forwarded-Host": "eo.example.org", "X-Forwarded-Proto": "https"},
        {"X-Forwarded-Host": "eo.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"},
    ],
)
def test_links_are_those_of_the_proxy_and_its_prefix(client: TestClient, headers: dict[str, str]) -> None:
    base = "https://eo.example.org/stac"

    def links(path: str, rel: str, **params: str) -> list[str]:
        document = client.get(path, params=params, headers=headers).json()
        return [link["href"] for link in document["links"] if link["rel"] == rel]

    assert links("/stac/", "self") == [f"{base}/"]
    assert links(COLLECTIONS, "self") == [f"{base}/collections"]
    assert links(f"{COLLECTIONS}/{L2A}", "items") == [f"{base}/collections/{L2A}/items"]
    assert links("/stac/aggregate", "self") == [f"{base}/aggregate"]
    (item,) = client.get(SEARCH, params={"collections": L2A, "limit": "1"}, headers=headers).json()["features"]
    own = f"{base}/collections/{L2A}/items/{item['id']}"
    assert [link["href"] for link in item["links"] if link["rel"] == "self"] == [own]
    assert links(own.replace("https://eo.example.org", ""), "self") == [own]
    (following,) = links(SEARCH, "next", limit="1")
    assert following.startswith(f"{base}/search?")


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "Forwarded"])
@pytest.mark.parametrize("value", [b"eo\xff.org", b"eo.org<script>"])
def test_a_host_that_is_no_text_is_a_400(client: TestClient, name: str, value: bytes) -> None:
    assert_problem(client.get("/stac/", headers={name.encode(): value}), 400)


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [(SEARCH, {"limit": "x"}, 400), ("/stac/nope", {}, 404), (f"{COLLECTIONS}/nope/items", {}, 404)],
)
def test_any_page_may_read_why_it_was_refused(client: TestClient, path: str, params: Any, status: int) -> None:
    response = client.get(path, params=params, headers={"Origin": "https://radiantearth.github.io"})

    assert_problem(response, status)
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/_mgmt/ping", "/_mgmt/health"])
def test_the_probes_answer(client: TestClient, path: str) -> None:
    assert client.get(f"/stac{path}").status_code == 200


def test_without_a_database_it_starts_and_says_so(settings: Settings) -> None:
    away = settings.model_copy(update={"pg_dsn": "host=127.0.0.1 port=1 user=nobody password=x dbname=none"})
    with TestClient(create_app(away), raise_server_exceptions=False) as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/_mgmt/ping").status_code == 200
        for path in ("/readyz", "/_mgmt/health", "/search", "/collections", f"/collections/{L2A}", "/queryables"):
            response = client.get(path)
            assert_problem(response, 503)
            assert response.headers["retry-after"] == "5"
            assert "127.0.0.1" not in response.text


def test_pystac_client_opens_searches_and_pages(server: str, published: Any) -> None:
    api = pystac_client.Client.open(server)

    assert {collection.id for collection in api.get_collections()} == set(COLLECTION_IDS)
    by_get = api.search(collections=[L2A], limit=5, method="GET", sortby="-datetime")
    by_post = api.search(collections=[L2A], limit=5, method="POST", sortby="-datetime")
    assert by_post.matched() == 12
    assert sorted(item.id for item in by_get.items()) == published["current"]
    assert [item.id for item in by_post.items()] == [item.id for item in by_get.items()]
    assert len(list(api.search(collections=[INDICES], filter="eo:cloud_cover <= 4").items())) == 4
    assert len(list(api.search(collections=[L2A], query={"eo:cloud_cover": {"lt": 3}}).items())) == 2
    item = api.get_collection(INDICES).get_item(published["current"][0])
    assert item is not None
    assert item.get_single_link("derived_from") is not None


def test_many_ask_at_once(server: str) -> None:
    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60) as client:
            return await asyncio.gather(*(client.get(f"{server}/search?limit={1 + n % 9}") for n in range(60)))

    responses = asyncio.run(ask())

    assert [response.status_code for response in responses] == [200] * 60
    assert [len(response.json()["features"]) for response in responses] == [1 + n % 9 for n in range(60)]


def test_a_database_that_ends_all_connections_fails_no_request(server: str, settings: Settings) -> None:
    """As at a failover: each connection of the pool is dead, and many ask at once."""
    paths = [f"/search?limit={n}" for n in range(1, 8)] + ["/collections", f"/collections/{L2A}", "/readyz"]

    async def ask() -> set[int]:
        async with httpx.AsyncClient(timeout=60) as client:
            answers = await asyncio.gather(*(client.get(f"{server}{path}") for path in paths * 3))
        return {answer.status_code for answer in answers}

    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'sen2extract-stac' AND datname = current_database()"
    )
    for _ in range(3):
        assert asyncio.run(ask()) == {200}
        with psycopg.connect(settings.pg_dsn, autocommit=True) as connection:
            assert len(connection.execute(end).fetchall()) > 1
    assert asyncio.run(ask()) == {200}


def test_the_read_role_is_enough(settings: Settings, published: Callable[..., Any]) -> None:
    assert published
    with catalog.connect(settings) as connection:
        connection.execute("DROP ROLE IF EXISTS only_reads")
        connection.execute("CREATE ROLE only_reads LOGIN PASSWORD 'only-reads' IN ROLE pgstac_read")
    dsn = make_conninfo(settings.pg_dsn, user="only_reads", password="only-reads")
    read_only = settings.model_copy(update={"pg_dsn": dsn})
    with TestClient(create_app(read_only), raise_server_exceptions=False) as client:
        assert client.get("/readyz").status_code == 200
        assert len(ids(client.get("/search", params={"collections": L2A, "limit": "3"}))) == 3
        assert client.get("/collections", params={"q": "NDVI"}).status_code == 200
    with catalog.connect(settings) as connection:
        connection.execute("DROP ROLE only_reads")
