"""An image behind a dot: as the ground, as L1C, with its clouds; left out; compared with another by a swipe."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

BROWSER = "https://browser.example/#/external/"


def curve(page: Page) -> Locator:
    return page.get_by_role("slider", name="curve")


def go_to(page: Page, day: str) -> None:
    """Choose the image of a day: images of other tests may come before it."""
    curve(page).press("Home")
    while day not in (curve(page).get_attribute("aria-valuetext") or ""):
        said = curve(page).get_attribute("aria-valuetext") or ""
        curve(page).press("ArrowRight")
        expect(curve(page)).not_to_have_attribute("aria-valuetext", said)


def test_an_image_shows_its_originals_and_its_clouds(visit: Callable[..., Any], place: str) -> None:
    seen = visit()

    def advertise(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        body["links"].append({"rel": "stac-browser", "href": BROWSER})
        route.fulfill(response=answer, json=body)

    seen.page.route("**/raster/", advertise)
    seen.open(place)
    seen.whole()
    go_to(seen.page, "21 Feb 2025")
    layers = seen.page.locator(".layers")
    with seen.page.expect_response(re.compile(r"sentinel-2-l1c/items/[^/]+/tiles/.*assets=TCI")) as tile:
        layers.get_by_role("radio", name="L1C colour").check()
    assert tile.value.status == 200
    with seen.page.expect_response(re.compile(r"sentinel-2-l2a/items/[^/]+/tiles/.*assets=SCL")) as tile:
        seen.page.get_by_role("checkbox", name="Mark clouds").check()
    assert tile.value.status == 200
    assert tile.value.headers["content-type"] == "image/png"
    expect(seen.page.get_by_text("cloud shadow")).to_be_visible()
    expect(seen.page).to_have_url(re.compile("show=top&clouds=marked"))
    expect(seen.page.get_by_role("link", name="STAC Browser")).to_have_count(2)
    links = [link.get_attribute("href") or "" for link in seen.page.get_by_role("link", name="STAC Browser").all()]
    assert [link.removeprefix(BROWSER).split("/")[-3] for link in links] == ["sentinel-2-l2a", "sentinel-2-l1c"]
    seen.shot("clouds")
    # What is not in the archive is not offered.
    curve(seen.page).press("ArrowRight")
    expect(layers.get_by_role("radio", name="L1C colour")).to_have_count(0)
    assert seen.complaints == []


def test_an_image_left_out_is_left_out_everywhere(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    said = seen.whole().get_attribute("aria-valuetext") or ""
    before = int(re.search(r"(\d+) clear", seen.page.locator(".summary").inner_text())[1])
    link = seen.page.get_by_role("link", name="Download CSV")
    every = seen.page.request.get(link.get_attribute("href")).text()
    box = seen.page.get_by_role("checkbox", name="Leave it out")
    box.check()
    expect(seen.page.locator(".summary")).to_contain_text(f"{before - 1} clear")
    expect(seen.page).to_have_url(re.compile(r"without=\d{4}-\d\d-\d\d"))
    seen.page.reload()
    expect(seen.page.locator(".summary")).to_contain_text(f"{before - 1} clear")
    rows = list(csv.DictReader(io.StringIO(seen.page.request.get(link.get_attribute("href")).text())))
    left = {row["datetime"] for row in csv.DictReader(io.StringIO(every))} - {row["datetime"] for row in rows}
    assert len(left) == 1
    day = re.search(r"without=([\d-]+)", seen.address)[1]
    assert left.pop().startswith(day)
    seen.page.goto(f"{seen.address}&date={day}")
    expect(curve(seen.page)).to_have_attribute("aria-valuetext", re.compile("left out by you"))
    box.uncheck()
    expect(curve(seen.page)).to_have_attribute("aria-valuetext", said)
    assert "without" not in seen.address


def test_two_dates_are_compared_by_a_swipe(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    choice = seen.page.get_by_label("Compare with")
    wanted = choice.locator("option").nth(3).get_attribute("value") or ""
    day = wanted[:10].replace("-", "")
    with seen.page.expect_response(re.compile(rf"sentinel-2-l2a/items/[^/]*_{day}T[^/]*/tiles/")) as tile:
        choice.select_option(value=wanted)
    assert tile.value.status == 200
    swipe = seen.page.get_by_role("slider", name="Swipe between")
    expect(swipe).to_have_value("0.5")
    swipe.focus()
    seen.page.keyboard.press("ArrowRight")
    expect(swipe).to_have_value("0.51")
    box = seen.page.locator(".map").bounding_box()
    seen.page.mouse.move(box["width"] * 0.51, 450)
    seen.page.mouse.down()
    seen.page.mouse.move(box["width"] * 0.3, 450, steps=4)
    seen.page.mouse.up()
    # Three tenths, but for the width of the slider's thumb.
    expect(swipe).to_have_value(re.compile(r"^0\.(2[789]|3[0123]?)$"))
    seen.shot("swipe")
    assert seen.findings() == []
    expect(seen.page).to_have_url(re.compile(f"with={wanted[:10]}"))
    seen.page.reload()
    expect(swipe).to_be_visible()
    choice.select_option(label="no other date")
    expect(swipe).to_have_count(0)
