"""The curve over time: gaps, the shown period, and how they are kept in the address."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from playwright.sync_api import Locator, Page, expect

ACCENT = (20, 102, 63)
"""The curve's colour in the light theme."""


def curve(page: Page) -> Locator:
    return page.get_by_role("slider", name="curve")


def answer_with(seen: Any, dates: Sequence[str], clear: Sequence[bool]) -> None:
    """Have the server's answer speak of these dates only, and of these clear ones."""

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        told = zip(rows, reversed(dates), reversed(clear), strict=False)
        return [
            {
                **row,
                "datetime": f"{day}T03:11:21Z",
                "mean": 0.6 if is_clear else None,
                "status": "ok" if is_clear else "masked",
            }
            for row, day, is_clear in told
        ]

    seen.change_rows(change)


def line_between(page: Page, share: float) -> bool:
    """Whether the curve's colour is anywhere in the column at this share of the time axis."""
    pixels = page.evaluate(
        """(share) => {
            const canvas = document.querySelector('.curve canvas');
            const over = document.querySelector('.u-over').getBoundingClientRect();
            const box = canvas.getBoundingClientRect();
            const ratio = canvas.width / box.width;
            const x = Math.round((over.left - box.left + over.width * share) * ratio);
            return [...canvas.getContext('2d').getImageData(x, 0, 1, canvas.height).data];
        }""",
        share,
    )
    rows = [pixels[start : start + 4] for start in range(0, len(pixels), 4)]
    return any(a > 200 and all(abs(c - w) < 30 for c, w in zip(rgb, ACCENT, strict=True)) for *rgb, a in rows)


def test_no_line_is_drawn_where_nobody_knows(visit: Callable[..., Any], place: str) -> None:
    seen = visit(color_scheme="light")
    dates = ["2023-01-10", "2023-02-09", "2023-03-11", "2025-01-10", "2025-02-09", "2025-03-11"]
    answer_with(seen, dates, [True] * 6)
    seen.open(place)
    seen.whole()
    seen.shot("gap")
    assert line_between(seen.page, 0.05)
    assert not any(line_between(seen.page, share) for share in (0.2, 0.5, 0.8))
    assert line_between(seen.page, 0.95)


def test_a_cloudy_month_does_not_interrupt_the_line(visit: Callable[..., Any], place: str) -> None:
    seen = visit(color_scheme="light")
    answer_with(seen, ["2025-01-10", "2025-02-09", "2025-03-11"], [True, False, True])
    seen.open(place)
    seen.whole()
    assert line_between(seen.page, 0.4)
    assert line_between(seen.page, 0.6)


def test_the_last_year_is_a_choice_kept_in_the_address(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    dates = ["2021-01-10", "2022-06-09", "2024-02-11", "2024-06-10", "2024-09-09", "2025-03-11"]
    answer_with(seen, dates, [True] * 6)
    seen.open(place)
    expect(curve(seen.page)).to_have_attribute("aria-valuemax", "6")
    seen.page.get_by_role("radio", name="1 year").check()
    expect(curve(seen.page)).to_have_attribute("aria-valuemax", "3")
    expect(seen.page.get_by_text("3 clear of 3 images")).to_be_visible()
    seen.page.get_by_role("radio", name="3 years").check()
    expect(curve(seen.page)).to_have_attribute("aria-valuemax", "5")
    expect(seen.page).to_have_url(re.compile("period=P3Y"))
    seen.page.reload()
    expect(curve(seen.page)).to_have_attribute("aria-valuemax", "5")
    expect(seen.page.get_by_role("radio", name="3 years")).to_be_checked()


def test_a_drag_on_the_curve_zooms_and_can_be_taken_back(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    every = int(seen.whole().get_attribute("aria-valuemax") or 0)
    box = seen.page.locator(".u-over").bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 80)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 90, steps=6)
    seen.page.mouse.up()
    expect(seen.page).to_have_url(re.compile(r"period=\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d"))
    expect(curve(seen.page)).not_to_have_attribute("aria-valuemax", f"{every}")
    zoomed = int(curve(seen.page).get_attribute("aria-valuemax") or 0)
    assert 0 < zoomed < every
    assert "date=" not in seen.address
    assert seen.page.locator(".u-select").evaluate("box => box.offsetWidth") == 0
    seen.shot("zoomed")
    kept = seen.address
    again = visit()
    again.page.goto(kept)
    expect(curve(again.page)).to_have_attribute("aria-valuemax", f"{zoomed}")
    seen.page.get_by_role("button", name="Show everything").click()
    expect(curve(seen.page)).to_have_attribute("aria-valuemax", f"{every}")
    assert "period" not in seen.address


def test_five_hundred_dates_stay_at_hand(visit: Callable[..., Any], place: str) -> None:
    """Ten years of images: each key press moves by one, the table has them all."""
    seen = visit()
    start = date(2016, 1, 3)

    def many(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                **rows[0],
                "datetime": f"{start + timedelta(days=7 * at)}T03:11:21Z",
                "mean": 0.4 + 0.3 * math.sin(at / 8) if at % 3 else None,
                "status": "ok" if at % 3 else "masked",
            }
            for at in reversed(range(520))
        ]

    seen.change_rows(many)
    seen.open(f"{place}&show=none&also=before,usual")
    expect(curve(seen.page)).to_have_attribute("aria-valuemax", "520")
    curve(seen.page).press("End")
    for _ in range(20):
        curve(seen.page).press("ArrowLeft")
    expect(curve(seen.page)).to_have_attribute("aria-valuenow", "500")
    seen.shot("ten-years")
    seen.page.get_by_role("button", name="Table").click()
    expect(seen.page.locator("tbody tr")).to_have_count(520)
    assert seen.complaints == []
