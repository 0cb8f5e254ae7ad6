"""What is too large becomes a job that a reload finds again: played by the test, and for real by Airflow."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tiler.answers import Job

ID = "0b5f5a1e-7c3e-4b57-9a55-3d6f0a1b2c3d"
ADDRESS = "/raster/collections/sentinel-2-indices/timeseries/jobs"


@dataclass
class Played:
    """A server's jobs: one, of three parts, which ends a part each time it is looked at."""

    done: int = -1
    posted: list[tuple[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        status = "queued" if self.done < 1 else "running" if self.done < 3 else "succeeded"
        files = [{"rel": "enclosure", "href": "/data/jobs/x/series.csv", "title": "series.csv", "file:size": 123_456}]
        return {
            "id": ID,
            "status": status,
            "message": None,
            "created": "2026-01-02T03:04:05Z",
            "request": {"index": "NDVI", "step": "P1M", "features": 1},
            "progress": {"chunks": 3, "done": max(self.done, 0), "failed": 0, "rows": 0},
            "links": [{"rel": "delete", "href": f"{ADDRESS}/{ID}", "method": "DELETE"}, *files * (self.done >= 3)],
        }

    def answer(self, route: Any) -> None:
        method, url = route.request.method, urlsplit(route.request.url)
        if method == "POST":
            self.done = 0
            self.posted.append((url.query, json.loads(route.request.post_data)))
            route.fulfill(status=202, json=self.document())
        elif method == "DELETE":
            self.done = -1
            route.fulfill(status=204, body="")
        else:
            found = [self.document()] if self.done >= 0 and ID in parse_qs(url.query).get("ids", []) else []
            self.done = min(self.done + 1, 3) if found else self.done
            route.fulfill(json={"jobs": found, "limits": {"available": True}, "links": []})


def ask_for_too_much(page: Page, point: tuple[float, float], half: float = 9) -> None:
    """Type an area of so many degrees to each side."""
    lon, lat = point
    corners = ((lat - half, lon - half), (lat - half, lon + half), (lat + half, lon + half), (lat + half, lon - half))
    page.get_by_text("Type or paste an area").click()
    page.get_by_role("textbox", name="GeoJSON").fill("\n".join(f"{north}, {east}" for north, east in corners))
    page.get_by_role("button", name="Show this area").click()


def refuse(page: Page, **more: Any) -> None:
    """Have the server refuse areas at full resolution, with what its document says beside the reason."""

    def answer(route: Any) -> None:
        if "resolution=" in route.request.url:
            route.continue_()
        else:
            body = json.dumps({"detail": "9 pixels: at most 4", **more})
            route.fulfill(status=413, content_type="application/problem+json", body=body)

    page.route("**/timeseries/statistics.*", answer)


def test_a_too_large_area_becomes_a_job_that_survives_a_reload(visit: Callable[..., Any], stack: Any) -> None:
    seen, played = visit(), Played()
    seen.page.route(re.compile(f"{ADDRESS}.*"), played.answer)
    refuse(seen.page, links=[{"rel": "jobs", "href": f"{seen.origin}{ADDRESS}", "method": "POST"}])
    seen.open()
    ask_for_too_much(seen.page, stack.point)
    expect(seen.page.get_by_role("heading", name="This area is too large")).to_be_visible()
    expect(seen.page.get_by_role("button", name="Read it at")).to_have_count(0)
    seen.page.get_by_role("button", name="Run as a job").click()
    expect(seen.page.locator(".job")).to_contain_text(re.compile("Waiting|Running"))
    expect(seen.page.locator(".job")).to_contain_text("NDVI · One site · month")
    ((query, body),) = played.posted
    assert parse_qs(query)["index"] == ["NDVI"]
    assert body["geometry"]["type"] == "Polygon"
    seen.page.reload()
    expect(seen.page.locator(".job")).to_contain_text("Done")
    link = seen.page.get_by_role("link", name="series.csv")
    assert link.get_attribute("href") == "/data/jobs/x/series.csv"
    seen.shot("job")
    assert seen.findings() == []
    seen.page.get_by_role("button", name="Remove").click()
    expect(seen.page.locator(".job")).to_have_count(0)


def test_what_is_too_large_for_a_job_too_is_offered_none(visit: Callable[..., Any], stack: Any) -> None:
    """The server itself says so of an area that no job would take."""
    seen = visit()
    seen.open()
    with seen.page.expect_response("**/timeseries/statistics.ndjson*") as answer:
        ask_for_too_much(seen.page, stack.point)
    assert answer.value.status == 413
    assert "links" not in answer.value.json()
    expect(seen.page.get_by_role("heading", name="This area is too large")).to_be_visible()
    expect(seen.page.get_by_role("button", name="Run as a job")).to_have_count(0)


def test_a_large_area_is_read_with_larger_pixels_where_the_reader_says_so(
    visit: Callable[..., Any], stack: Any
) -> None:
    seen = visit()
    refuse(seen.page, resolution=40)
    seen.open()
    ask_for_too_much(seen.page, stack.point, half=0.01)
    expect(seen.page.get_by_role("button", name="Run as a job")).to_have_count(0)
    seen.shot("too-large-coarser")
    with seen.page.expect_response(re.compile(r"statistics\.ndjson\?.*resolution=40")) as answer:
        seen.page.get_by_role("button", name="Read it at 40 m").click()
    assert answer.value.headers["x-resolution"] == "40"
    seen.whole()
    expect(seen.page.get_by_text("Read at 40 m")).to_be_visible()
    expect(seen.page).to_have_url(re.compile("resolution=40"))
    seen.shot("coarse")
    assert seen.findings() == []
    with seen.page.expect_response(re.compile(r"statistics\.csv\?.*resolution=40")):
        seen.page.get_by_role("button", name="Download CSV").click()
    seen.page.reload()
    seen.whole()
    expect(seen.page.get_by_text("Read at 40 m")).to_be_visible()
    seen.page.get_by_role("button", name="Read it at 10 m").click()
    expect(seen.page.get_by_role("heading", name="This area is too large")).to_be_visible()
    assert "resolution" not in seen.address


@pytest.mark.timeout(600)
def test_a_file_of_too_many_sites_is_worked_off_by_airflow(visit: Callable[..., Any], stack: Any) -> None:
    """From the file to the results, over a reload, with the stack's own Airflow."""
    lon, lat = stack.point
    sites = "\n".join(f"{lon + at % 30 * 0.001:.3f},{lat + at // 30 * 0.001:.3f},field {at}" for at in range(510))
    seen = visit()
    seen.open()
    given = {"name": "fields.csv", "mimeType": "text/csv", "buffer": f"lon,lat,name\n{sites}".encode()}
    seen.page.locator("input[type=file]").set_input_files(given)
    alert = seen.page.get_by_role("alert").filter(has_text="too many sites")
    expect(alert).to_contain_text("510 features: at most 500")
    seen.page.get_by_role("button", name="Run as a job").click()
    expect(seen.page.locator(".job")).to_contain_text("NDVI · 510 sites")
    expect(alert).to_have_count(0)
    seen.page.reload()
    expect(seen.page.locator(".job")).to_contain_text(re.compile("Waiting|Running|Done"))
    expect(seen.page.locator(".job")).to_contain_text("Done", timeout=500_000)
    seen.shot("job-done")
    link = seen.page.get_by_role("link", name="result.csv")
    rows = list(csv.DictReader(io.StringIO(seen.page.request.get(link.get_attribute("href")).text())))
    assert {row["name"] for row in rows} == {f"field {at}" for at in range(510)}
    asked = seen.page.request.get(f"{seen.origin}{ADDRESS}?ids={job_of(seen.page)}").json()
    assert [Job.model_validate(one).status for one in asked["jobs"]] == ["succeeded"]
    seen.page.get_by_role("button", name="Remove").click()
    expect(seen.page.locator(".job")).to_have_count(0)
    assert seen.page.request.get(link_of(asked)).status == 404


def job_of(page: Page) -> str:
    """The id of the one job that the browser remembers."""
    (found,) = page.evaluate("JSON.parse(localStorage.getItem('sen2extract.jobs'))")
    return str(found)


def link_of(asked: Any) -> str:
    return next(link["href"] for link in asked["jobs"][0]["links"] if link["rel"] == "enclosure")
