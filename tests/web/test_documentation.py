"""The APIs' documentation: from our own files alone, and readable without them."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect


def test_swagger_and_redoc_come_from_our_own_files(visit: Callable[..., Any]) -> None:
    seen = visit()
    seen.page.route(lambda url: not url.startswith(seen.origin), lambda route: route.abort())
    for service, endpoint in (("raster", "statistics"), ("stac", "/search")):
        seen.open(f"{service}/api.html")
        expect(seen.page.locator(".opblock-summary-path").filter(has_text=endpoint).first).to_be_visible()
        seen.shot(f"swagger-{service}")
    seen.page.get_by_role("link", name="Redoc").click()
    expect(seen.page.locator("[data-section-id]").first).to_be_visible(timeout=90_000)
    seen.page.wait_for_load_state("networkidle")
    seen.shot("redoc-stac")
    assert seen.foreign == []
    assert seen.complaints == []


SOUGHT = ("", "app/", "stac/api.html", "stac/search", "raster/api.html", "raster/tileMatrixSets", "raster/docs")
VIEWERS = ("WebMercatorQuad/map.html", "WebMercatorQuad/WMTSCapabilities.xml", "info", "preview", "assets", "renders")


def test_no_page_of_either_service_asks_another_host(visit: Callable[..., Any]) -> None:
    """Whatever a browser can open: all that answers with HTML, TiTiler's viewers and both services' own."""
    seen = visit()
    get = seen.page.request.get
    (item,) = get(f"{seen.origin}/stac/search?limit=1&collections=sentinel-2-indices").json()["features"]
    collection = f"collections/{item['collection']}"
    known = {"collection_id": item["collection"], "item_id": item["id"], "tileMatrixSetId": "WebMercatorQuad"}
    below = (collection, f"{collection}/items/{item['id']}")
    paths = {*SOUGHT, *(f"raster/{at}/{name}" for name in VIEWERS for at in below)}
    for service in ("stac", "raster"):
        for path, operations in get(f"{seen.origin}/{service}/api").json()["paths"].items():
            filled = re.sub(r"{(\w+)}", lambda name: known.get(name[1], name[0]), path)
            if "get" in operations and "{" not in filled:
                paths.add(service + filled)
    pages = set()
    for path in sorted(paths):
        answer = get(f"{seen.origin}/{path}", headers={"Accept": "text/html"}, max_redirects=3)
        if "html" in answer.headers.get("content-type", ""):
            pages.add(answer.url.removeprefix(seen.origin).partition("?")[0])
    assert {"/", "/stac/api.html", "/raster/api.html"} <= pages
    for path in sorted(pages):
        seen.open(path.removeprefix("/"))
        seen.page.wait_for_load_state("networkidle")
    assert seen.foreign == []


def test_without_scripts_the_endpoints_are_listed(visit: Callable[..., Any]) -> None:
    seen = visit(java_script_enabled=False)
    seen.open("raster/api.html")
    expect(seen.page.get_by_text("/collections/{collection_id}/timeseries/statistics", exact=True)).to_be_visible()
