"""The page in a real browser, against the running stack."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).resolve().parents[2]
SHELL_LIMIT = 180_000
CENTRE = {"x": 400, "y": 450}


def curve(page: Page) -> Locator:
    """The curve is a slider over the images."""
    return page.get_by_role("slider", name="curve")


def address(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.evaluate("location.href")).query).items()}


def painted(page: Page) -> bool:
    """Whether the chart's canvas holds anything."""
    return bool(
        page.evaluate(
            """() => {
                const canvas = document.querySelector('[role=slider] canvas');
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                return data.some((value) => value > 0);
            }"""
        )
    )


def test_a_click_on_the_map_draws_the_curve_of_that_place(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    before = address(seen.page)
    with seen.page.expect_response(re.compile(r"/timeseries/point/.*\.ndjson")) as answer:
        seen.page.locator(".map").click(position={"x": CENTRE["x"] + 30, "y": CENTRE["y"] + 20})
    after = address(seen.page)
    assert (after["lon"], after["lat"]) != (before["lon"], before["lat"])
    assert f"/point/{after['lon']},{after['lat']}.ndjson?index=NDVI" in answer.value.url
    expect(curve(seen.page)).to_have_attribute("aria-valuetext", re.compile(r"\d{4}: NDVI \S?\d"))
    seen.whole()
    assert painted(seen.page)
    seen.shot("click")
    seen.page.go_back()
    expect(seen.page).to_have_url(re.compile(rf"lon={before['lon']}&lat={before['lat']}"))


def test_the_example_leads_from_the_first_view_to_a_curve(visit: Callable[..., Any]) -> None:
    seen = visit()
    seen.open()
    example = seen.page.get_by_role("button", name="Show an example")
    expect(example).to_be_visible()
    seen.page.wait_for_timeout(500)
    seen.shot("start")
    example.click()
    seen.whole()
    seen.shot("example")
    assert seen.foreign == []
    assert seen.complaints == []


def test_the_csv_is_the_table(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    seen.page.get_by_role("button", name="Table").click()
    expect(seen.page.locator("tbody tr")).not_to_have_count(0)
    cells = seen.page.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [row.querySelector('time').dateTime, row.querySelector('.number').dataset.value])"
    )
    href = seen.page.get_by_role("link", name="Download CSV").get_attribute("href")
    rows = list(csv.DictReader(io.StringIO(seen.page.request.get(href).text())))
    assert len(rows) == len(cells) > 0
    given = {row["datetime"]: float(row["mean"]) if row["mean"] else None for row in rows}
    shown = {when: float(value) if value else None for when, value in cells}
    assert shown == pytest.approx(given, abs=1e-6)
    assert any(value is not None for value in shown.values())
    seen.shot("table")


