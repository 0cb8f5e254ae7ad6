"""An area: drawn or typed, its curve, its slider, its CSV, its address."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

CORNERS = ((300, 350), (520, 350), (520, 560), (300, 560))
"""On the map, in pixels, in the order of drawing."""
POSTED = re.compile(r"/timeseries/statistics\.ndjson\?index=NDVI")


@pytest.fixture
def outline(stack: Any) -> list[list[float]]:
    """Corners of a square of some 2 km, longitude first."""
    lon, lat = stack.point
    return [[lon - 0.01, lat - 0.01], [lon + 0.01, lat - 0.01], [lon + 0.01, lat + 0.01], [lon - 0.01, lat + 0.01]]


def curve(page: Page) -> Locator:
    return page.get_by_role("slider", name="curve")


def draw(seen: Any) -> None:
    """Draw the outline on the map, up to its last corner."""
    seen.whole()
    page = seen.page
    page.get_by_role("button", name="Draw an area").click()
    for x, y in CORNERS:
        page.locator(".map").click(position={"x": x, "y": y})
        page.wait_for_timeout(300)


def type_area(page: Page, text: str) -> None:
    page.get_by_text("Type or paste an area").click()
    page.get_by_role("textbox", name="GeoJSON").fill(text)
    page.get_by_role("button", name="Show this area").click()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_drawn_area_has_a_curve_and_a_csv_equal_to_the_servers(
    visit: Callable[..., Any], place: str, columns: Callable[[Any], dict[str, list[Any]]]
) -> None:
    seen = visit()
    seen.open(place)
    draw(seen)
    expect(seen.page.locator(".hectares")).to_have_text(re.compile(r"^[\d,]{3,} ha$"))
    seen.shot("drawing")
    with seen.page.expect_response(POSTED) as answer:
        seen.page.locator(".map").dblclick(position={"x": CORNERS[-1][0], "y": CORNERS[-1][1]})
    body = json.loads(answer.value.request.post_data)
    assert body["geometry"]["type"] == "Polygon"
    assert len(body["geometry"]["coordinates"][0]) == len(CORNERS) + 1
    seen.whole()
    expect(seen.page.get_by_role("heading", name=re.compile(r"Area of [\d,]+ ha"))).to_be_visible()
    assert "area=" in seen.address
    assert "lon=" not in seen.address
    seen.shot("area")
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Download CSV").click()
    saved = rows_of(Path(download.value.path()).read_text())
    url = answer.value.url.replace(".ndjson", ".csv")
    asked = rows_of(seen.page.request.post(url, data=body).text())
    assert saved == asked
    means = {row["datetime"]: float(row["mean"]) if row["mean"] else None for row in saved}
    read = columns(answer.value)
    assert means == pytest.approx(dict(zip(read["datetime"], read["mean"], strict=True)), abs=1e-6)
    assert any(mean is not None for mean in means.values())
    assert seen.complaints == []
    assert seen.foreign == []


def test_enter_closes_the_outline_and_escape_gives_it_up(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    draw(seen)
    seen.page.keyboard.press("Escape")
    expect(seen.page.get_by_role("button", name="Draw an area")).to_be_visible()
    assert "area=" not in seen.address
    draw(seen)
    with seen.page.expect_response(POSTED):
        seen.page.keyboard.press("Enter")
    expect(seen.page).to_have_url(re.compile("area="))


def test_an_area_is_drawn_by_the_keyboard_alone(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    seen.page.get_by_role("button", name="Draw an area").press("Enter")
    for move in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        seen.page.keyboard.press("Space")
        seen.page.keyboard.press(move)
        seen.rest()
    seen.page.keyboard.press("Space")
    with seen.page.expect_response(POSTED) as answer:
        seen.page.keyboard.press("Enter")
    ring = json.loads(answer.value.request.post_data)["geometry"]["coordinates"][0]
    assert len({tuple(corner) for corner in ring}) == 4
    expect(curve(seen.page)).to_be_visible()


def test_the_address_restores_the_area(visit: Callable[..., Any], outline: list[list[float]]) -> None:
    seen = visit()
    seen.open()
    document = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [outline]}}
    with seen.page.expect_response(POSTED) as answer:
        type_area(seen.page, json.dumps(document))
    first = json.loads(answer.value.request.post_data)["geometry"]["coordinates"]
    assert first == [[pytest.approx(corner, abs=1e-5) for corner in [*outline, outline[0]]]]
    seen.whole()
    seen.page.get_by_role("slider", name="Valid pixels").fill("20")
    expect(seen.page).to_have_url(re.compile("valid=20"))
    assert len(seen.address) < 160
    again = visit()
    with again.page.expect_response(POSTED) as answer:
        again.page.goto(seen.address)
    assert json.loads(answer.value.request.post_data)["geometry"]["coordinates"] == first
    expect(again.page.get_by_role("slider", name="Valid pixels")).to_have_value("20")
    again.page.locator(".map").click(position={"x": 100, "y": 500})
    expect(again.page).to_have_url(re.compile("lon="))
    again.page.go_back()
    expect(again.page.get_by_role("heading", name="Area of")).to_be_visible()


@pytest.mark.parametrize("form", ["wkt", "corners"])
def test_wkt_and_corners_are_areas_too(visit: Callable[..., Any], outline: list[list[float]], form: str) -> None:
    seen = visit()
    seen.open()
    ring = ", ".join(f"{lon} {lat}" for lon, lat in [*outline, outline[0]])
    text = f"POLYGON (({ring}))" if form == "wkt" else "\n".join(f"{lat}, {lon}" for lon, lat in outline)
    with seen.page.expect_response(POSTED) as answer:
        type_area(seen.page, text)
    posted = json.loads(answer.value.request.post_data)["geometry"]["coordinates"][0]
    assert posted == [pytest.approx(corner, abs=1e-5) for corner in [*outline, outline[0]]]


@pytest.mark.parametrize("text", ["nowhere", "12.1, 105.2\n12.2, 105.3", '{"type": "Point"}', "POLYGON ((1 2, x y))"])
def test_what_is_no_area_is_answered_beside_the_field(visit: Callable[..., Any], text: str) -> None:
    seen = visit()
    seen.open()
    type_area(seen.page, text)
    expect(seen.page.get_by_text("This is no area")).to_be_visible()
    assert "area" not in seen.address


def test_the_slider_leaves_out_images_at_once(visit: Callable[..., Any], place: str) -> None:
    seen = visit()

    def thin(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        same = {"mean": 0.5, "p25": 0.4, "p75": 0.6, "tile": "48PWU 48PVU"}
        return [
            {**row, **same, "valid_fraction": 0.9 if at % 2 else 0.3, "item_id": f"{row['item_id']} {row['item_id']}"}
            for at, row in enumerate(rows)
        ]

    seen.change_rows(thin)
    seen.open(place)
    draw(seen)
    seen.page.keyboard.press("Enter")
    slider = seen.page.get_by_role("slider", name="Valid pixels")
    expect(slider).to_have_value("50")
    rows = int(seen.whole().get_attribute("aria-valuemax") or 0)
    expect(seen.page.get_by_text(f"{rows // 2} clear of {rows} images")).to_be_visible()
    asked = len(seen.requests)
    slider.fill("25")
    expect(seen.page.get_by_text(f"{rows} clear of {rows} images")).to_be_visible()
    seen.shot("band")
    slider.fill("95")
    expect(seen.page.get_by_text("move the slider to the left")).to_be_visible()
    assert not [url for url in seen.requests[asked:] if "timeseries" in url]
    expect(seen.page.get_by_text("48PWU, 48PVU")).to_be_visible()


def test_too_large_an_area_is_refused_with_the_numbers(visit: Callable[..., Any], stack: Any) -> None:
    seen = visit()
    seen.open()
    lon, lat = stack.point
    corners = ((lat - 9, lon - 9), (lat - 9, lon + 9), (lat + 9, lon + 9), (lat + 9, lon - 9))
    with seen.page.expect_response(POSTED) as answer:
        type_area(seen.page, "\n".join(f"{north}, {east}" for north, east in corners))
    assert answer.value.status == 413
    said = answer.value.json()["detail"]
    assert "18" in said
    expect(seen.page.get_by_role("heading", name="This area is too large")).to_be_visible()
    expect(seen.page.get_by_role("alert").filter(has_text=said)).to_be_visible()
    seen.shot("too-large")
