"""axe-core finds nothing serious, in light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

AXE = Path(__file__).resolve().parents[2] / "tiler" / "web" / "node_modules" / "axe-core" / "axe.min.js"


def findings(page: Page) -> list[tuple[str, str]]:
    """Serious and critical findings, each with the element concerned."""
    page.wait_for_load_state("networkidle")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [
        (finding["id"], node["html"][:200])
        for finding in found
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way(visit: Callable[..., Any], stack: Any, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci, in tiler/web")
    seen = visit(color_scheme=scheme)
    seen.open()
    expect(seen.page.get_by_role("button", name="Show an example")).to_be_visible()
    assert findings(seen.page) == []
    lon, lat = stack.point
    corners = ((lat, lon), (lat, lon + 0.01), (lat + 0.01, lon))
    seen.page.get_by_text("Type or paste an area").click()
    assert findings(seen.page) == []
    seen.page.get_by_role("textbox", name="GeoJSON").fill("\n".join(f"{north}, {east}" for north, east in corners))
    seen.page.get_by_role("button", name="Show this area").click()
    expect(seen.page.get_by_role("slider", name="curve")).to_be_visible()
    seen.page.get_by_text("Use this data elsewhere").click()
    assert findings(seen.page) == []
    seen.page.get_by_role("button", name="Table").click()
    assert findings(seen.page) == []
    seen.page.get_by_role("button", name="Draw an area").click()
    assert findings(seen.page) == []
    seen.page.get_by_role("button", name="Cancel").click()
    seen.shot(f"accessible-{scheme}")
