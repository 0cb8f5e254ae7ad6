"""Every link that the API adds, followed: the tiler runs on the same archive."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from morecantile import tms
from starlette.testclient import TestClient

from ingest import reconcile
from ingest.pipeline import ingest_product
from ingest.sample import ProductSpec, write_product
from stac import status
from stac.api import create_app
from stac.api_links import add_item_links, shown
from stac.collections import COLLECTION_IDS, INDICES, L1C, L2A
from stac.inventory import object_keys
from stac.settings import WriterSettings
from tiler.app import create_app as create_tiler
from tiler.app import use_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from stac.settings import Settings

SPEC = ProductSpec(sensing=datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC), size=192, cloudiness=0.0)
TOP = replace(SPEC, level="L1C")
ITEMS = ((L2A, SPEC.name), (INDICES, SPEC.name), (L1C, TOP.name))
RELS = {"xyz", "tilejson", "wmts", "timeseries"}


@pytest.fixture(scope="module")
def archive(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    for spec in (SPEC, TOP):
        outcome = ingest_product(str(write_product(spec, tmp_path_factory.mktemp("products"))), settings=settings)
        assert outcome.state == "published", outcome
    return settings


@pytest.fixture(scope="module")
def client(archive: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(archive), root_path="/stac", raise_server_exceptions=False) as test_client:
        yield test_client


@pytest.fixture(scope="module")
def follow(archive: Settings) -> Iterator[Callable[..., httpx.Response]]:
    """Follows a link of a document to the tiler."""
    use_store(archive)
    with TestClient(create_tiler(archive), raise_server_exceptions=False) as tiler:

        def get(document: dict[str, Any], link: dict[str, Any]) -> httpx.Response:
            west, south, east, north = document.get("bbox") or document["extent"]["spatial"]["bbox"][0]
            lon, lat = (west + east) / 2, (south + north) / 2
            tile = tms.get("WebMercatorQuad").tile(lon, lat, 9)
            values = {"lon": lon, "lat": lat, "z": tile.z, "x": tile.x, "y": tile.y}
            address = link["href"].removeprefix(f"{archive.public_url}/raster").format(**values)
            square = [[west, south], [east, south], [east, north], [west, north], [west, south]]
            feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [square]}}
            body = feature if link.get("method") == "POST" else None
            return tiler.request(link.get("method", "GET"), address, json=body)

        yield get


def added(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [link for link in document["links"] if "/raster/" in link["href"]]


@pytest.mark.filterwarnings("ignore::morecantile.errors.PointOutsideTMSBounds")
@pytest.mark.parametrize(("collection", "item_id"), ITEMS)
def test_every_link_of_an_item_answers(client: TestClient, follow: Any, collection: str, item_id: str) -> None:
    item = client.get(f"/stac/collections/{collection}/items/{item_id}").json()

    assert {link["rel"] for link in added(item)} == RELS | {"preview"}
    for link in added(item):
        answer = follow(item, link)
        assert answer.status_code == 200, (link, answer.text)
        assert answer.headers["content-type"].split(";")[0] == link["type"]
        assert len(answer.content) > 100
        if link["rel"] == "wmts":
            assert f">{link['wmts:layer']}<" in answer.text


@pytest.mark.filterwarnings("ignore::morecantile.errors.PointOutsideTMSBounds")
@pytest.mark.parametrize("collection", COLLECTION_IDS)
def test_every_link_of_a_collection_answers(client: TestClient, follow: Any, collection: str) -> None:
    document = client.get(f"/stac/collections/{collection}").json()

    assert {link["rel"] for link in added(document)} == RELS
    for link in added(document):
        answer = follow(document, link)
        assert answer.status_code == 200, (link, answer.text)
        assert answer.headers["content-type"].split(";")[0] == link["type"]
        for layer in link.get("wmts:layer", []):
            assert f">{layer}<" in answer.text


def test_documents_with_links_are_valid(client: TestClient, schemas: Path) -> None:
    schema = json.loads((schemas / "stac-extensions.github.io/web-map-links/v1.2.0/schema.json").read_text())
    items = client.get("/stac/search").json()["features"]
    collections = client.get("/stac/collections").json()["collections"]

    assert len(items) == len(collections) == 3
    for document in (*items, *collections):
        jsonschema.validate(document, schema)


def test_what_is_searched_is_linked_like_what_is_fetched(client: TestClient) -> None:
    item = client.get(f"/stac/collections/{L2A}/items/{SPEC.name}").json()
    found = client.post("/stac/search", json={"collections": [L2A]}).json()["features"]
    listed = client.get(f"/stac/collections/{L2A}/items").json()["features"]

    assert added(found[0]) == added(listed[0]) == added(item)


def test_links_are_not_stored_and_fields_may_leave_them_out(client: TestClient) -> None:
    lean = client.get("/stac/search", params={"collections": L2A, "fields": "id,properties"}).json()["features"]
    bare = client.get("/stac/search", params={"collections": L2A, "fields": "-links"}).json()["features"]

    assert added(lean[0]) == []
    assert "links" not in bare[0]


def test_the_root_tells_stac_browser_how_to_show_it(client: TestClient) -> None:
    assert client.get("/stac/").json()["stac_browser"]["crossOriginMedia"] == "anonymous"


@pytest.mark.parametrize(
    ("assets", "picture"),
    [
        (("B02", "B03", "B04", "TCI"), ("TCI",)),
        (("B02", "B03", "B04"), ("B04", "B03", "B02")),
        (("MNDWI", "NDVI"), ("NDVI",)),
        (("MASK", "MNDWI"), ("MNDWI",)),
        (("B04", "SCL"), ()),
    ],
)
def test_the_picture_of_an_item_is_made_of_what_it_has(assets: tuple[str, ...], picture: tuple[str, ...]) -> None:
    assert shown(assets) == picture


def test_an_item_without_a_picture_gets_no_map() -> None:
    item: dict[str, Any] = {"id": "x", "collection": L2A, "assets": {"SCL": {}}, "links": [], "stac_extensions": []}

    add_item_links(item, "https://eo.example.org/")

    assert [link["rel"] for link in item["links"]] == ["timeseries"]
    assert item["links"][0]["href"].startswith("https://eo.example.org/raster/collections/")
    assert item["stac_extensions"] == []


def test_what_a_writer_removes_leaves_the_bucket_and_stays_away(archive: Settings, tmp_path: Path) -> None:
    token = "0123456789abcdef" * 4
    named = object_keys(archive)
    ours = {key for collection in (L2A, INDICES) for key in named[collection, SPEC.name]}
    app = create_app(archive, WriterSettings(token=token))
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as writer:
        for collection, state in ((L2A, "published"), (INDICES, "removed")):
            gone = writer.delete(f"/collections/{collection}/items/{SPEC.name}")
            assert gone.json() == {"deleted item": SPEC.name}
            (entry,) = [one for one in status.products(archive) if one.id == SPEC.name]
            assert (entry.state, entry.reason) == (state, "removed over the API")

    assert set(reconcile.report(archive).unknown) == ours
    again = ingest_product(str(write_product(SPEC, tmp_path)), settings=archive)
    assert (again.state, again.reason) == (
        "unchanged",
        f"removed over the API; bring it back with: sen2extract retry {SPEC.name}",
    )
    assert set(reconcile.fix(archive, older_than=timedelta(0)).removed) == ours
    left = reconcile.report(archive)
    assert (left.unknown, left.missing, left.items) == ((), (), 1)