def test_the_download_is_a_csv_file(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    with seen.page.expect_download() as download:
        seen.page.get_by_role("link", name="Download CSV").click()
    header = Path(download.value.path()).read_text().splitlines()[0]
    assert "datetime" in header.split(",")
    assert download.value.suggested_filename.endswith(".csv")


def test_a_chip_changes_the_index(visit: Callable[..., Any], place: str, columns: Callable[..., Any]) -> None:
    seen = visit()
    seen.open(place)
    expect(curve(seen.page)).to_have_attribute("aria-valuetext", re.compile("NDVI"))
    with seen.page.expect_response(re.compile(r"timeseries/point/.*index=NDWIMCF")) as answer:
        seen.page.get_by_role("radio", name="NDWI McFeeters").first.check()
    assert set(columns(answer.value)["index"]) == {"NDWIMCF"}
    expect(curve(seen.page)).to_have_attribute("aria-valuetext", re.compile("NDWI McFeeters"))
    assert address(seen.page)["index"] == "NDWIMCF"


def test_a_chosen_date_is_shown_on_the_map(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    first = seen.whole().get_attribute("aria-valuetext") or ""
    seen.page.wait_for_load_state("networkidle")
    with seen.page.expect_response(re.compile(r"sentinel-2-l2a/items/[^/]+/tiles/WebMercatorQuad/")) as tile:
        curve(seen.page).press("ArrowLeft")
    assert tile.value.status == 200
    assert tile.value.headers["content-type"].startswith("image/")
    expect(curve(seen.page)).not_to_have_attribute("aria-valuetext", first)
    day = address(seen.page)["date"]
    assert day.replace("-", "") in tile.value.url
    seen.page.wait_for_load_state("networkidle")
    with seen.page.expect_response(re.compile(r"sentinel-2-indices/items/[^/]+/tiles/.*assets=NDVI")) as tile:
        seen.page.locator(".layers").get_by_role("radio", name="NDVI").check()
    assert tile.value.status == 200
    seen.shot("index")


def test_a_click_on_the_curve_chooses_the_nearest_date(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    seen.page.locator(".u-over").click(position={"x": 3, "y": 60})
    expect(curve(seen.page)).to_have_attribute("aria-valuenow", "1")
    assert "date" in address(seen.page)


def test_links_lead_to_the_items_and_tiles_behind_an_image(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    link = seen.page.get_by_role("link", name="L2A")
    item = seen.page.request.get(link.get_attribute("href")).json()
    assert item["collection"] == "sentinel-2-l2a"
    seen.page.get_by_text("Use this data elsewhere").click()
    tiles = seen.page.get_by_label("Map tiles").first.input_value()
    assert item["id"] in tiles
    assert "{z}/{x}/{y}" in tiles


def test_the_address_restores_everything(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(f"{place}&index=MNDWI&show=index")
    seen.whole().press("Home")
    expect(curve(seen.page)).to_have_attribute("aria-valuenow", "1")
    wanted, said = seen.address, curve(seen.page).get_attribute("aria-valuetext")
    again = visit()
    again.page.goto(wanted)
    expect(curve(again.page)).to_have_attribute("aria-valuetext", said)
    expect(again.page.get_by_role("radio", name="MNDWI Water near towns")).to_be_checked()
    expect(again.page.locator(".layers").get_by_role("radio", name="MNDWI")).to_be_checked()
    again.page.wait_for_load_state("networkidle")
    assert again.address == wanted


def test_nothing_leaves_the_origin_and_nothing_complains(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole().press("ArrowLeft")
    seen.page.get_by_role("button", name="Zoom out").click()
    seen.page.wait_for_load_state("networkidle")
    seen.shot("point")
    assert len(seen.requests) > 5
    assert seen.foreign == []
    assert seen.complaints == []


def test_the_keyboard_alone_suffices(visit: Callable[..., Any], stack: Any) -> None:
    seen = visit()
    seen.open()
    keyboard = seen.page.keyboard
    lon, lat = stack.point
    tab_to(seen.page, "Coordinates")
    keyboard.type(f"{lat}, {lon}")
    keyboard.press("Enter")
    seen.whole()
    tab_to(seen.page, "NDVI curve")
    said = curve(seen.page).get_attribute("aria-valuetext")
    keyboard.press("ArrowLeft")
    expect(curve(seen.page)).not_to_have_attribute("aria-valuetext", said or "")
    tab_to(seen.page, "Download CSV")
    width = seen.page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(width.removesuffix("px")) >= 2


def tab_to(page: Page, label: str, limit: int = 30) -> None:
    """Press Tab until the focus is on an element whose words contain the label."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        words = page.evaluate(
            """() => {
                const here = document.activeElement;
                const labels = [...(here.labels ?? [])].map((label) => label.textContent);
                return [here.ariaLabel, here.textContent, ...labels].join(' ');
            }"""
        )
        if label in words and page.evaluate("document.activeElement !== document.body"):
            return
    pytest.fail(f"{label} is not reached by {limit} presses of Tab")


def test_enter_on_the_map_chooses_its_middle(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    before = address(seen.page)
    seen.page.locator(".map").focus()
    seen.page.keyboard.press("ArrowRight")
    seen.rest()
    seen.page.keyboard.press("Enter")
    expect(seen.page).not_to_have_url(re.compile(rf"lon={before['lon']}&"))
    assert float(address(seen.page)["lon"]) > float(before["lon"])


def test_wrong_coordinates_are_answered_beside_the_field(visit: Callable[..., Any]) -> None:
    seen = visit()
    seen.open()
    field = seen.page.get_by_role("textbox", name="Coordinates")
    field.fill("somewhere nice")
    field.press("Enter")
    expect(seen.page.get_by_role("alert")).to_contain_text("12.45, 107.19")
    assert "lon" not in address(seen.page)


def test_outside_coverage_the_page_says_so(visit: Callable[..., Any]) -> None:
    seen = visit()
    seen.open("?lon=170&lat=-50&zoom=5")
    expect(seen.page.get_by_text("No Sentinel-2 image is stored for this place")).to_be_visible()
    seen.shot("outside")


def test_a_server_that_is_away_can_be_asked_again(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.page.route("**/timeseries/**", lambda route: route.abort())
    seen.open(place)
    expect(seen.page.get_by_role("heading", name="The server does not answer")).to_be_visible()
    seen.shot("away")
    seen.page.unroute("**/timeseries/**")
    seen.page.get_by_role("button", name="Try again").click()
    expect(curve(seen.page)).to_be_visible()


def test_when_every_image_is_cloudy_the_page_says_so(visit: Callable[..., Any], place: str) -> None:
    seen = visit()

    seen.change_rows(lambda rows: [{**row, "mean": None, "status": "masked"} for row in rows])
    seen.open(place)
    expect(seen.page.get_by_text("Every image of this place was cloudy")).to_be_visible()
    expect(curve(seen.page)).to_be_visible()
    seen.shot("cloudy")


def test_320_pixels_are_enough(visit: Callable[..., Any], place: str) -> None:
    seen = visit(viewport={"width": 320, "height": 640}, has_touch=True)
    seen.open(place)
    seen.whole()
    seen.page.wait_for_function("document.documentElement.scrollWidth <= 320")
    # What is tabbed to first is seen first, and that is what was found.
    order = seen.page.locator(".panel > *").evaluate_all("all => all.map((one) => [one.className, one.offsetTop])")
    assert [top for _, top in order] == sorted(top for _, top in order)
    names = [name for name, _ in order]
    assert names.index("card series") < names.index("area-door")
    seen.shot("phone-320")
    seen.page.get_by_role("link", name="Download CSV").scroll_into_view_if_needed()
    expect(seen.page.get_by_role("link", name="Download CSV")).to_be_in_viewport()
    seen.shot("phone-320-curve")


def test_dark_is_dark(visit: Callable[..., Any], place: str) -> None:
    seen = visit(color_scheme="dark")
    seen.open(place)
    seen.whole()
    background = seen.page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
    assert max(int(value) for value in re.findall(r"\d+", background)[:3]) < 60
    seen.shot("dark")


def test_the_sources_are_credited(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    credit = re.compile(r"Contains modified Copernicus Sentinel data \d{4}")
    expect(seen.page.locator("footer")).to_contain_text(credit)
    expect(seen.page.locator("footer")).to_contain_text("Natural Earth")


def test_the_shell_stays_small() -> None:
    """All that the first view needs; words of other languages and rarer tools are loaded when they are wanted."""
    static = ROOT / "tiler" / "static"
    if not (static / "files.json").is_file():
        pytest.fail("the page is not built: npm ci && npm run build, in tiler/web")
    files = json.loads((static / "files.json").read_text())
    wanted, shell = ["index.html"], set()
    while wanted:
        entry = files[wanted.pop()]
        if entry["file"] not in shell:
            shell.add(entry["file"])
            wanted += entry.get("imports", [])
    assert sum(len(gzip.compress((static / name).read_bytes(), 9)) for name in shell) <= SHELL_LIMIT
