"""What is too large becomes a job that a reload finds again. The jobs here are played: the real ones have own tests."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

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


def ask_for_too_much(page: Page, point: tuple[float, float]) -> None:
    lon, lat = point
    corners = ((lat - 9, lon - 9), (lat - 9, lon + 9), (lat + 9, lon + 9), (lat + 9, lon - 9))
    page.get_by_text("Type or paste an area").click()
    page.get_by_role("textbox", name="GeoJSON").fill("\n".join(f"{north}, {east}" for north, east in corners))
    page.get_by_role("button", name="Show this area").click()
    expect(page.get_by_role("heading", name="This area is too large")).to_be_visible()


def test_a_too_large_area_becomes_a_job_that_survives_a_reload(visit: Callable[..., Any], stack: Any) -> None:
    seen, played = visit(), Played()
    seen.page.route(re.compile(f"{ADDRESS}.*"), played.answer)
    seen.open()
    ask_for_too_much(seen.page, stack.point)
    seen.page.get_by_role("button", name="Run as a job").click()
    expect(seen.page.locator(".job")).to_contain_text(re.compile("Waiting|Running"))
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


def test_a_server_without_jobs_offers_none(visit: Callable[..., Any], stack: Any) -> None:
    seen = visit()
    seen.page.route(re.compile(f"{ADDRESS}.*"), lambda route: route.fulfill(status=404, json={"detail": "none"}))
    seen.open()
    ask_for_too_much(seen.page, stack.point)
    seen.page.wait_for_load_state("networkidle")
    expect(seen.page.get_by_role("button", name="Run as a job")).to_have_count(0)
