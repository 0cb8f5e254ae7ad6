"""What can be taken away: every format, a picture, and code that asks for the very same."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

FORMATS = {
    "CSV, a column per index": b"feature_id,datetime,tile,NDVI,NDWIGAO,NDWIMCF,MNDWI",
    "CSV for Excel": b"feature_id;datetime",
    "Sen2Chain": b"date,fid,tile,filename",
    "Parquet": b"PAR1",
    "GeoJSON": b'{"type":"FeatureCollection"',
    "CoverageJSON": b'{"type":"Coverage"',
}


def test_two_clicks_lead_from_the_empty_page_to_a_csv(visit: Callable[..., Any]) -> None:
    seen = visit()
    seen.open()
    seen.page.get_by_role("button", name="Show an example").click()
    with seen.page.expect_download() as download:
        seen.page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename.endswith(".csv")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_place_is_taken_in_every_format_and_as_a_picture(visit: Callable[..., Any], place: str) -> None:
    seen = visit()
    seen.open(place)
    seen.whole()
    seen.page.get_by_text("Other formats").click()
    for name, start in FORMATS.items():
        link = seen.page.locator(".menu").get_by_role("link", name=name)
        answer = seen.page.request.get(link.get_attribute("href"))
        assert answer.status == 200, name
        body = answer.body().removeprefix(b"\xef\xbb\xbf")
        assert body.startswith(start), (name, body[:80])
    seen.page.get_by_role("checkbox", name="Every index").check()
    link = seen.page.locator(".menu").get_by_role("link", name="CSV for Excel")
    rows = seen.page.request.get(link.get_attribute("href")).text().splitlines()[1:]
    assert {row.split(";")[2] for row in rows} == {"NDVI", "NDWIGAO", "NDWIMCF", "MNDWI"}
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Picture of the chart").click()
    kept = Path(seen.shot("formats")).parent / "picture.png"
    download.value.save_as(kept)
    with rasterio.open(kept) as picture:
        assert picture.driver == "PNG"
        assert picture.width > 300
        assert len(np.unique(picture.read(1))) > 50
    assert seen.complaints == []


@pytest.mark.parametrize("kind", ["place", "area"])
def test_the_curl_command_answers_what_the_page_downloads(
    visit: Callable[..., Any], stack: Any, place: str, kind: str, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    lon, lat = stack.point
    seen = visit()
    if kind == "place":
        seen.open(place)
    else:
        seen.open()
        seen.page.get_by_text("Type or paste an area").click()
        seen.page.get_by_role("textbox", name="GeoJSON").fill(f"{lat}, {lon}\n{lat}, {lon + 0.01}\n{lat + 0.01}, {lon}")
        seen.page.get_by_role("button", name="Show this area").click()
    seen.whole()
    seen.page.get_by_text("Use this data elsewhere").click()
    command = seen.page.get_by_label("curl").first.input_value()
    done = subprocess.run(["bash", "-c", f"{command} -sS"], capture_output=True, check=True, cwd=tmp_path)
    with seen.page.expect_download() as download:
        seen.page.get_by_text("Download CSV").click()
    assert done.stdout == Path(download.value.path()).read_bytes()
    code = seen.page.get_by_label("Python").first.input_value()
    compile(code, "snippet", "exec")
    assert "/timeseries/" in seen.page.get_by_label("(R)").first.input_value()
    assert seen.findings() == []
