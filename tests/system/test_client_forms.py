"""The requests of clients that are not run here, in the forms in which their sources make them."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.timeout(900)
BROWSER = {"Origin": "https://radiantearth.github.io", "Accept": "application/geo+json,application/json,*/*"}
# leafmap.cog_tile, cog_bounds, cog_info, cog_stats, cog_pixel_value, with `titiler_endpoint` set to /raster.
LEAFMAP = (
    ("/cog/WebMercatorQuad/tilejson.json", {}, "tiles"),
    ("/cog/info.geojson", {}, "bbox"),
    ("/cog/info", {}, "bounds"),
    ("/cog/statistics", {}, "b1"),
    ("/cog/point/105.4,11.9", {}, "values"),
)


@pytest.fixture
def item(ingested) -> dict[str, Any]:
    found: dict[str, Any] = ingested.client.get("/stac/search", params={"collections": "sentinel-2-indices"}).json()
    return found["features"][0]


@pytest.mark.parametrize(("path", "params", "member"), LEAFMAP)
def test_leafmap_asks_the_tiler_about_an_image(ingested, item, path: str, params: dict[str, str], member: str):
    answer = ingested.client.get(f"/raster{path}", params={"url": item["assets"]["NDVI"]["href"], **params})

    assert answer.status_code == 200, answer.text
    assert member in answer.json()


def test_leafmap_shows_the_tiles_it_is_told_of(ingested, item):
    told = ingested.client.get(
        "/raster/cog/WebMercatorQuad/tilejson.json", params={"url": item["assets"]["NDVI"]["href"]}
    )
    lon, lat, zoom = told.json()["center"]
    assert (item["bbox"][0] < lon < item["bbox"][2], item["bbox"][1] < lat < item["bbox"][3]) == (True, True)
    tile = told.json()["tiles"][0].format(z=8, x=int((lon + 180) / 360 * 2**8), y=119)
    answer = ingested.client.get(tile)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), (answer.text[:200], zoom)


def test_stac_browser_walks_from_the_root_to_a_picture(ingested):
    def get(address: str) -> Any:
        preflight = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "accept-language"}
        assert ingested.client.options(address, headers=BROWSER | preflight).status_code in (200, 204)
        answer = ingested.client.get(address, headers=BROWSER)
        assert answer.status_code == 200, answer.text[:200]
        assert answer.headers["access-control-allow-origin"] == "*"
        return answer

    def link(document: dict[str, Any], rel: str) -> str:
        return next(each["href"] for each in document["links"] if each["rel"] == rel)

    root = get("/stac/").json()
    assert root["stac_browser"]["apiCatalogPriority"] == "collections"
    assert {link["href"].rsplit("/", 1)[-1] for link in root["links"] if link["rel"] == "child"} == {
        each["id"] for each in get(link(root, "data")).json()["collections"]
    }
    collection = get(f"{link(root, 'data')}/sentinel-2-l2a").json()
    page = get(f"{link(collection, 'items')}?limit=2").json()
    assert page["numberMatched"] == 3
    following = get(link(page, "next")).json()
    assert len(following["features"]) == 1
    assert link(get(link(following, "prev")).json(), "next")
    own = get(link(page["features"][0], "self")).json()
    assert own["id"] == page["features"][0]["id"]
    assert link(own, "collection") == link(own, "parent") == link(collection, "self")
    assert get(own["assets"]["thumbnail"]["href"]).headers["content-type"].startswith("image/")
    assert get(link(own, "preview")).headers["content-type"] == "image/png"
