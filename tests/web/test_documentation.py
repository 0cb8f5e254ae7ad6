"""The APIs' documentation: from our own files alone, and readable without them."""

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


def test_without_scripts_the_endpoints_are_listed(visit: Callable[..., Any]) -> None:
    seen = visit(java_script_enabled=False)
    seen.open("raster/api.html")
    expect(seen.page.get_by_text("/collections/{collection_id}/timeseries/statistics", exact=True)).to_be_visible()
