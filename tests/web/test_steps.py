"""Sums by calendar steps, the year before, what is usual for the season, and the brush over the whole series."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).resolve().parents[2]
STEPPED = re.compile(r"timeseries/point/.*step=P1M")


def curve(page: Page) -> Locator:
    return page.get_by_role("slider", name="curve")


def test_months_are_the_servers_and_so_is_their_csv(
    visit: Callable[..., Any], place: str, columns: Callable[..., Any]
) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    with seen.page.expect_response(STEPPED) as answer:
        seen.page.get_by_label("Values by").select_option(label="month")
    data = columns(answer.value)
    expect(seen.page.locator(".overlaid li")).to_have_text(["month"])
    expect(seen.page).to_have_url(re.compile("step=P1M"))
    seen.shot("months")
    seen.page.get_by_role("button", name="Table").click()
    expect(seen.page.locator("tbody tr")).to_have_count(len(data["period"]))
    shown = seen.page.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [row.querySelector('time').textContent, row.querySelector('.number').dataset.value])"
    )
    given = dict(zip(data["period"], data["mean"], strict=True))
    assert {label: float(value) if value else None for label, value in shown} == pytest.approx(given, abs=1e-6)
    assert None in given.values()
    href = seen.page.get_by_role("link", name="Download CSV").get_attribute("href")
    rows = list(csv.DictReader(io.StringIO(seen.page.request.get(href).text())))
    assert {row["period"] for row in rows} == set(given)
    seen.page.reload()
    expect(seen.page.get_by_label("Values by")).to_have_value("P1M")
    assert seen.complaints == []


def test_the_year_before_and_the_usual_are_laid_behind(visit: Callable[..., Any], place: str) -> None:
    seen = visit()

    def three_years(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        start = datetime(2023, 1, 5, tzinfo=UTC)
        return [
            {
                **rows[0],
                "datetime": f"{start + timedelta(days=15 * at):%Y-%m-%d}T03:11:21Z",
                "mean": 0.5 + 0.3 * np.sin(at / 4),
                "status": "ok",
            }
            for at in reversed(range(72))
        ]

    seen.change_rows(three_years)
    seen.open(f"{place}&period=P1Y")
    seen.whole()
    seen.page.get_by_role("checkbox", name="Year before").check()
    seen.page.get_by_role("checkbox", name="Usual for the season").check()
    expect(seen.page.locator(".overlaid li")).to_have_text([re.compile("8 of 10"), "Year before"])
    expect(seen.page).to_have_url(re.compile("also=before,usual"))
    seen.shot("year-before")
    assert seen.findings() == []
    again = visit()
    again.change_rows(three_years)
    again.page.goto(seen.address)
    expect(again.page.get_by_role("checkbox", name="Year before")).to_be_checked()


def test_the_brush_moves_the_period(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    start = seen.page.get_by_role("slider", name="Start of the period shown")
    expect(start).to_be_visible()
    every = int(seen.whole().get_attribute("aria-valuemax") or 0)
    start.focus()
    for _ in range(5):
        start.press("PageUp")
    expect(seen.page).to_have_url(re.compile(r"period=\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d"))
    expect(curve(seen.page)).not_to_have_attribute("aria-valuemax", f"{every}")
    fewer = int(curve(seen.page).get_attribute("aria-valuemax") or 0)
    assert 0 < fewer < every
    before = seen.address
    box = seen.page.locator(".brush-window").bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 15)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + box["width"] / 2 - 40, box["y"] + 15, steps=4)
    seen.page.mouse.up()
    expect(seen.page).not_to_have_url(before)


def test_the_usual_course_is_numpys() -> None:
    """Median and percentiles of all images within 15 days of the season, in at least two years."""
    node = shutil.which("node", path=ROOT / ".venv" / "bin")
    if node is None:
        pytest.skip("no node: deploy/local/setup.sh --test installs it")
    random = np.random.default_rng(7)
    start = datetime(2021, 3, 1, tzinfo=UTC)
    times = [(start + timedelta(days=int(day))).timestamp() * 1000 for day in np.sort(random.integers(0, 1500, 140))]
    clear = [{"time": time, "value": value} for time, value in zip(times, random.random(140).tolist(), strict=True)]
    first, last = datetime(2024, 2, 3, tzinfo=UTC), datetime(2025, 1, 20, tzinfo=UTC)
    module = (ROOT / "tiler" / "web" / "src" / "climate.ts").as_uri()
    script = (
        f"import {{ usualCourse }} from {json.dumps(module)};"
        f"const found = usualCourse({json.dumps(clear)}, {first.timestamp() * 1000}, {last.timestamp() * 1000});"
        "console.log(JSON.stringify(found));"
    )
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    course = json.loads(done.stdout)
    assert len(course) == 36
    told = 0
    for point in course:
        middle = (int(_day_of_year(point["time"]) // 10) + 0.5) * 10
        near = [one for one in clear if _apart(_day_of_year(one["time"]), middle) <= 15]
        years = {datetime.fromtimestamp(one["time"] / 1000, UTC).year for one in near}
        if len(near) < 3 or len(years) < 2:
            assert point["middle"] is None
            continue
        told += 1
        wanted = np.quantile([one["value"] for one in near], [0.1, 0.5, 0.9])
        assert [point["low"], point["middle"], point["high"]] == pytest.approx(wanted)
    assert told > 20


def _day_of_year(milliseconds: float) -> float:
    when = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return (when - datetime(when.year, 1, 1, tzinfo=UTC)) / timedelta(days=1)


def _apart(a: float, b: float) -> float:
    return min(abs(a - b), 365.25 - abs(a - b))
