"""The curve while it is read: newest first, with how far it is, to be stopped, and what is said when it breaks off."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

HELD = """
const real = window.fetch;
window.fetch = async (url, init) => {
  if (!String(url).includes(".ndjson")) return real(url, init);
  const whole = await real(url, init);
  const lines = (await whole.text()).split("\\n").filter((line) => line !== "").map((line) => line + "\\n");
  if (window.stopEarly) lines.splice(3, lines.length, '{"type":"error","detail":"the object store is away"}\\n');
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    start(out) {
      window.left = () => lines.length;
      window.release = (count) => {
        for (const line of lines.splice(0, count)) out.enqueue(encoder.encode(line));
        if (lines.length === 0) out.close();
      };
      window.breakOff = () => out.error(new TypeError("network error"));
      init.signal.addEventListener("abort", () => { window.stopped = true; out.error(init.signal.reason); });
    },
  });
  return new Response(body, { headers: whole.headers });
};
"""
"""Holds the server's lines back until the test lets them pass."""


def curve(page: Page) -> Locator:
    return page.get_by_role("slider", name="curve")


@pytest.fixture
def held(visit: Callable[..., Any], place: str) -> Any:
    """A visit where three lines of the series have come, the newest of which is clear."""
    seen = visit()
    seen.page.add_init_script(HELD)
    seen.open(place)
    seen.page.wait_for_function("window.release !== undefined")
    assert seen.page.evaluate("left()") > 6
    seen.page.evaluate("release(3)")
    expect(curve(seen.page)).to_have_attribute("aria-valuemax", "3")
    return seen


def axis(page: Page) -> str:
    """What stands at the time axis, as its picture: it must not move while the curve grows."""
    # Read from a copy: of a canvas that is read itself a second time, Chromium warns.
    script = """() => {
        const canvas = document.querySelector('.curve canvas');
        const high = Math.round(canvas.height * 0.17);
        const copy = new OffscreenCanvas(canvas.width, high).getContext('2d');
        copy.drawImage(canvas, 0, high - canvas.height);
        return [...copy.getImageData(0, 0, canvas.width, high).data].join();
    }"""
    return str(page.evaluate(script))


def test_the_newest_images_come_first_and_the_axis_stays(held: Any) -> None:
    page = held.page
    total = page.evaluate("left()") + 2
    expect(page.locator(".reading-on")).to_contain_text(f"3 of {total} images")
    expect(page.locator(".series")).to_have_attribute("aria-busy", "true")
    chosen = curve(page).get_attribute("aria-valuetext")
    assert re.search(r"Dec 2025|Nov 2025", chosen or "")
    # The map does not wait for the rest either.
    expect(page.get_by_role("link", name="L2A")).to_be_visible()
    before = axis(page)
    held.shot("reading")
    assert held.findings() == []
    page.evaluate("release(2)")
    expect(page.locator(".reading-on")).to_contain_text(f"5 of {total} images")
    assert axis(page) == before
    expect(curve(page)).to_have_attribute("aria-valuetext", chosen or "")
    page.evaluate("release(1000)")
    expect(page.locator(".summary")).to_contain_text(f"of {total} images")
    expect(page.locator(".reading-on")).to_have_count(0)
    expect(curve(page)).to_have_attribute("aria-valuemax", f"{total}")
    assert held.complaints == []


def test_what_the_reader_does_outlives_the_rows_that_come_meanwhile(held: Any) -> None:
    page = held.page
    over = page.locator(".u-over")
    box = over.bounding_box()
    over.evaluate("plot => plot.dataset.known = 'yes'")
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 80, steps=4)
    drawn = page.locator(".u-select").bounding_box()
    assert drawn["width"] > 50
    page.evaluate("release(2)")
    expect(curve(page)).to_have_attribute("aria-valuemax", "5")
    assert over.get_attribute("data-known") == "yes"
    assert page.locator(".u-select").bounding_box() == drawn
    expect(page.locator(".tip")).to_be_visible()
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"period=\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d"))
    page.evaluate("release(1000)")
    held.whole()
    assert over.get_attribute("data-known") == "yes"
    assert held.complaints == []


def test_reading_can_be_stopped_and_gone_on_with(held: Any) -> None:
    page = held.page
    total = page.evaluate("left()") + 2
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".missing")).to_contain_text(f"Only 3 of {total} images were read")
    assert page.evaluate("window.stopped")
    page.evaluate("delete window.release")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_function("window.release !== undefined")
    page.evaluate("release(1000)")
    expect(page.locator(".summary")).to_contain_text(f"of {total} images")
    expect(page.locator(".missing")).to_have_count(0)


@pytest.mark.parametrize("how", ["the line breaks", "the server says why"])
def test_what_came_before_the_answer_broke_off_stays(visit: Callable[..., Any], place: str, how: str) -> None:
    seen = visit()
    seen.page.add_init_script(HELD)
    if how == "the server says why":
        seen.page.add_init_script("window.stopEarly = true")
    seen.open(place)
    seen.page.wait_for_function("window.release !== undefined")
    seen.page.evaluate("release(3)")
    expect(curve(seen.page)).to_have_attribute("aria-valuemax", "3")
    seen.page.evaluate("window.stopEarly ? release(1) : breakOff()")
    expect(seen.page.locator(".missing")).to_contain_text(re.compile(r"Only 3 of \d+ images were read"))
    expect(curve(seen.page)).to_be_visible()
    expect(seen.page.locator(".reading-on")).to_have_count(0)
    seen.shot("broken-off")
