"""axe-core finds nothing serious, in light and dark."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way(visit: Callable[..., Any], stack: Any, scheme: str) -> None:
    seen = visit(color_scheme=scheme)
    seen.open()
    expect(seen.page.get_by_role("button", name="Show an example")).to_be_visible()
    assert seen.findings() == []
    lon, lat = stack.point
    corners = ((lat, lon), (lat, lon + 0.01), (lat + 0.01, lon))
    seen.page.get_by_text("Type or paste an area").click()
    assert seen.findings() == []
    seen.page.get_by_role("textbox", name="GeoJSON").fill("\n".join(f"{north}, {east}" for north, east in corners))
    seen.page.get_by_role("button", name="Show this area").click()
    seen.whole()
    seen.page.get_by_text("Use this data elsewhere").click()
    assert seen.findings() == []
    seen.page.get_by_role("button", name="Table").click()
    assert seen.findings() == []
    seen.page.get_by_role("button", name="Draw an area").click()
    assert seen.findings() == []
    seen.page.get_by_role("button", name="Cancel").click()
    seen.shot(f"accessible-{scheme}")
