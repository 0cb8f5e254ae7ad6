"""What the archive holds: the tiles, how fresh they are, and asking for what is missing."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]


def test_the_tiles_say_how_fresh_they_are(visit: Callable[..., Any], stack: Any) -> None:
    seen = visit()
    lon, lat = stack.point
    with seen.page.expect_response("**/stac/status/coverage**") as answer:
        seen.open(f"?lon={lon}&lat={lat}&zoom=5")
    assert [tile["tile"] for tile in answer.value.json()["tiles"]].count("48PWU") == 1
    expect(seen.page.locator(".shown")).to_contain_text("Newest image")
    expect(seen.page.locator(".shown")).to_contain_text("a year or less")
    seen.shot("coverage")
    seen.page.goto(seen.address.replace("zoom=5", "zoom=12"))
    expect(seen.page.locator(".shown")).to_be_visible()
    expect(seen.page.locator(".shown").get_by_text("a year or less")).to_have_count(0)


def test_a_missing_area_is_requested_where_the_catalogue_takes_requests(visit: Callable[..., Any]) -> None:
    seen = visit()
    asked: list[Any] = []

    def advertise(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        body["links"].append({"rel": "area-requests", "href": f"{seen.origin}/stac/areas/requests"})
        route.fulfill(response=answer, json=body)

    def accept(route: Any) -> None:
        asked.append(json.loads(route.request.post_data))
        route.fulfill(status=201, json={})

    seen.page.route("**/stac/", advertise)
    seen.page.route("**/stac/areas/requests", accept)
    seen.open("?lon=170&lat=-50&zoom=5")
    seen.page.get_by_role("button", name="Request this area").click()
    expect(seen.page.get_by_text("Your request has been noted")).to_be_visible()
    assert [one["geometry"] for one in asked] == [{"type": "Point", "coordinates": [170, -50]}]
    seen.shot("request-area")

    def hide(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        body["links"] = [link for link in body["links"] if link["rel"] != "area-requests"]
        route.fulfill(response=answer, json=body)

    plain = visit()
    plain.page.route("**/stac/", hide)
    plain.open("?lon=170&lat=-50&zoom=5")
    expect(plain.page.get_by_text("No Sentinel-2 image is stored for this place")).to_be_visible()
    plain.page.wait_for_load_state("networkidle")
    expect(plain.page.get_by_role("button", name="Request this area")).to_have_count(0)


def test_a_request_lands_with_the_operator_who_approves_it(visit: Callable[..., Any], running: Any) -> None:
    seen = visit()
    seen.open("?lon=171&lat=-51&zoom=5")
    seen.page.get_by_role("button", name="Request this area").click()
    expect(seen.page.get_by_text("Your request has been noted")).to_be_visible()
    expect(seen.page.get_by_role("button", name="Request this area")).to_have_count(0)
    (name,) = [row[0] for row in areas(running, "list") if row[1] == "requested"]
    areas(running, "approve", name)
    listed = seen.page.request.get(f"{seen.origin}/stac/areas").json()["areas"]
    (mine,) = [area for area in listed if area["name"] == name]
    assert mine["geometry"] == {"type": "Point", "coordinates": [171, -51]}
    areas(running, "remove", name)


def areas(running: Any, *words: str) -> list[list[str]]:
    """What the operator's command prints, in columns."""
    command = [ROOT / ".venv" / "bin" / "sen2extract", "areas", *words]
    done = subprocess.run(command, env=dict(running.stack.env), capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]
