"""From a product on disk to a catalogue, a tile and a time series, through the stack as users run it."""

import csv
import io
import shutil

import numpy as np
import pytest
from pictures import colours
from pyproj import Transformer

from ingest.sample import expected

pytestmark = pytest.mark.timeout(900)
INDICES = "sentinel-2-indices"


def items(running):
    answer = running.client.get("/stac/search", params={"collections": INDICES, "sortby": "datetime"})
    assert answer.status_code == 200
    return answer.json()["features"]


def place(spec, row, col):
    """Longitude and latitude of the middle of a pixel of the 10 m grid."""
    grid = spec.grid.grid(10)
    return Transformer.from_crs(spec.grid.epsg, 4326, always_xy=True).transform(grid.x[col], grid.y[row])


def test_a_search_finds_what_was_ingested(ingested):
    found = items(ingested)
    assert [item["id"] for item in found] == [spec.name for spec in ingested.specs]
    assert set(found[0]["assets"]) >= {"NDVI", "NDWIGAO", "NDWIMCF", "MNDWI", "MASK"}


def test_an_asset_is_readable_at_its_address_in_parts_and_by_nobody_changed(ingested):
    href = items(ingested)[0]["assets"]["NDVI"]["href"]
    part = ingested.client.get(href, headers={"Range": "bytes=0-15", "Origin": "https://example.org"})
    assert part.status_code == 206
    assert len(part.content) == 16
    assert part.headers["access-control-allow-origin"] == "*"
    assert "content-range" in part.headers["access-control-expose-headers"].lower()
    assert ingested.client.options(href).status_code == 204
    for method in ("PUT", "DELETE", "POST"):
        assert ingested.client.request(method, href, content=b"x").status_code == 405
    assert ingested.client.get(href).headers["content-type"].startswith("image/tiff")


@pytest.mark.parametrize("path", ["", "?list-type=2", "sentinel-2-indices/", "../", "?acl"])
def test_the_bucket_cannot_be_listed(ingested, path):
    answer = ingested.client.get(f"/data/{path}")
    assert answer.status_code in {403, 404} or "<Contents>" not in answer.text
    assert "ListBucketResult" not in answer.text


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_tile_is_a_png_with_colour(ingested):
    item = items(ingested)[0]
    west, south, east, north = item["bbox"]
    x, y = int(((west + east) / 2 + 180) / 360 * 2**10), _row((south + north) / 2, 10)
    path = f"/raster/collections/{INDICES}/items/{item['id']}/tiles/WebMercatorQuad/10/{x}/{y}.png"
    answer = ingested.client.get(path, params={"assets": "NDVI"})
    assert answer.headers["content-type"] == "image/png"
    red, green, blue, _ = colours(answer.content)
    assert (red != green).any()
    assert (green != blue).any()
    assert np.unique(green).size > 10


def _row(lat, zoom):
    return int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**zoom)


def test_a_series_tells_the_values_of_the_products(ingested):
    row, col = 60, 90
    lon, lat = place(ingested.specs[0], row, col)
    path = f"/raster/collections/{INDICES}/timeseries/point/{lon:.7f},{lat:.7f}.csv"
    answer = ingested.client.get(path, params={"index": "NDVI", "mask": "none"})
    assert answer.status_code == 200
    rows = {line["item_id"]: line for line in csv.DictReader(io.StringIO(answer.text))}
    assert set(rows) == {spec.name for spec in ingested.specs}
    for spec in ingested.specs:
        red, infrared = (int(expected(spec, band, row, col)) - 1000 for band in ("B04", "B08"))
        assert float(rows[spec.name]["mean"]) == pytest.approx((infrared - red) / (infrared + red), abs=1e-4)


def test_the_page_is_at_the_root(ingested):
    answer = ingested.client.get("/")
    assert answer.status_code == 200
    assert "<!doctype html>" in answer.text.lower()


def test_a_second_run_changes_nothing(ingested):
    before = items(ingested)
    state, summary = ingested.ingest(ingested.inbox)
    assert state == "success"
    assert summary["states"] == {"unchanged": 3}
    assert items(ingested) == before


def test_a_broken_product_makes_the_run_red_and_stops_no_other(ingested, tmp_path):
    tmp_path.chmod(0o755)
    good, broken = sorted(ingested.inbox.glob("S2*"))[:2]
    shutil.copytree(good, tmp_path / good.name)
    shutil.copytree(broken, tmp_path / broken.name)
    for image in (tmp_path / broken.name).rglob("*_B04_10m.jp2"):
        image.unlink()
    state, summary = ingested.ingest(tmp_path)
    assert state == "failed"
    (trouble,) = summary["troubles"]
    assert broken.stem in trouble["product"]
    assert trouble["state"] == "invalid"
    assert "B04" in trouble["reason"]
    assert summary["states"] == {"invalid": 1, "unchanged": 1}


@pytest.mark.usefixtures("ingested")
def test_starting_twice_says_that_it_runs(stack_environment, command):
    again = command("up", stack_environment)
    assert again.returncode == 0
    assert again.stdout.startswith("Already running")


@pytest.mark.usefixtures("ingested")
def test_ports_in_use_are_named_with_what_to_change(stack_environment, command, tmp_path):
    tmp_path.chmod(0o755)
    refused = command("up", {**stack_environment, "SEN2EXTRACT_HOME": str(tmp_path)})
    assert refused.returncode == 1
    assert "SEN2EXTRACT_PG_PORT" in refused.stderr
