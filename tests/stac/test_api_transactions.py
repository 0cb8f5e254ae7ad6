"""Writing over the API: by the writer only, checked, and with everything kept true that hangs on an item."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from starlette.testclient import TestClient

from stac import writing
from stac.api import create_app
from stac.collections import L2A
from stac.settings import WriterSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stac.settings import Settings

TOKEN = "fedcba9876543210" * 3
WRITER = {"Authorization": f"Bearer {TOKEN}"}
OWN = "fields"
CONFORMANCE = "https://api.stacspec.org/v1.0.0/ogcapi-features/extensions/transaction"


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    """The API with a writer, and a collection that the writer made."""
    app = create_app(settings, WriterSettings(token=TOKEN))
    with TestClient(app, root_path="/stac", headers=WRITER, raise_server_exceptions=False) as test_client:
        assert test_client.post("/collections", json=collection()).status_code == 201
        yield test_client


@pytest.fixture(scope="module")
def public(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings, WriterSettings()), raise_server_exceptions=False) as test_client:
        yield test_client


def collection(name: str = OWN, **changes: Any) -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": "Fields and what was sown",
        "license": "CC-BY-4.0",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
        "links": [{"rel": "license", "href": "https://example.org/license"}],
        **changes,
    }


def item(name: str = "a", day: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": OWN,
        "geometry": {"type": "Point", "coordinates": [day, day]},
        "bbox": [day, day, day, day],
        "properties": {"datetime": f"2024-03-{day:02d}T00:00:00Z", "crop": "rice"},
        "links": [],
        "assets": {"sheet": {"href": "https://example.org/a.csv", "type": "text/csv"}},
        **changes,
    }


ITEMS = f"/collections/{OWN}/items"
WRITES: list[tuple[str, str, Any]] = [
    ("POST", ITEMS, item()),
    ("POST", f"/collections/{OWN}/bulk_items", {"items": {"a": item()}}),
    ("PUT", f"{ITEMS}/a", item()),
    ("PATCH", f"{ITEMS}/a", {"properties": {"crop": "maize"}}),
    ("DELETE", f"{ITEMS}/a", None),
    ("POST", "/collections", collection()),
    ("PUT", f"/collections/{OWN}", collection()),
    ("PATCH", f"/collections/{OWN}", {"title": "No"}),
    ("DELETE", f"/collections/{OWN}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("token", ["", "Bearer wrong"])
def test_only_the_writer_writes(client: TestClient, method: str, path: str, body: Any, token: str) -> None:
    before = client.get("/search", params={"limit": 100}).json()
    answer = client.request(method, path, json=body, headers={"Authorization": token})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/search", params={"limit": 100}).json() == before
    assert client.get(f"/collections/{OWN}").json().get("title") is None


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda value: value if isinstance(value, str) else "")
def test_without_a_writer_there_is_nothing_to_write_to(public: TestClient, method: str, path: str, body: Any) -> None:
    assert public.request(method, path, json=body, headers=WRITER).status_code in (404, 405)


def test_writing_is_advertised_only_where_it_is_possible(client: TestClient, public: TestClient) -> None:
    assert CONFORMANCE in client.get("/conformance").json()["conformsTo"]
    assert CONFORMANCE not in public.get("/conformance").json()["conformsTo"]
    paths = client.get("/api").json()["paths"]
    assert paths["/collections/{collection_id}/items/{item_id}"]["patch"]["security"] == [{"writer": []}]
    assert "post" not in public.get("/api").json()["paths"]["/collections/{collection_id}/items"]


def test_the_document_refers_to_nothing_that_it_lacks(client: TestClient, public: TestClient) -> None:
    for text in (client.get("/api").text, public.get("/api").text):
        named = set(re.findall(r"#/components/schemas/([^\"]+)", text))
        assert named <= set(json.loads(text)["components"]["schemas"])


def test_an_item_from_its_making_to_its_end(client: TestClient) -> None:
    made = client.post(ITEMS, json=item("life"))
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"http://testserver/stac{ITEMS}/life"
    assert made.json()["properties"]["crop"] == "rice"
    assert client.post(ITEMS, json=item("life")).status_code == 409

    changed = item("life", 2, properties={"datetime": "2024-03-02T00:00:00Z", "crop": "soy"})
    assert client.put(f"{ITEMS}/life", json=changed).json()["properties"]["crop"] == "soy"
    assert client.put(f"{ITEMS}/other", json=item("other")).status_code == 404

    merged = client.patch(f"{ITEMS}/life", json={"properties": {"crop": None, "yield": 3}}).json()
    assert "crop" not in merged["properties"]
    assert merged["properties"]["yield"] == 3
    assert merged["properties"]["created"] == made.json()["properties"]["created"]
    operations = [
        {"op": "test", "path": "/properties/yield", "value": 3},
        {"op": "replace", "path": "/properties/yield", "value": 4},
        {"op": "add", "path": "/links/-", "value": {"rel": "about", "href": "https://example.org/about"}},
    ]
    patched = client.patch(f"{ITEMS}/life", json=operations)
    assert patched.json()["properties"]["yield"] == 4
    assert [link["rel"] for link in patched.json()["links"]].count("self") == 1
    assert "about" in [link["rel"] for link in patched.json()["links"]]
    assert client.patch(f"{ITEMS}/life", json=operations).status_code == 409

    assert client.get(f"{ITEMS}/life").json() == patched.json()
    assert client.delete(f"{ITEMS}/life").status_code == 200
    assert client.get(f"{ITEMS}/life").status_code == 404
    assert client.delete(f"{ITEMS}/life").status_code == 404
    assert client.patch(f"{ITEMS}/life", json={"properties": {}}).status_code == 404


BROKEN: dict[str, tuple[Any, str]] = {
    "no object": ([1], ""),
    "no geometry": (item(geometry=None, bbox=None), "geometry"),
    "geometry of nothing": (item(geometry={"type": "Point", "coordinates": []}), "geometry"),
    "geometry that crosses itself nowhere": (item(geometry={"type": "Blob", "coordinates": [1, 2]}), "geometry"),
    "no datetime": (item(properties={"crop": "rice"}), "datetime"),
    "odd datetime": (item(properties={"datetime": "soon"}), "datetime"),
    "no assets": ({key: value for key, value in item().items() if key != "assets"}, "assets"),
    "asset without address": (item(assets={"a": {"type": "x"}}), "href"),
    "another collection": (item(collection="other"), "collection"),
    "a path for an id": (item("../../etc/passwd"), "id"),
    "an address for an id": (item("a?b#c"), "id"),
    "a long id": (item("a" * 300), "id"),
    "a number for an id": (item(name=7), "id"),
    "beyond the earth": (item(geometry={"type": "Point", "coordinates": [190, 0]}), "beyond the earth"),
    **{
        f"{name}: {value!r}": (item(properties={"datetime": "2024-03-01T00:00:00Z", name: value}), name)
        for name, value in (
            ("eo:cloud_cover", "none"),
            ("eo:cloud_cover", [1]),
            ("eo:cloud_cover", 250),
            ("sat:relative_orbit", 1e30),
            ("gsd", True),
            ("deprecated", "yes"),
            ("platform", {"a": 1}),
            ("processing:datetime", 5),
            ("processing:datetime", "2025-01-01"),
        )
    },
    "NUL": (item(properties={"datetime": "2024-03-01T00:00:00Z", "crop": "a\0b"}), "text"),
}


@pytest.mark.parametrize(("document", "fault"), BROKEN.values(), ids=BROKEN)
def test_a_broken_item_is_refused_by_its_fault(client: TestClient, document: Any, fault: str) -> None:
    answer = client.post(ITEMS, json=document)
    assert answer.status_code == 400, answer.text
    assert fault in answer.json()["detail"].lower()
    assert "psycopg" not in answer.text
    if isinstance(document, dict) and document["id"] == "a":
        assert client.put(f"{ITEMS}/a", json=document).status_code == 400


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 5000, b"null", b"1"])
def test_a_body_that_is_no_document(client: TestClient, body: bytes) -> None:
    for method, path, _ in WRITES:
        if method == "DELETE":
            continue
        answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 404), (method, answer.text)


@pytest.mark.parametrize(
    "patch", [[{"op": "remove", "path": "/no/where"}], [{"op": "jump", "path": "/id"}], {"id": "b"}, {"geometry": None}]
)
def test_a_patch_that_breaks_an_item_changes_nothing(client: TestClient, patch: Any) -> None:
    client.post(ITEMS, json=item("kept"))
    before = client.get(f"{ITEMS}/kept").json()
    assert client.patch(f"{ITEMS}/kept", json=patch).status_code == 400
    assert client.get(f"{ITEMS}/kept").json() == before
    client.delete(f"{ITEMS}/kept")


def test_each_of_many_has_its_outcome(client: TestClient) -> None:
    client.post(ITEMS, json=item("held"))
    features = [item("m1"), item("held"), item("bad", geometry=None), item("m2", 2), item("m1"), 5]
    answer = client.post(ITEMS, json={"type": "FeatureCollection", "features": features})
    assert answer.status_code == 207
    outcome = answer.json()
    assert (outcome["received"], outcome["success"]) == (6, 2)
    assert {one["id"] for one in outcome["errors"]} == {"held", "bad", "m1", "5"}
    assert client.get(ITEMS, params={"limit": 10}).json()["numberMatched"] == 3

    bulk = {"items": {"m1": item("m1", 5), "m3": item("m3"), "m4": item("wrong")}, "method": "upsert"}
    answer = client.post(f"/collections/{OWN}/bulk_items", json=bulk)
    assert [one["id"] for one in answer.json()["errors"]] == ["wrong"]
    assert client.get(f"{ITEMS}/m1").json()["bbox"] == [5, 5, 5, 5]

    fine = client.post(ITEMS, json={"type": "FeatureCollection", "features": [item("m5")]})
    assert (fine.status_code, fine.json()["success"]) == (201, 1)
    none = client.post("/collections/none/items", json={"type": "FeatureCollection", "features": []})
    assert none.status_code == 404
    for name in ("held", "m1", "m2", "m3", "m5"):
        assert client.delete(f"{ITEMS}/{name}").status_code == 200


def test_one_that_the_database_refuses_leaves_the_others(client: TestClient) -> None:
    strange = item("strange", properties={"datetime": "0001-01-01T00:00:00Z", "end_datetime": "x", "crop": "rice"})
    unclosed = {"type": "Polygon", "coordinates": [[[0, 0], [1e300, 1], [1, 1e300], [0, 0]]]}
    features = [item("good"), strange, item("huge", geometry=unclosed)]
    answer = client.post(ITEMS, json={"type": "FeatureCollection", "features": features})
    assert answer.status_code in (201, 207)
    assert client.get(f"{ITEMS}/good").status_code == 200
    for name in ("good", "strange", "huge"):
        client.delete(f"{ITEMS}/{name}")


def test_products_written_over_the_api_supersede_each_other(
    client: TestClient, documents: Callable[..., Any], product_name: Callable[..., str], settings: Settings
) -> None:
    path = f"/collections/{L2A}/items"
    old, new = documents(product_name(4, baseline="0400"))[0], documents(product_name(4, baseline="0511"))[0]
    assert client.post(path, json=new).status_code == 201
    assert client.post(path, json=old).json()["properties"]["deprecated"] is True
    assert [one["id"] for one in client.get(path).json()["features"]] == [new["id"]]
    assert client.get(f"/collections/{L2A}").json()["extent"]["temporal"]["interval"][0][0].startswith("2025-01-04")

    with psycopg.connect(settings.pg_dsn) as connection:
        connection.execute(
            "INSERT INTO sen2extract.blocks SELECT %s, %s, 'B04', 'k', 32648, 0, 0, 10, 1, 1, 256, 'uint16', 'zstd', "
            "2, 1, 0, 0, ''",
            (L2A, new["id"]),
        )
    assert client.delete(f"{path}/{new['id']}").status_code == 200
    with psycopg.connect(settings.pg_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM sen2extract.blocks").fetchone() == (0,)
    left = client.get(path).json()["features"]
    assert [one["id"] for one in left] == [old["id"]]
    assert "deprecated" not in left[0]["properties"]
    assert client.delete(f"{path}/{old['id']}").status_code == 200
    assert client.delete(f"{path}/no-product").status_code == 404
    refused = client.post(path, json=new | {"id": "no-product"})
    assert refused.status_code == 400
    assert "product" in refused.json()["detail"]


def test_a_collection_from_its_making_to_its_end(client: TestClient) -> None:
    made = client.post("/collections", json=collection("crops"))
    assert made.status_code == 201
    assert made.headers["location"].endswith("/stac/collections/crops")
    assert client.post("/collections", json=collection("crops")).status_code == 409
    assert client.put("/collections/crops", json=collection("crops", title="Crops")).json()["title"] == "Crops"
    assert client.patch("/collections/crops", json={"keywords": ["rice"]}).json()["keywords"] == ["rice"]
    assert client.put("/collections/crops", json=collection("other")).status_code == 400
    assert client.put("/collections/other", json=collection("other")).status_code == 404
    assert client.post("/collections", json=collection("a/b")).status_code == 400
    assert client.post("/collections", json={"id": "x"}).status_code == 400
    client.post("/collections/crops/items", json=item("a", collection="crops"))
    assert client.delete("/collections/crops").status_code == 409
    client.delete("/collections/crops/items/a")
    assert client.delete("/collections/crops").status_code == 200
    assert client.get("/collections/crops").status_code == 404
    assert client.delete("/collections/crops").status_code == 404


def test_the_archives_own_collections_are_not_changed_over_the_api(client: TestClient) -> None:
    document = client.get(f"/collections/{L2A}").json()
    assert client.put(f"/collections/{L2A}", json=document).status_code == 409
    assert client.patch(f"/collections/{L2A}", json={"title": "Mine"}).status_code == 409
    assert client.delete(f"/collections/{L2A}").status_code == 409


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("POST", ITEMS, 50_000_000),
        ("POST", f"/collections/{OWN}/bulk_items", 50_000_000),
        ("PUT", f"{ITEMS}/a", 1_000_000),
        ("PATCH", f"{ITEMS}/a", 1_000_000),
        ("POST", "/collections", 1_000_000),
        ("PUT", f"/collections/{OWN}", 1_000_000),
    ],
)
def test_a_body_without_end_is_refused_whoever_sends_it(client: TestClient, method: str, path: str, most: int) -> None:
    part = b" " * 500_000
    for headers in (WRITER, {"Authorization": ""}):  # with its length, and in chunks
        for content in (b" " * (most + 1), (part for _ in range(most // len(part) + 1))):
            answer = client.request(
                method, path, content=content, headers=headers | {"Content-Type": "application/json"}
            )
            assert answer.status_code == 413
            assert answer.json()["detail"].startswith(f"the body has more than {most} bytes: ")


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:BBOX crossing the Antimeridian:UserWarning")  # geojson-pydantic's
def test_writing_does_what_the_document_says(settings: Settings, serve: Callable[..., Any], tmp_path: Path) -> None:
    """schemathesis writes as the writer does, in a collection of its own."""
    config = tmp_path / "schemathesis.toml"
    config.write_text('[parameters]\n"path.collection_id" = "written"\n"path.item_id" = "kept"\n')
    command = ["--config-file", config, "run", "--phases", "fuzzing", "--generation-deterministic", "-n", "12"]
    command += ["--no-color", "--warnings", "off", "--include-tag", "Transaction Extension", "--header"]
    command += [
        f"Authorization: {WRITER['Authorization']}",
        "--exclude-checks",
        "positive_data_acceptance,ignored_auth",
    ]
    with serve(settings, WriterSettings(token=TOKEN)) as address, httpx.Client(headers=WRITER) as http:
        assert http.post(f"{address}/collections", json=collection("written")).status_code == 201
        kept = item("kept", collection="written")
        assert http.post(f"{address}/collections/written/items", json=kept).status_code == 201
        words = [Path(sys.executable).parent / "schemathesis", *command, f"{address}/api"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=500, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout


def test_writers_at_the_same_time_lose_nothing(client: TestClient) -> None:
    client.post(ITEMS, json=item("count", properties={"datetime": "2024-03-01T00:00:00Z", "n": 0}))

    def write(number: int) -> int:
        name = f"p{number % 10}"
        made = client.post(ITEMS, json=item(name, number % 28 + 1)).status_code
        client.patch(f"{ITEMS}/count", json={"properties": {f"by{number}": number}})
        return made

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(write, range(30)))
    assert statuses.count(201) == 10
    assert statuses.count(409) == 20
    counted = client.get(f"{ITEMS}/count").json()["properties"]
    assert {name for name in counted if name.startswith("by")} == {f"by{number}" for number in range(30)}
    assert client.get(ITEMS).json()["numberMatched"] == 11


def test_an_item_moves_to_another_year_while_others_are_written(client: TestClient, settings: Settings) -> None:
    """Its partition has to be made, for which all other writers have to be done."""
    assert client.post("/collections", json=collection("years")).status_code == 201
    with psycopg.connect(settings.pg_dsn) as connection:
        connection.execute("UPDATE pgstac.collections SET partition_trunc = 'year' WHERE id = 'years'")
    path = "/collections/years/items"
    assert client.post(path, json=item("moves", collection="years")).status_code == 201
    others: list[Future[int]] = []

    def change(document: dict[str, Any]) -> dict[str, Any]:
        if not others:
            beside = item("beside", collection="years")
            others.append(pool.submit(lambda: client.post(path, json=beside).status_code))
            wait(others, timeout=2)  # it is written by then, or waits for this one
        return document | {"properties": {"datetime": "1999-03-01T00:00:00Z"}}

    with ThreadPoolExecutor() as pool:
        writing.change_item(settings, "years", "moves", change)
    assert others[0].result() == 201
    assert client.get(f"{path}/moves").json()["properties"]["datetime"] == "1999-03-01T00:00:00Z"
