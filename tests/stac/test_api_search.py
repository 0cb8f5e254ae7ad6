"""What the API puts together itself is what pgSTAC's own `search()` answers, for every kind of search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from stac_fastapi.pgstac.core import CoreCrudClient
from starlette.testclient import TestClient

from stac import catalog
from stac.api import create_app
from stac.api_client import CatalogueClient, settle
from stac.api_links import add_item_links, paging
from stac.collections import COLLECTION_IDS, INDICES, L2A
from stac.extensions import WEB_MAP_LINKS
from stac.filters import CURRENT, current_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stac.settings import Settings

DAYS = 7


class PlainClient(CatalogueClient):
    """Searches as stac-fastapi-pgstac does: everything in SQL."""

    async def _search_base(self, search_request: Any, request: Any) -> Any:
        if settle(search_request):
            search_request.filter_expr = current_only(search_request.filter_expr)
        result = await CoreCrudClient._search_base(self, search_request, request)
        for item in result["features"]:
            add_item_links(item, request.app.state.public_url)
        result["links"] = paging(result["links"])
        return result


@pytest.fixture(scope="module")
def _published(settings: Settings, documents: Any, product_name: Any) -> None:
    """Seven days of two tiles, some in two baselines, an L1C, links of their own, a collection changed in between.

    The documents of every other day are not finished.
    """
    for day in range(1, DAYS + 1):
        for tile in ("48PWU", "48PVU"):
            catalog.publish(documents(product_name(day, tile=tile), cloud_cover=day * 7.5), settings)
        if day == 4:
            _change_collections(settings)
    catalog.publish(documents(product_name(3, baseline="0400")), settings)
    catalog.publish(documents(product_name(4, level="L1C")), settings)
    strange = documents(product_name(13))[:1]
    strange[0]["links"].append({"rel": "about", "href": "../elsewhere?a=b", "title": 'übrigens "so"'})
    strange[0]["assets"] = {
        "thumbnail": {"href": "https://eo.example.org/t.webp", "type": "image/webp"},
        "B03": {"href": "https://eo.example.org/green.tif", "bands": {"no": "list"}},
    }
    catalog.publish(strange, settings)
    with psycopg.connect(settings.pg_dsn) as connection:
        # As another loader leaves them, on the same pages as those that are finished.
        connection.execute("UPDATE pgstac.items SET private = NULL WHERE extract(day FROM datetime)::int % 2 = 0")


def _change_collections(settings: Settings) -> None:
    """Items stored before keep their base item, items stored later have another."""
    with psycopg.connect(settings.pg_dsn) as connection:
        connection.execute(
            "UPDATE pgstac.collections SET content = jsonb_set(content, '{item_assets,B04,title}', '\"Changed\"') "
            "WHERE id = %s",
            (L2A,),
        )


@pytest.fixture(scope="module")
def ours(settings: Settings, _published: None) -> Iterator[TestClient]:
    with TestClient(create_app(settings), root_path="/stac", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def plain(settings: Settings, _published: None) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stac.api.CatalogueClient", PlainClient)
        app = create_app(settings)
    with TestClient(app, root_path="/stac", raise_server_exceptions=False) as client:
        yield client


AREA = {"type": "Polygon", "coordinates": [[[105, 12], [105.1, 12], [105.1, 12.1], [105, 12]]]}
CLOUDY = {"op": ">", "args": [{"property": "eo:cloud_cover"}, 40]}
SEARCHES: list[dict[str, Any]] = [
    {},
    {"limit": 3},
    {"limit": 200},
    {"collections": [L2A], "limit": 5},
    {"collections": [L2A, INDICES], "limit": 9, "sortby": [{"field": "id", "direction": "asc"}]},
    {"collections": ["none"]},
    {"bbox": [104.95, 11.8, 105.0, 11.9], "limit": 4},
    {"bbox": [0, 0, 1, 1]},
    {"bbox": [170, -10, -170, 10]},
    {"intersects": AREA, "datetime": "2025-01-02T00:00:00Z/2025-01-07T00:00:00Z", "limit": 4},
    {"datetime": "../2025-01-04T00:00:00Z"},
    {"filter": CLOUDY, "filter-lang": "cql2-json", "limit": 6},
    {"query": {"eo:cloud_cover": {"lt": 30}, "grid:code": {"eq": "MGRS-48PVU"}}, "limit": 2},
    {"sortby": [{"field": "properties.eo:cloud_cover", "direction": "desc"}], "limit": 5},
    {"sortby": [{"field": "datetime", "direction": "asc"}], "limit": 5},
    {"sortby": [{"field": "s2:vegetation_percentage", "direction": "asc"}], "limit": 5},
    {"filter": {"op": "=", "args": [{"property": "deprecated"}, True]}},
    {"ids": ["S2A_MSIL2A_20250103T031121_N0400_R075_T48PWU_20250601T000000"]},
    {"ids": ["nothing"], "collections": [L2A]},
]
CHOICES: list[dict[str, list[str]]] = [
    {"include": ["id", "properties.datetime", "properties.eo:cloud_cover"]},
    {"include": ["id", "collection", "assets.B03.href", "assets.B03.nodata"]},
    {"include": ["properties.nothing"]},
    {"include": ["geometry", "stac_extensions", "bbox"]},
    {"exclude": ["assets"]},
    {"exclude": ["geometry", "links", "properties.eo:cloud_cover", "assets.B04.href"]},
    {"include": ["id", "properties"], "exclude": ["properties.datetime", "links"]},
    {"include": [], "exclude": ["id"]},
]
REFUSED: list[dict[str, Any]] = [
    {"datetime": "2025-01-04"},
    {"datetime": "yesterday"},
    {"datetime": "2025-01-07T00:00:00Z/2025-01-02T00:00:00Z"},
    {"token": "next:00:00"},
    {"token": "next:6e6f6e65:6e6f6e65"},
    {"limit": 0},
    {"limit": "many"},
    {"bbox": [1, 2, 3]},
    {"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}},
    {"sortby": [{"field": "nothing", "direction": "asc"}]},
    {"filter": {"op": "foo", "args": []}},
]


def same(answers: list[Any]) -> Any:
    """What both answered."""
    one, other = answers
    assert one.status_code == other.status_code
    assert one.headers["content-type"] == other.headers["content-type"]
    assert one.json() == other.json()
    return one.json()


@pytest.mark.parametrize("body", SEARCHES, ids=json.dumps)
def test_a_search_by_post_and_its_pages(ours: TestClient, plain: TestClient, body: dict[str, Any]) -> None:
    seen, pages = [], 0
    while body:
        page = same([client.post("/search", json=body) for client in (ours, plain)])
        links = {link["rel"]: link for link in page["links"]}
        if seen:
            before = same([client.post("/search", json=links["prev"]["body"]) for client in (ours, plain)])
            assert before["features"][-1]["id"] == seen[-1][1]
        seen += [(item["collection"], item["id"]) for item in page["features"]]
        body, pages = links.get("next", {}).get("body"), pages + 1
    assert len(set(seen)) == len(seen)
    if pages:
        assert page["numberMatched"] == len(seen)


@pytest.mark.parametrize("choice", CHOICES, ids=json.dumps)
def test_a_choice_of_fields(ours: TestClient, plain: TestClient, choice: dict[str, list[str]]) -> None:
    pages = [client.post("/search", json={"limit": 50, "fields": choice}) for client in (ours, plain)]
    ours_, theirs = (page.json() for page in pages)
    assert pages[0].headers["content-type"] == "application/geo+json"
    for item, other in zip(ours_["features"], theirs["features"], strict=True):
        own, others = ({link["rel"]: link for link in one.pop("links", ())} for one in (item, other))
        assert own.get("self") == others.get("self", own.get("self"))
        # pgSTAC makes an empty asset of one that is not there.
        if "assets" in other:
            other["assets"] = {name: asset for name, asset in other["assets"].items() if asset}
        # Of maps, to which links lead that pgSTAC does not know.
        if WEB_MAP_LINKS in item.get("stac_extensions", ()):
            item["stac_extensions"].remove(WEB_MAP_LINKS)
            other["stac_extensions"] = [one for one in other["stac_extensions"] if one != WEB_MAP_LINKS]
        assert item == other
    assert ours_ | {"features": []} == theirs | {"features": []}


def test_a_choice_of_fields_keeps_what_is_null_and_puts_first_what_is_included(
    settings: Settings, ours: TestClient, documents: Any, product_name: Any
) -> None:
    name = product_name(15)
    item = documents(name)[0]
    item["properties"]["license"] = None
    catalog.publish([item], settings)

    def asked(**fields: list[str]) -> dict[str, Any]:
        (found,) = ours.post("/search", json={"ids": [name], "collections": [L2A], "fields": fields}).json()["features"]
        return dict(found)

    assert asked(include=["properties.license"])["properties"] == {"license": None}
    assert "license" in asked(exclude=["assets"])["properties"]
    both = asked(include=["id", "properties.gsd", "links"], exclude=["properties"])
    assert both.keys() == {"id", "collection", "properties", "links", "type"}
    assert both["properties"] == {"gsd": 10}
    assert {"self", "xyz", "timeseries"} <= {link["rel"] for link in both["links"]}
    assert {link["rel"] for link in asked(include=["id"])["links"]} == {"self", "parent", "collection", "root"}
    catalog.remove([(L2A, name)], settings)


@pytest.mark.parametrize("body", REFUSED, ids=json.dumps)
def test_what_is_refused_is_refused_alike(ours: TestClient, plain: TestClient, body: dict[str, Any]) -> None:
    document = same([client.post("/search", json=body) for client in (ours, plain)])
    assert document["status"] == 400


@pytest.mark.parametrize(
    "path",
    [
        "/search?limit=2",
        f"/search?collections={L2A}&bbox=104,11,106,13&limit=3&sortby=-eo:cloud_cover",
        "/search?filter=eo:cloud_cover<30&limit=3",
        "/search?q=water",
        f"/collections/{L2A}/items?limit=4&datetime=2025-01-02T00:00:00Z/..",
        f"/collections/{INDICES}/items",
        "/collections/none/items",
        *(f"/collections/{name}/items?limit=1" for name in COLLECTION_IDS),
    ],
)
def test_a_search_by_get_and_its_next_page(ours: TestClient, plain: TestClient, path: str) -> None:
    page = same([client.get(path) for client in (ours, plain)])
    following = [link["href"] for link in page.get("links", []) if link["rel"] == "next"]
    for href in following:
        same([client.get(href.replace("http://testserver/stac", "")) for client in (ours, plain)])


def test_every_item_by_its_address(ours: TestClient, plain: TestClient) -> None:
    for item in ours.get("/search", params={"limit": 200}).json()["features"]:
        (address,) = [link["href"] for link in item["links"] if link["rel"] == "self"]
        single = [client.get(address.replace("http://testserver/stac", "")) for client in (ours, plain)]
        assert same(single) == item
        assert single[0].headers["content-type"] == "application/geo+json"


def test_an_item_is_told_alike_whether_it_is_finished_or_not(settings: Settings, ours: TestClient) -> None:
    everything = {"limit": 200, "sortby": [{"field": "id", "direction": "asc"}]}
    finished = ours.post("/search", json=everything).json()
    with psycopg.connect(settings.pg_dsn) as connection:
        kept = connection.execute("SELECT id, collection, private FROM pgstac.items").fetchall()
        connection.execute("UPDATE pgstac.items SET private = NULL")
    try:
        assert ours.post("/search", json=everything).json() == finished
    finally:
        with psycopg.connect(settings.pg_dsn) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE pgstac.items SET private = %s WHERE id = %s AND collection = %s",
                [(private and psycopg.types.json.Jsonb(private), *key) for *key, private in kept],
            )
    assert {True, False} == {private is None for *_, private in kept}


def test_what_others_change_in_place_is_told_as_it_is_now(
    settings: Settings, ours: TestClient, plain: TestClient, documents: Any, product_name: Any
) -> None:
    name = product_name(5)
    path = f"/collections/{L2A}/items/{name}"
    before = same([client.get(path) for client in (ours, plain)])
    with psycopg.connect(settings.pg_dsn) as connection:
        connection.execute("UPDATE pgstac.items SET private = private || '{\"theirs\": 1}' WHERE id = %s", (name,))
        connection.execute(
            "UPDATE pgstac.items SET content = jsonb_set(content, '{properties,eo:cloud_cover}', '12') WHERE id = %s",
            (name,),
        )
    assert same([client.get(path) for client in (ours, plain)])["properties"]["eo:cloud_cover"] == 12
    with psycopg.connect(settings.pg_dsn) as connection:
        private = connection.execute(
            "SELECT private FROM pgstac.items WHERE id = %s AND collection = %s", (name, L2A)
        ).fetchone()
    assert private == ({"theirs": 1},)

    catalog.publish(documents(name, cloud_cover=before["properties"]["eo:cloud_cover"]), settings)
    after = same([client.get(path) for client in (ours, plain)])
    for one in (before, after):
        del one["properties"]["updated"]
    assert after == before


def test_an_item_that_is_not_there_is_told_from_its_collection(ours: TestClient) -> None:
    for path, missing in ((f"/collections/{L2A}/items/x", "Item x"), ("/collections/y/items/x", "Collection y")):
        answer = ours.get(path)
        assert answer.status_code == 404
        assert missing in answer.json()["detail"]


def test_a_collection_made_anew_is_not_mixed_up_with_the_one_before(
    ours: TestClient, plain: TestClient, settings: Settings, documents: Any
) -> None:
    collection = ours.get(f"/collections/{L2A}").json() | {"id": "again", "links": []}
    item = documents()[0] | {"id": "one", "collection": "again"}
    item["properties"] |= {"datetime": "2024-05-05T00:00:00Z"}
    for title in ("first", "second"):
        collection["item_assets"]["B04"]["title"] = title
        item["assets"]["B04"]["title"] = title
        with psycopg.connect(settings.pg_dsn, options="-c search_path=pgstac,public") as connection:
            connection.execute("SELECT create_collection(%s)", (psycopg.types.json.Jsonb(collection),))
            connection.execute("SELECT create_item(%s)", (psycopg.types.json.Jsonb(item),))
        document = same([client.get("/collections/again/items/one") for client in (ours, plain)])
        assert document["assets"]["B04"]["title"] == title
        with psycopg.connect(settings.pg_dsn, options="-c search_path=pgstac,public") as connection:
            connection.execute("SELECT delete_collection('again')")


@pytest.mark.usefixtures("_published")
def test_what_is_superseded_is_left_out_by_an_index(settings: Settings) -> None:
    """pgSTAC's text for it is ours, and the planner takes it for what the partial indexes hold."""
    with psycopg.connect(settings.pg_dsn, options="-c search_path=pgstac,public -c enable_seqscan=off") as connection:
        where = connection.execute(
            "SELECT stac_search_to_where(%s)", (psycopg.types.json.Jsonb({"filter": current_only(None)}),)
        ).fetchone()
        assert where == (CURRENT,)
        for condition in ("true", "geometry && ST_MakeEnvelope(105, 12, 106, 13, 4326)"):
            plan = connection.execute(
                f"EXPLAIN (FORMAT json) SELECT count(*) FROM items WHERE {condition} AND {CURRENT}"
            ).fetchone()
            assert plan is not None
            assert "deprecated" not in json.dumps(plan[0])
            assert "Index Name" in json.dumps(plan[0])


def test_a_count_that_takes_too_long_is_an_estimate(ours: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    few: dict[str, Any] = {"limit": 2, "bbox": [-180, -90, 180, 90]}
    with monkeypatch.context() as patch:
        patch.setattr("stac.api_counts._SECONDS", 0.000001)
        page = ours.post("/search", json=few).json()
    assert page["numberReturned"] == 2
    assert page["numberMatched"] > 0
    assert ours.post("/search", json=few).json()["numberMatched"] == ours.get("/search?limit=2").json()["numberMatched"]


def test_a_count_is_asked_for_again_once_something_was_written(
    settings: Settings,
    ours: TestClient,
    documents: Callable[..., list[dict[str, Any]]],
    product_name: Callable[..., str],
) -> None:
    def matched() -> int:
        return int(ours.get("/search?limit=2").json()["numberMatched"])

    before = [matched(), matched()]
    items = documents(product_name(300))
    catalog.publish(items, settings)
    during = [matched(), matched()]
    catalog.remove([(item["collection"], item["id"]) for item in items], settings)
    assert [*before, *during, matched()] == [before[0], before[0], before[0] + 2, before[0] + 2, before[0]]
